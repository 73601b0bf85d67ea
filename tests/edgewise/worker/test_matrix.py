"""
Whatever a model's stream looks like and however it ends: what each dialect makes of it.

What Workers AI sent is told by asking it again with the inputs that the Worker asked with.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import httpx
import msgspec
import pytest

from tests.harness.heard import hear
from tests.harness.shared import Worker
from workers_ai_local import MODEL_HEADER, Reply, ToolCall, split

FAST = "@cf/meta/llama-3.1-8b-instruct-fast"
TEXT = (
    'Zürich, 😀 “x” "y" \\ \u2028\u2029 data: [DONE]\n\ndata: {"response":"no"}\r\n\r\n'
    "🦙 naïve\t\0\x1b end."
)
TOKENS = split(TEXT)
CUT = 12  # tokens, in the middle of the text
CALL = ToolCall("weather", {"city": "Zürich", "note": "data: [DONE]\n\n", "days": [1, 2]})
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"properties": {}}}}

Flavour = Literal["native", "openai", "both"]
Dialect = Literal["native", "listen", "rest", "chat", "completions"]
FLAVOURS: Sequence[Flavour] = ("native", "openai", "both")
SHAPES: dict[str, dict[str, object]] = {
    "LF": {},
    "CRLF": {"crlf": True},
    "bytes": {"chunk_bytes": 1},
    "pieces": {"crlf": True, "chunk_bytes": [2, 3, 61, 7]},
}
PATHS: dict[Dialect, str] = {
    "native": f"/run/{FAST}",
    "listen": f"/run/{FAST}",
    "rest": f"/client/v4/accounts/account/ai/run/{FAST}",
    "chat": "/v1/chat/completions",
    "completions": "/v1/completions",
}


@dataclass(frozen=True)
class Ending:
    """
    How an answer ends.

    Attributes:
        max_tokens: What is asked for.
        script: What the model does besides saying the text.
        text: What it says.
        reason: Why it ends; None when it breaks off.
        calls: Tools that it calls.
    """

    max_tokens: int
    text: str
    reason: str | None
    script: dict[str, object] = field(default_factory=dict)
    calls: Sequence[ToolCall] = ()


ENDINGS = {
    "well": Ending(2000, TEXT, "stop"),
    "cut": Ending(CUT, "".join(TOKENS[:CUT]), "length"),
    "call": Ending(2000, TEXT, "tool_calls", {"tool_calls": [CALL]}, [CALL]),
    "broken": Ending(2000, "".join(TOKENS[:CUT]), None, {"break_after": CUT}),
}
# Tools are for messages, not for prompts.
WITHOUT_TOOLS: Sequence[Dialect] = ("listen", "completions")


def cells(*dialects: Dialect) -> list[object]:
    """Cross these dialects with every ending that they have, but for breaking off."""
    return [
        pytest.param(dialect, ending, id=f"{dialect}-{name}")
        for dialect in dialects
        for name, ending in ENDINGS.items()
        if ending.reason and not (ending.calls and dialect in WITHOUT_TOOLS)
    ]


def script(worker: Worker, ending: Ending, flavour: Flavour, shape: dict[str, object]) -> None:
    """Have the next two requests answered in this way."""
    reply = {"text": TEXT, "flavour": flavour, "times": 2, **shape, **ending.script}
    worker.ai.script(msgspec.convert(reply, Reply), model=FAST)


def ask(
    client: httpx.Client, dialect: Dialect, ending: Ending, *, stream: bool
) -> tuple[httpx.Response, bytes]:
    """
    Ask for an answer.

    Returns:
        Its head, and its body as far as it came.
    """
    asked: dict[str, object] = {"max_tokens": ending.max_tokens}
    if dialect in WITHOUT_TOOLS:
        asked["prompt"] = "Hello"
    else:
        asked |= {"messages": [{"role": "user", "content": "Hello"}]}
        asked |= {"tools": [TOOL]} if ending.calls else {}
    if dialect in ("chat", "completions"):
        asked |= {"model": FAST}
        asked |= {"stream_options": {"include_usage": True}} if stream else {}
    if dialect == "listen":
        request = client.build_request("GET", PATHS[dialect], params=asked)  # type: ignore[arg-type]  # two texts and a number
    else:
        request = client.build_request("POST", PATHS[dialect], json=asked | {"stream": stream})
    return receive(client, request)


def receive(client: httpx.Client, request: httpx.Request) -> tuple[httpx.Response, bytes]:
    """Send a request, and take as much of the answer as there is."""
    received = b""
    response = client.send(request, stream=True)
    try:
        for chunk in response.iter_bytes():
            received += chunk
    except httpx.RemoteProtocolError:
        received += b"(broken off)"
    finally:
        response.close()
    return response, received


def sent(worker: Worker, client: httpx.Client) -> bytes:
    """Find out what Workers AI sent, by asking once more for the same."""
    (received,) = worker.ai.received
    request = client.build_request(
        "POST",
        f"{worker.ai_address}/run?version=3",
        headers={MODEL_HEADER: FAST},
        content=b'{"inputs":' + bytes(received.inputs) + b',"options":{}}',
    )
    return receive(client, request)[1]


def timeless(body: bytes) -> bytes:
    """Stop the clock that decides of some names and numbers."""
    return re.sub(rb'"id":"id-\d+"|"created":\d+', b'"created":0', body)


def assert_heads(response: httpx.Response, ending: Ending) -> None:
    """Check what every good answer says at its head."""
    assert response.status_code == 200
    assert response.headers["x-model"] == FAST
    assert response.headers["x-max-tokens"] == str(ending.max_tokens)


KINDS: dict[Dialect, str] = {"chat": "chat.completion.chunk", "completions": "text_completion"}


@dataclass
class Said:
    """
    What OpenAI's chunks say, put together.

    Attributes:
        calls: Name and arguments.
    """

    text: str = ""
    reason: str | None = None
    calls: list[list[str]] = field(default_factory=list)


def frames(stream: bytes) -> list[str]:
    """Take a stream apart, which has nothing but frames of one line of data."""
    *blocks, rest = stream.decode().split("\n\n")
    assert rest == ""
    assert all(block.startswith("data: ") and "\n" not in block for block in blocks)
    return [block.removeprefix("data: ") for block in blocks]


def put_together(dialect: Dialect, documents: Sequence[str]) -> Said:
    """Put the pieces of OpenAI's chunks together, which all have the same head."""
    chunks = [json.loads(document) for document in documents]
    heads = {(chunk["id"], chunk["object"], chunk["created"], chunk["model"]) for chunk in chunks}
    assert {(kind, model) for _, kind, _, model in heads} == {(KINDS[dialect], FAST)}
    assert len(heads) == 1
    assert {chunk["usage"] for chunk in chunks} == {None}
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert len(choices) == len(chunks)
    assert not any(choice["finish_reason"] for choice in choices[:-1])
    said = Said(reason=choices[-1]["finish_reason"])
    if dialect == "completions":
        said.text = "".join(choice["text"] for choice in choices)
        return said
    deltas = [choice["delta"] for choice in choices]
    assert [delta.get("role") for delta in deltas] == ["assistant"] + [None] * (len(deltas) - 1)
    said.text = "".join(delta.get("content", "") for delta in deltas)
    for call in (call for delta in deltas for call in delta.get("tool_calls", ())):
        if "id" in call:
            assert (call["index"], call["type"]) == (len(said.calls), "function")
            said.calls.append([call["function"]["name"], ""])
        said.calls[call["index"]][1] += call["function"].get("arguments", "")
    return said


