"""What the engine is asked for, and how its answers and errors are worded."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from tests.harness.servers import serve
from tests.workers_ai_local.worker.test_engine_failures import (
    CHUNK,
    DONE,
    FINISH,
    USAGE,
    engine_that,
    run,
    sse,
)
from workers_ai_local.engine import Engine
from workers_ai_local.inputs import DEFAULT_SYSTEM_PROMPT
from workers_ai_local.service import WorkersAi

LLAMA_70B = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
OPENAI = "@cf/ibm-granite/granite-4.0-h-micro"


def ask(ai: str, inputs: object, model: str = LLAMA_70B) -> httpx.Response:
    """Ask Workers AI as the Ai class does, with nothing but these inputs."""
    return httpx.post(
        f"{ai}/run?version=3",
        json={"inputs": inputs},
        headers={"cf-consn-model-id": model},
        verify=False,
    )


def asked(request: Request) -> dict[str, object]:
    """The body of a request that the engine got."""
    body = asyncio.run(request.json())
    assert isinstance(body, dict)
    return body


SAMPLING = {
    "max_tokens": 3,
    "temperature": 1.5,
    "top_p": 0.5,
    "top_k": 2,
    "seed": 4,
    "repetition_penalty": 1.9,
    "frequency_penalty": 1.5,
    "presence_penalty": -1.25,
}


def test_engine_is_asked_for_all_that_the_inputs_say() -> None:
    with engine_that(sse(CHUNK, FINISH, DONE)) as (ai, got):
        ask(ai, {"prompt": "Hello", **SAMPLING})

    assert got[0].headers["content-type"] == "application/json"
    assert asked(got[0]) == {
        "model": "m",
        "messages": [
            {"role": "system", "content": DEFAULT_SYSTEM_PROMPT},
            {"role": "user", "content": "Hello"},
        ],
        **SAMPLING,
        "repeat_penalty": 1.9,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_engine_is_not_asked_for_what_the_inputs_leave_out() -> None:
    with engine_that(sse(CHUNK, FINISH, DONE)) as (ai, got):
        ask(ai, {"prompt": "Hello", "raw": True})

    assert asked(got[0]) == {
        "model": "m",
        "prompt": "Hello",
        "max_tokens": 256,
        "temperature": 0.6,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_messages_and_tools_reach_the_engine_whole() -> None:
    tool = {"name": "f", "description": "F.", "parameters": {"type": "object", "properties": {}}}
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "name": "f", "tool_call_id": "a", "content": "rain"},
    ]
    with engine_that(sse(CHUNK, FINISH, DONE)) as (ai, got):
        ask(ai, {"messages": messages, "tools": [tool], "tool_choice": "required"})

    body = asked(got[0])
    assert body["messages"] == messages
    assert body["tools"] == [{"type": "function", "function": tool}]
    assert body["tool_choice"] == "required"


@pytest.mark.parametrize(
    ("given", "asked_for"),
    [
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "json_schema": {"type": "object"}},
            {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": {"type": "object"}},
            },
        ),
    ],
    ids=["object", "schema"],
)
def test_json_mode_is_asked_of_the_engine_as_openai_words_it(
    given: dict[str, object], asked_for: dict[str, object]
) -> None:
    with engine_that(sse(CHUNK, FINISH, DONE)) as (ai, got):
        ask(ai, {"prompt": "Hello", "response_format": given})

    assert asked(got[0])["response_format"] == asked_for


@pytest.mark.parametrize(
    ("status", "body", "code", "said"),
    [
        (400, {"error": {"message": "temperature: no"}}, 8001, "temperature: no"),
        (400, {"error": {"message": "maximum context length is 512"}}, 5021, None),
        (400, {"error": {"message": "The prompt is too long"}}, 5021, None),
        (400, {"error": {"message": "Too many tokens"}}, 5021, None),
        (413, {"error": {"message": "context"}}, 5021, "context"),
        (422, {"error": "context"}, 5021, "context"),
        (422, {"error": "no"}, 8001, "no"),
        (400, {"error": "x" * 1000}, 8001, "x" * 300),
        (403, {"error": {"message": "no key"}}, 5018, "no key"),
        (404, {"error": "model 'm' not found"}, 5007, "model 'm' not found"),
        (408, {}, 3046, "{}"),
        (204, "", 3043, ""),
        (500, "<html>\xff", 3043, "<html>\xff"),
    ],
)
def test_refusal_is_told_in_the_words_of_the_engine(
    status: int, body: object, code: int, said: str | None
) -> None:
    answer = (
        PlainTextResponse(body, status) if isinstance(body, str) else JSONResponse(body, status)
    )
    with engine_that(lambda: answer) as (ai, _):
        error = run(ai).json()

    assert error["internalCode"] == code
    assert said is None or error["description"].endswith(f"/v1 answered {status}: {said}")


def test_reason_of_the_engine_is_told() -> None:
    frames = (CHUNK, FINISH.replace("stop", "length"), USAGE, DONE)
    with engine_that(sse(*frames)) as (ai, _):
        answer = ask(ai, {"prompt": "Hello"}, OPENAI).json()

    assert answer["choices"][0]["finish_reason"] == "length"


def test_usage_and_reason_may_come_before_the_last_text() -> None:
    early = CHUNK.replace(
        "null}]}", '"length"}],"usage":{"prompt_tokens":7,"completion_tokens":2}}'
    )
    with engine_that(sse(early, CHUNK, DONE)) as (ai, _):
        answer = ask(ai, {"prompt": "Hello"}, OPENAI).json()

    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["total_tokens"] == 9


def test_whole_calls_without_an_index_are_told_apart() -> None:
    calls = [{"function": {"name": name, "arguments": "{}"}} for name in "fg"]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    body = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    with engine_that(lambda: JSONResponse(body)) as (ai, _):
        answer = run(ai).json()

    assert [call["name"] for call in answer["tool_calls"]] == ["f", "g"]
    assert answer["usage"]["completion_tokens"] > 0


def test_calls_come_in_the_order_of_their_indices() -> None:
    pieces = [
        {"index": i, "function": {"name": n, "arguments": "{}"}} for i, n in ((1, "g"), (0, "f"))
    ]
    frames = [
        "data: " + json.dumps({"choices": [{"delta": {"tool_calls": [piece]}}]}) + "\n\n"
        for piece in pieces
    ]
    with engine_that(sse(*frames, FINISH, DONE)) as (ai, _):
        answer = ask(ai, {"prompt": "Hello"}, OPENAI).json()

    (choice,) = answer["choices"]
    assert [call["function"]["name"] for call in choice["message"]["tool_calls"]] == ["f", "g"]
    assert choice["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    "answers",
    [
        lambda: JSONResponse({"error": {"message": "oops"}}),
        lambda: PlainTextResponse("<html>"),
        lambda: Response(b'{"choices":[{"text":"\xff"}]}', media_type="application/json"),
    ],
    ids=["an error", "no JSON", "no UTF-8"],
)
def test_object_that_is_no_answer_is_3043(answers: Callable[[], Response]) -> None:
    with engine_that(answers) as (ai, _):
        assert run(ai).json()["internalCode"] == 3043


def test_done_is_an_end_without_a_reason_and_what_follows_is_not_read() -> None:
    with engine_that(sse(CHUNK, DONE, CHUNK)) as (ai, _):
        assert run(ai).json()["response"] == "Hi"


def test_answer_in_one_piece_that_is_not_counted_is_counted() -> None:
    body = {
        "choices": [
            {"message": {"content": "one two", "tool_calls": None}, "finish_reason": "stop"}
        ]
    }
    with engine_that(lambda: JSONResponse(body)) as (ai, _):
        assert run(ai).json()["usage"]["completion_tokens"] == 2


def test_engine_that_hangs_up_is_3043() -> None:
    with socket.create_server(("127.0.0.1", 0)) as engine:
        url = f"http://127.0.0.1:{engine.getsockname()[1]}/v1"
        hang_up = threading.Thread(target=lambda: engine.accept()[0].close())
        hang_up.start()
        with serve(WorkersAi(engine=Engine(url, "m"))) as ai:
            assert run(ai).json()["internalCode"] == 3043
        hang_up.join()


def test_no_tools_are_none_for_the_engine() -> None:
    messages = [{"role": "user", "content": "Hello"}]
    with engine_that(sse(CHUNK, FINISH, DONE)) as (ai, got):
        ask(ai, {"messages": messages})

    assert asked(got[0]).keys().isdisjoint({"tools", "tool_choice"})


async def _cut() -> AsyncIterator[str]:
    yield CHUNK
    raise ConnectionError


async def _stalled() -> AsyncIterator[str]:
    yield CHUNK
    await asyncio.Event().wait()


@pytest.mark.parametrize("frames", [_cut, _stalled], ids=["cut", "stalled"])
def test_connection_that_fails_amid_a_stream_is_no_answer(
    frames: Callable[[], AsyncIterator[str]],
) -> None:
    def answers() -> Response:
        return StreamingResponse(frames(), media_type="text/event-stream")

    with engine_that(answers, answer_s=0.1) as (ai, _):
        assert run(ai).json()["internalCode"] == 3043
        with pytest.raises(httpx.RemoteProtocolError):
            run(ai, stream=True)
