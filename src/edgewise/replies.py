"""What the replies of every dialect share."""

from collections.abc import Mapping

import msgspec

from .asked.generation import Generation
from .exchange import Reply
from .heard.events import Usage
from .inference import Outcome

# The headers that callers may read, to what they say: in the order in which pages are told them.
# Those of every answer, those that only a model's answer has, and those of errors.
OF_ALL: Mapping[str, str] = {
    "x-request-id": "The request's name: its caller's own, or that of Cloudflare.",
    "server-timing": "Milliseconds until Workers AI began its answer, and our own.",
}
OF_INFERENCE: Mapping[str, str] = {
    "x-model": "The id of Workers AI that ran.",
    "x-max-tokens": "The limit of tokens that the completion ran under.",
    "x-ignored-fields": "Fields that were sent and do nothing.",
}
OF_ERRORS: Mapping[str, str] = {
    "retry-after": "Seconds after which the same request may succeed.",
    "x-should-retry": "Whether OpenAI's libraries are to try again: false, or nothing.",
    "www-authenticate": "Which credentials are missing or wrong.",
}

JSON = "application/json"
EVENT_STREAM = "text/event-stream"


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


def json_reply(
    status: int, body: msgspec.Struct, headers: Mapping[str, str], usage: Usage | None = None
) -> Reply:
    """Answer with JSON."""
    return Reply(status, {"content-type": JSON, **headers}, json_text(body), usage)


def json_text(body: object) -> str:
    """Word JSON; it ends in a line feed, for those who read it in a terminal."""
    return msgspec.json.encode(body).decode() + "\n"
