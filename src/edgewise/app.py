"""The corridor: a request walks through the rooms in order and leaves as a reply."""

import logging

from . import VERSION
from .errors import EdgewiseError, InternalError
from .exchange import Reply, Request, Stream
from .inference import Ai, infer
from .models import find_model
from .prompt import parse
from .replies import completion_reply, error_reply, health_reply, stream_reply
from .routes import Job, resolve
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
        return error_reply(error)
    except Exception:
        logging.getLogger("edgewise").exception("internal error")
        return error_reply(InternalError("internal error"))


async def _answer(request: Request, settings: Settings, ai: Ai) -> Reply:
    route = resolve(request.method, request.path)
    if route.job is Job.HEALTH:
        return health_reply(VERSION, settings.default_model)
    model = find_model(route.model, settings)
    document = await request.body.read(settings.max_body_bytes)
    generation = parse(document, model)
    outcome = await infer(generation, settings.models[model], ai)
    if isinstance(outcome.body, Stream):
        return stream_reply(outcome.model, outcome.body)
    return completion_reply(outcome.model, outcome.body, generation.max_tokens)
