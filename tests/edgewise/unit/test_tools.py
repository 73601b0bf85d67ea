import json
from typing import Any

import pytest

from edgewise.asked.generation import parse
from edgewise.errors import BadRequest
from edgewise.settings import read_settings

SETTINGS = read_settings('{"MODELS":[{"id":"m"}]}')
CHAT = {"messages": [{"role": "user", "content": "Hello"}]}


def sent(tools: object, **fields: object) -> dict[str, Any]:
    """What Workers AI is sent for tools."""
    document = json.dumps(CHAT | {"tools": tools} | fields).encode()
    inputs = json.loads(parse(document, None, SETTINGS).inputs)
    assert isinstance(inputs, dict)
    return inputs


def word(parameter: object, **parameters: object) -> object:
    """How one parameter is sent."""
    function = {"name": "f", "parameters": {"properties": {"x": parameter}, **parameters}}
    [tool] = sent([function])["tools"]
    return tool["parameters"]["properties"]["x"]


FULL = {
    "name": "f",
    "description": "Does.",
    "parameters": {
        "type": "object",
        "properties": {"x": {"type": "string", "description": "Which."}},
        "required": ["x"],
        "additionalProperties": False,
    },
}


@pytest.mark.parametrize("tool", [FULL, {"type": "function", "function": FULL}])
def test_whole_tool_is_sent_as_it_came(tool: object) -> None:
    assert sent([tool])["tools"] == [tool]


def test_what_workers_ai_asks_for_is_filled_in() -> None:
    bare = {"type": "function", "function": {"name": "f", "strict": True}}
    filled = {
        "name": "f",
        "description": "",
        "parameters": {"type": "object", "properties": {}},
    }

    assert sent([bare])["tools"] == [{"type": "function", "function": filled}]
    assert sent([{"name": "f"}])["tools"] == [filled]


@pytest.mark.parametrize(
    ("parameter", "kind"),
    [
        ({"type": "integer"}, "integer"),
        ({"type": ["null", "number"]}, "number"),
        ({"enum": [None, "a", "b"]}, "string"),
        ({"enum": [True]}, "boolean"),
        ({"const": 5}, "integer"),
        ({"anyOf": [{"type": "null"}, {"type": "array"}]}, "array"),
        ({"oneOf": [{"$ref": "#/$defs/Size"}]}, "object"),
        ({"allOf": [{}, {"type": "string"}]}, "string"),
        ({"$ref": "#/$defs/Size"}, "object"),
        ({"$ref": "#/$defs/Kind"}, "string"),
        ({"type": "null"}, "null"),
        ({"default": 1}, "integer"),
        ({"properties": {}}, "object"),
        ({"items": {"type": "string"}}, "array"),
        ({"$ref": "#/$defs/a~1b~0c"}, "number"),
    ],
)
def test_type_of_a_parameter_is_told_from_its_schema(
    parameter: dict[str, object], kind: str
) -> None:
    definitions = {
        "Size": {"type": "object"},
        "Kind": {"enum": ["a"]},
        "a/b~c": {"type": "number"},
    }

    assert word(parameter, **{"$defs": definitions}) == parameter | {
        "type": kind,
        "description": "",
    }


@pytest.mark.parametrize(
    "parameter",
    [
        {},
        {"title": "Anything", "description": None},
        {"enum": [None]},
        {"enum": 5},
        {"anyOf": []},
        {"anyOf": [{}, {"type": "null"}]},
        {"anyOf": [5]},
        {"$ref": "#/nowhere/at/all"},
        {"$ref": "elsewhere.json"},
        {"$ref": "#/$defs/Loop"},
        {"type": None},
        True,
    ],
    ids=str,
)
def test_parameter_whose_type_nothing_tells_is_text(parameter: object) -> None:
    worded = word(parameter, **{"$defs": {"Loop": {"$ref": "#/$defs/Loop"}}})

    rest = parameter if isinstance(parameter, dict) else {}
    assert worded == rest | {"type": "string", "description": ""}


@pytest.mark.parametrize(
    "parameter", [{"type": 5}, {"type": "string", "description": 5}, False, "string", []], ids=str
)
def test_parameter_that_is_no_schema_is_refused(parameter: object) -> None:
    with pytest.raises(BadRequest) as caught:
        word(parameter)

    assert caught.value.param == "tools[0].parameters.properties"


def test_references_in_circles_end() -> None:
    """They were followed along every way there is: some kilobytes took for ever."""
    circle = {"a": {"anyOf": [{"$ref": "#/properties/a"}] * 120}}

    [tool] = sent([{"name": "f", "parameters": {"properties": circle}}])["tools"]

    assert tool["parameters"]["properties"]["a"]["type"] == "string"


