"""The corridor: a request walks through the rooms in order and leaves as a reply."""

import re
from collections.abc import Callable

import msgspec
from msgspec import UNSET

from . import VERSION
from .access import Web
from .admission import RateLimits, admit, admit_call
from .auth import authenticate, check_host, check_origin
from .cloudflare import error_in_envelope, run_reply_in_envelope, search_reply
from .cors import cors_headers, is_preflight, preflight_reply
from .endings import Usage
from .errors import EdgewiseError, InternalError, UpstreamError, retry_headers
from .exchange import Call, Method, Reply, Request, Returned, Stream
from .inference import Ai, Outcome, infer
from .models import find_model, serving
from .openai import (
    chat_reply,
    completion_reply,
    model_reply,
    models_reply,
    openai_error,
    parse_chat,
    parse_completion,
)
from .openapi import openapi_reply
from .prompt import Generation, parse, parse_query
from .records import Fault, Record, count, find_fault, milliseconds, word_time
from .replies import health_reply, listen_reply, native_error, reconnect_reply, run_reply
from .routes import GENERATING, OPEN, Dialect, Job, Route, dialect_of, resolve, strip
from .rpc import answer_call, list_models, name_caller, read_call, refuse_call
from .settings import Settings, read_settings

_WELL_FORMED_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


class Platform(msgspec.Struct, frozen=True):
    """
    What the corridor needs of the platform.

    Attributes:
        clock: Tells seconds that only ever go up.
    """

    ai: Ai
    limits: RateLimits
    web: Web
    clock: Callable[[], float]


async def handle(request: Request, variables: str, platform: Platform) -> tuple[Reply, Record]:
    """
    Answer a request. The one place where errors become replies.

    Args:
        variables: The deployment's variables, as settings.read_settings takes them.

    Returns:
        The reply, and what is to be written down of it.
    """
    began = platform.clock()
    settings: Settings | None = None
    route: Route | None = None
    caller: str | None = None
    model: str | None = None
    model_took: float | None = None
    refusal: EdgewiseError | None = None
    fault: Fault | None = None
    try:
        settings = read_settings(variables)
        if settings.path_prefix:
            request = msgspec.structs.replace(
                request, path=strip(request.path, settings.path_prefix)
            )
        check_host(request, settings)
        if is_preflight(request):
            reply = preflight_reply(request, settings)
        else:
            route = resolve(request.method, request.path, settings.path_prefix)
            if route.job not in OPEN:
                caller = await authenticate(request, settings, platform.web)
                check_origin(request, caller, settings)
            if caller is None or route.job not in GENERATING or _is_reconnecting(request, route):
                reply = _tell(request, route, settings)
            else:
                await admit(request, caller, settings, platform.limits)
                generation = await _parse(request, route, settings)
                outcome, model_took = await _ask(generation, settings, platform)
                model = outcome.model
                reply = _answer(request, route, generation, outcome)
    except Exception as error:  # noqa: BLE001 - the record says where it comes from
        refusal, fault = _judge(error)
        reply = _refuse(request, refusal)
    took = platform.clock() - began
    record = _record(
        came=(request.received_at, _name(request)),
        caller=caller,
        route=route.name if route else None,
        asked=(model, model_took),
        status=reply.status,
        refusal=refusal,
        fault=fault,
        took=took,
        is_stream=not isinstance(reply.body, str | None),
        usage=reply.usage,
    )
    headers = {
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "x-request-id": record.id,
        "server-timing": _word_timing(record),
        **(cors_headers(request, settings) if settings else {}),
        **reply.headers,
    }
    return Reply(reply.status, headers, reply.body, reply.usage), record


async def call(call: Call, variables: str, platform: Platform) -> tuple[Returned, Record]:
    """
    Answer a call over RPC, which enters the corridor behind all that is HTTP's.

    Args:
        variables: As for a request.

    Returns:
        What goes back, an error too, and what is to be written down of it.
    """
    began = platform.clock()
    caller: str | None = None
    model: str | None = None
    model_took: float | None = None
    refusal: EdgewiseError | None = None
    fault: Fault | None = None
    usage: Usage | None = None
    returned: Returned
    try:
        settings = read_settings(variables)
        caller = name_caller(call)
        if call.method is Method.MODELS:
            returned = list_models(call, settings)
        else:
            await admit_call(call, caller, settings, platform.limits)
            asked = read_call(call, settings)
            outcome, model_took = await _ask(asked.generation, settings, platform)
            model = outcome.model
            returned, usage = answer_call(call, asked, outcome)
    except Exception as error:  # noqa: BLE001 - the record says where it comes from
        refusal, fault = _judge(error)
        returned = refuse_call(call, refusal)
    return returned, _record(
        came=(call.received_at, call.id),
        caller=caller,
        route=f"RPC {call.method.value}",
        asked=(model, model_took),
        status=refusal.status if refusal else 200,
        refusal=refusal,
        fault=fault,
        took=platform.clock() - began,
        is_stream=isinstance(returned.body if isinstance(returned, Reply) else returned, Stream),
        usage=usage,
    )


