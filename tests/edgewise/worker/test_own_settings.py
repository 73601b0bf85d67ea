"""What a deployment sets in wrangler.toml, without code: models that it adds, limits of its own."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.harness.workers import copy_worker, run_worker
from workers_ai_local import Reply, WorkersAi

GRANITE = "@cf/ibm-granite/granite-4.0-h-micro"  # answers as OpenAI's do, and only so
HEADING = "[env.local.vars]\n"
LIMITS = "MAX_TOKENS_DEFAULT = 4\nMAX_TOKENS_CEILING = 9\n"
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
    file = folder / "wrangler.toml"
    before, heading, after = file.read_text("utf-8").partition(HEADING)
    file.write_text(before + heading + LIMITS + after + ADDED, "utf-8")
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


def test_limits_of_the_deployment_are_its_own(deployed: tuple[str, WorkersAi]) -> None:
    address, _ = deployed

    usual = httpx.post(f"{address}/run", json={"prompt": "Hello"})
    most = httpx.post(f"{address}/run", json={"prompt": "Hello", "max_tokens": 9})
    more = httpx.post(f"{address}/v1/chat/completions", json=CHAT | {"max_completion_tokens": 10})

    assert usual.json()["usage"]["completion_tokens"] == 4
    assert (usual.json()["truncated"], usual.headers["x-max-tokens"]) == (True, "4")
    assert most.json()["usage"]["completion_tokens"] == 9
    assert more.status_code == 400
    message = "max_completion_tokens: expected at most 9, the ceiling of this deployment, got 10"
    assert more.json()["error"]["message"] == message