def way(number: int) -> str:
    """One of the ways to refer to a name of ten tildes."""
    return "".join("~0" if number >> place & 1 else "~" for place in range(10))


@pytest.mark.parametrize(
    "properties",
    [
        {f"p{n}": {"$ref": "#/properties/z"} for n in range(2000)}
        | {"z": {"anyOf": [{"$ref": f"#/properties/p{n}"} for n in range(2000)]}},
        {f"p{n}": {"anyOf": [{"anyOf": [{}] * 10}] * 10} for n in range(2000)},
        # `~` and `~0` are the same in a reference: as many ways to write it as there are subsets.
        {f"p{n}": {"$ref": f"#/properties/{way(n)}"} for n in range(1000)}
        | {"~" * 10: {"enum": [None] * 10_000}},
        {"p": {"anyOf": [None] * 20_001}},
        {"p": {"type": ["null"] * 20_001}},
    ],
    ids=["references", "alternatives", "one reference in many ways", "no schemas", "types"],
)
def test_what_takes_too_many_looks_is_refused(properties: dict[str, object]) -> None:
    with pytest.raises(BadRequest, match="^tools: expected fewer parameters, alternatives,"):
        sent([{"name": "f", "parameters": {"properties": properties}}])


def test_reference_is_found_wherever_it_stands() -> None:
    properties = {
        "a": {"$ref": "#/properties/b"},
        "b": {"$ref": "#/properties/c"},
        "c": {"anyOf": [{"$ref": "#/properties/a"}, {"type": "string"}]},
    }

    [tool] = sent([{"name": "f", "parameters": {"properties": properties}}])["tools"]

    kinds = {name: each["type"] for name, each in tool["parameters"]["properties"].items()}
    assert kinds == {"a": "string", "b": "string", "c": "string"}


@pytest.mark.parametrize("name", ["tools", "functions"])
def test_tools_are_at_most_as_many_as_openai_takes(name: str) -> None:
    many = [{"name": "f", "code": "x"}] * 129

    with pytest.raises(BadRequest, match=f"^{name}: expected an array of at most 128 {name}, got"):
        parse(json.dumps(CHAT | {name: many}).encode(), None, SETTINGS)


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        (5, "tools[0]"),
        ({}, "tools[0]"),
        ({"type": "function"}, "tools[0]"),
        ({"name": "f", "function": {"name": "f"}}, "tools[0]"),
        ({"type": "web_search", "function": {"name": "f"}}, "tools[0].type"),
        ({"type": "function", "function": {}}, "tools[0].function.name"),
        ({"name": ""}, "tools[0].name"),
        ({"name": "f", "description": 5}, "tools[0].description"),
        ({"name": "f", "parameters": []}, "tools[0].parameters"),
        ({"name": "f", "parameters": {"type": "array"}}, "tools[0].parameters.type"),
        ({"name": "f", "parameters": {"properties": []}}, "tools[0].parameters.properties"),
        ({"name": "f", "parameters": {"required": "x"}}, "tools[0].parameters.required"),
        ({"name": "f", "parameters": {"required": [5]}}, "tools[0].parameters.required"),
    ],
)
def test_tool_that_is_wrong_is_named(tool: object, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        sent([tool])

    assert caught.value.param == param
    assert caught.value.message.startswith(param)


def test_number_out_of_range_amid_a_schema_is_refused_with_the_field() -> None:
    document = json.dumps(CHAT | {"tools": [{"name": "f", "parameters": {"x": [0]}}]})

    with pytest.raises(BadRequest) as caught:
        parse(document.replace("[0]", "[1e999]").encode(), None, SETTINGS)

    assert caught.value.message == (
        "tools[0].parameters: expected a JSON Schema of type object, got something else in it"
    )
    assert caught.value.param == "tools[0].parameters"


@pytest.mark.parametrize("name", ["tools", "functions"])
def test_prompt_takes_no_tools(name: str) -> None:
    document = {"prompt": "Hello", name: [{"name": "f", "code": "x"}]}

    with pytest.raises(BadRequest, match=f"^{name}: expected only with messages"):
        parse(json.dumps(document).encode(), None, SETTINGS)


def test_functions_as_code_are_sent() -> None:
    functions = [{"name": "f", "code": "() => 5"}]

    assert sent([], functions=functions) == CHAT | {"functions": functions, "max_tokens": 256}
