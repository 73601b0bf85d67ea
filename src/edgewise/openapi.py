"""The API's description in OpenAPI 3.1, made from the structs that requests and answers are."""

from collections.abc import Mapping
from functools import cache

import msgspec

from . import VERSION
from .access import HEADER as ACCESS_HEADER
from .cloudflare import Envelope, ListedModel, Search
from .exchange import Reply
from .inputs import Inputs
from .openai import CHAT_FIELDS, COMPLETION_FIELDS, ONLY, WITHOUT_EFFECT, Extras
from .openai_objects import (
    ChatChunk,
    ChatCompletion,
    ModelList,
    OpenAIErrorBody,
    OpenAIModel,
    TextCompletion,
)
from .openapi_examples import EXAMPLES, MODEL, Json
from .replies import EVENT_STREAM, JSON, CompletionBody, ErrorBody, HealthBody, json_text
from .routes import GENERATING, OPEN, ROUTES, Dialect, Job, dialect_of
from .settings import Settings

_SCHEMAS = "#/components/schemas/"
_TRUE = {"const": True}
_ERRORS: Mapping[Dialect, type[msgspec.Struct]] = {
    Dialect.NATIVE: ErrorBody,
    Dialect.CLOUDFLARE: Envelope,
    Dialect.OPENAI: OpenAIErrorBody,
}
_TAGS: Mapping[Dialect, str] = {
    Dialect.NATIVE: "Native",
    Dialect.OPENAI: "OpenAI's",
    Dialect.CLOUDFLARE: "Cloudflare's",
}
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
_OF_ALL = {
    "x-request-id": "The request's name: its caller's own, or that of Cloudflare.",
    "server-timing": "Milliseconds until Workers AI began its answer, and our own.",
}
_HEADERS = {
    "x-model": "The id of Workers AI that ran.",
    "x-max-tokens": "The limit of tokens that the completion ran under.",
    "x-ignored-fields": "Fields that were sent and do nothing.",
}


@cache
def describe(path_prefix: str, max_tokens_default: int, max_tokens_ceiling: int) -> str:
    """
    Describe the API, once.

    Args:
        path_prefix: What every path begins with.
        max_tokens_default, max_tokens_ceiling: As of settings.Settings.
    """
    schemas = _schemas(max_tokens_default, max_tokens_ceiling)
    paths: dict[str, Json] = {}
    for path, jobs in ROUTES.items():
        paths[path] = {
            method.lower(): _operation(path, method, job) for method, job in jobs.items()
        }
        parameters = [_PLACES[place] for place in _PLACES if f"{{{place}}}" in path]
        if parameters:
            paths[path]["parameters"] = parameters
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
            "tags": [{"name": tag} for tag in _TAGS.values()],
            "paths": paths,
            "components": {"schemas": schemas, "securitySchemes": _SECURITY},
        }
    )


def openapi_reply(settings: Settings) -> Reply:
    """Answer with the description."""
    headers = {"content-type": JSON, "cache-control": "no-cache"}
    limits = settings.max_tokens_default, settings.max_tokens_ceiling
    return Reply(200, headers, describe(settings.path_prefix, *limits))


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
        "example": MODEL,
        "description": "A public id of the catalogue. Its slashes need no encoding.",
    },
}


def _schemas(max_tokens_default: int, max_tokens_ceiling: int) -> dict[str, Json]:
    """Describe all that is sent and answered."""
    _, schemas = msgspec.json.schema_components(
        [
            *(Inputs, Extras, CompletionBody, HealthBody, ErrorBody),
            *(Envelope, ListedModel),
            *(ChatCompletion, ChatChunk, TextCompletion),
            *(ModelList, OpenAIModel, OpenAIErrorBody),
        ],
        ref_template=_SCHEMAS + "{name}",
        schema_hook=_anything,
    )
    inputs, extras = schemas["Inputs"]["properties"], schemas.pop("Extras")["properties"]
    for limit in (inputs["max_tokens"], extras["max_completion_tokens"]):
        limit["anyOf"][0] |= {"maximum": max_tokens_ceiling, "default": max_tokens_default}
    none: Json = {"enum": [None, []]}
    scoped = {"messages": {"type": "array"}, "prompt": {"type": "null"}, "raw": {"not": _TRUE}}
    unscoped = {
        "prompt": {"type": ["string", "array"]},
        "messages": {"type": "null"},
        "tools": none,
        "functions": none,
    }
    schemas["Inputs"]["oneOf"] = [
        {"required": ["messages"], "properties": scoped},
        {"required": ["prompt"], "properties": unscoped},
    ]
    for name, fields, asked_by in (
        ("ChatRequest", CHAT_FIELDS, "messages"),
        ("CompletionRequest", COMPLETION_FIELDS, "prompt"),
    ):
        properties = {key: value for key, value in (inputs | extras).items() if key in fields}
        properties[asked_by] = properties[asked_by]["anyOf"][0]
        properties |= {
            key: {"enum": [None, *allowed]} for key, allowed in ONLY.items() if key in fields
        }
        ignored = {key: {"description": "Without effect."} for key in sorted(WITHOUT_EFFECT)}
        schemas[name] = {
            "title": name,
            "description": "As OpenAI's, and the other fields of Workers AI's inputs.",
            "type": "object",
            "properties": properties | ignored,
            "required": ["model", asked_by],
            "additionalProperties": False,
        }
    for name, example in EXAMPLES.items():
        schemas[name]["examples"] = [example]
    return schemas


