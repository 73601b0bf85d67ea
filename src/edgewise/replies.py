"""The native replies: a stream passed through, a JSON answer, an error."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from .endings import FinishReason, Usage, UsageAsItCame, read_usage, understand
from .errors import EdgewiseError
from .exchange import Preceded, Reply, Stream
from .inference import Outcome
from .prompt import Generation

JSON = "application/json"
EVENT_STREAM = "text/event-stream"


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


def common_headers(generation: Generation, outcome: Outcome) -> Mapping[str, str]:
    """Make the headers of every dialect: which model ran, under which limit, what was ignored."""
    headers = {"x-model": outcome.model, "x-max-tokens": str(generation.max_tokens)}
    if generation.ignored:
        headers["x-ignored-fields"] = ", ".join(generation.ignored)
    return headers


def stream_headers(generation: Generation, outcome: Outcome) -> Mapping[str, str]:
    """Head a stream of events."""
    common = common_headers(generation, outcome)
    return {"content-type": EVENT_STREAM, "cache-control": "no-cache, no-store", **common}


def run_reply(generation: Generation, outcome: Outcome) -> Reply:
    """
    Answer with the stream, untouched, or with our JSON.

    Raises:
        UpstreamError: The JSON is not what Workers AI documents.
    """
    if isinstance(outcome.body, Stream):
        return Reply(200, stream_headers(generation, outcome), outcome.body)
    body = complete(outcome.model, outcome.body, generation.max_tokens)
    return json_reply(200, body, common_headers(generation, outcome), read_usage(body.usage))


def complete(model: str, document: str, max_tokens: int) -> CompletionBody:
    """
    Word a whole answer as ours.

    Args:
        model: The id that ran.
        document: JSON, as Workers AI answered.
        max_tokens: Tokens, the limit that it ran under.

    Raises:
        UpstreamError: The JSON is not what Workers AI documents.
    """
    answer, reason, truncated = understand(model, document, max_tokens)
    return CompletionBody(
        model=model,
        response=answer.text,
        usage=answer.usage,
        finish_reason=reason,
        truncated=truncated,
        reasoning=answer.reasoning or UNSET,
        tool_calls=answer.calls or UNSET,
    )


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
    answer, _, _ = understand(outcome.model, outcome.body, generation.max_tokens)
    frames = b"".join(
        b"data: " + msgspec.json.encode(frame) + b"\n\n"
        for frame in ({"response": answer.text}, {"response": "", "usage": answer.usage})
    )
    text = f"{opening}{frames.decode()}data: [DONE]\n\n"
    return Reply(200, headers, text, read_usage(answer.usage))


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


def json_reply(
    status: int, body: msgspec.Struct, headers: Mapping[str, str], usage: Usage | None = None
) -> Reply:
    """Answer with JSON."""
    return Reply(status, {"content-type": JSON, **headers}, json_text(body), usage)


def json_text(body: object) -> str:
    """Word JSON; it ends in a line feed, for those who read it in a terminal."""
    return msgspec.json.encode(body).decode() + "\n"
