"""Frames that are read the quick way read as any frame does."""

import json
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edgewise.asked.generation import Generation
from edgewise.dialects.openai.chunks import ChunkWriter
from edgewise.dialects.openai.objects import Heading
from edgewise.dialects.rewriting import Rewriting
from edgewise.heard.flavours import read_answer, read_plain
from edgewise.heard.stream import Listener
from tests.harness.parts import count
from workers_ai_local import Flavour, Framer, Shape, Text

MODEL = "@cf/meta/llama-3.1-8b-instruct-fast"
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
CALL = {"name": "f", "arguments": {"a": 1}}
DEEP = "[" * 100_000

TEXTS = st.text('aEND é😀\u2028"\\\n\x00', max_size=6)
ODD: st.SearchStrategy[object] = st.sampled_from(
    [None, 0, 1.5, 10**30, True, "", "x", [], {}, [None], [{}], {"a": []}]
)
DELTAS = st.fixed_dictionaries(
    {},
    optional={
        "content": TEXTS | st.none(),
        "role": st.sampled_from(["assistant", None]),
        "reasoning_content": TEXTS | st.none(),
        "reasoning": TEXTS | st.none(),
        "tool_calls": st.sampled_from([[], [CALL], None]),
    },
)
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(0, 1),
        "delta": DELTAS,
        "message": DELTAS | st.none(),
        "text": TEXTS,
        "finish_reason": st.sampled_from([None, "stop", "error"]),
        "logprobs": st.none(),
        "token_ids": st.none(),
    },
)
FRAMES = st.fixed_dictionaries(
    {},
    optional={
        "response": TEXTS | st.none(),
        "p": TEXTS,
        "choices": st.lists(CHOICES, max_size=2) | st.none(),
        "tool_calls": st.sampled_from([[], [CALL], ["x"], None]),
        "usage": st.sampled_from([USAGE, None]),
        "object": st.sampled_from(["chat.completion.chunk", "error", None]),
        "created": st.integers(),
        "message": st.sampled_from(["it failed", None]),
        "error": st.sampled_from(["it failed", [], None]),
    },
)
PLAIN_FRAMES = st.one_of(
    st.builds(lambda text: {"response": text, "p": "abc"}, TEXTS),
    st.builds(lambda text: {"choices": [{"index": 0, "delta": {"content": text}}]}, TEXTS),
    st.builds(lambda text: {"choices": [{"delta": {"reasoning_content": text}}]}, TEXTS),
)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    """A frame's data; some of its values are odd, and some of its bytes."""
    frame = draw(FRAMES | PLAIN_FRAMES)
    names = sorted({"id", "model", "finish_reason", "internalCode", "success"} | frame.keys())
    frame |= draw(st.dictionaries(st.sampled_from(names), ODD, max_size=1))
    data = json.dumps(frame, ensure_ascii=draw(st.booleans())).encode()
    at = draw(st.integers(0, len(data)))
    put = draw(st.sampled_from([b"", b"", b"", b"\xff", b'"', b"}", b",", b"\\ud83d", b" "]))
    return data[:at] + put + data[at + draw(st.integers(0, 1)) * len(put) :]


@settings(max_examples=count(500))
@given(documents())
@example(b'{"response":"a","response":"b"}')
@example(b'{"response":"a","choices":[{"delta":{"content":"b"}}]}')
@example(b'{"response":"","choices":[{"delta":{"content":"b"}}]}')
@example(b'{"response":"a","p":"\xff"}')
@example(b'{"response":"a","p":"\\ud83d"}')
@example(b'{"created":' + b"9" * 10_000 + b"}")
@example(b'{"p":' + DEEP.encode())
@example(b'{"response":"","tool_calls":' + DEEP.encode())
@example(b'{"choices":[{"logprobs":' + DEEP.encode())
def test_plain_frame_holds_what_is_found_in_any(document: bytes) -> None:
    plain = read_plain(document)

    if plain is not None:
        answer = read_answer(document)
        assert plain == (answer.text or "", answer.reasoning)
        assert (list(answer.calls), answer.usage, answer.reason) == ([], msgspec.Raw(b"null"), None)
        assert not answer.is_failure


