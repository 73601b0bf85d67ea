"""The replies: a stream passed through, a JSON answer, an error."""

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from .errors import EdgewiseError, UpstreamError
from .exchange import Reply, Stream
from .fields import is_too_deep

JSON = "application/json"


class Completion(msgspec.Struct):
    """
    Workers AI's answer, each part as it came.

    `response` is a string, null beside tool calls, or JSON that the model wrote and Workers AI
    parsed: an object, an array, a number.
    """

    response: Raw = Raw()
    usage: Raw = Raw(b"null")
    tool_calls: list[Raw] | None = None


class Usage(msgspec.Struct):
    """The one count that we look at."""

    completion_tokens: float | None = None


class CompletionBody(msgspec.Struct):
    """
    Our JSON answer.

    Attributes:
        model: The id that Workers AI ran.
        response: The text. JSON that Workers AI parsed is text again; null beside tool calls.
        usage: As Workers AI counted; null when it did not.
        finish_reason: null when there is no usage to tell by.
        truncated: Whether the text was cut at max_tokens; null when there is no usage to tell by.
        tool_calls: Only when there are any.
    """

    model: str
    response: Raw | str | None
    usage: Raw
    finish_reason: Literal["stop", "length", "tool_calls"] | None
    truncated: bool | None
    tool_calls: list[Raw] | UnsetType = UNSET


class HealthBody(msgspec.Struct):
    """What /health answers."""

    status: Literal["ok"]
    version: str
    model: str


class _Error(msgspec.Struct):
    code: str
    message: str
    param: str | UnsetType = UNSET


class ErrorBody(msgspec.Struct):
    """The one shape of an error."""

    error: _Error


def stream_reply(model: str, stream: Stream) -> Reply:
    """Hand a stream on, untouched."""
    headers = {"content-type": "text/event-stream", "cache-control": "no-cache", "x-model": model}
    return Reply(200, headers, stream)


def completion_reply(model: str, document: str, max_tokens: int) -> Reply:
    """
    Turn Workers AI's answer into ours.

    Args:
        model: The id that ran.
        document: Its JSON.
        max_tokens: The limit it ran under, in tokens.

    Raises:
        UpstreamError: The JSON is none that Workers AI documents.
    """
    if is_too_deep(document.encode()):  # a model may write it, and Workers AI parse it
        raise UpstreamError(None, model=model)
    try:
        completion = msgspec.json.decode(document, type=Completion)
        usage = msgspec.json.decode(completion.usage, type=Usage | None)
        response = _text(completion)
    except msgspec.DecodeError as error:
        raise UpstreamError(None, model=model) from error
    used = usage.completion_tokens if usage else None
    truncated = None if used is None else used >= max_tokens
    body = CompletionBody(
        model=model,
        response=response,
        usage=completion.usage,
        finish_reason=_finish_reason(truncated, bool(completion.tool_calls)),
        truncated=truncated,
        tool_calls=completion.tool_calls or UNSET,
    )
    return _json_reply(200, body, {"x-model": model})


def _text(completion: Completion) -> Raw | str | None:
    raw = bytes(completion.response)
    if not raw and not completion.tool_calls:
        raise msgspec.DecodeError("neither a response nor tool calls")
    if raw in (b"", b"null"):
        return None
    if raw.startswith(b'"'):
        return completion.response
    return raw.decode()


def _finish_reason(
    truncated: bool | None, called: bool
) -> Literal["stop", "length", "tool_calls"] | None:
    if truncated:
        return "length"
    if called:
        return "tool_calls"
    return None if truncated is None else "stop"


def health_reply(version: str, model: str) -> Reply:
    """Say that the Worker is up; no model is asked."""
    return _json_reply(200, HealthBody("ok", version, model), {})


def error_reply(error: EdgewiseError) -> Reply:
    """Word an error for the caller."""
    body = ErrorBody(_Error(error.code, error.message, error.param or UNSET))
    return _json_reply(error.status, body, error.headers)


def _json_reply(status: int, body: msgspec.Struct, headers: Mapping[str, str]) -> Reply:
    text = msgspec.json.encode(body).decode() + "\n"  # for who reads it in a terminal
    return Reply(status, {"content-type": JSON, "cache-control": "no-store", **headers}, text)
