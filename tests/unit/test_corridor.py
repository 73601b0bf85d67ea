import json
import logging

import pytest

from edgewise import VERSION
from edgewise.exchange import Stream
from edgewise.inference import Answer
from tests.unit.scripted import (
    BASE,
    FAST,
    FP8,
    Corridor,
    TextBody,
    body_of,
    completion,
    error_of,
    refusal,
)

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def test_health_names_version_and_model_without_asking_a_model(corridor: Corridor) -> None:
    reply = corridor.request("GET", "/health")

    assert reply.status == 200
    assert body_of(reply) == {"status": "ok", "version": VERSION, "model": BASE}
    assert corridor.ai.asked == []


def test_json_answer_has_all_its_parts(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi there", tool_calls=[], usage=USAGE)]

    reply = corridor.run({"prompt": "Hello"})

    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-model"] == FAST
    assert body_of(reply) == {
        "model": FAST,
        "response": "Hi there",
        "usage": USAGE,
        "finish_reason": "stop",
        "truncated": False,
    }


def test_stream_is_handed_through_untouched(corridor: Corridor) -> None:
    stream = Stream(object())
    corridor.ai.answers = [Answer(200, stream)]

    reply = corridor.run({"prompt": "Hello", "stream": True})

    assert reply.body is stream
    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.headers["cache-control"] == "no-cache"
    assert reply.headers["x-model"] == FAST


def test_json_that_came_for_a_stream_is_answered_as_json(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]

    assert body_of(corridor.run({"prompt": "Hello", "stream": True}))["response"] == "Hi"


def test_raw_prompt_goes_to_workers_ai_as_it_is(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]
    prompt = '<|begin_of_text|>\u2028 "quoted" \\ é\n'

    corridor.run({"prompt": prompt, "raw": True})

    assert corridor.ai.asked == [(FAST, {"prompt": prompt, "raw": True, "max_tokens": 256})]


def test_model_in_the_path_may_be_percent_encoded(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]

    reply = corridor.run({"prompt": "Hello"}, "/run/%40cf%2Fmeta/llama-3.1-8b-instruct-fp8")

    assert reply.headers["x-model"] == FP8


@pytest.mark.parametrize("path", ["/", "/runs", "/run/", "/health/", "/RUN", "/v2/models"])
def test_unknown_path_is_404(corridor: Corridor, path: str) -> None:
    reply = corridor.request("POST", path)

    assert (reply.status, error_of(reply)["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/run", "POST, GET"),
        ("PURGE", "/run", "POST, GET"),
        ("DELETE", f"/run/{BASE}", "POST, GET"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("POST", "/health", "GET, HEAD"),
    ],
)
def test_wrong_method_is_405_and_names_the_right_ones(
    corridor: Corridor, method: str, path: str, allow: str
) -> None:
    reply = corridor.request(method, path)

    assert (reply.status, error_of(reply)["code"]) == (405, "method_not_allowed")
    assert reply.headers["allow"] == allow


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/nowhere"), ("PUT", "/run"), ("POST", "/run/unknown"), ("GET", "/health")],
)
def test_body_is_not_read_before_it_is_needed(corridor: Corridor, method: str, path: str) -> None:
    body = TextBody(b"{}")

    corridor.request(method, path, body)

    assert not body.was_read


def test_unknown_model_is_404_and_names_the_known_ones(corridor: Corridor) -> None:
    reply = corridor.run({"prompt": "Hello"}, "/run/@cf/openai/gpt-oss-120b")

    assert reply.status == 404
    assert error_of(reply) == {
        "code": "model_not_found",
        "message": f"model: expected one of {BASE}, {FP8}",
        "param": "model",
    }


def test_body_over_the_cap_is_413(corridor: Corridor) -> None:
    reply = corridor.request("POST", "/run", TextBody(b" " * 1001))

    assert (reply.status, error_of(reply)["code"]) == (413, "body_too_large")
    assert corridor.ai.asked == []


def test_bad_field_is_400_and_named(corridor: Corridor) -> None:
    reply = corridor.run({"prompt": "Hello", "temperature": "hot"})

    assert reply.status == 400
    assert error_of(reply) == {
        "code": "invalid_request",
        "message": "temperature: expected a number from 0 to 5, got a string",
        "param": "temperature",
    }
    assert corridor.ai.asked == []


def test_failure_of_the_model_says_what_and_where(corridor: Corridor) -> None:
    corridor.ai.answers = [refusal(3040, 429)]

    reply = corridor.run({"prompt": "Hello"})

    assert reply.status == 429
    assert error_of(reply) == {
        "code": "no_capacity",
        "message": f"no capacity just now, try again soon ({FAST}, code 3040)",
        "upstream_code": 3040,
    }


def test_misconfigured_deployment_says_which_variable(corridor: Corridor) -> None:
    corridor.variables = json.dumps({"MODELS": []})

    reply = corridor.request("GET", "/health")

    assert reply.status == 500
    assert error_of(reply) == {
        "code": "misconfigured",
        "message": "MODELS: expected an array of 1 model or more, got an empty array",
        "param": "MODELS",
    }


def test_failure_without_a_code_is_logged_without_text(
    corridor: Corridor, caplog: pytest.LogCaptureFixture
) -> None:
    corridor.ai.answers = [Answer(200, '{"response":"half of an ans')]

    with caplog.at_level(logging.ERROR, "edgewise"):
        assert corridor.run({"prompt": "Hello"}).status == 502

    assert caplog.messages == [f"Workers AI failed ({FAST}, no code): DecodeError"]


def test_fault_of_ours_is_logged_and_not_told(
    corridor: Corridor, caplog: pytest.LogCaptureFixture
) -> None:
    corridor.ai.answers = [RuntimeError("a secret of the house")]

    with caplog.at_level(logging.ERROR, "edgewise"):
        reply = corridor.run({"prompt": "Hello"})

    assert reply.status == 500
    assert error_of(reply) == {"code": "internal_error", "message": "internal error"}
    assert "a secret of the house" in caplog.text
