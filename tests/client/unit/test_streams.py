"""What the client makes of an answer, in every flavour and however it is cut."""

import http.client
import io
import json
import socket
from collections.abc import Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise_client import ApiError, Completion, ConnectionFailed, StreamBroken, ToolCall, Usage
from edgewise_client.streams import Stream
from edgewise_client.transport import Transport
from tests.harness import corpus
from tests.harness.corpus import Case, Heard
from workers_ai_local import Calls, End, Event, Flavour, Framer, Shape, Text
from workers_ai_local import ToolCall as Called
from workers_ai_local import Usage as Told

TRANSPORT = Transport("http://localhost", None, 1)
TOKENS = ("Zü😀", '\u2028" data: [DONE]\n\n7.')
USAGE = Usage(16, 7, 23)
CALLED = Called("weather", {"city": "Zürich", "days": [1, 2]})
FLAVOURS: Sequence[Flavour] = ("native", "openai", "both", "chat")


class Sent:
    """What a response is read from, in place of a socket."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent

    def makefile(self, mode: str) -> io.BufferedIOBase:
        """Open it."""
        return io.BytesIO(self._sent)


def answered(
    chunks: Sequence[bytes],
    *,
    kind: str = "text/event-stream",
    headers: str = "x-max-tokens: 256\r\nx-model: @cf/m\r\nx-request-id: r1\r\n",
    is_cut: bool = False,
    asked: int | None = None,
) -> Stream:
    """An answer that comes in these chunks."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks if chunk)
    head = f"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-type: {kind}\r\n{headers}\r\n"
    sent = Sent(head.encode() + body + (b"" if is_cut else b"0\r\n\r\n"))
    response = http.client.HTTPResponse(cast(socket.socket, sent))
    response.begin()
    return Stream(TRANSPORT, response, asked)


def frames(*answers: object) -> list[bytes]:
    """Frames that hold these, and the end."""
    return [b"data: " + json.dumps(answer).encode() + b"\n\n" for answer in answers] + [
        b"data: [DONE]\n\n"
    ]


def speak(flavour: Flavour, *, crlf: bool = False, calls: bool = False) -> bytes:
    """A stream as the local Workers AI sends it."""
    events: list[Event] = [Text(TOKENS)]
    events += [Calls([CALLED])] if calls else []
    events.append(End("tool_calls" if calls else "stop", Told.of(16, 7)))
    framer = Framer(Shape(flavour, crlf=crlf), "@cf/m", 1)
    return b"".join(framer.frame(event) for event in events)


@pytest.mark.parametrize("crlf", [False, True], ids=["LF", "CRLF"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_flavour_is_read_the_same_wherever_it_is_cut(flavour: Flavour, crlf: bool) -> None:
    sent = speak(flavour, crlf=crlf)

    for at in range(len(sent) + 1):
        stream = answered([sent[:at], sent[at:]])
        assert list(stream) == [*TOKENS]
        assert stream.read() == Completion(
            *("".join(TOKENS), "@cf/m", USAGE, "stop", False, 256, "r1")
        )


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_flavour_is_read_the_same_byte_by_byte(flavour: Flavour) -> None:
    sent = speak(flavour, calls=True)

    completion = answered([bytes([byte]) for byte in sent]).read()

    [call] = completion.tool_calls
    assert completion.text == "".join(TOKENS)
    assert (call.name, json.loads(call.arguments)) == ("weather", CALLED.arguments)
    assert (call.id is None) == (flavour == "native")
    assert completion.finish_reason == "tool_calls"


@pytest.mark.parametrize("flavour", FLAVOURS)
@given(lengths=st.lists(st.integers(1, 40)))
def test_flavour_is_read_the_same_in_any_pieces(flavour: Flavour, lengths: list[int]) -> None:
    sent = speak(flavour)
    chunks, start = [], 0
    for length in lengths:
        chunks.append(sent[start : start + length])
        start += length

    assert [*answered([*chunks, sent[start:]])] == [*TOKENS]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_stream_cut_anywhere_before_its_end_is_broken(flavour: Flavour) -> None:
    sent = speak(flavour)
    end = sent.index(b"data: [DONE]\n\n")

    for at in range(end):
        stream = answered([sent[:at]], is_cut=True)
        with pytest.raises(StreamBroken, match="^the stream broke: the connection ended in the"):
            stream.read()
        assert "".join(TOKENS).startswith(stream.text)
        assert (stream.usage, stream.finish_reason, stream.truncated) == (None, None, None)


def test_pieces_before_a_break_are_handed_on() -> None:
    stream = answered([b'data: {"response":"a"}\n\ndata: {"respon'], is_cut=True)

    assert next(stream) == "a"
    with pytest.raises(StreamBroken) as caught:
        next(stream)
    assert caught.value.request_id == "r1"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b'data: {"response":"a"}\n\n',
        b'data: {"response":"a","usage":{"completion_tokens":1}}\n\n',
        b": nothing\n\n",
        b"[DON",
    ],
)
def test_stream_that_ends_cleanly_without_done_or_reason_is_broken(sent: bytes) -> None:
    with pytest.raises(StreamBroken, match="ended before the answer did"):
        answered([sent]).read()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b'data: {"response":"a"}\n\ndata: [DONE]', None),
        (b'data: {"response":"a"}\n\n[DONE]\n', None),
        (b'data:{"response":"a"}\ndata:[DONE]\n\n', None),
        (b'data: {"response":"a"}\n\ndata: {"choices":[{"finish_reason":"stop"}]}\n\n', "stop"),
        (b'data: {"response":"a"}\n\ndata: {"finish_reason":"stop"}', "stop"),
        (b'data: {"response":"a"}\n\ndata: [DONE]\n\ndata: {"response":"b"}\n\n', None),
        (b'data: {"response":"a"}\ndata: [DONE]\ndata: {"response":"b"}\n\n', None),
        (b'data: {"response":\ndata: "a"}\n\ndata: [DONE]\n\n', None),
        (b'data: ping\n\ndata: 7\n\ndata: {"response":"a"}\n\ndata:\n\n[DONE]', None),
    ],
)
def test_ends_that_some_models_have_are_ends(sent: bytes, reason: str | None) -> None:
    completion = answered([sent]).read()

    assert (completion.text, completion.finish_reason) == ("a", reason)


