import asyncio
import json

import pytest

from edgewise import inference
from edgewise.asked.generation import Generation
from edgewise.errors import UpstreamError
from edgewise.exchange import Stream
from edgewise.inference import Answer, infer
from tests.edgewise.unit.scripted import (
    BASE,
    FAST,
    FP8,
    Corridor,
    ScriptedAi,
    completion,
    error_of,
    refusal,
)

ANSWER = completion(response="Hi", usage={"completion_tokens": 1})


def models_asked(corridor: Corridor) -> list[str]:
    """The models that were asked since the last look."""
    asked = [model for model, _ in corridor.ai.asked]
    corridor.ai.asked.clear()
    return asked


@pytest.mark.parametrize("code", [5007, 5028, 3042])
def test_model_that_is_gone_is_followed_by_the_next(corridor: Corridor, code: int) -> None:
    corridor.ai.answers = [refusal(code), ANSWER]

    reply = corridor.run({"prompt": "Hello"})

    assert reply.headers["x-model"] == FP8
    assert models_asked(corridor) == [FAST, FP8]


@pytest.mark.parametrize("code", [3036, 3040, 5006, 5021, 3007, 9999])
def test_model_that_only_failed_is_not(corridor: Corridor, code: int) -> None:
    corridor.ai.answers = [refusal(code)]

    assert corridor.run({"prompt": "Hello"}).status >= 400
    assert models_asked(corridor) == [FAST]


def test_model_that_answered_is_asked_first_from_then_on(corridor: Corridor) -> None:
    corridor.ai.answers = [refusal(5028), ANSWER, ANSWER]

    corridor.run({"prompt": "Hello"})
    corridor.run({"prompt": "Hello"})

    assert models_asked(corridor) == [FAST, FP8, FP8]


def test_remembered_model_that_goes_is_followed_by_the_others_in_order(corridor: Corridor) -> None:
    corridor.ai.answers = [refusal(5028), ANSWER, refusal(5028), ANSWER]

    corridor.run({"prompt": "Hello"})
    models_asked(corridor)
    reply = corridor.run({"prompt": "Hello"})

    assert models_asked(corridor) == [FP8, FAST]
    assert reply.headers["x-model"] == FAST


def test_remembered_model_that_serves_no_longer_is_not_asked() -> None:
    inference.answered_last[("serves",)] = "withdrawn"
    ai = ScriptedAi([ANSWER])

    outcome = asyncio.run(infer(Generation("public", "{}", 256), ["serves"], ai))

    assert outcome.model == "serves"


def test_what_answered_under_other_settings_is_not_asked_first() -> None:
    ai = ScriptedAi([ANSWER, ANSWER])
    generation = Generation("public", "{}", 256)

    asyncio.run(infer(generation, ["cheap", "dear"], ai))
    outcome = asyncio.run(infer(generation, ["dear", "cheap"], ai))

    assert outcome.model == "dear"


def test_what_one_public_model_remembers_is_not_anothers(corridor: Corridor) -> None:
    corridor.ai.answers = [ANSWER, ANSWER]

    corridor.run({"prompt": "Hello"}, f"/run/{FP8}")
    corridor.run({"prompt": "Hello"}, f"/run/{BASE}")

    assert models_asked(corridor) == [FP8, FAST]


def test_all_gone_is_told_as_the_last_one_said_it(corridor: Corridor) -> None:
    corridor.ai.answers = [refusal(5007), refusal(3042, 404), refusal(5028, 410)]

    reply = corridor.run({"prompt": "Hello"})

    assert reply.status == 410
    assert error_of(reply) == {
        "code": "model_retired",
        "message": f"the model was retired ({BASE}, code 5028)",
        "upstream_code": 5028,
    }
    assert models_asked(corridor) == [FAST, FP8, BASE]


def test_stream_falls_back_before_its_first_byte(corridor: Corridor) -> None:
    stream = Stream(object())
    corridor.ai.answers = [refusal(5028, 410), Answer(200, stream)]

    reply = corridor.run({"prompt": "Hello", "stream": True})

    assert reply.body is stream
    assert reply.headers["x-model"] == FP8


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<html>bad gateway</html>", id="not JSON"),
        pytest.param("{}", id="no code"),
        pytest.param('{"internalCode":"many"}', id="code is no number"),
        pytest.param('{"errors":5,"error":[{}]}', id="errors are none"),
        pytest.param('{"errors":[{"message":"\\ud800"}]}', id="half a pair"),
        pytest.param('{"errors":[]}', id="no errors"),
        pytest.param(Stream(object()), id="a stream"),
    ],
)
def test_refusal_without_a_code_is_502(corridor: Corridor, body: str | Stream) -> None:
    corridor.ai.answers = [Answer(500, body)]

    reply = corridor.run({"prompt": "Hello"})

    assert reply.status == 502
    assert error_of(reply) == {
        "code": "upstream_error",
        "message": f"Workers AI failed ({FAST}, no code)",
    }


@pytest.mark.parametrize(
    "body",
    [
        {"errors": [{"code": 3036, "message": "used up"}]},
        {"errors": [{"code": "3036"}]},
        {"error": [{"code": 2045}], "name": "AiGatewayError", "internalCode": 3036},
        {"error": "busy", "internalCode": "3036"},
        {"errors": "none", "error": {"code": 3036}},
    ],
    ids=json.dumps,
)
def test_code_is_found_wherever_it_stands(corridor: Corridor, body: object) -> None:
    corridor.ai.answers = [Answer(429, json.dumps(body))]

    reply = corridor.run({"prompt": "Hello"})

    assert (reply.status, error_of(reply)["upstream_code"]) == (429, 3036)


def test_code_counts_whatever_stands_beside_it(corridor: Corridor) -> None:
    body = json.dumps({"internalCode": 5028, "errors": None})
    corridor.ai.answers = [Answer(410, body), ANSWER]

    assert corridor.run({"prompt": "Hello"}).headers["x-model"] == FP8


def test_workers_ai_that_cannot_be_reached_is_502(corridor: Corridor) -> None:
    corridor.ai.answers = [UpstreamError(None, model=FAST)]

    assert corridor.run({"prompt": "Hello"}).status == 502
