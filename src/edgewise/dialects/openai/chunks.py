"""OpenAI's chunks."""

from collections.abc import Sequence

import msgspec

from ...heard.events import (
    CallPiece,
    Calls,
    Counted,
    End,
    Event,
    FinishReason,
    Reasoning,
    Text,
)
from ..rewriting import broken
from .objects import (
    Delta,
    DeltaChoice,
    FunctionCall,
    Heading,
    TextChoice,
    TokenUsage,
    ToolCallDelta,
    call_id,
    text_reason,
    word_error,
    word_usage,
)


class ChunkWriter:
    """Words an answer as OpenAI's chunks, a rewriting.Writer."""

    def __init__(self, heading: Heading, *, include_usage: bool) -> None:
        """
        Args:
            include_usage: Whether to tell at the end what was counted.
        """
        self._heading = heading
        self._include_usage = include_usage
        self._has_begun = not heading.is_chat
        empty = DeltaChoice(0, Delta(content=""), None)
        chunk = self._chunk([empty if heading.is_chat else TextChoice(0, "", None)])
        self._before_text, _, self._after_text = chunk.rpartition(b'""')

    def write(self, events: Sequence[Event]) -> bytes:
        """See Writer."""
        if len(events) == 1:
            return self._word(events[0])
        return b"".join(map(self._word, events))

    def close(self) -> bytes:
        """See Writer."""
        return b"data: [DONE]\n\n"

    def _word(self, event: Event) -> bytes:
        if isinstance(event, Text):
            told = self._before_text + msgspec.json.encode(event.text) + self._after_text
            return told if self._has_begun else self._begin() + told
        match event:
            case Reasoning(text):
                return self._delta(Delta(reasoning_content=text))
            case Calls(pieces):
                return self._delta(Delta(tool_calls=[self._piece(piece) for piece in pieces]))
            case End(reason):
                return self._end(reason or "stop")
            case Counted(usage):
                worded = word_usage(usage)
                is_told = self._include_usage and worded is not None
                return self._chunk([], worded) if is_told else b""
        error = word_error(broken(event, self._heading.model))
        return b"data: " + msgspec.json.encode(error) + b"\n\n"

    def _piece(self, piece: CallPiece) -> ToolCallDelta:
        if not piece.is_first:
            return ToolCallDelta(piece.number, FunctionCall(arguments=piece.arguments))
        function = FunctionCall(piece.name, piece.arguments)
        return ToolCallDelta(piece.number, function, call_id(piece, self._heading.id), "function")

    def _delta(self, delta: Delta) -> bytes:
        if not self._heading.is_chat:  # a completion's prompt asked for text alone
            return b""
        return self._begin() + self._chunk([DeltaChoice(0, delta, None)])

    def _begin(self) -> bytes:
        """Open the assistant's turn, once."""
        if self._has_begun:
            return b""
        self._has_begun = True
        return self._chunk([DeltaChoice(0, Delta("assistant", ""), None)])

    def _end(self, reason: FinishReason) -> bytes:
        if not self._heading.is_chat:
            return self._chunk([TextChoice(0, "", text_reason(reason))])
        return self._begin() + self._chunk([DeltaChoice(0, Delta(), reason)])

    def _chunk(
        self, choices: Sequence[DeltaChoice | TextChoice], usage: TokenUsage | None = None
    ) -> bytes:
        heading = self._heading
        kind = "chat.completion.chunk" if heading.is_chat else "text_completion"
        chunk = {
            "id": heading.id,
            "object": kind,
            "created": heading.created,
            "model": heading.model,
            "choices": choices,
        }
        if self._include_usage:
            chunk["usage"] = usage
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
