"""cloudflare for Python, and with it whatever speaks Cloudflare's REST API."""

import itertools
from collections.abc import Iterator

import cloudflare
import pytest

from tests.harness.conversation import (
    ACCOUNT,
    CALL,
    FAST,
    MODEL,
    QUESTION,
    TEXT,
    TOOL,
    UNKNOWN,
    asked,
)
from tests.harness.shared import KEYS, Worker
from workers_ai_local import Failure, Reply

pytestmark = pytest.mark.thorough


@pytest.fixture
def client(worker: Worker) -> Iterator[cloudflare.Cloudflare]:
    """Asks once more where that may help."""
    base_url = f"{worker.address}/client/v4"
    with cloudflare.Cloudflare(base_url=base_url, api_token=KEYS["shop"], max_retries=1) as client:
        yield client


@pytest.mark.parametrize(
    "inputs", [{"prompt": "Hello"}, {"messages": [QUESTION]}], ids=["prompt", "messages"]
)
def test_model_is_run(
    client: cloudflare.Cloudflare, worker: Worker, inputs: dict[str, object]
) -> None:
    worker.ai.script(Reply(text=TEXT), model=FAST)

    result = client.ai.run(FAST, account_id=ACCOUNT, **inputs)

    assert result["response"] == TEXT
    assert result["usage"]["completion_tokens"] == 19
    assert (result["finish_reason"], result["truncated"]) == ("stop", False)
    [reached] = asked(worker)
    assert reached.items() >= inputs.items()


def test_tool_call_is_handed_on(client: cloudflare.Cloudflare, worker: Worker) -> None:
    worker.ai.script(Reply(tool_calls=[CALL]), model=FAST)

    result = client.ai.run(FAST, account_id=ACCOUNT, messages=[QUESTION], tools=[TOOL])

    assert result["tool_calls"] == [{"name": "weather", "arguments": CALL.arguments}]


def test_stream_is_that_of_workers_ai(client: cloudflare.Cloudflare, worker: Worker) -> None:
    frames = ['data: {"response":"Grüezi","p":"abc"}\n\n', "data: [DONE]\n\n"]
    worker.ai.script(Reply(chunks=frames), model=FAST)

    with client.ai.with_streaming_response.run(
        FAST, account_id=ACCOUNT, prompt="Hello", stream=True
    ) as response:
        streamed = response.read()

    assert response.headers["content-type"] == "text/event-stream"
    assert streamed.decode() == "".join(frames)


def test_models_are_listed(client: cloudflare.Cloudflare) -> None:
    # The client asks for page after page until one is empty.
    listed = list(itertools.islice(client.ai.models.list(account_id=ACCOUNT), 10))

    assert [model["name"] for model in listed] == [MODEL, FAST, f"{MODEL}-fp8"]
    assert {model["task"]["name"] for model in listed} == {"Text Generation"}


@pytest.mark.parametrize(
    ("error", "kind", "status", "calls"),
    [
        pytest.param(5006, cloudflare.BadRequestError, 400, 1, id="refused"),
        pytest.param(5016, cloudflare.PermissionDeniedError, 403, 1, id="forbidden"),
        pytest.param(5007, cloudflare.NotFoundError, 404, 1, id="unknown model"),
        pytest.param(5028, cloudflare.APIStatusError, 410, 1, id="retired"),
        pytest.param(5024, cloudflare.UnprocessableEntityError, 422, 1, id="JSON mode"),
        pytest.param(3036, cloudflare.RateLimitError, 429, 1, id="used up"),
        pytest.param(3040, cloudflare.RateLimitError, 429, 2, id="no capacity"),
        pytest.param(UNKNOWN, cloudflare.InternalServerError, 502, 2, id="unknown"),
    ],
)
def test_failure_raises_its_class_and_is_tried_again_only_where_that_may_help(
    client: cloudflare.Cloudflare,
    worker: Worker,
    error: int | Failure,
    kind: type[Exception],
    status: int,
    calls: int,
) -> None:
    worker.ai.script(Reply(error=error, times="always"), model=FAST)

    with pytest.raises(cloudflare.APIStatusError) as caught:
        client.ai.run(FAST, account_id=ACCOUNT, prompt="Hello")

    assert (caught.type, caught.value.status_code) == (kind, status)
    number = error if isinstance(error, int) else error.code
    assert [each.code for each in caught.value.errors] == [number]
    assert len(asked(worker)) == calls


def test_wrong_request_names_its_field_and_is_not_asked(
    client: cloudflare.Cloudflare, worker: Worker
) -> None:
    with pytest.raises(cloudflare.BadRequestError) as caught:
        client.ai.run(FAST, account_id=ACCOUNT, prompt="Hello", temperature=6)

    assert caught.value.errors[0].message.startswith("temperature: ")
    assert caught.value.body["success"] is False
    assert asked(worker) == []


def test_model_of_nobody_is_not_found(client: cloudflare.Cloudflare, worker: Worker) -> None:
    with pytest.raises(cloudflare.NotFoundError) as caught:
        client.ai.run("@cf/meta/llama-1", account_id=ACCOUNT, prompt="Hello")

    assert [each.code for each in caught.value.errors] == [5007]
    assert asked(worker) == []