def worded(calls: Sequence[ToolCall]) -> list[list[str]]:
    """Word calls as they are put together."""
    return [[call.name, call.arguments_text] for call in calls]


each_flavour = pytest.mark.parametrize("flavour", FLAVOURS)
each_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


@pytest.mark.sampled(5)
@each_flavour
@each_shape
@pytest.mark.parametrize(("dialect", "ending"), cells("native", "rest", "listen"))
def test_stream_is_what_workers_ai_sent(
    client: httpx.Client,
    worker: Worker,
    dialect: Dialect,
    ending: Ending,
    flavour: Flavour,
    shape: dict[str, object],
) -> None:
    script(worker, ending, flavour, shape)

    response, body = ask(client, dialect, ending, stream=True)

    assert_heads(response, ending)
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["cache-control"] == "no-cache, no-store"
    if dialect == "listen":
        opening, body = body.split(b"\n\n", 1)
        assert re.fullmatch(rb"id: [0-9a-f-]{36}", opening)
    assert timeless(body) == timeless(sent(worker, client))
    heard = hear(body)
    assert (heard.text, heard.is_done) == (ending.text, True)
    assert len(heard.tool_calls) == len(ending.calls)
    assert heard.usage is not None
    assert (heard.usage["completion_tokens"] == CUT) == (ending.reason == "length")


