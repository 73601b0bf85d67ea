"""The API's description in OpenAPI 3.1, made from what the dialects say about themselves."""

from collections.abc import Mapping
from functools import cache

import msgspec

from . import VERSION, examples
from .exchange import Reply
from .gate.access import HEADER as ACCESS_HEADER
from .replies import EVENT_STREAM, JSON, OF_ALL, OF_INFERENCE, json_text
from .routes import Api, Dialect, Inference, Json, Lookup, Operation
from .settings import Settings

_SCHEMAS = "#/components/schemas/"
_STATUSES = {
    "400": "The request is wrong; the message names the field.",
    "401": "There is no key, or a wrong one.",
    "403": "The deployment does not let the caller in, or Workers AI the account.",
    "404": "There is no such model.",
    "405": "The path takes other methods.",
    "410": "The model was retired.",
    "413": "The body is too long.",
    "422": "The model cannot give the format asked for.",
    "429": "Too many requests, no capacity, or the account's daily allocation is used up.",
    "500": "A fault of ours, or of the deployment's configuration.",
    "502": "Workers AI failed.",
    "503": "Nobody can tell just now whether the caller may.",
    "504": "The model took too long.",
}
_WITHOUT_MODEL = ("400", "403", "405", "500")
_WITH_A_CALLER = ("401", "503")


@cache
def describe(api: Api, path_prefix: str, max_tokens_default: int, max_tokens_ceiling: int) -> str:
    """
    Describe the API, once.

    Args:
        path_prefix: What every path begins with.
        max_tokens_default, max_tokens_ceiling: As of settings.Settings.
    """
    paths: dict[str, Json] = {}
    for dialect, operation in api.operations():
        described = paths.setdefault(operation.path, {})
        for method in operation.methods:
            described[method.lower()] = _describe_operation(dialect, operation, method)
        parameters = [_PLACES[place] for place in _PLACES if f"{{{place}}}" in operation.path]
        if parameters:
            described["parameters"] = parameters
    return json_text(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Edgewise",
                "version": VERSION,
                "description": "Open language models of Workers AI behind an HTTP endpoint, in"
                " three dialects: its own, Cloudflare's REST API, and OpenAI's.",
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": path_prefix or "/"}],
            "tags": [{"name": dialect.name} for dialect in api.dialects],
            "paths": paths,
            "components": {
                "schemas": _schemas(api, max_tokens_default, max_tokens_ceiling),
                "securitySchemes": _SECURITY,
            },
        }
    )


def openapi_reply(api: Api, settings: Settings) -> Reply:
    """Answer with the description."""
    headers = {"content-type": JSON, "cache-control": "no-cache"}
    limits = settings.max_tokens_default, settings.max_tokens_ceiling
    return Reply(200, headers, describe(api, settings.path_prefix, *limits))


# Which of them let in, and whether anybody is, is the deployment's to say.
_SECURITY: Mapping[str, Json] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
    "access": {"type": "apiKey", "in": "header", "name": ACCESS_HEADER},
}
_PLACES: Mapping[str, Json] = {
    "account": {
        "name": "account",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
        "example": "my-account",
        "description": "Anything: a deployment is of one account.",
    },
    "model": {
        "name": "model",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1},
        "example": examples.MODEL,
        "description": "A public id of the catalogue. Its slashes need no encoding.",
    },
}


def _schemas(api: Api, max_tokens_default: int, max_tokens_ceiling: int) -> dict[str, Json]:
    """Describe all that is sent and answered."""
    structs = {struct: None for dialect in api.dialects for struct in dialect.schemas.structs}
    _, schemas = msgspec.json.schema_components(
        [*structs], ref_template=_SCHEMAS + "{name}", schema_hook=_anything
    )
    for dialect in api.dialects:
        dialect.schemas.finish(schemas, max_tokens_default, max_tokens_ceiling)
    for dialect in api.dialects:
        for name, example in dialect.schemas.examples.items():
            schemas[name]["examples"] = [example]
    return schemas


def properties_of(schema: Json) -> dict[str, Json]:
    """Find what a schema of an object says about its members."""
    properties = schema["properties"]
    assert isinstance(properties, dict)
    return properties


