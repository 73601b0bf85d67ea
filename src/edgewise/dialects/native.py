"""Our own dialect: Workers AI's own stream, and a JSON answer that says when it was cut."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from .. import VERSION, examples
from ..asked.generation import Generation, parse, parse_query
from ..asked.inputs import Inputs
from ..errors import EdgewiseError
from ..exchange import Preceded, Reply, Request, Stream
from ..heard.endings import UsageAsItCame
from ..heard.events import FinishReason, Usage
from ..heard.whole import understand
from ..inference import Outcome
from ..openapi import limit_max_tokens, openapi_reply
from ..replies import EVENT_STREAM, JSON, common_headers, json_reply, stream_headers
from ..routes import Dialect, Inference, Json, Lookup, Operation, Route, Schemas
from ..settings import Settings


class CompletionBody(msgspec.Struct):
    """
    Our JSON answer.

    Attributes:
        model: The id that Workers AI ran.
        response: The text. JSON that Workers AI parsed is text again; null beside tool calls.
        usage: As Workers AI counted; null when it did not.
        finish_reason: null when it cannot be determined.
        truncated: Whether the text was cut at max_tokens; null when it cannot be determined.
        reasoning: What the model thought before it spoke; only when it tells.
        tool_calls: As they came; only when there are any.
    """

    model: str
    response: str | None
    usage: UsageAsItCame
    finish_reason: FinishReason | None
    truncated: bool | None
    reasoning: str | UnsetType = UNSET
    tool_calls: Sequence[Raw] | UnsetType = UNSET


class HealthBody(msgspec.Struct):
    """What /health answers."""

    status: Literal["ok"]
    version: str
    model: str


class NativeError(msgspec.Struct):
    """
    What went wrong.

    Attributes:
        code: Stable, for programs.
        message: For people; names the field first.
        param: The path of the field at fault.
        upstream_code: Workers AI's own code.
    """

    code: str
    message: str
    param: str | UnsetType = UNSET
    upstream_code: int | UnsetType = UNSET


class ErrorBody(msgspec.Struct):
    """The one shape of a native error."""

    error: NativeError


def run_reply(generation: Generation, outcome: Outcome) -> Reply:
    """
    Answer with the stream, untouched, or with our JSON.

    Raises:
        UpstreamError: The JSON is not what Workers AI documents.
    """
    if isinstance(outcome.body, Stream):
        return Reply(200, stream_headers(generation, outcome), outcome.body)
    body, counted = complete(outcome.model, outcome.body, generation.max_tokens)
    return json_reply(200, body, common_headers(generation, outcome), counted)


def complete(model: str, document: str, max_tokens: int) -> tuple[CompletionBody, Usage | None]:
    """
    Word a whole answer as ours.

    Args:
        model: The id that ran.
        document: JSON, as Workers AI answered.
        max_tokens: Tokens, the limit that it ran under.

    Returns:
        It, and what was counted.

    Raises:
        UpstreamError: The JSON is not what Workers AI documents.
    """
    heard = understand(model, document, max_tokens)
    body = CompletionBody(
        model=model,
        response=heard.text,
        usage=heard.usage,
        finish_reason=heard.reason,
        truncated=heard.truncated,
        reasoning=heard.reasoning or UNSET,
        tool_calls=heard.calls or UNSET,
    )
    return body, heard.counted


def listen_reply(generation: Generation, outcome: Outcome, last_event_id: str) -> Reply:
    """
    Answer an EventSource, which takes nothing but a stream.

    Args:
        last_event_id: What it sends back when it reconnects. The field alone is not an event.

    Source: html.spec.whatwg.org/multipage/server-sent-events.html, "dispatch the event"
    """
    headers = stream_headers(generation, outcome)
    opening = f"id: {last_event_id}\n\n"
    if isinstance(outcome.body, Stream):
        return Reply(200, headers, Preceded(opening, outcome.body))
    heard = understand(outcome.model, outcome.body, generation.max_tokens)
    frames = b"".join(
        b"data: " + msgspec.json.encode(frame) + b"\n\n"
        for frame in ({"response": heard.text}, {"response": "", "usage": heard.usage})
    )
    text = f"{opening}{frames.decode()}data: [DONE]\n\n"
    return Reply(200, headers, text, heard.counted)


def reconnect_reply() -> Reply:
    """Tell an EventSource to stay away: it comes back by itself, and would be billed again."""
    return Reply(204, {}, None)


def health_reply(version: str, model: str) -> Reply:
    """Say that the Worker is up; no model is asked."""
    return json_reply(200, HealthBody("ok", version, model), {})


def native_error(error: EdgewiseError, headers: Mapping[str, str]) -> Reply:
    """Word an error for the caller of a native path."""
    upstream = UNSET if error.upstream_code is None else error.upstream_code
    told = NativeError(error.code, error.message, error.param or UNSET, upstream)
    return json_reply(error.status, ErrorBody(told), headers)


def _health(_request: Request, _route: Route, settings: Settings) -> Reply:
    return health_reply(VERSION, settings.default_model)


def _describe(_request: Request, route: Route, settings: Settings) -> Reply:
    return openapi_reply(route.api, settings)


def _run(_request: Request, generation: Generation, outcome: Outcome) -> Reply:
    return run_reply(generation, outcome)


def _listen(request: Request, generation: Generation, outcome: Outcome) -> Reply:
    return listen_reply(generation, outcome, request.id)


def _reconnect(request: Request) -> Reply | None:
    return reconnect_reply() if "last-event-id" in request.headers else None


def _finish_schemas(schemas: dict[str, Json], default: int, ceiling: int) -> None:
    """Say how long a completion may be, and that a prompt is scoped or not."""
    schema = schemas["Inputs"]
    limit_max_tokens(schema, "max_tokens", default, ceiling)
    scoped = {
        "messages": {"type": "array"},
        "prompt": {"type": "null"},
        "raw": {"not": {"const": True}},
    }
    none: Json = {"enum": [None, []]}
    unscoped = {
        "prompt": {"type": ["string", "array"]},
        "messages": {"type": "null"},
        "tools": none,
        "functions": none,
    }
    schema["oneOf"] = [
        {"required": ["messages"], "properties": scoped},
        {"required": ["prompt"], "properties": unscoped},
    ]


_READ = ("GET", "HEAD")
_PATHS = {"": "/run", "InPath": "/run/{model}"}
NATIVE = Dialect(
    name="Native",
    paths="",
    refuse=native_error,
    operations=[
        Operation(
            name="health",
            path="/health",
            methods=_READ,
            work=Lookup(_health, is_open=True),
            summary="Whether the Worker is up; no model is asked.",
            answers={JSON: HealthBody},
        ),
        Operation(
            name="openapi",
            path="/openapi.json",
            methods=_READ,
            work=Lookup(_describe, is_open=True),
            summary="This description.",
            answers={JSON: None},
        ),
        *(
            operation
            for suffix, path in _PATHS.items()
            for operation in (
                Operation(
                    name=f"run{suffix}",
                    path=path,
                    work=Inference(parse=parse, reply=_run),
                    summary="A completion, or Workers AI's own stream.",
                    body="Inputs",
                    answers={JSON: CompletionBody, EVENT_STREAM: None},
                ),
                Operation(
                    name=f"listen{suffix}",
                    path=path,
                    methods=("GET",),
                    work=Inference(parse_query=parse_query, reply=_listen, spare=_reconnect),
                    summary="A stream for an EventSource.",
                    answers={EVENT_STREAM: None},
                    query=Inputs,
                    query_details={
                        "prompt": {"required": True, "example": "Hello"},
                        "stream": {"schema": {"type": "boolean", "const": True}},
                    },
                    headers={"Last-Event-ID": "What an EventSource sends when it reconnects."},
                    responses={"204": "It was answered before: stay away."},
                ),
            )
        ),
    ],
    schemas=Schemas(
        structs=[Inputs, CompletionBody, HealthBody, ErrorBody],
        error=ErrorBody,
        finish=_finish_schemas,
        examples={
            "Inputs": {"messages": examples.MESSAGES, "max_tokens": 4},
            "CompletionBody": {
                "model": examples.SERVED_BY,
                "response": examples.TEXT,
                "usage": examples.USAGE,
                "finish_reason": "length",
                "truncated": True,
            },
            "HealthBody": {"status": "ok", "version": VERSION, "model": examples.MODEL},
            "ErrorBody": {
                "error": {
                    "code": "invalid_request",
                    "message": examples.REFUSAL,
                    "param": "temperature",
                }
            },
        },
    ),
)
