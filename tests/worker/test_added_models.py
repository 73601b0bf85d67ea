"""Models that a deployment adds in wrangler.toml, without code."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.worker.machinery import copy_worker, run_worker
from workers_ai.scripts import Reply
from workers_ai.service import WorkersAi

GRANITE = "@cf/ibm-granite/granite-4.0-h-micro"  # answers as OpenAI's do, and only so
ADDED = f"""
[[env.local.vars.MODELS]]
id = "{GRANITE}"
context_window = 131000

[[env.local.vars.MODELS]]
id = "chat"
served_by = ["@cf/no-such/model", "{GRANITE}"]
"""
CHAT = {"model": GRANITE, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, WorkersAi]]:
    """A Worker whose catalogue is longer: its address, and the Workers AI behind it."""
    folder = tmp_path_factory.mktemp("deployment")
    copy_worker(folder)
    with (folder / "wrangler.toml").open("a", encoding="utf-8") as settings:
        settings.write(ADDED)
    ai = WorkersAi()
    with run_worker(ai, folder) as address:
        yield address, ai


def test_added_model_is_listed(deployed: tuple[str, WorkersAi]) -> None:
    listed = httpx.get(f"{deployed[0]}/v1/models").json()["data"]

    assert [model["id"] for model in listed][-2:] == [GRANITE, "chat"]


@pytest.mark.parametrize("model", [GRANITE, "chat"])
def test_added_model_that_answers_as_openais_do_is_read_in_every_dialect(
    deployed: tuple[str, WorkersAi], model: str
) -> None:
    address, ai = deployed
    ai.script(Reply(text="Hi there", times=4), model=GRANITE)

    native = httpx.post(f"{address}/run/{model}", json={"prompt": "Hello"}).json()
    chat = httpx.post(f"{address}/v1/chat/completions", json=CHAT | {"model": model}).json()
    path = f"/client/v4/accounts/abc/ai/run/{model}"
    rest = httpx.post(address + path, json={"prompt": "Hello"}).json()["result"]

    assert (native["response"], native["finish_reason"]) == ("Hi there", "stop")
    assert chat["choices"][0]["message"]["content"] == "Hi there"
    assert rest["choices"][0]["message"]["content"] == "Hi there"
    assert native["model"] == chat["model"] == GRANITE


def test_added_model_streams_openais_chunks(deployed: tuple[str, WorkersAi]) -> None:
    address, ai = deployed
    ai.script(Reply(text="Hi there"), model=GRANITE)

    response = httpx.post(f"{address}/v1/chat/completions", json=CHAT | {"stream": True})

    *blocks, done, _ = response.text.split("\n\n")
    deltas = [json.loads(block[6:])["choices"][0]["delta"] for block in blocks]
    assert "".join(delta.get("content", "") for delta in deltas) == "Hi there"
    assert [delta.get("role") for delta in deltas].count("assistant") == 1
    assert done == "data: [DONE]"
