import asyncio
import itertools
import json
import selectors
from collections.abc import AsyncIterator, Sequence
from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.harness.heard import hear
from tests.workers_ai_local.unit.local_ai import FAST, SCOPED, ask, run
from workers_ai_local.delivery import Streams
from workers_ai_local.frames import cut
from workers_ai_local.scripts import Reply
from workers_ai_local.service import WorkersAi
from workers_ai_local.speech import BrokeOff, End, Pace, Text, ToolCall, speak
from workers_ai_local.tokens import count, split

GRANITE = "@cf/ibm-granite/granite-4.0-h-micro"
SCOUT = "@cf/meta/llama-4-scout-17b-16e-instruct"
LONG = SCOPED | {"stream": True, "max_tokens": 100_000}
Flavour = Literal["native", "openai", "both"]
FLAVOURS: list[Flavour] = ["native", "openai", "both"]
CALL = ToolCall("weather", {"city": "Zürich", "days": [1, 2]})
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def stream(reply: Reply, inputs: object = LONG) -> bytes:
    """Ask for a stream of this reply."""
    workers_ai = WorkersAi()
    workers_ai.script(reply)
    response = run(workers_ai, inputs)
    assert response.headers["content-type"] == "text/event-stream"
    return response.content


@given(
    text=texts,
    flavour=st.sampled_from(FLAVOURS),
    chunk_bytes=st.none() | st.integers(1, 200) | st.lists(st.integers(1, 50), min_size=1),
    crlf=st.booleans(),
    done=st.booleans(),
    has_usage=st.booleans(),
)
def test_stream_decodes_to_the_text_whatever_its_shape(
    text: str,
    flavour: Flavour,
    chunk_bytes: int | list[int] | None,
    crlf: bool,
    done: bool,
    has_usage: bool,
) -> None:
    shape = {"flavour": flavour, "crlf": crlf, "done": done, "usage": has_usage}
    reply = msgspec.convert({"text": text, "chunk_bytes": chunk_bytes, **shape}, Reply)

    heard = hear(stream(reply))

    assert heard.text == text
    assert heard.is_done == done
    assert heard.roles <= 1
    if has_usage:
        assert heard.usage is not None
        assert heard.usage["completion_tokens"] == count(text)
        assert heard.usage["total_tokens"] == sum(heard.usage.values()) / 2
    else:
        assert heard.usage is None


@given(text=texts, max_tokens=st.integers(0, 20), flavour=st.none() | st.sampled_from(FLAVOURS))
def test_usage_is_what_was_sent(text: str, max_tokens: int, flavour: Flavour | None) -> None:
    workers_ai = WorkersAi()
    for _ in range(2):
        workers_ai.script(Reply(text=text, flavour=flavour))
    inputs = SCOPED | {"max_tokens": max_tokens}
    if flavour is None:  # REST's chat completions
        path = "/client/v4/accounts/a/ai/v1/chat/completions"
        asked = inputs | {"model": FAST}
        streamed = hear(ask(workers_ai, "POST", path, asked | {"stream": True}).content)
        whole = ask(workers_ai, "POST", path, asked).json()
    else:
        streamed = hear(run(workers_ai, inputs | {"stream": True}).content)
        whole = run(workers_ai, inputs).json()

    sent = split(text)[:max_tokens]
    assert streamed.text == "".join(sent)
    assert streamed.usage == whole["usage"]
    assert whole["usage"]["completion_tokens"] == len(sent)
    if flavour != "native":
        reason = "length" if len(sent) < count(text) else "stop"
        assert streamed.reason == whole["choices"][0]["finish_reason"] == reason


@given(st.lists(st.binary()), st.lists(st.integers(1, 9), min_size=1))
def test_cutting_loses_nothing(chunks: list[bytes], lengths: list[int]) -> None:
    async def gather() -> list[bytes]:
        async def source() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

        return [piece async for piece in cut(source(), lengths)]

    pieces = asyncio.run(gather())

    assert b"".join(pieces) == b"".join(chunks)
    wanted = list(itertools.islice(itertools.cycle(lengths), len(pieces)))
    assert [len(piece) for piece in pieces[:-1]] == wanted[:-1]
    assert all(0 < len(piece) <= most for piece, most in zip(pieces, wanted, strict=True))


@given(texts)
def test_tokens_joined_are_the_text(text: str) -> None:
    assert "".join(split(text)) == text
    assert all(split(text))


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        (FAST, {"response", "p"}),
        (GRANITE, {"id", "object", "created", "model", "choices", "p"}),
        (SCOUT, {"id", "object", "created", "model", "choices", "p", "response", "tool_calls"}),
    ],
)
def test_flavour_is_the_models_own(model: str, keys: set[str]) -> None:
    blocks = run(WorkersAi(), LONG, model).text.split("\n\n")

    frames = [json.loads(block[6:]) for block in blocks[1:10]]
    assert all(set(frame) == keys for frame in frames)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("text", ["", "Let me see. "])
