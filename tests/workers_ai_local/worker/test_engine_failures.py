"""An engine that is down, slow, broken, or refuses: the matching errors of Workers AI."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.harness.processes import wait_until
from tests.harness.servers import serve, serve_app
from workers_ai_local.engine import Engine
from workers_ai_local.service import WorkersAi

FAST = "@cf/meta/llama-3.1-8b-instruct-fast"
CHUNK = 'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}\n\n'
FINISH = 'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
USAGE = 'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}\n\n'
DONE = "data: [DONE]\n\n"


@contextmanager
def engine_that(
    answers: Callable[[], Response], key: str | None = None, answer_s: float = 60.0
) -> Iterator[tuple[str, list[Request]]]:
    """
    Run an engine that answers so, and a Workers AI over it.

    Yields:
        The address of the latter, and the requests that the engine got.
    """
    got: list[Request] = []

    async def answer(request: Request) -> Response:
        request.state.body = await request.json()
        got.append(request)
        return answers()

    app = Starlette(
        routes=[Route(f"/v1/{path}", answer, methods=["POST"]) for path in PATHS],
    )
    with (
        serve_app(app) as url,
        serve(WorkersAi(engine=Engine(f"{url}/v1", "m", key=key, answer_s=answer_s))) as ai,
    ):
        yield ai, got


PATHS = ("chat/completions", "completions")


def sse(*frames: str) -> Callable[[], Response]:
    """Answer with a stream of these frames."""
    return lambda: StreamingResponse(iter(frames), media_type="text/event-stream")


def run(ai: str, **inputs: object) -> httpx.Response:
    """Ask Workers AI as the Ai class does."""
    return httpx.post(
        f"{ai}/run?version=3",
        json={"inputs": {"prompt": "Hello", **inputs}, "options": {}},
        headers={"cf-consn-model-id": FAST},
        timeout=60,
        verify=False,
    )


@pytest.mark.sampled(3)
@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"error": {"message": "temperature: no"}}, 8001),
        (400, {"error": {"message": "maximum context length is 512"}}, 5021),
        (401, {"error": {"message": "no key"}}, 5018),
        (404, {"error": {"message": "model 'm' not found"}}, 5007),
        (404, {"error": "model 'm' not found"}, 5007),
        (413, {}, 3006),
        (429, {"error": {"message": "busy"}}, 3040),
        (500, {"error": {"message": "oops"}}, 3043),
        (503, {"error": {"message": "loading model"}}, 3040),
        (504, {}, 3046),
    ],
)
def test_refusal_becomes_the_error_that_fits(
    status: int, body: dict[str, object], code: int, stream: bool
) -> None:
    with engine_that(lambda: JSONResponse(body, status)) as (ai, _):
        response = run(ai, stream=stream)

    error = response.json()
    assert error["internalCode"] == code
    assert response.status_code == error["httpCode"]
    assert f"answered {status}: " in error["description"]


def test_engine_that_is_down_is_3040() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/v1"

    with serve(WorkersAi(engine=Engine(url, "m"))) as ai:
        error = run(ai).json()

    assert error["internalCode"] == 3040
    assert error["description"] == "No more data centers to forward the request to"


def test_engine_that_is_slow_is_3046() -> None:
    async def never() -> AsyncIterator[str]:
        await asyncio.Event().wait()
        yield ""

    slow = engine_that(lambda: StreamingResponse(never()), answer_s=0.1)
    with slow as (ai, _):
        assert run(ai).json()["internalCode"] == 3046


@pytest.mark.parametrize(
    "answers",
    [
        sse(CHUNK),
        sse(CHUNK, "data: {not JSON}\n\n"),
        sse(CHUNK, 'data: {"error":{"message":"oops"}}\n\n', DONE),
        sse(CHUNK, f"data: {'[' * 5000}\n\n", DONE),
        sse(),
    ],
    ids=["no end", "no JSON", "an error", "too deep", "nothing"],
)
def test_stream_that_breaks_is_no_answer(answers: Callable[[], Response]) -> None:
    with engine_that(answers) as (ai, _):
        assert run(ai).json()["internalCode"] == 3043
        with pytest.raises(httpx.RemoteProtocolError):
            run(ai, stream=True)


@pytest.mark.parametrize(
    "frames",
    [
        (CHUNK, CHUNK, FINISH, USAGE, DONE),
        (CHUNK, CHUNK, FINISH.replace("}]}", '}],"usage":{"prompt_tokens":7}}'), USAGE, DONE),
        (CHUNK, CHUNK, FINISH, USAGE),
        (
            CHUNK,
            CHUNK,
            'data: {"choices":null,"usage":{}}\n\n',
            "event: x\ndata\n\n",
            FINISH,
            USAGE,
        ),
        (": ping\r\n\r\n", CHUNK.replace("\n", "\r\n") * 2, FINISH, "event: x\n" + USAGE, DONE),
    ],
    ids=["usual", "usage twice", "no [DONE]", "nulls", "CRLF, comments, events"],
)
def test_streams_of_all_servers_are_understood(frames: tuple[str, ...]) -> None:
    with engine_that(sse(*frames)) as (ai, _):
        answer = run(ai).json()
        stream = run(ai, stream=True).text

    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    assert (answer["response"], answer["usage"]) == ("HiHi", usage)
    *tokens, last, done, _ = stream.split("\n\n")
    assert [json.loads(token[6:])["response"] for token in tokens] == ["Hi", "Hi"]
    assert (json.loads(last[6:])["usage"], done) == (usage, "data: [DONE]")


def test_engine_that_does_not_count_is_counted() -> None:
    with engine_that(sse(CHUNK, CHUNK, CHUNK, FINISH, DONE)) as (ai, _):
        usage = run(ai).json()["usage"]

    assert usage["completion_tokens"] == 3
    assert usage["total_tokens"] == usage["prompt_tokens"] + 3


def test_answer_without_a_stream_is_understood() -> None:
    said = {"role": "assistant", "content": "Hi there"}
    body = {
        "choices": [{"index": 0, "message": said, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    }
    with engine_that(lambda: JSONResponse(body)) as (ai, _):
        assert run(ai).json()["response"] == "Hi there"
        assert '{"response":" there"' in run(ai, stream=True).text


def test_tool_calls_that_come_in_pieces_are_put_together() -> None:
    pieces: list[dict[str, object]] = [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a"'}},
        {"index": 1, "id": "b", "type": "function", "function": {"name": "g"}},
        {"index": 0, "function": {"arguments": ":1}"}},
        {"index": 1, "function": {"arguments": "no JSON"}},
    ]
    frames = [
        "data: " + json.dumps({"choices": [{"delta": {"tool_calls": [piece]}}]}) + "\n\n"
        for piece in pieces
    ]
    with engine_that(sse(*frames, FINISH.replace("stop", "tool_calls"), DONE)) as (ai, _):
        answer = run(ai).json()

    assert answer["tool_calls"] == [
        {"name": "f", "arguments": {"a": 1}},
        {"name": "g", "arguments": "no JSON"},
    ]
    assert answer["response"] is None


@pytest.mark.parametrize("index", [0, None], ids=["all 0", "none"])
def test_tool_calls_without_their_own_index_are_told_apart(index: int | None) -> None:
    pieces = [
        {"index": index, "function": {"name": name, "arguments": arguments}}
        for name, arguments in (("f", '{"a"'), (None, ":1}"), ("g", "{}"))
    ]
    frames = [
        "data: " + json.dumps({"choices": [{"delta": {"tool_calls": [piece]}}]}) + "\n\n"
        for piece in pieces
    ]
    with engine_that(sse(*frames, FINISH, DONE)) as (ai, _):
        calls = run(ai).json()["tool_calls"]

    assert calls == [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "is not a completion"),
        ({"choices": []}, "is not a completion"),
        ({"error": {"message": "out of memory"}}, "out of memory"),
        ([1], "Expected `object`"),
    ],
)
def test_answer_that_is_none_is_3043_and_says_why(body: object, said: str) -> None:
    with engine_that(lambda: JSONResponse(body)) as (ai, _):
        error = run(ai).json()

    assert error["internalCode"] == 3043
    assert said in error["description"]


def test_max_tokens_of_nothing_is_not_without_limit() -> None:
    with engine_that(sse(CHUNK, FINISH, DONE)) as (ai, got):
        run(ai, max_tokens=-1)

    assert got[0].state.body["max_tokens"] == 1


def test_engine_is_shown_the_key() -> None:
    with engine_that(sse(CHUNK, FINISH, DONE), key="secret") as (ai, got):
        run(ai)

    assert got[0].headers["authorization"] == "Bearer secret"


@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
def test_reader_that_goes_away_stops_the_engine(stream: bool) -> None:
    ended = []

    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield CHUNK
                await asyncio.sleep(0.01)
        finally:
            ended.append(True)

    with engine_that(lambda: StreamingResponse(endless(), media_type="text/event-stream")) as (
        ai,
        got,
    ):
        body = json.dumps({"inputs": {"prompt": "Hello", "stream": stream}})
        host, _, port = ai.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                f"POST /run HTTP/1.1\r\nhost: localhost\r\ncf-consn-model-id: {FAST}\r\n"
                f"content-length: {len(body)}\r\n\r\n{body}".encode()
            )
            wait_until(lambda: len(got) == 1)

        wait_until(lambda: ended == [True], seconds=10)
