import json
from datetime import datetime

import pytest

from edgewise.exchange import Rewritten, Stream
from edgewise.inference import Answer
from edgewise.records import Record, end, word_point, word_record
from tests.edgewise.unit.scripted import (
    BASE,
    FAST,
    NOW,
    Corridor,
    TextBody,
    completion,
    refusal,
    variables,
)

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
KEY = "ew_0123456789abcdef"
SECRET = "a secret"
CHAT = {"model": BASE, "messages": [{"role": "user", "content": SECRET}]}


def line(corridor: Corridor) -> dict[str, object]:
    """The line that was written last."""
    text = word_record(corridor.records[-1])
    assert "\n" not in text
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def test_answer_is_written_down_whole(corridor: Corridor) -> None:
    corridor.variables = variables(API_KEYS=f"shop:{KEY}")
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]
    corridor.ticks = [1.0, 1.5, 2.0, 2.25]

    corridor.run(
        {"prompt": SECRET}, f"/run/{BASE}", {"x-api-key": KEY, "x-request-id": "abc", "cf-ray": "r"}
    )

    assert line(corridor) == {
        "time": "2027-01-15T08:00:00.500Z",
        "id": "abc",
        "caller": "shop",
        "route": "POST /run/{model}",
        "model": FAST,
        "status": 200,
        "code": None,
        "upstream_code": None,
        "ms": 1250.0,
        "model_ms": 500.0,
        "stream": False,
        "usage": USAGE,
    }
    assert datetime.fromisoformat(str(line(corridor)["time"])).timestamp() == NOW


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/run", {"prompt": SECRET}),
        (f"/client/v4/accounts/a/ai/run/{BASE}", {"prompt": SECRET}),
        ("/v1/chat/completions", CHAT),
        ("/v1/chat/completions", CHAT | {"stream": True}),  # a model that answers JSON all the same
        ("/v1/completions", {"model": BASE, "prompt": SECRET}),
    ],
)
def test_usage_is_written_down_in_every_dialect(
    corridor: Corridor, path: str, document: dict[str, object]
) -> None:
    corridor.ai.answers = [completion(response=SECRET, usage=USAGE)]

    corridor.run(document, path)

    assert line(corridor)["usage"] == USAGE
    assert SECRET not in word_record(corridor.records[-1])


def test_usage_of_an_event_source_that_got_json_is_written_down(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]

    corridor.request("GET", "/run", query="prompt=Hello")

    assert (line(corridor)["route"], line(corridor)["usage"]) == ("GET /run", USAGE)


