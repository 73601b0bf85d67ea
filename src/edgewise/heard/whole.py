"""Hearing an answer that came in one piece."""

from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Raw

from ..errors import UpstreamError
from .endings import find_reason, is_ending_told, read_usage
from .events import CallPiece, Calls, Counted, End, Event, FinishReason, Reasoning, Text, Usage
from .flavours import Answer, read_answer, read_call, read_code
from .numbering import NO_ARGUMENTS, Numbering
from .stopping import Stopper
from .surrogates import mend


class Heard(msgspec.Struct, frozen=True):
    """
    A whole answer.

    Attributes:
        text: None when there is none beside tool calls. It ends before a stop text.
        calls: Each as it came, or as JSON of the same meaning.
        usage: As it came, `null` when there is none.
        counted: The same, read.
        reason: Why it ended; None when it cannot be determined.
        truncated: Whether it was cut at max_tokens; None when that cannot be determined.
        stop: The stop text that ended it.
    """

    text: str | None
    reasoning: str
    calls: Sequence[Raw]
    usage: Raw
    counted: Usage | None
    reason: FinishReason | None
    truncated: bool | None
    stop: str | None
    model: str

    def pieces(self) -> list[CallPiece]:
        """
        Read the calls, each in one piece.

        Raises:
            UpstreamError: One is not a tool call.
        """
        numbering = Numbering()
        try:
            pieces = [numbering.whole(read_call(call)) for call in self.calls]
        except msgspec.DecodeError as error:
            raise UpstreamError(None, model=self.model) from error
        return [
            msgspec.structs.replace(piece, arguments=piece.arguments or NO_ARGUMENTS)
            for piece in pieces
        ]

    def events(self) -> Iterator[Event]:
        """
        Tell it as a stream would.

        Raises:
            UpstreamError: As of pieces.
        """
        if self.reasoning:
            yield Reasoning(self.reasoning)
        if self.text:
            yield Text(self.text)
        if self.calls:
            yield Calls(self.pieces())
        yield End(self.reason, self.stop)
        if self.counted is not None:
            yield Counted(self.counted)


def understand(model: str, document: str, max_tokens: int, stop: Sequence[str] = ()) -> Heard:
    """
    Read a whole answer.

    Args:
        model: The id that ran.
        document: JSON, as Workers AI answered.
        max_tokens: Tokens, the limit that it ran under.
        stop: Texts that end it.

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
    stopper = Stopper(stop)
    text = answer.text
    if text is not None:
        text = stopper.feed(text) + stopper.close()
    has_stopped = stopper.matched is not None
    reason = find_reason(answer.reason, usage, max_tokens, called=bool(answer.calls))
    return Heard(
        text=text,
        reasoning=answer.reasoning,
        calls=() if has_stopped else _as_json(answer),
        usage=answer.usage,
        counted=usage,
        reason="stop" if has_stopped else reason,
        truncated=reason == "length" if is_ending_told(answer.reason, usage) else None,
        stop=stopper.matched,
        model=model,
    )


def _as_json(answer: Answer) -> list[Raw]:
    return [
        call
        if isinstance(call, Raw)
        else Raw(
            msgspec.json.encode(
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
            )
        )
        for call in answer.calls
    ]
