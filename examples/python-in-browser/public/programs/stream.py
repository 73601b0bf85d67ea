import os

from edgewise_client import Client

client = Client(os.environ["EDGEWISE_URL"], os.environ.get("EDGEWISE_KEY"))

# In a browser the pieces come all at once, when the answer is whole.
with client.stream("Tell a story of a river.", max_tokens=64) as stream:
    for piece in stream:
        print(piece, end="", flush=True)
print(f"\n\n{stream.finish_reason}, {stream.usage}")
