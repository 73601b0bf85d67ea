"""What a deployment sets in wrangler.toml, without code: models that it adds, limits of its own."""

import json
from collections.abc import Iterator
from typing import cast

import pytest

from tests.harness.deployments import Deployment, deploy_alone
from tools.runtime.config import deployment
from workers_ai_local import Reply

GRANITE = "@cf/ibm-granite/granite-4.0-h-micro"  # answers as OpenAI's do, and only so
LIMITS = {"MAX_TOKENS_DEFAULT": 4, "MAX_TOKENS_CEILING": 9}
ADDED = [
    {"id": GRANITE, "context_window": 131_000},
    {"id": "chat", "served_by": ["@cf/no-such/model", GRANITE]},
]
CHAT = {"model": GRANITE, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Worker whose catalogue is longer."""
    models = [*cast(list[object], deployment().variables["MODELS"]), *ADDED]
    folder = tmp_path_factory.mktemp("deployment")
    with deploy_alone(folder, LIMITS | {"MODELS": models}) as deployed:
        yield deployed


def test_added_model_is_listed(deployed: Deployment) -> None:
    listed = deployed.client.get("/v1/models").json()["data"]

    assert [model["id"] for model in listed][-2:] == [GRANITE, "chat"]


@pytest.mark.parametrize("model", [GRANITE, "chat"])
def test_added_model_that_answers_as_openais_do_is_read_in_every_dialect(
    deployed: Deployment, model: str
) -> None:
    deployed.ai.script(Reply(text="Hi there", times=4), model=GRANITE)

    native = deployed.client.post(f"/run/{model}", json={"prompt": "Hello"}).json()
    chat = deployed.client.post("/v1/chat/completions", json=CHAT | {"model": model}).json()
    path = f"/client/v4/accounts/abc/ai/run/{model}"
    rest = deployed.client.post(path, json={"prompt": "Hello"}).json()["result"]

    assert (native["response"], native["finish_reason"]) == ("Hi there", "stop")
    assert chat["choices"][0]["message"]["content"] == "Hi there"
    assert rest["choices"][0]["message"]["content"] == "Hi there"
    assert native["model"] == chat["model"] == GRANITE


def test_added_model_streams_openais_chunks(deployed: Deployment) -> None:
    deployed.ai.script(Reply(text="Hi there"), model=GRANITE)

    response = deployed.client.post("/v1/chat/completions", json=CHAT | {"stream": True})

    *blocks, done, _ = response.text.split("\n\n")
    deltas = [json.loads(block[6:])["choices"][0]["delta"] for block in blocks]
    assert "".join(delta.get("content", "") for delta in deltas) == "Hi there"
    assert [delta.get("role") for delta in deltas].count("assistant") == 1
    assert done == "data: [DONE]"


def test_limits_of_the_deployment_are_its_own(deployed: Deployment) -> None:
    usual = deployed.client.post("/run", json={"prompt": "Hello"})
    most = deployed.client.post("/run", json={"prompt": "Hello", "max_tokens": 9})
    more = deployed.client.post("/v1/chat/completions", json=CHAT | {"max_completion_tokens": 10})

    assert usual.json()["usage"]["completion_tokens"] == 4
    assert (usual.json()["truncated"], usual.headers["x-max-tokens"]) == (True, "4")
    assert most.json()["usage"]["completion_tokens"] == 9
    assert more.status_code == 400
    message = "max_completion_tokens: expected at most 9, the ceiling of this deployment, got 10"
    assert more.json()["error"]["message"] == message
