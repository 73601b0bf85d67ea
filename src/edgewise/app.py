"""The corridor: a request walks through the rooms in order and leaves as a reply."""

import re
from collections.abc import Callable, Mapping

import msgspec

from .asked.generation import Generation
from .asked.models import find_model, serving
from .dialects import API
from .errors import EdgewiseError, InternalError, retry_headers
from .exchange import Call, Method, Reply, Request, Returned, Stream
from .gate.access import Web
from .gate.auth import authenticate, check_host, check_origin
from .gate.cors import cors_headers, is_preflight, preflight_reply
from .gate.rates import RateLimits, admit, admit_call
from .inference import Ai, Outcome, infer
from .records import Draft, Record
from .routes import Api, Inference, Lookup, Route, dialect_of, resolve, strip
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


async def handle(
    request: Request, variables: str, platform: Platform, api: Api = API
) -> tuple[Reply, Record]:
    """
    Answer a request. The one place where errors become replies.

    Args:
        variables: The deployment's variables, as settings.read_settings takes them.
        api: The dialects that it may be in.

    Returns:
        The reply, and what is to be written down about it.
    """
    began = platform.clock()
    draft = Draft(request.received_at, _name(request))
    settings: Settings | None = None
    try:
        settings = read_settings(variables)
        request = _strip_prefix(request, settings)
        reply = await _answer(request, settings, platform, api, draft)
    except Exception as error:  # noqa: BLE001 - the record says where it comes from
        refusal = _judge(error)
        draft.fail(refusal, error)
        reply = _refuse(request, refusal, api)
    record = draft.finish(
        reply.status,
        platform.clock() - began,
        is_stream=not isinstance(reply.body, str | None),
        usage=reply.usage,
    )
    return _head(reply, request, settings, record), record


async def call(call: Call, variables: str, platform: Platform) -> tuple[Returned, Record]:
    """
    Answer a call over RPC, which enters the corridor after everything that is HTTP's.

    Args:
        variables: As for a request.

    Returns:
        What goes back, an error too, and what is to be written down about it.
    """
    began = platform.clock()
    draft = Draft(call.received_at, call.id, route=f"RPC {call.method.value}")
    returned: Returned
    usage = None
    try:
        settings = read_settings(variables)
        draft.caller = name_caller(call)
        if call.method is Method.MODELS:
            returned = list_models(call, settings)
        else:
            await admit_call(call, draft.caller, settings, platform.limits)
            asked = read_call(call, settings)
            outcome = await _infer(asked.generation, settings, platform, draft)
            returned, usage = answer_call(call, asked, outcome)
    except Exception as error:  # noqa: BLE001 - the record says where it comes from
        refusal = _judge(error)
        draft.fail(refusal, error)
        returned = refuse_call(call, refusal)
    body = returned.body if isinstance(returned, Reply) else returned
    return returned, draft.finish(
        draft.refusal.status if draft.refusal else 200,
        platform.clock() - began,
        is_stream=isinstance(body, Stream),
        usage=usage,
    )


def _strip_prefix(request: Request, settings: Settings) -> Request:
    if not settings.path_prefix:
        return request
    return msgspec.structs.replace(request, path=strip(request.path, settings.path_prefix))


async def _answer(
    request: Request, settings: Settings, platform: Platform, api: Api, draft: Draft
) -> Reply:
    """Lead a request through the rooms."""
    check_host(request, settings)
    if is_preflight(request):
        return preflight_reply(request, settings, api)
    route = resolve(api, request.method, request.path, settings.path_prefix)
    draft.route = route.name
    work = route.operation.work
    if isinstance(work, Lookup) and work.is_open:
        return work.answer(request, route, settings)
    draft.caller = await authenticate(request, settings, platform.web)
    check_origin(request, draft.caller, settings)
    if isinstance(work, Lookup):
        return work.answer(request, route, settings)
    spared = work.spare(request)
    if spared is not None:
        return spared
    await admit(request, draft.caller, settings, platform.limits)
    generation = await _parse(request, route, work, settings)
    outcome = await _infer(generation, settings, platform, draft)
    return work.reply(request, generation, outcome)


async def _parse(request: Request, route: Route, work: Inference, settings: Settings) -> Generation:
    if route.model is not None:
        find_model(route.model, settings)  # before the body is read
    if work.parse is None:
        assert work.parse_query is not None
        return work.parse_query(request.query, route.model, settings)
    document = await request.body.read(settings.max_body_bytes)
    return work.parse(document, route.model, settings)


async def _infer(
    generation: Generation, settings: Settings, platform: Platform, draft: Draft
) -> Outcome:
    """Have the text generated, and note by whom and how long that took."""
    served_by = serving(settings.models[generation.model])
    began = platform.clock()
    try:
        outcome = await infer(generation, served_by, platform.ai)
    finally:
        draft.model_took = platform.clock() - began
    draft.model = outcome.model
    return outcome


def _judge(error: Exception) -> EdgewiseError:
    """Decide what the caller learns about an error."""
    return error if isinstance(error, EdgewiseError) else InternalError("internal error")


def _refuse(request: Request, error: EdgewiseError, api: Api) -> Reply:
    headers = {**error.headers, **retry_headers(error, request.received_at)}
    return dialect_of(api, request.path).refuse(error, headers)


def _head(reply: Reply, request: Request, settings: Settings | None, record: Record) -> Reply:
    """Add the headers that every reply has."""
    headers: Mapping[str, str] = {
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
        "x-request-id": record.id,
        "server-timing": _word_timing(record),
        **(cors_headers(request, settings) if settings else {}),
        **reply.headers,
    }
    return Reply(reply.status, headers, reply.body, reply.usage)


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