@pytest.mark.sampled(5)
@each_flavour
@each_shape
@pytest.mark.parametrize(("dialect", "ending"), cells("chat", "completions"))
def test_stream_is_worded_in_openai_s_chunks(
    client: httpx.Client,
    worker: Worker,
    dialect: Dialect,
    ending: Ending,
    flavour: Flavour,
    shape: dict[str, object],
) -> None:
    script(worker, ending, flavour, shape)

    response, body = ask(client, dialect, ending, stream=True)

    assert_heads(response, ending)
    assert response.headers["content-type"] == "text/event-stream"
    *chunks, usage, done = frames(body)
    assert done == "[DONE]"
    said = put_together(dialect, chunks)
    assert said.text == ending.text
    assert said.reason == ending.reason
    assert said.calls == worded(ending.calls)
    heard = hear(sent(worker, client))
    assert json.loads(usage) | {"id": 0, "created": 0} == {
        "id": 0,
        "object": KINDS[dialect],
        "created": 0,
        "model": FAST,
        "choices": [],
        "usage": heard.usage,
    }


@pytest.mark.sampled(5)
@each_flavour
@each_shape
@pytest.mark.parametrize("dialect", ["native", "rest", "listen"])
def test_stream_that_breaks_off_is_handed_on_as_far_as_it_came_and_does_not_end(
    client: httpx.Client,
    worker: Worker,
    dialect: Dialect,
    flavour: Flavour,
    shape: dict[str, object],
) -> None:
    ending = ENDINGS["broken"]
    script(worker, ending, flavour, shape)

    response, body = ask(client, dialect, ending, stream=True)

    assert_heads(response, ending)
    if dialect == "listen":
        _, body = body.split(b"\n\n", 1)
    whole = sent(worker, client)
    assert whole.endswith(b"(broken off)")
    assert timeless(body) == timeless(whole)


@each_flavour
@each_shape
@pytest.mark.parametrize("dialect", ["chat", "completions"])
def test_stream_that_breaks_off_ends_with_an_error_in_openai_s_chunks(
    client: httpx.Client,
    worker: Worker,
    dialect: Dialect,
    flavour: Flavour,
    shape: dict[str, object],
) -> None:
    ending = ENDINGS["broken"]
    script(worker, ending, flavour, shape)

    response, body = ask(client, dialect, ending, stream=True)

    assert_heads(response, ending)
    *chunks, error = frames(body)
    said = put_together(dialect, chunks)
    assert said == Said(hear(sent(worker, client)).text)
    assert json.loads(error) == {
        "error": {
            "message": f"the answer broke off ({FAST})",
            "type": "server_error",
            "param": None,
            "code": "upstream_error",
        }
    }


@each_flavour
@pytest.mark.parametrize(("dialect", "ending"), cells("native"))
def test_json_is_ours(
    client: httpx.Client, worker: Worker, dialect: Dialect, ending: Ending, flavour: Flavour
) -> None:
    script(worker, ending, flavour, {})

    response, document = ask(client, dialect, ending, stream=False)

    assert_heads(response, ending)
    theirs, ours = json.loads(sent(worker, client)), json.loads(document)
    calls = {"tool_calls": ours["tool_calls"]} if ending.calls else {}
    assert ours == calls | {
        "model": FAST,
        "response": ending.text,
        "usage": theirs["usage"],
        "finish_reason": ending.reason,
        "truncated": ending.reason == "length",
    }
    assert len(calls.get("tool_calls", ())) == len(ending.calls)


