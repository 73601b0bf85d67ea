import json

import pytest

from tests.workers_ai_local.unit.local_ai import SCOPED, run
from tests.workers_ai_local.unit.test_inputs import CLOCK, WEATHER
from tests.workers_ai_local.unit.test_scripts import FP8, scripted
from workers_ai_local.service import WorkersAi


def test_template_has_its_tokens_and_each_turn() -> None:
    hello = SCOPED["messages"]
    inputs: list[dict[str, object]] = [
        {"prompt": "Hello"},
        {"messages": hello},
        {"messages": hello * 3},
    ]

    counted = [run(WorkersAi(), one).json()["usage"]["prompt_tokens"] for one in inputs]

    assert counted == [16, 16, 26]


def test_negative_max_tokens_is_none_at_all() -> None:
    usage = run(scripted({"text": "one two"}), SCOPED | {"max_tokens": -1}).json()["usage"]

    assert usage["completion_tokens"] == 0


def test_negative_max_tokens_makes_no_room() -> None:
    inputs = {"prompt": "one " * 32_001, "raw": True, "max_tokens": -100}

    assert run(WorkersAi(), inputs, FP8).json()["internalCode"] == 5021


def test_tool_that_is_none_is_5006() -> None:
    inputs = SCOPED | {"tools": [{"type": "function"}]}

    assert run(WorkersAi(), inputs).json()["internalCode"] == 5006


def test_json_object_needs_no_json_schema() -> None:
    inputs = SCOPED | {"response_format": {"type": "json_object"}}

    assert run(WorkersAi(), inputs, FP8).status_code == 200


def test_earlier_message_makes_another_text() -> None:
    first, second = (
        run(WorkersAi(), {"messages": [{"role": "system", "content": text}, *SCOPED["messages"]]})
        for text in ("One.", "Two.")
    )

    assert first.json()["response"] != second.json()["response"]


def test_quote_is_cut_behind_a_word() -> None:
    text = run(WorkersAi(), {"prompt": "a" * 79 + " bcd"}).json()["response"]

    assert "“" + "a" * 79 + "…”" in text


def test_json_object_quotes_the_prompt_in_part() -> None:
    inputs = {"prompt": "ü" * 100, "response_format": {"type": "json_object"}}

    assert run(WorkersAi(), inputs).json()["response"]["prompt"] == "ü" * 80


def called(*said: str, role: str = "user", **inputs: object) -> list[str]:
    """The names of the tools that are called when this was said, the last by a role."""
    messages: list[dict[str, str]] = [{"role": "user", "content": text} for text in said]
    messages[-1]["role"] = role
    asked = {"messages": messages, "tools": [CLOCK, WEATHER], **inputs}
    return [call["name"] for call in run(WorkersAi(), asked).json()["tool_calls"]]


def test_tool_is_called_for_the_last_message_alone() -> None:
    assert called("What is the weather?", "Hello") == []


def test_tool_is_not_called_for_a_short_word_of_its_name() -> None:
    short = WEATHER | {"name": "get_a_map"}

    assert called("Get me a map!", tools=[short]) == []


def test_result_that_speaks_of_the_tool_calls_none() -> None:
    assert called("What is the weather?", "The weather: rain", role="tool") == []


def test_tool_choice_none_holds_against_the_prompt() -> None:
    assert called("What is the weather?", tool_choice="none") == []


@pytest.mark.parametrize(
    ("tool_choice", "names"),
    [({"name": "getWeather"}, ["getWeather"]), ({"type": "function", "function": 5}, [])],
)
def test_tool_choice_may_be_flat_or_odd(tool_choice: object, names: list[str]) -> None:
    assert called("Hello", tool_choice=tool_choice) == names


@pytest.mark.parametrize(
    "parameters",
    [{"type": "object", "properties": {"a": {"$ref": "#"}}}, {"type": "string"}],
    ids=["unmet", "no object"],
)
def test_tool_whose_arguments_cannot_be_made_up_is_called_without(parameters: object) -> None:
    tools = [WEATHER | {"parameters": parameters}]
    asked = {"messages": [{"role": "user", "content": "The weather?"}], "tools": tools}

    (call,) = run(WorkersAi(), asked).json()["tool_calls"]

    assert call["arguments"] == {}


def nested(depth: int) -> dict[str, object]:
    """A schema of 2 ** depth values."""
    return {"type": "array", "items": nested(depth - 1)} if depth else {"type": "null"}


def made_up(schema: object, **inputs: object) -> dict[str, object]:
    """The answer in JSON mode to an object that holds a value of a schema."""
    whole = {"type": "object", "properties": {"it": schema}}
    mode = {"type": "json_schema", "json_schema": whole}
    asked = SCOPED | {"response_format": mode, "max_tokens": 20_000, **inputs}
    answer = run(WorkersAi(), asked).json()
    assert isinstance(answer, dict)
    return answer


NOT_MET = ["oneOf", "anyOf", "allOf", "not", "$ref", "pattern", "format", "exclusiveMinimum"]
NOT_MET += ["exclusiveMaximum", "multipleOf", "uniqueItems", "prefixItems"]


@pytest.mark.parametrize(
    "schema",
    [
        *({"type": "string", keyword: []} for keyword in NOT_MET),
        {"type": ["string", "null"]},
        {"type": "object", "properties": {"a": {"$ref": "#/b"}}},
        {"type": "object", "properties": {}, "required": ["a"]},
        {"type": "object", "properties": {}, "required": 5},
        {"type": "object", "properties": 5},
        {"type": "integer", "minimum": 2, "maximum": 1},
        {"type": "integer", "minimum": 0.1, "maximum": 0.9},
        {"type": "number", "minimum": "0"},
        {"type": "array", "minItems": 5000},
        {"type": "string", "minLength": 10_001},
        {"type": "string", "minLength": True},
        {"enum": []},
        {"enum": "ab"},
        {"name": "x", "schema": {"type": "object"}},
        7,
        nested(12),
    ],
    ids=lambda schema: str(schema)[:50],
)
def test_schema_that_cannot_be_met_is_5024(schema: object) -> None:
    assert made_up(schema).get("internalCode") == 5024


@pytest.mark.parametrize("schema", [{"enum": ["a", "b"]}, {"type": "boolean"}], ids=str)
def test_seeds_choose_each_value(schema: object) -> None:
    answers = [made_up(schema, seed=seed)["response"] for seed in range(1, 20)]

    assert len({json.dumps(answer) for answer in answers}) == 2


@pytest.mark.parametrize(
    ("schema", "length"),
    [
        ({"type": "array"}, 2),
        ({"type": "array", "maxItems": 1}, 1),
        ({"type": "array", "maxItems": 0}, 0),
        ({"type": "array", "minItems": 3}, 3),
        ({"type": "string", "maxLength": 1}, 1),
        ({"type": "string", "minLength": 50}, 50),
    ],
    ids=str,
)
def test_value_has_the_length_that_is_asked_for(schema: object, length: int) -> None:
    response = made_up(schema)["response"]

    assert isinstance(response, dict)
    assert len(response["it"]) == length
