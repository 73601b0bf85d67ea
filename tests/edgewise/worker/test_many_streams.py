"""Five hundred streams at once, of the server alone and through the Worker."""

import asyncio
import itertools
import json

import httpx
import pytest

from tests.harness.processes import wait_until
from tests.harness.shared import Worker
from workers_ai_local import Reply

pytestmark = pytest.mark.thorough

FAST = "@cf/meta/llama-3.1-8b-instruct-fast"
STREAMS = 500
TOKENS = 1000


async def read_at_once(url: str) -> list[str]:
    """Ask for all the streams together and read each to its end."""
    inputs = {"prompt": "Hello", "stream": True, "max_tokens": TOKENS}
    # Each on its own connection.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)

    async with httpx.AsyncClient(verify=False, limits=limits, timeout=120) as client:

        async def read() -> str:
            response = await client.post(url, json=inputs)
            return response.raise_for_status().text

        return await asyncio.gather(*(read() for _ in range(STREAMS)))


@pytest.mark.parametrize("path", ["server", "Worker"])
def test_five_hundred_streams_at_once_are_whole_and_never_mixed(worker: Worker, path: str) -> None:
    words = [" " + "".join(letters) for letters in itertools.product("abcdefgh", repeat=3)]
    for word in words[:STREAMS]:
        worker.ai.script(Reply(text=word * TOKENS))
    url = {
        "server": f"{worker.ai_address}/client/v4/accounts/a/ai/run/{FAST}",
        "Worker": f"{worker.address}/run/{FAST}",
    }[path]

    streams = asyncio.run(read_at_once(url))

    said = set()
    for stream in streams:
        *frames, usage, done, end = stream.split("\n\n")
        tokens = [json.loads(frame.removeprefix("data: "))["response"] for frame in frames]
        assert tokens == tokens[:1] * TOKENS
        assert json.loads(usage[6:])["usage"]["completion_tokens"] == TOKENS
        assert (done, end) == ("data: [DONE]", "")
        said.add(tokens[0])
    assert said == set(words[:STREAMS])
    wait_until(lambda: worker.ai.streams.finished == STREAMS)
    assert worker.ai.streams.open == worker.ai.streams.cancelled == worker.ai.streams.broken == 0