@pytest.mark.parametrize(
    ("frame", "message", "code"),
    [
        ({"error": "no luck"}, "no luck", None),
        ({"error": {"message": "no luck", "code": "3040"}}, "no luck", 3040),
        ({"errors": [{"message": "no luck", "code": 3040}]}, "no luck", 3040),
        ({"errors": {"message": "no luck", "code": "x"}}, "no luck", None),
        ({"internalCode": 3040, "message": "no luck"}, "no luck", 3040),
        ({"httpCode": 500}, "the model failed", None),
        ({"success": False}, "the model failed", None),
        ({"object": "error", "message": "no luck"}, "no luck", None),
        ({"message": "no luck"}, "no luck", None),
        ({"choices": [{"finish_reason": "error"}]}, "the model failed", None),
    ],
)
def test_frame_that_says_that_something_failed_breaks_the_stream(
    frame: object, message: str, code: int | None
) -> None:
    stream = answered(frames({"response": "a"}, frame))

    assert next(stream) == "a"
    with pytest.raises(StreamBroken) as caught:
        next(stream)
    assert caught.value.message == f"the stream broke: {message}"
    assert caught.value.upstream_code == code


@pytest.mark.parametrize(
    "frame",
    [
        *(b'{"response":', b'{"response":NaN}', b'{"a":' + b"[" * 200_000),
        *(b'{"tool_calls":["x"]}', b'{"response":"a"}\ndata: {'),
    ],
    ids=["cut", "NaN", "deep", "call", "two"],
)
def test_frame_that_cannot_be_read_breaks_the_stream(frame: bytes) -> None:
    with pytest.raises(StreamBroken, match="cannot be read"):
        answered([b"data: " + frame + b"\n\ndata: [DONE]\n\n"]).read()


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("7", "7"),
        ("1.50", "1.50"),
        ("1e5", "1e5"),
        ("true", "true"),
        ('{"a": [1, "ü"]}', '{"a":[1,"ü"]}'),
        ("null", ""),
        ('""', ""),
    ],
)
def test_text_that_came_as_json_is_text(written: str, text: str) -> None:
    sent = f'data: {{"response":{written}}}\n\ndata: [DONE]\n\n'

    assert answered([sent.encode()]).read().text == text


def test_halves_of_a_character_in_two_frames_are_put_together() -> None:
    sent = rb'data: {"response":"a\ud83d"}~data: {"response":"\ude00b"}~data: [DONE]~'

    assert [*answered([sent.replace(b"~", b"\n\n")])] == ["a", "😀b"]


@pytest.mark.parametrize("half", [r"\ud83d", r"\ude00"])
def test_half_a_character_becomes_a_sign(half: str) -> None:
    sent = f'data: {{"response":"a{half}"}}\n\ndata: [DONE]\n\n'

    assert answered([sent.encode()]).read().text == "a\ufffd"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_is_told_apart(name: str) -> None:
    deltas = [{name: "Let"}, {name: " me"}, {"content": "Yes."}]

    completion = answered(frames(*({"choices": [{"delta": delta}]} for delta in deltas))).read()

    assert (completion.reasoning, completion.text) == ("Let me", "Yes.")