@pytest.mark.parametrize("flavour", ["native", "openai", "both", "chat"])
def test_text_comes_in_plain_frames_in_every_flavour(flavour: Flavour) -> None:
    framer = Framer(Shape(flavour), MODEL, seed=1)
    sent = framer.frame(Text(['é"', "\n"])).decode().split("\n\n")[:-1]

    read = [read_plain(frame.removeprefix("data: ").encode()) for frame in sent]

    assert read == ([] if flavour == "native" else [("", "")]) + [('é"', ""), ("\n", "")]


@pytest.mark.parametrize(
    "choice",
    [
        {"index": 0, "delta": {"content": "", "reasoning_content": "Hm"}, "finish_reason": None},
        {"delta": {"role": "assistant", "content": None, "reasoning": "Hm"}, "logprobs": None},
        {"index": 0, "delta": {"reasoning_content": "Hm"}, "token_ids": None},
    ],
    ids=json.dumps,
)
def test_reasoning_comes_in_plain_frames(choice: object) -> None:
    assert read_plain(json.dumps({"choices": [choice]}).encode()) == ("", "Hm")


@pytest.mark.parametrize(
    "frame",
    [
        {"response": "a", "usage": USAGE},
        {"response": "a", "tool_calls": [CALL]},
        {"response": "a", "finish_reason": "stop"},
        {"response": "a", "object": "error"},
        {"response": "a", "success": False},
        {"response": 5},
        {"choices": []},
        {"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]},
        {"choices": [{"delta": {"content": "a", "tool_calls": [CALL]}}]},
        {"choices": [{"delta": {"content": {"a": 1}}}]},
        {"choices": [{"delta": {"content": "a"}, "message": {"content": "b"}}]},
        {"choices": [{"delta": {"content": "a"}}, {"delta": {"content": "b"}}]},
        {"choices": [{"text": "a"}]},
    ],
    ids=json.dumps,
)
def test_frame_that_says_more_or_otherwise_is_no_plain_one(frame: object) -> None:
    assert read_plain(json.dumps(frame).encode()) is None


@pytest.mark.parametrize("data", [b"[DONE]", b"ping", b"{half", b"null", b"[]", b'{"p":"\xff"}'])
def test_data_that_is_no_frame_is_no_plain_one(data: bytes) -> None:
    assert read_plain(data) is None


@settings(max_examples=count(150))
@given(
    st.lists(st.lists(PLAIN_FRAMES | FRAMES, max_size=4), max_size=4),
    st.sampled_from([(), ("END",), ("a", "ND")]),
    st.booleans(),
    st.booleans(),
)
def test_stream_of_plain_frames_becomes_the_chunks_of_any(
    together: Sequence[Sequence[dict[str, object]]],
    stop: Sequence[str],
    include_usage: bool,
    is_chat: bool,
) -> None:
    def rewrite(**more: object) -> list[bytes]:
        heading = Heading(is_chat, "an-id", 1, MODEL)
        generation = Generation(MODEL, "{}", 256, True, stop, include_usage)
        listener = Listener(
            generation.max_tokens, generation.stop, wants_usage=generation.include_usage
        )
        writer = ChunkWriter(heading, include_usage=generation.include_usage)
        chunks = Rewriting(listener, writer, MODEL)
        came = ["".join(f"data: {json.dumps(f | more)}\n\n" for f in frames) for frames in together]
        told = [chunks.feed(chunk.encode()) for chunk in [*came, "data: [DONE]\n\n"]]
        return told if chunks.is_over else [*told, chunks.close()]

    # Nobody knows that field, so no frame that has it is a plain one.
    assert rewrite() == rewrite(unknown=1)
