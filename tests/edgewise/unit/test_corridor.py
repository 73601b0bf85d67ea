import json

import pytest

from edgewise import VERSION
from edgewise.exchange import Stream
from edgewise.inference import Answer
from tests.edgewise.unit.scripted import (
    BASE,
    FAST,
    FP8,
    Corridor,
    TextBody,
    body_of,
    completion,
    error_of,
    refusal,
    variables,
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
    assert reply.headers["cache-control"] == "no-cache, no-store"
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


def test_fault_of_ours_is_not_told(corridor: Corridor) -> None:
    corridor.ai.answers = [RuntimeError("a secret of the house")]

    reply = corridor.run({"prompt": "Hello"})

    assert reply.status == 500
    assert error_of(reply) == {"code": "internal_error", "message": "internal error"}


@pytest.mark.parametrize("path", ["/health", "/run", "/v1/models", "/nowhere"])
def test_no_answer_is_to_be_stored_or_guessed_at(corridor: Corridor, path: str) -> None:
    headers = corridor.request("GET", path).headers

    assert "no-store" in headers["cache-control"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"x-request-id": "abc-123", "cf-ray": "8f1c-AMS"}, "abc-123"),
        ({"x-request-id": "a" * 64}, "a" * 64),
        ({"x-request-id": "a" * 65, "cf-ray": "8f1c-AMS"}, "8f1c-AMS"),
        ({"x-request-id": ""}, "a-request"),
        ({"x-request-id": "a\n"}, "a-request"),
        ({"x-request-id": "a b"}, "a-request"),
        ({"x-request-id": "é"}, "a-request"),
        ({"x-request-id": "one, two", "cf-ray": "{}"}, "a-request"),
        ({}, "a-request"),
    ],
)
def test_request_is_named_by_its_caller_or_by_cloudflare(
    corridor: Corridor, sent: dict[str, str], told: str
) -> None:
    reply = corridor.request("GET", "/health", headers=sent)

    assert reply.headers["x-request-id"] == corridor.records[-1].id == told


def test_completion_has_an_id_of_its_own_whatever_the_caller_calls_it(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]
    body = {"model": BASE, "messages": [{"role": "user", "content": "Hello"}]}

    reply = corridor.run(body, "/v1/chat/completions", {"x-request-id": "mine"})

    assert body_of(reply)["id"] == "chatcmpl-a-request"


def test_answer_tells_how_long_the_model_took_and_how_long_we_did(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]
    corridor.ticks = [10.0, 10.25, 12.0, 12.5]

    reply = corridor.run({"prompt": "Hello"})

    assert reply.headers["server-timing"] == "model;dur=1750.0, edgewise;dur=750.0"


def test_answer_without_a_model_tells_how_long_we_took(corridor: Corridor) -> None:
    corridor.ticks = [10.0, 10.002]

    reply = corridor.request("GET", "/health")

    assert reply.headers["server-timing"] == "model;dur=0.0, edgewise;dur=2.0"


@pytest.mark.parametrize("path", ["/ai/health", "/ai/openapi.json", "/ai/v1/models"])
def test_every_path_begins_with_the_prefix(corridor: Corridor, path: str) -> None:
    corridor.variables = variables(PATH_PREFIX="/ai")

    assert corridor.request("GET", path).status == 200


@pytest.mark.parametrize("path", ["/health", "/aihealth", "/ai", "/AI/health", "/", "/v1/models"])
def test_path_without_the_prefix_is_404(corridor: Corridor, path: str) -> None:
    corridor.variables = variables(PATH_PREFIX="/ai")

    reply = corridor.request("GET", path)

    assert reply.status == 404
    assert error_of(reply)["message"] == "path: expected one that begins with /ai/"


def test_unknown_path_below_the_prefix_is_told_the_whole_paths(corridor: Corridor) -> None:
    corridor.variables = variables(PATH_PREFIX="/ai")

    reply = corridor.request("GET", "/ai/ai/health")

    assert reply.status == 404
    assert "path: expected one of /ai/health, /ai/openapi.json" in error_of(reply)["message"]


def test_dialect_of_a_path_does_not_depend_on_the_prefix(corridor: Corridor) -> None:
    corridor.variables = variables(PATH_PREFIX="/v1")

    native = corridor.request("POST", "/v1/run", TextBody(b"{"))
    openai = corridor.request("POST", "/v1/v1/chat/completions", TextBody(b"{"))

    assert "type" not in error_of(native)
    assert error_of(openai)["type"] == "invalid_request_error"


def test_foreign_host_is_told_in_the_dialect_below_the_prefix(corridor: Corridor) -> None:
    corridor.variables = variables(PATH_PREFIX="/ai", ALLOWED_HOSTS="edge.example")
    corridor.origin = "https://evil.example"

    reply = corridor.request("GET", "/ai/v1/models", headers={"cf-connecting-ip": "192.0.2.1"})

    assert reply.status == 403
    assert error_of(reply)["type"] == "permission_error"


def test_preflight_finds_the_path_below_the_prefix(corridor: Corridor) -> None:
    corridor.variables = variables(PATH_PREFIX="/ai", ALLOWED_ORIGINS="https://page.example")
    headers = {"origin": "https://page.example", "access-control-request-method": "POST"}

    reply = corridor.request("OPTIONS", "/ai/run", headers=headers)

    assert reply.status == 204
    assert reply.headers["access-control-allow-methods"] == "POST, GET"


def test_log_names_the_route_without_the_prefix(corridor: Corridor) -> None:
    corridor.variables = variables(PATH_PREFIX="/ai")

    corridor.request("GET", "/ai/health")

    assert corridor.records[-1].route == "GET /health"


@pytest.mark.parametrize(
    ("worded", "text"),
    [
        (r"cut \ud83d", "cut \ufffd"),
        (r"\uDC00\ud83d\uD83D\ude00.", "\ufffd\ufffd\U0001f600."),
        (r"\\ud83d \\\ud83d", "\\ud83d \\\ufffd"),
        (r"\u00e9\ud83d\ude00\n", "\u00e9\U0001f600\n"),
    ],
)
def test_text_that_was_cut_amid_an_emoji_is_answered(
    corridor: Corridor, worded: str, text: str
) -> None:
    corridor.ai.answers = [Answer(200, f'{{"response":"{worded}"}}')]

    assert body_of(corridor.run({"prompt": "Hello"}))["response"] == text