@pytest.mark.parametrize(
    "choice", [{"text": "a"}, {"message": {"content": "a"}}, {"delta": {"content": "a"}}]
)
def test_choice_holds_its_text_in_any_of_three_places(choice: object) -> None:
    assert answered(frames({"choices": [choice]})).read().text == "a"


def test_field_of_another_shape_is_left_out() -> None:
    odd = {"response": "a", "choices": 7, "usage": "x", "tool_calls": {}, "finish_reason": 7}
    also = {"choices": ["x"], "usage": [], "model": 7}

    assert answered(frames(odd, also)).read() == Completion(
        "a", "@cf/m", max_tokens=256, request_id="r1"
    )


@pytest.mark.parametrize(
    ("usage", "read"),
    [
        ({"prompt_tokens": 1, "completion_tokens": 2.0, "total_tokens": 3}, Usage(1, 2, 3)),
        ({"completion_tokens": None}, Usage()),
        ({"prompt_tokens": 1, "completion_tokens": True}, Usage(1)),
        ({"prompt_tokens": 1, "completion_tokens": "2"}, Usage(1)),
        ({"prompt_tokens": 1, "completion_tokens": 1e999}, Usage(1)),
    ],
)
def test_usage_is_numbers_or_none(usage: dict[str, object], read: Usage | None) -> None:
    sent = json.dumps(usage).replace("Infinity", "1e999")
    frame = f'data: {{"response":"a","usage":{sent}}}\n\ndata: [DONE]\n\n'

    assert answered([frame.encode()]).read().usage == read


@pytest.mark.parametrize(
    ("reason", "used", "told"),
    [
        (None, None, (None, None)),
        (None, 255, ("stop", False)),
        (None, 256, ("length", True)),
        ("stop", None, ("stop", False)),
        ("stop", 256, ("length", True)),
        ("length", 3, ("length", True)),
        ("model_length", None, ("length", True)),
        ("content_filter", 3, ("content_filter", False)),
        ("eos", None, (None, None)),
        ("eos", 3, ("stop", False)),
    ],
)
def test_ending_is_told_by_reason_and_count(
    reason: str | None, used: int | None, told: tuple[object, ...]
) -> None:
    usage = {"usage": {"completion_tokens": used}} if used is not None else {}
    frame = {"choices": [{"delta": {"content": "a"}, "finish_reason": reason}], **usage}

    completion = answered(frames(frame)).read()

    assert (completion.finish_reason, completion.truncated) == told


@pytest.mark.parametrize("header", ["", "x-max-tokens: many\r\n"])
def test_limit_that_was_asked_for_counts_where_the_answer_tells_none(header: str) -> None:
    sent = frames({"response": "a", "usage": {"completion_tokens": 4}})

    assert answered(sent, headers=header, asked=4).read().truncated is True
    assert answered(sent, headers=header).read().truncated is False


@pytest.mark.parametrize(
    ("deltas", "called"),
    [
        (
            [
                {"index": 0, "id": "1", "function": {"name": "a"}},
                {"index": 0, "function": {"arguments": '{"x"'}},
                {"index": 1, "id": "2", "function": {"name": "b"}},
                {"index": 0, "function": {"arguments": ":1}"}},
            ],
            [ToolCall("a", '{"x":1}', "1"), ToolCall("b", "{}", "2")],
        ),
        (
            [
                {"index": 0, "id": "1", "function": {"name": "a", "arguments": "{}"}},
                {"index": 0, "id": "2", "function": {"name": "b", "arguments": "{}"}},
            ],
            [ToolCall("a", "{}", "1"), ToolCall("b", "{}", "2")],
        ),
        (
            [
                {"index": 0, "id": "1", "function": {"name": "a", "arguments": "{"}},
                {"index": 0, "id": "1", "function": {"name": "a", "arguments": "}"}},
            ],
            [ToolCall("a", "{}", "1")],
        ),
        (
            [{"name": "a", "arguments": {"x": 1}}, {"arguments": None}, {"name": "b"}],
            [ToolCall("a", '{"x":1}'), ToolCall("b", "{}")],
        ),
        ([{"arguments": "{}"}], [ToolCall("", "{}")]),
    ],
    ids=["interleaved", "same number", "same id", "native", "nameless"],
)
def test_tool_calls_are_put_together_however_they_are_numbered(
    deltas: list[object], called: list[ToolCall]
) -> None:
    sent = frames(*({"choices": [{"delta": {"tool_calls": [delta]}}]} for delta in deltas))

    completion = answered(sent).read()

    assert completion.tool_calls == (*called,)
    assert (completion.finish_reason, completion.truncated) == ("tool_calls", None)


