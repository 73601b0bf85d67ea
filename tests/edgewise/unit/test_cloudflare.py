import json
from typing import Any

import pytest

from edgewise.exchange import Stream
from edgewise.inference import Answer
from tests.edgewise.unit.scripted import BASE, FAST, FP8, Corridor, body_of, completion, refusal

ACCOUNT = "/client/v4/accounts/abc/ai"
RUN = f"{ACCOUNT}/run/{BASE}"
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def search(corridor: Corridor, query: str = "") -> dict[str, Any]:
    """Ask for models."""
    return body_of(corridor.request("GET", f"{ACCOUNT}/models/search", query=query))


@pytest.mark.parametrize(
    "answer",
    [
        {"response": "Hi", "tool_calls": [], "usage": USAGE},
        {"response": {"a": 1}, "usage": USAGE},
        {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": USAGE},
    ],
    ids=["native", "parsed JSON", "openai"],
)
def test_answer_is_what_workers_ai_said_in_the_envelope(
    corridor: Corridor, answer: dict[str, object]
) -> None:
    corridor.ai.answers = [completion(**answer)]

    reply = corridor.run({"prompt": "Hello"}, RUN)

    assert reply.headers["x-model"] == FAST
    assert body_of(reply) == {
        "result": answer | {"finish_reason": "stop", "truncated": False},
        "success": True,
        "errors": [],
        "messages": [],
    }


def test_answer_that_was_cut_says_so(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]

    result = body_of(corridor.run({"prompt": "Hello", "max_tokens": 2}, RUN))["result"]

    assert isinstance(result, dict)
    assert (result["finish_reason"], result["truncated"]) == ("length", True)


def test_stream_is_handed_through_untouched(corridor: Corridor) -> None:
    stream = Stream(object())
    corridor.ai.answers = [Answer(200, stream)]

    reply = corridor.run({"prompt": "Hello", "stream": True}, RUN)

    assert reply.body is stream


def test_caller_may_refuse_to_wait_for_capacity(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi")] * 2

    corridor.run({"prompt": "Hello", "options": {"rejectIfBusy": True}}, RUN)

    assert corridor.ai.was_told_to_reject
    assert "options" not in corridor.ai.asked[0][1]
    corridor.run({"prompt": "Hello"}, RUN)
    assert not corridor.ai.was_told_to_reject


@pytest.mark.parametrize(
    ("document", "path", "status", "code"),
    [
        ({}, RUN, 400, 5006),
        ({"prompt": "Hello", "max_tokens": 1000}, RUN, 400, 5006),
        ({"prompt": "Hello"}, f"{ACCOUNT}/run/unknown", 404, 5007),
        ({"prompt": "Hello"}, f"{ACCOUNT}/nowhere", 404, 7003),
        ({"prompt": "Hello"}, f"{ACCOUNT}/models/search", 405, 7001),
        ({"prompt": "x" * 1000}, RUN, 413, 3006),
        ({"prompt": "a " * 101, "max_tokens": 900}, RUN, 400, 5021),
    ],
)
def test_error_is_worded_in_the_envelope(
    corridor: Corridor, document: object, path: str, status: int, code: int
) -> None:
    reply = corridor.run(document, path)

    body = body_of(reply)
    assert (reply.status, body["result"], body["success"]) == (status, None, False)
    [error] = body["errors"]
    assert error["code"] == code
    assert body["messages"] == []


def test_code_of_workers_ai_is_handed_on(corridor: Corridor) -> None:
    corridor.ai.answers = [refusal(3040, 429)]

    reply = corridor.run({"prompt": "Hello"}, RUN)

    assert reply.status == 429
    assert reply.headers["retry-after"] == "2"
    message = f"no capacity just now, try again soon ({FAST}, code 3040)"
    assert body_of(reply)["errors"] == [{"code": 3040, "message": message}]


def test_catalogue_is_listed(corridor: Corridor) -> None:
    body = search(corridor)

    assert body["result_info"] == {"count": 2, "page": 1, "per_page": 50, "total_count": 2}
    first, second = body["result"]
    assert (first["id"], first["name"], first["source"]) == (BASE, BASE, 1)
    assert first["properties"] == [{"property_id": "context_window", "value": "1000"}]
    assert first["task"]["name"] == "Text Generation"
    assert second["properties"] == [{"property_id": "tools", "value": "true"}]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("search=FP8", [FP8]),
        ("search=whisper", []),
        ("task=Text%20Generation", [BASE, FP8]),
        ("task=Text+Generation&author=meta", [BASE, FP8]),
        ("task=Translation", []),
        ("author=google", []),
        ("source=1&hide_experimental=true", [BASE, FP8]),
        ("source=2", []),
        ("per_page=1", [BASE]),
        ("per_page=1&page=2", [FP8]),
        ("per_page=1&page=3", []),
        ("colour=blue", [BASE, FP8]),
    ],
)
def test_catalogue_can_be_searched(corridor: Corridor, query: str, found: list[str]) -> None:
    body = search(corridor, query)

    assert [model["name"] for model in body["result"]] == found


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("page=0", "page: expected an integer of 1 or more, got a string"),
        ("per_page=many", "per_page: expected an integer from 1 to 1000, got a string"),
        ("page=1&page=2", "page: expected once, got it twice"),
        ("search=%ff", "query: expected percent-encoded UTF-8"),
    ],
)
def test_bad_search_is_400(corridor: Corridor, query: str, message: str) -> None:
    errors = search(corridor, query)["errors"]

    assert json.dumps(errors) == json.dumps([{"code": 5006, "message": message}])
