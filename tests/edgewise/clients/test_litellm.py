"""LiteLLM, told as for any server that speaks OpenAI's API."""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial

import litellm
import openai
import pytest

from tests.harness.conversation import (
    CALL,
    FAST,
    FLAVOURS,
    QUESTION,
    TEXT,
    TOOL,
    UNKNOWN,
    Flavour,
    asked,
)
from tests.harness.shared import KEYS, Worker
from workers_ai_local import Failure, Reply

# Pydantic's, about LiteLLM's own types.
pytestmark = [
    pytest.mark.thorough,
    pytest.mark.filterwarnings("ignore:Item .* on TypedDict class:UserWarning"),
    pytest.mark.filterwarnings("ignore:Accessing the 'model_:DeprecationWarning"),
]


@pytest.fixture(scope="module", autouse=True)
def event_loop() -> Iterator[None]:
    """LiteLLM takes the thread's event loop, and would leave one that it made open."""
    with asyncio.Runner() as runner:
        runner.get_loop()
        yield


@pytest.fixture
def complete(worker: Worker) -> Callable[..., litellm.ModelResponse]:
    """Asks once."""
    return partial(
        litellm.completion,
        model=f"openai/{FAST}",
        api_base=f"{worker.address}/v1",
        api_key=KEYS["shop"],
        messages=[QUESTION],
        max_retries=0,
        timeout=60,
    )


def test_chat_is_answered(complete: Callable[..., litellm.ModelResponse], worker: Worker) -> None:
    worker.ai.script(Reply(text=TEXT), model=FAST)

    response = complete()

    [choice] = response.choices
    assert (choice.message.content, choice.finish_reason) == (TEXT, "stop")
    assert response.usage.total_tokens == 41
    assert [inputs["messages"] for inputs in asked(worker)] == [[QUESTION]]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_streamed_chat_is_whole_and_said_once(
    complete: Callable[..., litellm.ModelResponse], worker: Worker, flavour: Flavour
) -> None:
    worker.ai.script(Reply(text=TEXT, flavour=flavour), model=FAST)

    chunks = list(complete(stream=True, stream_options={"include_usage": True}))

    contents = [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
    assert "".join(contents) == TEXT
    assert chunks[-1].usage.total_tokens == 41


@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
def test_tool_call_arrives(
    complete: Callable[..., litellm.ModelResponse], worker: Worker, stream: bool
) -> None:
    worker.ai.script(Reply(tool_calls=[CALL]), model=FAST)

    response = complete(tools=[TOOL], stream=stream)
    if stream:
        response = litellm.stream_chunk_builder(list(response))

    [call] = response.choices[0].message.tool_calls
    assert (call.function.name, call.function.arguments) == ("weather", CALL.arguments_text)
    assert response.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        pytest.param(5006, litellm.BadRequestError, 400, id="refused"),
        pytest.param(5021, litellm.ContextWindowExceededError, 400, id="too long"),
        pytest.param(5016, litellm.APIError, 403, id="forbidden"),
        pytest.param(5007, litellm.NotFoundError, 404, id="unknown model"),
        pytest.param(5024, litellm.BadRequestError, 422, id="JSON mode"),
        pytest.param(3036, litellm.RateLimitError, 429, id="used up"),
        pytest.param(UNKNOWN, litellm.BadGatewayError, 502, id="unknown"),
        pytest.param(3007, litellm.Timeout, 504, id="timeout"),
    ],
)
def test_failure_raises_its_class(
    complete: Callable[..., litellm.ModelResponse],
    worker: Worker,
    error: int | Failure,
    kind: type[Exception],
    status: int,
) -> None:
    worker.ai.script(Reply(error=error, times="always"), model=FAST)

    with pytest.raises(openai.OpenAIError) as caught:  # what they all are
        complete()

    assert (caught.type, caught.value.status_code) == (kind, status)
    assert len(asked(worker)) == 1
