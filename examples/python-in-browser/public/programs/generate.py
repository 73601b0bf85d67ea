import os

from edgewise_client import Client

client = Client(os.environ["EDGEWISE_URL"], os.environ.get("EDGEWISE_KEY"))

answer = client.generate("Name three rivers.", max_tokens=64)
print(answer.text)
print(answer.model, answer.finish_reason, answer.usage)
