import json

import pytest

from edgewise.asked.generation import Generation
from edgewise.dialects.native import run_reply
from edgewise.errors import UpstreamError
from edgewise.exchange import Reply
from edgewise.inference import Outcome
from tests.edgewise.unit.scripted import body_of


def answer(document: str, max_tokens: int = 256) -> Reply:
    """Our reply to the text of one of Workers AI's answers."""
    return run_reply(Generation("m", "{}", max_tokens), Outcome("m", document))


def reply_to(document: object, max_tokens: int = 256) -> dict[str, object]:
    """Our answer to one of Workers AI's."""
    return body_of(answer(json.dumps(document), max_tokens))


def usage(completion_tokens: int) -> dict[str, int]:
    """Usage with a prompt of one token."""
    return {
        "prompt_tokens": 1,
        "completion_tokens": completion_tokens,
        "total_tokens": 1 + completion_tokens,
    }


@pytest.mark.parametrize(
    ("used", "truncated", "finish_reason"),
    [(9, False, "stop"), (10, True, "length"), (11, True, "length")],
)
def test_answer_that_reached_max_tokens_says_so(
    used: int, truncated: bool, finish_reason: str
) -> None:
    body = reply_to({"response": "Hi", "usage": usage(used)}, max_tokens=10)

    assert (body["truncated"], body["finish_reason"]) == (truncated, finish_reason)


def test_answer_without_usage_does_not_pretend_to_know() -> None:
    body = reply_to({"response": "Hi"})

    assert body == {
        "model": "m",
        "response": "Hi",
        "usage": None,
        "finish_reason": None,
        "truncated": None,
    }


def test_tool_calls_are_handed_on_as_they_came() -> None:
    calls = [{"name": "weather", "arguments": {"city": "Bern"}}]

    body = reply_to({"response": None, "tool_calls": calls, "usage": usage(3)})

    assert body["tool_calls"] == calls
    assert body["response"] is None
    assert body["finish_reason"] == "tool_calls"


def test_tool_calls_may_come_without_a_response() -> None:
    assert reply_to({"tool_calls": [{"name": "f"}], "usage": usage(3)})["response"] is None


def test_usage_that_cannot_be_read_is_handed_on_and_tells_nothing() -> None:
    body = reply_to({"response": "Hi", "usage": {"completion_tokens": "9"}})

    assert body["usage"] == {"completion_tokens": "9"}
    assert (body["finish_reason"], body["truncated"]) == (None, None)


@pytest.mark.parametrize(
    ("reason", "truncated"), [("stop", False), ("length", True), ("content_filter", False)]
)
def test_models_own_finish_reason_is_told_when_nothing_was_counted(
    reason: str, truncated: bool
) -> None:
    body = reply_to({"choices": [{"message": {"content": "Hi"}, "finish_reason": reason}]})

    assert (body["finish_reason"], body["truncated"]) == (reason, truncated)


def test_reasoning_is_told_beside_the_text() -> None:
    body = reply_to({"choices": [{"message": {"content": "Hi", "reasoning": "Hm"}}]})

    assert (body["response"], body["reasoning"]) == ("Hi", "Hm")


def test_usage_may_be_counted_in_floats() -> None:
    body = reply_to({"response": "Hi", "usage": {"completion_tokens": 9.0}}, max_tokens=9)

    assert body["truncated"] is True


def test_tool_calls_cut_at_max_tokens_are_cut() -> None:
    body = reply_to({"tool_calls": [{"name": "f"}], "usage": usage(9)}, max_tokens=9)

    assert body["finish_reason"] == "length"


def test_usage_keeps_what_workers_ai_adds() -> None:
    given = usage(2) | {"prompt_tokens_details": {"cached_tokens": 1}, "neurons": 0.125}

    assert reply_to({"response": "Hi", "usage": given})["usage"] == given


@pytest.mark.parametrize(
    ("response", "text"),
    [
        ("", ""),
        ('é \u2028 "x" \\ \n', 'é \u2028 "x" \\ \n'),
        ({"a": [1, "é"]}, '{"a": [1, "\\u00e9"]}'),
        ([], "[]"),
        (4.5, "4.5"),
        (None, None),
    ],
    ids=["empty", "text", "object", "array", "number", "null"],
)
def test_response_is_text_whatever_workers_ai_made_of_it(
    response: object, text: str | None
) -> None:
    assert reply_to({"response": response, "usage": usage(1)})["response"] == text


@pytest.mark.parametrize(
    "document",
    [
        "not JSON",
        "[]",
        "{}",
        '{"tool_calls":[]}',
        '{"choices":[]}',
        '{"choices":5}',
        '{"response":"Hi","error":"no"}',
        '{"response":' + "[" * 100 + "]" * 100 + "}",
    ],
)
def test_answer_that_cannot_be_read_is_502(document: str) -> None:
    with pytest.raises(UpstreamError) as caught:
        answer(document)

    assert caught.value.status == 502