def _anything(_kind: type) -> Json:
    return {"description": "any value"}


def _operation(path: str, method: str, job: Job) -> Json:
    summary, answers = _JOBS[job]
    content = {
        # Before OpenAPI 3.2 there is no way to describe events.
        kind: {} if kind == EVENT_STREAM else {"schema": _schema(answer)}
        for kind, answer in answers.items()
    }
    answered: Json = {"description": summary}
    if method != "HEAD":
        answered["content"] = content
    responses: dict[str, Json] = {"200": answered}
    headers = {**_OF_ALL, **(_HEADERS if job in GENERATING else {})}
    answered["headers"] = {
        name: {"description": text, "schema": {"type": "string"}} for name, text in headers.items()
    }
    if job is Job.LISTEN:
        responses["204"] = {"description": "It was answered before: stay away."}
    error = _schema(_ERRORS[dialect_of(path)])
    for status, description in _STATUSES.items():
        if (
            job in GENERATING
            or status in _WITHOUT_MODEL
            or (status in _WITH_A_CALLER and job not in OPEN)
            or (status == "404" and "{model}" in path)
        ):
            told = {} if method == "HEAD" else {"content": {JSON: {"schema": error}}}
            responses[status] = {"description": description, **told}
    name = "".join(word.capitalize() for word in job.name.split("_"))
    place = "InPath" if "{model}" in path and job in (Job.RUN, Job.LISTEN) else ""
    place += "OfAccount" if "{account}" in path and dialect_of(path) is Dialect.OPENAI else ""
    operation: Json = {
        "tags": [_TAGS[dialect_of(path)]],
        "operationId": name[0].lower() + name[1:] + place + ("Head" if method == "HEAD" else ""),
        "summary": summary,
        "responses": responses,
    }
    if job not in OPEN:
        operation["security"] = [{}, *({name: []} for name in _SECURITY)]
    if job in _BODIES:
        body = {"schema": {"$ref": _SCHEMAS + _BODIES[job]}}
        operation["requestBody"] = {"required": True, "content": {JSON: body}}
    if job is Job.LISTEN:
        operation["parameters"] = [
            *_query(Inputs, "{model}" in path),
            {
                "name": "Last-Event-ID",
                "in": "header",
                "schema": {"type": "string", "pattern": "^[!-~]+$"},
                "description": "What an EventSource sends when it reconnects.",
            },
        ]
    if job is Job.CLOUDFLARE_MODELS:
        operation["parameters"] = _query(Search, is_model_in_path=False)
    return operation


def _query(struct: type[msgspec.Struct], is_model_in_path: bool) -> list[Json]:
    """Describe a query: of the fields, those that are neither arrays nor objects."""
    schema = msgspec.json.schema(struct, schema_hook=_anything)
    properties = schema["$defs"][struct.__name__]["properties"]
    found: list[Json] = []
    for name, schema in properties.items():
        kinds = [kind for kind in _kinds(schema) if kind.get("type") in _SCALARS]
        if name == "model" and is_model_in_path or not kinds:
            continue
        described: Json = {"name": name, "in": "query", "schema": kinds[0]}
        if name == "prompt":
            described |= {"required": True, "example": "Hello"}
        if name == "stream":
            described["schema"] = {"type": "boolean", "const": True}
        found.append(described)
    return found


def _kinds(schema: Json) -> list[Json]:
    """Take alternatives apart, those within alternatives too."""
    alternatives = schema.get("anyOf")
    if not isinstance(alternatives, list):
        return [schema]
    return [kind for alternative in alternatives for kind in _kinds(alternative)]


_SCALARS = ("string", "integer", "number", "boolean")


def _schema(answer: type[msgspec.Struct] | None) -> Json:
    return {"type": "object"} if answer is None else {"$ref": _SCHEMAS + answer.__name__}


_BODIES: Mapping[Job, str] = {
    Job.RUN: "Inputs",
    Job.CLOUDFLARE_RUN: "Inputs",
    Job.CHAT: "ChatRequest",
    Job.COMPLETE: "CompletionRequest",
}
_Answers = Mapping[str, type[msgspec.Struct] | None]
_JOBS: Mapping[Job, tuple[str, _Answers]] = {
    Job.HEALTH: ("Whether the Worker is up; no model is asked.", {JSON: HealthBody}),
    Job.OPENAPI: ("This description.", {JSON: None}),
    Job.RUN: (
        "A completion, or Workers AI's own stream.",
        {JSON: CompletionBody, EVENT_STREAM: None},
    ),
    Job.LISTEN: ("A stream for an EventSource.", {EVENT_STREAM: None}),
    Job.CLOUDFLARE_RUN: (
        "What Workers AI said, finish_reason and truncated beside it; or its stream.",
        {JSON: Envelope, EVENT_STREAM: None},
    ),
    Job.CLOUDFLARE_MODELS: ("The catalogue, as Cloudflare's search lists it.", {JSON: Envelope}),
    Job.CHAT: ("A chat completion, or its chunks.", {JSON: ChatCompletion, EVENT_STREAM: None}),
    Job.COMPLETE: ("A completion, or its chunks.", {JSON: TextCompletion, EVENT_STREAM: None}),
    Job.OPENAI_MODELS: ("The catalogue, as OpenAI lists models.", {JSON: ModelList}),
    Job.OPENAI_MODEL: ("One model of the catalogue.", {JSON: OpenAIModel}),
}
