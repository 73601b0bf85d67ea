"""What Workers AI says becomes the same few events, in every flavour, whole and streamed."""

import json
from collections.abc import Sequence

import msgspec
import pytest

from edgewise.errors import UpstreamError
from edgewise.heard.events import (
    CallPiece,
    Calls,
    Counted,
    End,
    Event,
    Failure,
    Reasoning,
    Text,
    Usage,
)
from edgewise.heard.stream import Listener
from edgewise.heard.whole import understand

MODEL = "@cf/openai/gpt-oss-20b"


def hear(*frames: object, stop: Sequence[str] = (), wants_usage: bool = True) -> list[Event]:
    """Hear a stream of these frames, each in a chunk; text is data as it is."""
    listener = Listener(256, stop, wants_usage=wants_usage)
    heard: list[Event] = []
    for frame in frames:
        data = frame if isinstance(frame, str) else json.dumps(frame)
        heard += listener.feed(f"data: {data}\n\n".encode())
    return heard if listener.is_over else heard + listener.close()


def hear_whole(answer: object, stop: Sequence[str] = ()) -> list[Event]:
    """Hear an answer in one piece."""
    return [*understand(MODEL, json.dumps(answer), 256, stop).events()]


def event(kind: str, **fields: object) -> dict[str, object]:
    """An event of OpenAI's Responses."""
    return {"type": f"response.{kind}", **fields}


USAGE = {
    "input_tokens": 9,
    "output_tokens": 5,
    "total_tokens": 14,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens_details": {"reasoning_tokens": 2},
}
COUNTED = Counted(Usage(9, 5, 14, 4, 2))
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
OUTPUT = [
    {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm."}]},
    {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]},
]


def test_output_of_gpt_oss_is_heard() -> None:
    heard = hear_whole({"object": "response", "output": OUTPUT, "usage": USAGE})

    assert heard == [Reasoning("Hm."), Text("Hi"), End("stop"), COUNTED]


def test_calls_of_gpt_oss_are_heard() -> None:
    heard = hear_whole({"output": [*OUTPUT[:1], CALL], "usage": USAGE})

    piece = CallPiece(0, True, "c1", "f", '{"a":1}')
    assert heard == [Reasoning("Hm."), Calls([piece]), End("tool_calls"), COUNTED]


@pytest.mark.parametrize(
    ("reason", "told"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("odd", None)],
)
def test_output_that_was_cut_says_why(reason: str, told: str | None) -> None:
    heard = hear_whole({"output": OUTPUT, "incomplete_details": {"reason": reason}})

    assert heard[-1] == End(told)  # type: ignore[arg-type]  # one of those there are


def test_stream_of_gpt_oss_is_heard() -> None:
    heard = hear(
        event("created", response={"id": "r"}),
        event("reasoning_text.delta", delta="Hm."),
        event("output_text.delta", delta="H"),
        event("output_text.delta", delta="i"),
        event("output_text.done", text="Hi"),
        event("output_item.added", output_index=2, item=CALL | {"arguments": ""}),
        event("function_call_arguments.delta", output_index=2, delta='{"a":'),
        event("function_call_arguments.delta", output_index=2, delta="1}"),
        event("function_call_arguments.done", output_index=2, arguments='{"a":1}'),
        event("completed", response={"usage": USAGE}),
    )

    assert heard == [
        Reasoning("Hm."),
        Text("H"),
        Text("i"),
        Calls([CallPiece(0, True, "c1", "f", "")]),
        Calls([CallPiece(0, False, None, "", '{"a":')]),
        Calls([CallPiece(0, False, None, "", "1}")]),
        End("tool_calls"),
        COUNTED,
    ]


def test_stream_of_gpt_oss_that_was_cut_says_why() -> None:
    details = {"reason": "max_output_tokens"}
    ended = event("incomplete", response={"incomplete_details": details, "usage": None})

    assert hear(event("output_text.delta", delta="Hi"), ended) == [Text("Hi"), End("length")]


