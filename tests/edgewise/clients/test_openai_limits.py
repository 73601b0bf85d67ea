"""openai for Python at a deployment's limits: what it raises, and how often it asks."""

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import openai
import pytest

from tests.harness.conversation import FAST, QUESTION, TOOL
from tests.harness.deployments import Deployment, deploy
from workers_ai_local import Reply

pytestmark = pytest.mark.thorough

LIMIT, PERIOD_S = 3, 10
ROOM_S = 4.0  # what a test needs of a period
# Each test has one of its own, because they are counted.
CALLERS = [f"caller{number}" for number in range(50)]
UNLUCKY = "192.0.2.66"
# In place of the rate limit by address.
LIMITER = """\
import { WorkerEntrypoint } from "cloudflare:workers";
export default class extends WorkerEntrypoint {
  limit({ key }) {
    if (key === "192.0.2.66") {
      throw new Error("out of order");
    }
    return { success: true };
  }
}
"""
SETTINGS = {
    "API_KEYS": " ".join(f"{caller}:ew_0123456789_{caller}" for caller in CALLERS),
    "ALLOW_ANONYMOUS": "false",
    "RATE_LIMIT_PERIOD_S": str(PERIOD_S),
    "MAX_BODY_BYTES": "2000",
    "MAX_MESSAGES": "2",
    "MAX_CHARACTERS": "400",
    "MAX_TOOLS": "1",
    "MAX_TOKENS_DEFAULT": "20",
    "MAX_TOKENS_CEILING": "50",
    "ALLOW_RAW_PROMPTS": "false",
    "ALLOW_SYSTEM_MESSAGES": "false",
}
CHAT: dict[str, Any] = {"model": FAST, "messages": [QUESTION]}
TOO_MUCH = openai.BadRequestError