def alternatives_of(schema: Json) -> list[Json]:
    """Find the alternatives of a schema: null is the last one of a field that may be absent."""
    alternatives = schema["anyOf"]
    assert isinstance(alternatives, list)
    return alternatives


def limit_max_tokens(schema: Json, name: str, default: int, ceiling: int) -> None:
    """Say in the schema of a body how long a completion may be."""
    limit = alternatives_of(properties_of(schema)[name])[0]
    limit |= {"maximum": ceiling, "default": default}


def _anything(_kind: type) -> Json:
    return {"description": "any value"}


def _describe_operation(dialect: Dialect, operation: Operation, method: str) -> Json:
    is_inference = isinstance(operation.work, Inference)
    content = {
        # Before OpenAPI 3.2 there is no way to describe events.
        kind: {} if kind == EVENT_STREAM else {"schema": _schema(answer)}
        for kind, answer in operation.answers.items()
    }
    answered: Json = {"description": operation.summary}
    if method != "HEAD":
        answered["content"] = content
    headers = {**OF_ALL, **(OF_INFERENCE if is_inference else {})}
    answered["headers"] = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
    }
    responses: dict[str, Json] = {"200": answered}
    responses |= {
        status: {"description": description} for status, description in operation.responses.items()
    }
    told = {JSON: {"schema": _schema(dialect.schemas.error)}}
    for status in _statuses(operation):
        responses[status] = {"description": _STATUSES[status]}
        if method != "HEAD":
            responses[status]["content"] = told
    described: Json = {
        "tags": [dialect.name],
        "operationId": operation.name + ("Head" if method == "HEAD" else ""),
        "summary": operation.summary,
        "responses": responses,
    }
    if not _is_open(operation):
        described["security"] = [{}, *({name: []} for name in _SECURITY)]
    if operation.body is not None:
        body = {"schema": {"$ref": _SCHEMAS + operation.body}}
        described["requestBody"] = {"required": True, "content": {JSON: body}}
    parameters = [*_query(operation), *_header_parameters(operation)]
    if parameters:
        described["parameters"] = parameters
    return described


def _is_open(operation: Operation) -> bool:
    return isinstance(operation.work, Lookup) and operation.work.is_open


def _statuses(operation: Operation) -> list[str]:
    """List the errors that an operation may answer with."""
    if isinstance(operation.work, Inference):
        return [*_STATUSES]
    told = {*_WITHOUT_MODEL}
    if not _is_open(operation):
        told |= {*_WITH_A_CALLER}
    if "{model}" in operation.path:
        told.add("404")
    return [status for status in _STATUSES if status in told]


def _query(operation: Operation) -> list[Json]:
    """Describe a query: of the fields, those that are neither arrays nor objects."""
    struct = operation.query
    if struct is None:
        return []
    schema = msgspec.json.schema(struct, schema_hook=_anything)
    found: list[Json] = []
    for name, field in schema["$defs"][struct.__name__]["properties"].items():
        kinds = [kind for kind in _kinds(field) if kind.get("type") in _SCALARS]
        if (name == "model" and "{model}" in operation.path) or not kinds:
            continue
        described: Json = {"name": name, "in": "query", "schema": kinds[0]}
        found.append({**described, **operation.query_details.get(name, {})})
    return found


def _header_parameters(operation: Operation) -> list[Json]:
    schema = {"type": "string", "pattern": "^[!-~]+$"}
    return [
        {"name": name, "in": "header", "schema": schema, "description": description}
        for name, description in operation.headers.items()
    ]


def _kinds(schema: Json) -> list[Json]:
    """Take alternatives apart, those within alternatives too."""
    alternatives = schema.get("anyOf")
    if not isinstance(alternatives, list):
        return [schema]
    return [kind for alternative in alternatives for kind in _kinds(alternative)]


_SCALARS = ("string", "integer", "number", "boolean")


def _schema(answer: type[msgspec.Struct] | None) -> Json:
    return {"type": "object"} if answer is None else {"$ref": _SCHEMAS + answer.__name__}