@pytest.mark.parametrize(
    "last",
    [
        event("failed", response={"error": {"code": "server_error"}}),
        {"type": "error", "message": "no"},
    ],
)
def test_stream_of_gpt_oss_that_fails_is_a_failure(last: object) -> None:
    assert hear(event("output_text.delta", delta="Hi"), last) == [Text("Hi"), Failure(None)]


def test_stream_of_gpt_oss_without_its_last_event_broke_off() -> None:
    assert hear(event("output_text.delta", delta="Hi"))[-1] == Failure(None)


def test_output_without_a_message_is_not_an_answer() -> None:
    with pytest.raises(UpstreamError):
        hear_whole({"output": []})


@pytest.mark.parametrize(
    ("frames", "texts"),
    [
        (["a\\ud83d", "\\ude00b"], ["a", "😀b"]),
        (["\\ud83d", "\\ude00"], ["😀"]),
        (["\\ud83d", "x"], ["\ufffdx"]),
        (["a\\ud83d"], ["a", "\ufffd"]),
        (["\\ude00a"], ["\ufffda"]),
        (["\\ud83d", "\\ud83d", "\\ude00"], ["\ufffd", "😀"]),
        (["\\ud83d\\ude00\\ud83d", "\\ude00"], ["😀", "😀"]),
    ],
)
@pytest.mark.parametrize("name", ["response", "content"])
def test_character_that_is_cut_between_two_frames_is_put_together(
    frames: list[str], texts: list[str], name: str
) -> None:
    shape = (
        '{"response":"%s"}' if name == "response" else '{"choices":[{"delta":{"content":"%s"}}]}'
    )

    heard = hear(*(shape % frame for frame in frames), "[DONE]")

    assert [each.text for each in heard if isinstance(each, Text)] == texts


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"completion_tokens": 3}, Usage(None, 3)),
        (
            {
                "prompt_tokens_details": {"cached_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 1},
            },
            Usage(cached_tokens=2, reasoning_tokens=1),
        ),
        ({"prompt_tokens": 1, "prompt_tokens_details": "odd"}, Usage(1)),
        ({"prompt_tokens": "odd", "completion_tokens": 3}, Usage(None, 3)),
        ([3], None),
    ],
)
def test_usage_is_told_as_far_as_it_is_known(usage: object, counted: Usage | None) -> None:
    heard = hear({"response": "Hi"}, {"response": "", "usage": usage}, "[DONE]")

    told = [
        msgspec.structs.replace(each.usage, details=msgspec.Raw())
        for each in heard
        if isinstance(each, Counted)
    ]
    assert told == ([] if counted is None else [counted])


def test_end_names_the_stop_text_that_matched() -> None:
    frames = [{"response": "one two"}, {"response": " three"}, {"usage": {"prompt_tokens": 1}}]

    heard = hear(*frames, "[DONE]", stop=["three", "two"])
    ended = hear(*frames, "[DONE]", stop=["three", "two"], wants_usage=False)

    assert ended == [Text("one "), End("stop", "two")]
    assert heard == [*ended, Counted(Usage(1))]
    assert hear_whole({"response": "one two three"}, ["three", "two"]) == ended


def test_answer_is_the_same_whole_and_in_frames() -> None:
    whole = {
        "response": "Hi",
        "tool_calls": [{"name": "f", "arguments": {"a": 1}}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2},
    }

    frames = [{"response": "Hi"}, {"tool_calls": whole["tool_calls"]}, {"usage": whole["usage"]}]
    assert hear(*frames, "[DONE]") == hear_whole(whole)


def test_usage_can_be_counted_without_wording_anything() -> None:
    listener = Listener(256, wants_usage=True)
    listener.feed(b'data: {"response":"Hi"}\n\ndata: {"usage":{"prompt_tokens":1}}\n\n')

    assert listener.usage == Usage(1)