def test_usage_that_nobody_counted_is_null(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi")]

    corridor.run({"prompt": "Hello"})

    assert line(corridor)["usage"] is None


def test_stream_is_called_one(corridor: Corridor) -> None:
    corridor.ai.answers = [Answer(200, Stream(object()))]

    corridor.run({"prompt": "Hello", "stream": True})

    assert (line(corridor)["stream"], line(corridor)["usage"]) == (True, None)


def test_refusal_of_the_model_is_written_down_with_its_code(corridor: Corridor) -> None:
    corridor.ai.answers = [refusal(3040, 429)]

    corridor.run({"prompt": "Hello"})

    found = line(corridor)
    assert (found["status"], found["code"], found["upstream_code"]) == (429, "no_capacity", 3040)
    assert found["model"] == FAST
    assert "fault" not in found


@pytest.mark.parametrize(
    ("method", "path", "route", "code"),
    [
        ("POST", f"/{SECRET}", None, "not_found"),
        (f"P{SECRET}", "/run", None, "method_not_allowed"),
        ("POST", f"/run/{SECRET}", "POST /run/{model}", "model_not_found"),
        (
            "POST",
            f"/client/v4/accounts/{SECRET}/ai/run/{BASE}",
            "POST /client/v4/accounts/{account}/ai/run/{model}",
            "invalid_request",
        ),
    ],
)
def test_nothing_of_an_address_is_written_down(
    corridor: Corridor, method: str, path: str, route: str | None, code: str
) -> None:
    corridor.request(method, path, TextBody(b"{}"))

    assert SECRET not in word_record(corridor.records[-1])
    assert (line(corridor)["route"], line(corridor)["code"]) == (route, code)


def test_fault_of_ours_is_written_down_as_a_place_without_its_text(corridor: Corridor) -> None:
    corridor.ai.answers = [RuntimeError(SECRET)]

    corridor.run({"prompt": "Hello"})

    found = line(corridor)
    fault = found["fault"]
    assert isinstance(fault, dict)
    assert (found["code"], fault["cause"]) == ("internal_error", "RuntimeError")
    assert fault["trace"][0].startswith("app.py:")
    assert fault["trace"][-1].endswith(" run")
    assert SECRET not in word_record(corridor.records[-1])


def test_answer_that_cannot_be_read_is_written_down_with_its_cause(corridor: Corridor) -> None:
    corridor.ai.answers = [Answer(200, f'{{"response":"{SECRET}')]

    corridor.run({"prompt": "Hello"})

    found = line(corridor)
    fault = found["fault"]
    assert isinstance(fault, dict)
    assert (found["status"], fault["cause"]) == (502, "DecodeError")
    assert SECRET not in word_record(corridor.records[-1])


def streamed(corridor: Corridor, *frames: bytes, is_whole: bool) -> Record:
    """What is written down of a stream of OpenAI's chunks, once it has ended."""
    corridor.ai.answers = [Answer(200, Stream(object()))]
    reply = corridor.run(CHAT | {"stream": True}, "/v1/chat/completions")
    assert isinstance(reply.body, Rewritten)
    for frame in frames:
        reply.body.rewriter.feed(b"data: " + frame + b"\n\n")
    if not is_whole:
        reply.body.rewriter.break_off()
    return end(corridor.records[-1], reply.body.rewriter, None, 0.5)


def test_stream_that_ended_is_written_down_with_its_usage(corridor: Corridor) -> None:
    usage = b'{"response":"","usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}'

    record = streamed(corridor, b'{"response":"Hi"}', usage, b"[DONE]", is_whole=True)

    assert json.loads(word_record(record))["usage"] == USAGE
    assert (record.code, record.ms) == (None, 500.0)


def test_stream_that_broke_is_written_down_as_such(corridor: Corridor) -> None:
    record = streamed(corridor, b'{"response":"Hi"}', is_whole=False)

    assert (record.status, record.code, record.upstream_code) == (200, "upstream_error", None)


def test_stream_that_failed_is_written_down_with_the_code_of_workers_ai(corridor: Corridor) -> None:
    frame = b'{"internalCode":3040,"name":"AiError"}'

    record = streamed(corridor, frame, is_whole=True)

    assert (record.code, record.upstream_code) == ("no_capacity", 3040)


def test_stream_whose_reader_left_is_written_down_as_such(corridor: Corridor) -> None:
    corridor.ai.answers = [Answer(200, Stream(object()))]
    reply = corridor.run(CHAT | {"stream": True}, "/v1/chat/completions")
    assert isinstance(reply.body, Rewritten)

    record = end(corridor.records[-1], reply.body.rewriter, "client_left", 0.1)

    assert (record.code, record.usage) == ("client_left", None)


def test_data_point_has_the_same_figures(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]
    corridor.ticks = [1.0, 1.5, 2.0, 2.25]

    corridor.run({"prompt": SECRET})

    assert json.loads(word_point(corridor.records[-1])) == {
        "indexes": ["anonymous"],
        "blobs": ["POST /run", FAST, "", "json", "anonymous", "a-request"],
        "doubles": [200, 0, 1250.0, 500.0, 5, 2, 7],
    }


def test_data_point_of_what_nobody_asked_for_is_whole_too(corridor: Corridor) -> None:
    corridor.request("GET", "/nowhere")

    point = json.loads(word_point(corridor.records[-1]))
    assert point["indexes"] == ["-:nobody"]
    assert point["blobs"] == ["", "", "not_found", "json", "", "a-request"]


def test_usage_that_is_counted_in_part_is_told_in_part(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage={"completion_tokens": 2.0})]

    corridor.run({"prompt": "Hello"})

    assert line(corridor)["usage"] == {
        "prompt_tokens": None,
        "completion_tokens": 2,
        "total_tokens": None,
    }
