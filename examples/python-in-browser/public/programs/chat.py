import os

from edgewise_client import Client

client = Client(os.environ["EDGEWISE_URL"], os.environ.get("EDGEWISE_KEY"))

messages = [{"role": "system", "content": "You answer in one sentence."}]
for question in ("Which river flows through Vienna?", "And where does it end?"):
    messages.append({"role": "user", "content": question})
    answer = client.chat(messages, max_tokens=64)
    messages.append({"role": "assistant", "content": answer.text})
    print(f"> {question}\n{answer.text}\n")
