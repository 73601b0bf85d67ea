"""LangChain's ChatOpenAI."""

from collections.abc import Iterator

import httpx
import langchain_openai
import openai
import pytest
from langchain_core.exceptions import ContextOverflowError

from tests.harness.conversation import (
    CALL,
    FAST,
    FLAVOURS,
    PARAMETERS,
    TEXT,
    TOOL,
    Flavour,
    asked,
)
from tests.harness.shared import KEYS, Worker
from workers_ai_local import Reply

pytestmark = pytest.mark.thorough

QUESTION = "How is the weather in Zürich?"
USAGE = (22, 19, 41)


@pytest.fixture
def chat(worker: Worker) -> Iterator[langchain_openai.ChatOpenAI]:
    """Asks once, and counts tokens in streams too."""
    # The connections that it makes by itself it never closes.
    with httpx.Client(verify=False, timeout=60) as connections:
        yield langchain_openai.ChatOpenAI(
            base_url=f"{worker.address}/v1",
            api_key=KEYS["shop"],
            model=FAST,
            max_retries=0,
            stream_usage=True,
            http_client=connections,
        )


def tokens_of(usage: dict[str, int]) -> tuple[int, int, int]:
    """Of the prompt, of the answer, and of both."""
    return usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]


def test_question_is_answered(chat: langchain_openai.ChatOpenAI, worker: Worker) -> None:
    worker.ai.script(Reply(text=TEXT), model=FAST)

    message = chat.invoke(QUESTION)

    assert message.content == TEXT
    assert tokens_of(message.usage_metadata) == USAGE
    assert message.response_metadata["finish_reason"] == "stop"
    assert message.response_metadata["model_name"] == FAST


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_streamed_pieces_add_up_to_the_answer_and_its_usage(
    chat: langchain_openai.ChatOpenAI, worker: Worker, flavour: Flavour
) -> None:
    worker.ai.script(Reply(text=TEXT, flavour=flavour), model=FAST)

    first, *others = chat.stream(QUESTION)
    whole = first
    for piece in others:
        whole += piece

    assert whole.content == TEXT
    assert tokens_of(whole.usage_metadata) == USAGE
    assert whole.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_tool_is_called_and_its_result_told(
    chat: langchain_openai.ChatOpenAI, worker: Worker, flavour: Flavour
) -> None:
    worker.ai.script(Reply(tool_calls=[CALL], flavour=flavour), model=FAST)
    worker.ai.script(Reply(text=TEXT, flavour=flavour), model=FAST)
    with_tool = chat.bind_tools([TOOL])

    message = with_tool.invoke(QUESTION)
    [call] = message.tool_calls
    result = {"role": "tool", "tool_call_id": call["id"], "content": "21 °C"}
    answer = with_tool.invoke([{"role": "user", "content": QUESTION}, message, result])

    assert (call["name"], call["args"]) == ("weather", CALL.arguments)
    assert answer.content == TEXT
    told = asked(worker)[1]["messages"]
    assert isinstance(told, list)
    assert [each["role"] for each in told] == ["user", "assistant", "tool"]


def test_streamed_tool_call_is_put_together(
    chat: langchain_openai.ChatOpenAI, worker: Worker
) -> None:
    worker.ai.script(Reply(tool_calls=[CALL], flavour="openai"), model=FAST)

    first, *others = chat.bind_tools([TOOL]).stream(QUESTION)
    whole = first
    for piece in others:
        whole += piece

    assert [(call["name"], call["args"]) for call in whole.tool_calls] == [
        ("weather", CALL.arguments)
    ]


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("json_schema", Reply(response=CALL.arguments)),
        ("function_calling", Reply(tool_calls=[CALL])),
    ],
)
def test_answer_has_the_structure_asked_for(
    chat: langchain_openai.ChatOpenAI, worker: Worker, method: str, reply: Reply
) -> None:
    worker.ai.script(reply, model=FAST)
    schema = {"title": "weather", "description": "Tells it.", **PARAMETERS}

    assert chat.with_structured_output(schema, method=method).invoke(QUESTION) == CALL.arguments


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (3036, openai.RateLimitError, "allocation_used_up"),
        (5021, ContextOverflowError, "context_length_exceeded"),
    ],
)
def test_failure_raises_its_class(
    chat: langchain_openai.ChatOpenAI,
    worker: Worker,
    error: int,
    kind: type[openai.APIStatusError],
    code: str,
) -> None:
    worker.ai.script(Reply(error=error), model=FAST)

    with pytest.raises(kind) as caught:
        chat.invoke(QUESTION)

    assert caught.value.code == code
    assert len(asked(worker)) == 1
