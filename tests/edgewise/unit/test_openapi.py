import json
import re
from collections.abc import Iterator

import pytest
from jsonschema import Draft202012Validator

from edgewise import openapi
from edgewise.dialects import API
from edgewise.routes import Lookup, resolve
from tests.edgewise.unit.scripted import BASE, Corridor, body_of, completion, variables

DOCUMENT = json.loads(openapi.describe(API, "", 256, 2048))
OPERATIONS = [
    (path, method, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    if method != "parameters"
]


def test_description_is_served_and_is_made_once(corridor: Corridor) -> None:
    first = corridor.request("GET", "/openapi.json")
    second = corridor.request("GET", "/openapi.json")

    assert first.headers["content-type"] == "application/json"
    assert body_of(first)["openapi"] == "3.1.0"
    assert first.body is second.body


def test_description_says_below_which_path_it_is(corridor: Corridor) -> None:
    corridor.variables = variables(PATH_PREFIX="/ai")

    assert DOCUMENT["servers"] == [{"url": "/"}]
    assert body_of(corridor.request("GET", "/ai/openapi.json"))["servers"] == [{"url": "/ai"}]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ("Inputs", "max_tokens"),
        ("ChatRequest", "max_completion_tokens"),
        ("CompletionRequest", "max_tokens"),
    ],
)
def test_description_has_the_limits_of_the_deployment(
    corridor: Corridor, request_: str, field: str
) -> None:
    corridor.variables = variables(MAX_TOKENS_DEFAULT=7, MAX_TOKENS_CEILING=70)

    described = body_of(corridor.request("GET", "/openapi.json"))

    limit = described["components"]["schemas"][request_]["properties"][field]["anyOf"][0]
    assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 70, 7)


def test_description_has_every_route_and_no_other() -> None:
    described = {(path, method.upper()) for path, method, _ in OPERATIONS}

    assert described == {(path, method) for path, place in API.places.items() for method in place}


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_path_with_its_examples_leads_to_its_operation(path: str) -> None:
    parameters = DOCUMENT["paths"][path].get("parameters", [])
    assert {each["name"] for each in parameters} == set(re.findall(r"{(\w+)}", path))
    real = path
    for each in parameters:
        real = real.replace("{" + each["name"] + "}", each["example"])

    for method, operation in API.places[path].items():
        assert resolve(API, method, real).operation is operation


def test_operations_are_told_apart_by_their_dialect() -> None:
    tags = {path: operation["tags"] for path, _, operation in OPERATIONS}

    assert tags["/run"] == tags["/health"] == ["Native"]
    assert tags["/v1/models"] == ["OpenAI's"]
    assert tags["/client/v4/accounts/{account}/ai/v1/completions"] == ["OpenAI's"]
    assert tags["/client/v4/accounts/{account}/ai/run/{model}"] == ["Cloudflare's"]
    assert {tag for told in tags.values() for tag in told} == {
        tag["name"] for tag in DOCUMENT["tags"]
    }


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", ["/run", "/run/{model}"])
def test_query_has_the_fields_that_a_query_can_hold(path: str) -> None:
    parameters = {each["name"]: each for each in DOCUMENT["paths"][path]["get"]["parameters"]}

    assert parameters["prompt"]["required"]
    assert parameters["prompt"]["schema"]["type"] == "string"
    assert parameters["temperature"]["schema"]["maximum"] == 5
    assert ("model" in parameters) == (path == "/run")
    assert {"messages", "tools", "options"}.isdisjoint(parameters)


def references(value: object) -> Iterator[str]:
    """All that a description refers to."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            else:
                yield from references(inner)
    if isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_what_is_referred_to_is_there_and_is_used() -> None:
    names = {reference.removeprefix("#/components/schemas/") for reference in references(DOCUMENT)}

    assert names - {"ChatChunk", "ListedModel"} <= set(DOCUMENT["components"]["schemas"])
    unused = set(DOCUMENT["components"]["schemas"]) - names
    assert unused <= {"ChatChunk", "ListedModel", "DeltaChoice"}


SCHEMAS = DOCUMENT["components"]["schemas"]
EXAMPLES = [
    (name, example) for name, schema in SCHEMAS.items() for example in schema.get("examples", [])
]


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_example_fits_its_schema(name: str, example: object) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}

    assert list(Draft202012Validator(schema).iter_errors(example)) == []


def test_all_that_is_sent_and_answered_has_an_example() -> None:
    contents = [
        content
        for _, _, operation in OPERATIONS
        for told in (operation.get("requestBody"), *operation["responses"].values())
        for content in (told or {}).get("content", {}).values()
    ]
    names = {name.rpartition("/")[2] for content in contents for name in references(content)}

    assert names <= {name for name, _ in EXAMPLES}


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/run", "Inputs"),
        (f"/client/v4/accounts/abc/ai/run/{BASE}", "Inputs"),
        ("/v1/chat/completions", "ChatRequest"),
        ("/v1/completions", "CompletionRequest"),
    ],
)
def test_example_of_a_request_is_taken(corridor: Corridor, path: str, name: str) -> None:
    corridor.ai.answers = [completion(response="Hi")]

    assert corridor.run(SCHEMAS[name]["examples"][0], path).status == 200


@pytest.mark.parametrize(
    ("path", "name", "asked"),
    [
        ("/run", "CompletionBody", {}),
        (f"/client/v4/accounts/abc/ai/run/{BASE}", "Envelope", {}),
        ("/v1/completions", "TextCompletion", {"model": BASE}),
    ],
)
def test_answer_fits_its_schema(
    corridor: Corridor, path: str, name: str, asked: dict[str, object]
) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    corridor.ai.answers = [completion(response="Hi", usage=usage)]
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}

    answer = body_of(corridor.run({"prompt": "Hello"} | asked, path))

    assert list(Draft202012Validator(schema).iter_errors(answer)) == []


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
def test_operations_tell_what_lets_callers_in(
    path: str, method: str, operation: dict[str, object]
) -> None:
    work = API.places[path][method.upper()].work
    is_open = isinstance(work, Lookup) and work.is_open

    assert operation.get("security") == (
        None if is_open else [{}, {"bearer": []}, {"key": []}, {"access": []}]
    )
    assert isinstance(operation["responses"], dict)
    assert ("401" in operation["responses"]) == (not is_open)
    assert "x-request-id" in operation["responses"]["200"]["headers"]
