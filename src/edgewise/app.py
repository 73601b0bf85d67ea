"""The corridor: a request walks through the rooms in order and leaves as a reply."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from msgspec import UNSET

from . import VERSION
from .access import Web
from .admission import RateLimits, admit
from .auth import authenticate, check_host, check_origin
from .cloudflare import error_in_envelope, run_reply_in_envelope, search_reply
from .cors import cors_headers, is_preflight, preflight_reply
from .errors import EdgewiseError, InternalError, UpstreamError, retry_headers
from .exchange import Reply, Request
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
from .routes import GENERATING, OPEN, Dialect, Job, Route, dialect_of, resolve
from .settings import Settings, read_settings

_WELL_FORMED_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class Platform:
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
        check_host(request, settings)
        if is_preflight(request):
            reply = preflight_reply(request, settings)
        else:
            route = resolve(request.method, request.path)
            if route.job not in OPEN:
                caller = await authenticate(request, settings, platform.web)
                check_origin(request, caller, settings)
            if caller is None or route.job not in GENERATING or _is_reconnecting(request, route):
                reply = _tell(request, route, settings)
            else:
                await admit(request, caller, settings, platform.limits)
                generation = await _parse(request, route, settings)
                served_by = serving(settings.models[generation.model])
                asked_at = platform.clock()
                try:
                    outcome = await infer(generation, served_by, platform.ai)
                finally:
                    model_took = platform.clock() - asked_at
                model = outcome.model
                reply = _answer(request, route, generation, outcome)
    except EdgewiseError as error:
        refusal = error
        fault = find_fault(error) if error.status >= 500 else None
        model = error.model if isinstance(error, UpstreamError) else model
        reply = _refuse(request, error)
    except Exception as error:  # noqa: BLE001 - the record tells where it comes from
        refusal = InternalError("internal error")
        fault = find_fault(error)
        reply = _refuse(request, refusal)
    took = platform.clock() - began
    record = Record(
        time=word_time(request.received_at),
        id=_name(request),
        caller=caller,
        route=route.name if route else None,
        model=model,
        status=reply.status,
        code=refusal.code if refusal else None,
        upstream_code=refusal.upstream_code if refusal else None,
        ms=milliseconds(took),
        model_ms=None if model_took is None else milliseconds(model_took),
        stream=not isinstance(reply.body, str | None),
        usage=count(reply.usage),
        fault=fault or UNSET,
    )
    headers = {
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "x-request-id": record.id,
        "server-timing": _word_timing(took, model_took or 0.0),
        **(cors_headers(request, settings) if settings else {}),
        **reply.headers,
    }
    return replace(reply, headers=headers), record


def _name(request: Request) -> str:
    """Name a request as its caller does, or else as Cloudflare does."""
    names = (request.headers.get(name, "") for name in ("x-request-id", "cf-ray"))
    return next((name for name in names if _WELL_FORMED_ID.fullmatch(name)), request.id)


def _word_timing(took: float, model_took: float) -> str:
    """Tell of the time that Workers AI took to begin its answer, and of the rest."""
    own = milliseconds(took - model_took)
    return f"model;dur={milliseconds(model_took)}, edgewise;dur={own}"


def _is_reconnecting(request: Request, route: Route) -> bool:
    return route.job is Job.LISTEN and "last-event-id" in request.headers


def _tell(request: Request, route: Route, settings: Settings) -> Reply:
    """Answer what no model is asked for."""
    match route.job:
        case Job.HEALTH:
            return health_reply(VERSION, settings.default_model)
        case Job.OPENAPI:
            return openapi_reply()
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