async def _ask(
    generation: Generation, settings: Settings, platform: Platform
) -> tuple[Outcome, float]:
    """Have the text generated, and tell how many seconds it took to begin, or to be refused."""
    served_by = serving(settings.models[generation.model])
    asked_at = platform.clock()
    try:
        outcome = await infer(generation, served_by, platform.ai)
    except EdgewiseError as error:
        error.model_took = platform.clock() - asked_at
        raise
    return outcome, platform.clock() - asked_at


def _judge(error: Exception) -> tuple[EdgewiseError, Fault | None]:
    """Decide what the caller learns of an error, and what the log does."""
    if not isinstance(error, EdgewiseError):
        return InternalError("internal error"), find_fault(error)
    return error, find_fault(error) if error.status >= 500 else None


def _record(
    *,
    came: tuple[float, str],
    caller: str | None,
    route: str | None,
    asked: tuple[str | None, float | None],
    status: int,
    refusal: EdgewiseError | None,
    fault: Fault | None,
    took: float,
    is_stream: bool,
    usage: Usage | None,
) -> Record:
    """
    Note what is known when the answer is.

    Args:
        came: When, and by what name.
        asked: Which model answered, and how many seconds that took.
    """
    model, model_took = asked
    if isinstance(refusal, UpstreamError):
        model = refusal.model
    if model_took is None and refusal is not None:
        model_took = refusal.model_took
    return Record(
        time=word_time(came[0]),
        id=came[1],
        caller=caller,
        route=route,
        model=model,
        status=status,
        code=refusal.code if refusal else None,
        upstream_code=refusal.upstream_code if refusal else None,
        ms=milliseconds(took),
        model_ms=None if model_took is None else milliseconds(model_took),
        stream=is_stream,
        usage=count(usage),
        fault=fault or UNSET,
    )


def _name(request: Request) -> str:
    """Name a request as its caller does, or else as Cloudflare does."""
    for header in ("x-request-id", "cf-ray"):
        name = request.headers.get(header)
        if name is not None and _WELL_FORMED_ID.fullmatch(name):
            return name
    return request.id


def _word_timing(record: Record) -> str:
    """Report the time that Workers AI took to begin its answer, and the rest."""
    model_ms = record.model_ms or 0.0
    return f"model;dur={model_ms}, edgewise;dur={round(record.ms - model_ms, 1)}"


def _is_reconnecting(request: Request, route: Route) -> bool:
    return route.job is Job.LISTEN and "last-event-id" in request.headers


def _tell(request: Request, route: Route, settings: Settings) -> Reply:
    """Answer what no model is asked for."""
    match route.job:
        case Job.HEALTH:
            return health_reply(VERSION, settings.default_model)
        case Job.OPENAPI:
            return openapi_reply(settings)
        case Job.OPENAI_MODELS:
            return models_reply(settings.models)
        case Job.OPENAI_MODEL:
            return model_reply(find_model(route.model, settings))
        case Job.CLOUDFLARE_MODELS:
            return search_reply(settings.models, request.query)
    return reconnect_reply()


async def _parse(request: Request, route: Route, settings: Settings) -> Generation:
    if route.model is not None:
        find_model(route.model, settings)  # before the body is read
    if route.job is Job.LISTEN:
        return parse_query(request.query, route.model, settings)
    document = await request.body.read(settings.max_body_bytes)
    match route.job:
        case Job.CHAT:
            return parse_chat(document, settings)
        case Job.COMPLETE:
            return parse_completion(document, settings)
    return parse(document, route.model, settings)


def _answer(request: Request, route: Route, generation: Generation, outcome: Outcome) -> Reply:
    match route.job:
        case Job.LISTEN:
            return listen_reply(generation, outcome, request.id)
        case Job.CLOUDFLARE_RUN:
            return run_reply_in_envelope(generation, outcome)
        case Job.CHAT:
            return chat_reply(request, generation, outcome)
        case Job.COMPLETE:
            return completion_reply(request, generation, outcome)
    return run_reply(generation, outcome)


def _refuse(request: Request, error: EdgewiseError) -> Reply:
    headers = {**error.headers, **retry_headers(error, request.received_at)}
    match dialect_of(request.path):
        case Dialect.OPENAI:
            return openai_error(error, headers)
        case Dialect.CLOUDFLARE:
            return error_in_envelope(error, headers)
    return native_error(error, headers)
