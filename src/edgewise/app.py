"""The corridor: a request walks through the rooms in order and leaves as a reply."""

import logging

from . import VERSION
from .cloudflare import error_in_envelope, run_reply_in_envelope, search_reply
from .errors import EdgewiseError, InternalError, retry_headers
from .exchange import Reply, Request
from .inference import Ai, infer
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
from .replies import health_reply, listen_reply, native_error, reconnect_reply, run_reply
from .routes import Dialect, Job, Route, dialect_of, resolve
from .settings import Settings, read_settings


async def handle(request: Request, variables: str, ai: Ai) -> Reply:
    """
    Answer a request. The one place where errors become replies.

    Args:
        variables: The deployment's variables, as settings.read_settings takes them.
    """
    try:
        return await _answer(request, read_settings(variables), ai)
    except EdgewiseError as error:
        if error.status >= 500:
            cause = type(error.__cause__).__name__ if error.__cause__ else "no cause"
            logging.getLogger("edgewise").error("%s: %s", error.message, cause)
        return _refuse(request, error)
    except Exception:
        logging.getLogger("edgewise").exception("internal error")
        return _refuse(request, InternalError("internal error"))


async def _answer(request: Request, settings: Settings, ai: Ai) -> Reply:
    route = resolve(request.method, request.path)
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
        case Job.LISTEN if request.last_event_id is not None:
            return reconnect_reply()
    generation = await _parse(request, route, settings)
    outcome = await infer(generation, serving(settings.models[generation.model]), ai)
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


def _refuse(request: Request, error: EdgewiseError) -> Reply:
    headers = {**error.headers, **retry_headers(error, request.received_at)}
    match dialect_of(request.path):
        case Dialect.OPENAI:
            return openai_error(error, headers)
        case Dialect.CLOUDFLARE:
            return error_in_envelope(error, headers)
    return native_error(error, headers)