def test_json_in_place_of_a_stream_is_one_piece() -> None:
    body = {"response": "a b", "model": "@cf/other", "usage": {"completion_tokens": 2}}

    stream = answered([json.dumps(body).encode()], kind="application/json; charset=utf-8")

    assert [*stream] == ["a b"]
    assert (stream.model, stream.finish_reason) == ("@cf/other", "stop")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"{}", b'{"error":"x"}', b'"x"', b"\xff"])
def test_json_that_is_no_answer_is_an_error(body: bytes) -> None:
    with pytest.raises(ApiError, match="^200: expected an answer of a model") as caught:
        answered([body], kind="application/json").read()

    assert (caught.value.status, caught.value.code) == (200, None)


def test_json_that_breaks_off_is_no_answer() -> None:
    with pytest.raises(ConnectionFailed, match="broke off: the connection ended"):
        answered([b'{"response":"a"}'], kind="application/json", is_cut=True).read()


def test_stream_that_was_left_has_no_more_pieces_and_is_no_completion() -> None:
    with answered(frames({"response": "a"}, {"response": "b"})) as stream:
        assert next(stream) == "a"

    assert [*stream] == []
    assert stream.text == "a"
    with pytest.raises(StreamBroken, match="left early"):
        stream.read()


def test_stream_that_is_left_amid_what_came_at_once_is_no_completion() -> None:
    sent = b"".join(frames({"response": "a"}, {"response": "b"}))
    with answered([sent]) as stream:
        assert next(stream) == "a"

    assert (stream.text, stream.finish_reason) == ("a", None)
    with pytest.raises(StreamBroken, match="left early"):
        stream.read()


def test_stream_that_was_read_stays_read_when_it_is_closed() -> None:
    with answered(frames({"response": "a"})) as stream:
        completion = stream.read()

    assert (completion.text, stream.read()) == ("a", completion)


def test_stream_that_nobody_read_can_be_closed_twice() -> None:
    stream = answered(frames({"response": "a"}))
    stream.close()
    stream.close()

    assert [*stream] == []


FIELDS = (
    *("response", "choices", "delta", "message", "content", "text", "tool_calls", "function"),
    *("name", "arguments", "index", "id", "usage", "completion_tokens", "finish_reason"),
    *("error", "errors", "code", "reasoning"),
)
PLAIN: st.SearchStrategy[object] = st.sampled_from(
    [None, True, 0, -7, 1.5, "", "a", "\ud83d", [], {}]
)
INNER = st.dictionaries(st.sampled_from(FIELDS), PLAIN, max_size=3)
ODD = st.dictionaries(
    st.sampled_from(FIELDS), PLAIN | INNER | st.lists(PLAIN | INNER, max_size=2), max_size=4
)


@given(st.lists(ODD, max_size=3))
def test_no_frame_makes_it_stumble(odd: list[dict[str, object]]) -> None:
    stream = answered(frames(*odd))
    try:
        completion = stream.read()
    except StreamBroken:
        return

    assert completion.text.encode() == "".join(stream.text).encode()


def test_json_that_says_that_something_failed_tells_the_code() -> None:
    body = b'{"errors":[{"code":3040,"message":"no luck"}]}'

    with pytest.raises(ApiError) as caught:
        answered([body], kind="application/json").read()

    assert caught.value.upstream_code == 3040


def make_of(stream: Stream) -> Heard:
    """Read a stream to its end, or to what breaks it."""
    try:
        stream.read()
    except (ApiError, StreamBroken) as error:
        failure: ApiError | StreamBroken | None = error
    else:
        failure = None
    counted = stream.usage or Usage()
    return Heard(
        stream.text,
        stream.reasoning,
        [corpus.call(call.name, call.arguments) for call in stream.tool_calls],
        stream.finish_reason,
        corpus.usage(counted.prompt_tokens, counted.completion_tokens, counted.total_tokens),
        failure is not None,
        failure.upstream_code if failure else None,
    )


def limited(case: Case) -> str:
    """The header that tells the limit of a case."""
    return f"x-max-tokens: {case.max_tokens}\r\n"


@pytest.mark.parametrize("case", corpus.WHOLE, ids=lambda case: case.name)
def test_whole_answer_of_the_corpus_is_read(case: Case) -> None:
    sent = [(case.whole or "").encode()]

    assert make_of(answered(sent, kind="application/json", headers=limited(case))) == case.heard


@pytest.mark.parametrize("size", corpus.SIZES)
@pytest.mark.parametrize("case", corpus.STREAMED, ids=lambda case: case.name)
def test_stream_of_the_corpus_is_read_however_it_is_cut(case: Case, size: int) -> None:
    assert make_of(answered([*case.chunks(size)], headers=limited(case))) == case.heard
