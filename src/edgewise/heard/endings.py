"""How an answer ended and how many tokens it took, as far as Workers AI tells."""

from typing import Annotated

import msgspec
from msgspec import Meta, Raw

from .events import FinishReason, Usage
from .flavours import read_fitting


class _Details(msgspec.Struct, frozen=True):
    cached_tokens: float | None = None
    reasoning_tokens: float | None = None


class _Usage(msgspec.Struct, frozen=True):
    """What is told: `prompt_tokens` and the like, or as gpt-oss does `input_tokens`."""

    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    total_tokens: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    prompt_tokens_details: Raw = Raw()
    completion_tokens_details: Raw = Raw()
    input_tokens_details: Raw = Raw()
    output_tokens_details: Raw = Raw()


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


_USAGE: msgspec.json.Decoder[_Usage | None] = msgspec.json.Decoder(_Usage | None)
_DETAILS = msgspec.json.Decoder(_Details)

# Source: the reader of Cloudflare's own provider, workers-ai-provider.
_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}


def read_usage(usage: Raw) -> Usage | None:
    """Read what was counted, as far as it can be read; None when nothing is told."""
    try:
        told = _decode_usage(usage)
    except msgspec.DecodeError:
        return None
    if told is None:
        return None
    return Usage(
        _first(told.prompt_tokens, told.input_tokens),
        _first(told.completion_tokens, told.output_tokens),
        told.total_tokens,
        _details(told.prompt_tokens_details or told.input_tokens_details).cached_tokens,
        _details(told.completion_tokens_details or told.output_tokens_details).reasoning_tokens,
        told.prompt_tokens_details,
    )


def _decode_usage(usage: Raw) -> _Usage | None:
    try:
        return _USAGE.decode(usage)
    except msgspec.ValidationError:
        return read_fitting(_Usage, usage)


def _first(told: float | None, otherwise: float | None) -> float | None:
    return otherwise if told is None else told


def _details(told: Raw) -> _Details:
    try:
        return _DETAILS.decode(told)
    except msgspec.DecodeError:
        return _NO_DETAILS


_NO_DETAILS = _Details()


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
    known = _REASONS.get(reason or "")  # a reason that nobody knows tells nothing
    if known == "length" or (used is not None and used >= max_tokens):
        return "length"
    if called and known != "content_filter":
        return "tool_calls"
    return known or (None if used is None else "stop")


def is_ending_told(reason: str | None, usage: Usage | None) -> bool:
    """Check whether there is anything that says if an answer was cut at its limit."""
    return reason in _REASONS or (usage is not None and usage.completion_tokens is not None)