def test_streamed_tool_calls_follow_the_text(flavour: Flavour, text: str) -> None:
    reply = Reply(text=text, tool_calls=[CALL, CALL], flavour=flavour)

    heard = hear(stream(reply))

    assert heard.text == text
    calls = [(name, json.loads(arguments)) for name, arguments in heard.tool_calls]
    assert calls == [(CALL.name, CALL.arguments)] * 2
    assert heard.usage is not None
    assert heard.usage["completion_tokens"] > count(text)
    assert heard.reason == (None if flavour == "native" else "tool_calls")


def test_empty_stream_is_nothing_at_all() -> None:
    assert stream(Reply(chunks=[])) == b""


def test_chunks_are_cut_anywhere_when_asked() -> None:
    assert stream(Reply(chunks=["ä€", "😀"], chunk_bytes=1)) == "ä€😀".encode()


def test_response_that_is_null_says_nothing_in_a_stream() -> None:
    heard = hear(stream(Reply(response=None)))

    assert (heard.text, heard.is_done) == ("", True)


def test_chunks_are_sent_as_they_are() -> None:
    workers_ai = WorkersAi()
    workers_ai.script(Reply(chunks=["<h1>", "oops"], content_type="text/html", status=502))

    response = run(workers_ai, SCOPED)

    assert (response.status_code, response.text) == (502, "<h1>oops")
    assert response.headers["content-type"] == "text/html"


def test_padding_hides_how_long_tokens_are() -> None:
    frames = [json.loads(block[6:]) for block in stream(Reply(text="a " * 40)).split(b"\n\n")[:40]]

    assert len({len(frame["p"]) for frame in frames}) > 10


class _ClockOfItsOwn(selectors.DefaultSelector):
    """Waits for nothing: the time that would pass is only counted."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0
        return super().select(0)


class Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.clock = _ClockOfItsOwn()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now


def said_at(pace: Pace, tokens: Sequence[str] = ("a", "b", "c", "d")) -> list[tuple[float, str]]:
    """When each token came, in seconds; what does not come within a day is left out."""
    heard: list[tuple[float, str]] = []

    async def listen() -> None:
        speech = speak(tokens, [], prompt_tokens=1, max_tokens=len(tokens), pace=pace)
        async for event in speech:
            now = round(asyncio.get_running_loop().time(), 3)
            match event:
                case Text():
                    heard.extend((now, token) for token in event.tokens)
                case End():
                    heard.append((now, "end"))

    async def listen_for_a_day() -> None:
        done, _ = await asyncio.wait([asyncio.ensure_future(listen())], timeout=86_400)
        for task in done:
            task.result()

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(listen_for_a_day())
    return heard


def test_tokens_come_at_their_pace() -> None:
    assert said_at(Pace(delay_s=2, tokens_per_second=4)) == [
        *((2.0, "a"), (2.25, "b"), (2.5, "c"), (2.75, "d"), (2.75, "end")),
    ]


def test_without_a_pace_all_comes_at_once() -> None:
    assert said_at(Pace(), ["x"] * 1000) == [(0, "x")] * 1000 + [(0, "end")]


def test_stalled_stream_says_no_more_and_does_not_end() -> None:
    assert said_at(Pace(stall_after=2)) == [(0, "a"), (0, "b")]
    assert said_at(Pace(stall_after=0)) == []


def test_failure_that_comes_first_is_the_one_that_happens() -> None:
    assert said_at(Pace(stall_after=0, break_after=3)) == []
    with pytest.raises(BrokeOff):
        said_at(Pace(stall_after=3, break_after=0))


@pytest.mark.parametrize("rate", [None, 1000])
@pytest.mark.parametrize("after", [5, 100, 300])
def test_failure_behind_the_end_does_not_happen(after: int, rate: float | None) -> None:
    for pace in (
        Pace(break_after=after, tokens_per_second=rate),
        Pace(stall_after=after, tokens_per_second=rate),
    ):
        assert [token for _, token in said_at(pace)] == ["a", "b", "c", "d", "end"]


@pytest.mark.parametrize("rate", [None, 10])
@pytest.mark.parametrize(("after", "text"), [(0, ""), (2, "ab"), (4, "abcd")])
def test_broken_stream_ends_without_an_end(after: int, text: str, rate: float | None) -> None:
    async def listen() -> str:
        pace = Pace(break_after=after, tokens_per_second=rate)
        heard = ""
        try:
            async for event in speak("abcd", [], prompt_tokens=1, max_tokens=9, pace=pace):
                assert isinstance(event, Text)
                heard += "".join(event.tokens)
        except BrokeOff:
            return heard
        pytest.fail("it ended")

    with asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(listen()) == text


def test_streams_are_counted() -> None:
    workers_ai = WorkersAi()
    run(workers_ai, LONG)
    workers_ai.script(Reply(break_after=1))
    with pytest.raises(BrokeOff):
        run(workers_ai, LONG)
    run(workers_ai, SCOPED)

    assert workers_ai.streams == Streams(finished=1, broken=1)
    assert ask(workers_ai, "GET", "/_local/streams").json() == {
        "open": 0,
        "finished": 1,
        "cancelled": 0,
        "broken": 1,
    }
