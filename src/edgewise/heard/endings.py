"""How an answer ended and how many tokens it took, as far as Workers AI tells."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Raw

from ..errors import UpstreamError
from .flavours import Answer, mend, read_answer, read_code

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Usage(msgspec.Struct, frozen=True):
    """Tokens, as Workers AI counted them."""

    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    total_tokens: float | None = None
    prompt_tokens_details: Raw = Raw()


# What a usage looks like that is handed on as it came.
UsageAsItCame = Annotated[
    Raw,
    Meta(
        extra_json_schema={
            "type": ["object", "null"],
            "properties": {
                name: {"type": ["number", "null"]}
                for name in ("prompt_tokens", "completion_tokens", "total_tokens")
            },
        }
    ),
]


_USAGE: msgspec.json.Decoder[Usage | None] = msgspec.json.Decoder(Usage | None)

# Source: the reader of Cloudflare's own provider, workers-ai-provider.
_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}


def read_usage(usage: Raw) -> Usage | None:
    """Read what was counted; None when that cannot be read."""
    try:
        return _USAGE.decode(usage)
    except msgspec.DecodeError:
        return None


def find_reason(
    reason: str | None, usage: Usage | None, max_tokens: int, *, called: bool
) -> FinishReason | None:
    """
    Find out why an answer ended.

    Args:
        reason: As it came; Workers AI's own answers have none.
        max_tokens: Tokens, the limit that the completion ran under.
        called: Whether it holds tool calls.

    Returns:
        None when it cannot be determined.
    """
    used = usage.completion_tokens if usage else None
    known = _REASONS.get(reason or "")
    if known == "length" or (used is not None and used >= max_tokens):
        return "length"
    if called and known != "content_filter":
        return "tool_calls"
    return known or (None if used is None else "stop")


def understand(
    model: str, document: str, max_tokens: int
) -> tuple[Answer, FinishReason | None, bool | None]:
    """
    Read a whole answer.

    Args:
        model: The id that ran.
        max_tokens: Tokens, the limit that it ran under.

    Returns:
        The answer, why it ended, and whether it was cut at the limit; None for what
        cannot be determined.

    Raises:
        UpstreamError: It is not what Workers AI documents, or says that something failed.
    """
    try:
        answer = read_answer(mend(document.encode()))
        if answer.is_empty and not answer.is_failure:
            raise msgspec.DecodeError("neither text nor tool calls")
    except msgspec.DecodeError as error:
        raise UpstreamError(None, model=model) from error
    if answer.is_failure:
        raise UpstreamError(read_code(document), model=model)
    usage = read_usage(answer.usage)
    reason = find_reason(answer.reason, usage, max_tokens, called=bool(answer.calls))
    told = answer.reason is not None or (usage is not None and usage.completion_tokens is not None)
    return answer, reason, reason == "length" if told else None