@each_flavour
@pytest.mark.parametrize(("dialect", "ending"), cells("rest"))
def test_json_in_the_envelope_is_what_workers_ai_sent_and_how_it_ended(
    client: httpx.Client, worker: Worker, dialect: Dialect, ending: Ending, flavour: Flavour
) -> None:
    script(worker, ending, flavour, {})

    response, document = ask(client, dialect, ending, stream=False)

    assert_heads(response, ending)
    ended = {"finish_reason": ending.reason, "truncated": ending.reason == "length"}
    theirs = json.loads(timeless(sent(worker, client)))
    assert json.loads(timeless(document)) == {
        "result": theirs | ended,
        "success": True,
        "errors": [],
        "messages": [],
    }


@each_flavour
@pytest.mark.parametrize(("dialect", "ending"), cells("chat", "completions"))
def test_json_is_an_object_of_openai_s(
    client: httpx.Client, worker: Worker, dialect: Dialect, ending: Ending, flavour: Flavour
) -> None:
    script(worker, ending, flavour, {})

    response, document = ask(client, dialect, ending, stream=False)

    assert_heads(response, ending)
    answer = json.loads(document)
    assert answer["object"] == KINDS[dialect].removesuffix(".chunk")
    assert answer["model"] == FAST
    assert answer["usage"] == json.loads(sent(worker, client))["usage"]
    (choice,) = answer["choices"]
    assert (choice["index"], choice["finish_reason"]) == (0, ending.reason)
    if dialect == "completions":
        assert choice["text"] == ending.text
        return
    assert (choice["message"]["role"], choice["message"]["content"]) == ("assistant", ending.text)
    called = [call["function"] for call in choice["message"].get("tool_calls", ())]
    assert [[call["name"], call["arguments"]] for call in called] == worded(ending.calls)


@each_flavour
@pytest.mark.parametrize("dialect", ["native", "rest", "chat", "completions"])
def test_json_that_breaks_off_is_502(
    client: httpx.Client, worker: Worker, dialect: Dialect, flavour: Flavour
) -> None:
    ending = ENDINGS["broken"]
    script(worker, ending, flavour, {})

    response, document = ask(client, dialect, ending, stream=False)

    assert (response.status_code, response.headers["content-type"]) == (502, "application/json")
    message = f"Workers AI failed ({FAST}, no code)"
    told = {"code": "upstream_error", "message": message}
    assert json.loads(document) == {
        "native": {"error": told},
        "rest": {
            "result": None,
            "success": False,
            "errors": [{"code": 3043, "message": message}],
            "messages": [],
        },
    }.get(dialect, {"error": {"type": "server_error", "param": None, **told}})


@pytest.mark.parametrize(
    ("method", "path", "asked", "message"),
    [
        ("POST", "/run", {"tools": [TOOL]}, "expected only with messages, got it with prompt"),
        ("POST", "/v1/completions", {"model": FAST, "tools": [TOOL]}, "unknown field"),
        ("GET", "/run", {"tools": "[]"}, "expected an array of at most 128 tools, got a string"),
    ],
    ids=["native", "completions", "listen"],
)
def test_prompt_takes_no_tools(
    client: httpx.Client, method: str, path: str, asked: dict[str, object], message: str
) -> None:
    asked = {"prompt": "Hello", **asked}
    if method == "GET":
        response = client.get(path, params={name: str(value) for name, value in asked.items()})
    else:
        response = client.post(path, json=asked)

    assert response.status_code == 400
    assert response.json()["error"]["message"] == f"tools: {message}"


@each_flavour
@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
def test_tool_call_that_nobody_asked_for_is_no_part_of_a_completion(
    client: httpx.Client, worker: Worker, flavour: Flavour, stream: bool
) -> None:
    ending = ENDINGS["call"]
    script(worker, ending, flavour, {})
    asked = {"model": FAST, "prompt": "Hello", "max_tokens": ending.max_tokens, "stream": stream}

    response = client.post("/v1/completions", json=asked)

    *documents, done = frames(response.content) if stream else [response.text, "[DONE]"]
    assert done == "[DONE]"
    choices = [choice for each in documents for choice in json.loads(each)["choices"]]
    assert "".join(choice["text"] for choice in choices) == TEXT
    assert all(choice.keys() == choices[0].keys() for choice in choices)
    # Of OpenAI's reasons these are all that a completion has.
    assert choices[-1]["finish_reason"] in ("stop", "length", "content_filter")
