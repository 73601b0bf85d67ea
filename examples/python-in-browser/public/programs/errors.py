import os

from edgewise_client import ApiError, Client

client = Client(os.environ["EDGEWISE_URL"], os.environ.get("EDGEWISE_KEY"))

try:
    client.generate("Hello", max_tokens=1_000_000)
except ApiError as error:
    print(type(error).__name__, error.status, error.code, error.param)
    print(error.message)

# What is not caught is worded by Python.
client.generate("Hello", model="@cf/nobody/nothing")