def limited(config: str) -> str:
    """Have few requests of a caller let in, and put another Worker in the place of addresses."""
    heading, name = "[[env.local.ratelimits]]", 'name = "RATE_LIMIT_ADDRESS"'
    bound = '[[env.local.services]]\nbinding = "RATE_LIMIT_ADDRESS"\nservice = "beside"\n'
    config = config.replace(f"{heading}\n{name}", f'{bound}\n{heading}\nname = "UNUSED"')
    limit = f"limit = {LIMIT}, period = {PERIOD_S}"
    return re.sub(r"limit = \d+, period = \d+", limit, config)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Worker that asks for a key and takes little."""
    folder = tmp_path_factory.mktemp("deployed")
    with deploy(folder, SETTINGS, edit=limited, beside=LIMITER) as deployment:
        yield deployment


@pytest.fixture
def worker(deployed: Deployment) -> Deployment:
    """The same, over a Workers AI that has seen nothing yet."""
    deployed.ai.reset()
    return deployed


@pytest.fixture(scope="module")
def _callers() -> Iterator[str]:
    return iter(CALLERS)


@pytest.fixture
def caller(_callers: Iterator[str]) -> str:
    """A caller that has not asked for anything yet."""
    return next(_callers)


@pytest.fixture
def client(worker: Deployment, caller: str) -> Iterator[openai.OpenAI]:
    """A client as it is when nobody sets anything: it asks up to three times."""
    with connect(worker, f"ew_0123456789_{caller}") as client:
        yield client


def connect(deployment: Deployment, key: str, **options: Any) -> openai.OpenAI:
    """Make a client."""
    return openai.OpenAI(base_url=f"{deployment.address}/v1", api_key=key, timeout=60, **options)


def statuses(deployment: Deployment, mark: str) -> list[int]:
    """The status of each request since the last mark, in order."""
    deployment.client.get("/health", headers={"x-request-id": mark})
    deployment.record(mark)
    records = deployment.records()
    deployment.log.clear()
    return [record["status"] for record in records if not record["id"].startswith("mark-")]


@pytest.fixture(autouse=True)
def _marked(worker: Deployment) -> None:
    statuses(worker, "mark-begin")


def create(client: openai.OpenAI, asked: Mapping[str, Any]) -> object:
    """Ask for a chat, or for a completion where there is a prompt."""
    if "prompt" in asked:
        return client.completions.create(**asked)
    return client.chat.completions.create(**asked)


@pytest.mark.parametrize(
    ("asked", "kind", "status", "code", "param"),
    [
        pytest.param(
            *(CHAT | {"messages": [QUESTION | {"content": "a" * 2000}]}, openai.APIStatusError),
            *(413, "body_too_large", None),
            id="too many bytes",
        ),
        pytest.param(
            *(CHAT | {"messages": [QUESTION] * 3}, TOO_MUCH, 400, "invalid_request", "messages"),
            id="too many messages",
        ),
        pytest.param(
            *(CHAT | {"messages": [QUESTION | {"content": "a" * 401}]}, TOO_MUCH),
            *(400, "invalid_request", "messages"),
            id="too many characters",
        ),
        pytest.param(
            *({"model": FAST, "prompt": "a" * 401}, TOO_MUCH, 400, "invalid_request", "prompt"),
            id="too many characters of a prompt",
        ),
        pytest.param(
            *(CHAT | {"max_tokens": 51}, TOO_MUCH, 400, "invalid_request", "max_tokens"),
            id="max_tokens",
        ),
        pytest.param(
            *(CHAT | {"max_completion_tokens": 51}, TOO_MUCH),
            *(400, "invalid_request", "max_completion_tokens"),
            id="max_completion_tokens",
        ),
        pytest.param(
            *(CHAT | {"tools": [TOOL] * 2}, TOO_MUCH, 400, "invalid_request", "tools"),
            id="too many tools",
        ),
        pytest.param(
            *(CHAT | {"model": "gpt-5"}, openai.NotFoundError, 404, "model_not_found", "model"),
            id="unknown model",
        ),
        pytest.param(
            *({"model": FAST, "prompt": "a", "extra_body": {"raw": True}}, TOO_MUCH),
            *(400, "invalid_request", "raw"),
            id="raw prompt",
        ),
        pytest.param(
            *(CHAT | {"messages": [{"role": "system", "content": "a"}, QUESTION]}, TOO_MUCH),
            *(400, "invalid_request", "messages[0].role"),
            id="system message",
        ),
        pytest.param(
            *(CHAT | {"messages": [{"role": "developer", "content": "a"}]}, TOO_MUCH),
            *(400, "invalid_request", "messages[0].role"),
            id="developer message",
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
def test_request_over_a_cap_is_asked_once_and_costs_nothing(
    worker: Deployment,
    client: openai.OpenAI,
    asked: dict[str, Any],
    kind: type[openai.APIStatusError],
    status: int,
    code: str,
    param: str | None,
    stream: bool,
) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        create(client, asked | {"stream": stream})

    assert caught.type is kind
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.param == param
    assert caught.value.response.headers["x-should-retry"] == "false"
    assert statuses(worker, "mark-end") == [status]
    assert not worker.ai.received


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Authorization": openai.Omit()}, id="no key"),
        pytest.param({}, id="another key"),
        pytest.param({"Authorization": "Basic c29tZWJvZHk6ZWxzZQ=="}, id="another scheme"),
    ],
)
def test_client_without_a_right_key_is_refused_once(
    worker: Deployment, headers: dict[str, Any]
) -> None:
    with (
        connect(worker, "a-key-of-somebody-else") as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.chat.completions.create(**CHAT, extra_headers=headers)

    assert caught.value.code == "unauthorized"
    assert caught.value.response.headers["www-authenticate"].startswith('Bearer realm="edgewise"')
    assert statuses(worker, "mark-end") == [401]
    assert not worker.ai.received


def test_deployment_that_is_closed_refuses_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("closed")
    with (
        deploy(folder, {"ALLOW_ANONYMOUS": "false"}) as deployment,
        connect(deployment, "a-key-of-somebody") as client,
    ):
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.chat.completions.create(**CHAT)

        assert caught.value.code == "closed"
        assert "make key" in caught.value.message
        assert statuses(deployment, "mark-end") == [403]
        assert not deployment.ai.received


def have_room() -> None:
    """Wait for the next period when this one is nearly over: the counts begin anew in it."""
    left = PERIOD_S - time.time() % PERIOD_S
    if left < ROOM_S:
        time.sleep(left)


def test_request_over_the_rate_limit_is_asked_again_when_it_may(
    worker: Deployment, client: openai.OpenAI
) -> None:
    worker.ai.script(Reply(text="Hi", times="always"))
    patient = client.with_options(max_retries=2)
    have_room()

    for _ in range(LIMIT):
        client.chat.completions.create(**CHAT)
    with pytest.raises(openai.RateLimitError) as caught:
        client.with_options(max_retries=0).chat.completions.create(**CHAT)
    spent = len(worker.ai.received)
    completion = patient.chat.completions.create(**CHAT)

    assert caught.value.code == "rate_limited"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= PERIOD_S
    assert spent == LIMIT
    assert completion.choices[0].message.content == "Hi"
    assert statuses(worker, "mark-end") == [200] * LIMIT + [429, 429, 200]
    assert len(worker.ai.received) == LIMIT + 1


def test_request_that_nobody_can_count_is_asked_three_times_and_costs_nothing(
    worker: Deployment, caller: str
) -> None:
    headers = {"cf-connecting-ip": UNLUCKY}
    key = f"ew_0123456789_{caller}"
    with (
        connect(worker, key, default_headers=headers) as client,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        client.chat.completions.create(**CHAT)

    assert (caught.value.status_code, caught.value.code) == (503, "rate_limit_unavailable")
    assert statuses(worker, "mark-end") == [503] * 3
    assert not worker.ai.received
