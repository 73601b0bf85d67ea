"""
What Workers AI says, in no dialect's words: a few events, the same for every flavour.

An answer is any texts, reasonings and pieces of calls, and then either an End, where there is
something to count a Counted behind it, or a Failure.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]


class Usage(msgspec.Struct, frozen=True):
    """
    Tokens, as Workers AI counted them; None for what it did not tell.

    Attributes:
        cached_tokens: Of those of the prompt, the ones that were not read again.
        reasoning_tokens: Of those of the completion, the ones that were thought.
        details: What else was told about the prompt's, as it came.
    """

    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    total_tokens: float | None = None
    cached_tokens: float | None = None
    reasoning_tokens: float | None = None
    details: msgspec.Raw = msgspec.Raw()


class Text(msgspec.Struct, frozen=True):
    """Some text, which is never empty."""

    text: str


class Reasoning(msgspec.Struct, frozen=True):
    """Some of what the model thought before it spoke, which is never empty."""

    text: str


class CallPiece(msgspec.Struct, frozen=True):
    """
    A tool call or a piece of one.

    Attributes:
        number: Which call it belongs to, from 0 on, whichever way the model numbered them.
        is_first: Whether the call begins with it.
        id: The model's own, if it gave one; only in the first piece.
        name: The tool's; only in the first piece.
        arguments: JSON text or a piece of it; together, the pieces are never empty.
    """

    number: int
    is_first: bool
    id: str | None
    name: str
    arguments: str


class Calls(msgspec.Struct, frozen=True):
    """Pieces of calls that came together."""

    pieces: Sequence[CallPiece]


class End(msgspec.Struct, frozen=True):
    """
    The answer is complete.

    Attributes:
        reason: Why it ended; None when it cannot be determined.
        stop: The stop text that ended it, which is no part of it; None for another reason.
    """

    reason: FinishReason | None
    stop: str | None = None


class Counted(msgspec.Struct, frozen=True):
    """How many tokens it took."""

    usage: Usage


class Failure(msgspec.Struct, frozen=True):
    """
    The answer is not complete, and never will be.

    Attributes:
        code: Workers AI's own; None where it broke off without any.
    """

    code: int | None


Event = Text | Reasoning | Calls | End | Counted | Failure
