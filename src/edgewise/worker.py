"""
What a Python Worker does with this package: serve all of itself, a part, or call its functions.

Their log lines and rate limits are those of the Worker that they run in.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from .app import call, handle
from .errors import EdgewiseError
from .exchange import NO_JSON, Arguments, Call, Method, Returned, Stream
from .ffi import bindings, calls, http
from .gate.keys import ANONYMOUS, CALLER
from .routes import is_below
from .rpc import UNNAMED
from .settings import NAMES, PREFIX


async def fetch(request: Any) -> Any:
    """Answer a request by the variables and bindings of the Worker; JavaScript's Response."""
    return await _fetch(http.bare(request), bindings.read_variables(), None)


async def serve(received: Call) -> Any:
    """Answer a call over RPC by the variables and bindings of the Worker."""
    return calls.to_rpc(await _call(received, bindings.read_variables(), None))


async def mount(
    request: Any, path: str, *, settings: Mapping[str, object] | None = None, ai: Any = None
) -> Any:
    """
    Answer a request that is below a path of the Worker's own.

    Args:
        request: The SDK's, or JavaScript's.
        path: Such as `/ai`; then `/ai/run` is what `/run` is to a deployment of its own.
        settings: By the names of docs/configuration.md. Without any, nobody is let in. The
            Worker's own variables are not looked at.
        ai: The binding to Workers AI; that named AI, if None.

    Returns:
        JavaScript's Response; None for a request that is elsewhere.

    Raises:
        ValueError: The path is invalid, or there is no such setting.
    """
    if not re.fullmatch(PREFIX, path):
        raise ValueError(f"path: expected one such as /ai, got {path!r}")
    _check_names(settings or {})
    inner = http.bare(request)
    if not is_below(http.path_of(inner), path):
        return None
    variables = _word_settings({**(settings or {}), "PATH_PREFIX": path})
    return await _fetch(inner, variables, ai)


async def run(
    model: str,
    inputs: Mapping[str, object],
    options: Mapping[str, object] | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    ai: Any = None,
    caller: str = UNNAMED,
) -> Any:
    """
    Run a model as env.AI.run does, with the checks and the models of a deployment.

    Args:
        options: `returnRawResponse`, `rejectIfBusy`.
        settings, ai: As of mount.
        caller: A name for the log and for the rate limit, made as that of a key.

    Returns:
        What Workers AI answered: a dict, or JavaScript's ReadableStream; or JavaScript's Response.

    Raises:
        EdgewiseError: Its `code` and `message` are those of docs/errors.md.
        ValueError: There is no such setting, or the caller's name is invalid.
    """
    return await _run(Method.RUN, [model, inputs, options or {}], settings, ai, caller)


async def generate(
    inputs: Mapping[str, object],
    *,
    settings: Mapping[str, object] | None = None,
    ai: Any = None,
    caller: str = UNNAMED,
) -> Any:
    """
    Generate text; everything else is as with run.

    Returns:
        A dict: `model`, `response`, `usage`, `finish_reason`, `truncated` as `POST /run` has them.
    """
    return await _run(Method.GENERATE, [inputs], settings, ai, caller)


async def models(
    search: Mapping[str, object] | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    caller: str = UNNAMED,
) -> Any:
    """List the models, as env.AI.models() does: a list of dicts."""
    return await _run(Method.MODELS, [search or {}], settings, None, caller)


async def _fetch(request: Any, variables: str, ai: Any) -> Any:
    received, body = http.read_request(request)
    reply, record = await handle(received, variables, bindings.platform(ai))
    response = http.to_response(reply, record)
    await body.drop_rest()
    return response


async def _call(received: Call, variables: str, ai: Any) -> Returned:
    returned, record = await call(received, variables, bindings.platform(ai))
    bindings.write_down(record)
    return returned


async def _run(
    method: Method,
    arguments: Sequence[Any],
    settings: Mapping[str, object] | None,
    ai: Any,
    caller: str,
) -> Any:
    if caller == ANONYMOUS or not re.fullmatch(CALLER, caller):
        raise ValueError(f"caller: expected a name such as shop, got {caller!r}")
    _check_names(settings or {})
    received = calls.name_call(method, Arguments(arguments, _word), json.dumps({"caller": caller}))
    returned = await _call(received, _word_settings(settings or {}), ai)
    match returned:
        case str():
            return msgspec.json.decode(returned)
        case Stream(stream):
            return stream
        case EdgewiseError():
            raise returned
    return calls.to_rpc(returned)


def _word(argument: object) -> str:
    try:
        # msgspec would word bytes, sets and dates as something else.
        text = json.dumps(argument, allow_nan=False, ensure_ascii=False)
        text.encode()  # which half a surrogate pair cannot be
    except (TypeError, ValueError, RecursionError):
        return NO_JSON
    return text


def _check_names(settings: Mapping[str, object]) -> None:
    for name in settings:
        if name not in NAMES:
            raise ValueError(f"settings: expected names of docs/configuration.md, got {name!r}")


def _word_settings(settings: Mapping[str, object]) -> str:
    try:
        return msgspec.json.encode(settings, enc_hook=bindings.plain).decode()
    except TypeError as error:
        raise ValueError(f"settings: {error}") from error
