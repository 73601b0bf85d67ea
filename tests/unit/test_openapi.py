import json
import re
from collections.abc import Iterator

import pytest
from jsonschema import Draft202012Validator

from edgewise import openapi
from edgewise.routes import ROUTES, Job, resolve
from tests.unit.scripted import Corridor, body_of, completion

DOCUMENT = json.loads(openapi.describe())
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


def test_description_has_every_route_and_no_other() -> None:
    described = {(path, method.upper()) for path, method, _ in OPERATIONS}

    assert described == {(path, method) for path, jobs in ROUTES.items() for method in jobs}


def test_every_job_has_a_route() -> None:
    assert {job for jobs in ROUTES.values() for job in jobs.values()} == set(Job)


@pytest.mark.parametrize("path", DOCUMENT["paths"])
def test_path_with_its_examples_leads_to_its_job(path: str) -> None:
    parameters = DOCUMENT["paths"][path].get("parameters", [])
    assert {each["name"] for each in parameters} == set(re.findall(r"{(\w+)}", path))
    real = path
    for each in parameters:
        real = real.replace("{" + each["name"] + "}", each["example"])

    for method, job in ROUTES[path].items():
        assert resolve(method, real).job is job


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


@pytest.mark.parametrize(
    ("job", "name"),
    [
        ("/run", "Inputs"),
        ("/v1/chat/completions", "ChatRequest"),
        ("/v1/completions", "CompletionRequest"),
    ],
)
def test_example_of_a_request_fits_its_schema_and_is_taken(
    corridor: Corridor, job: str, name: str
) -> None:
    example = DOCUMENT["components"]["schemas"][name]["example"]
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    corridor.ai.answers = [completion(response="Hi")]

    assert list(Draft202012Validator(schema).iter_errors(example)) == []
    assert corridor.run(example, job).status == 200
