"""Tool calls, whole or put together from pieces, whichever way a model numbers them."""

from dataclasses import dataclass

_NO_ARGUMENTS = "{}"


@dataclass(frozen=True, slots=True)
class ToolCall:
    """
    A tool that the model calls.

    Attributes:
        arguments: JSON text, as the model wrote it: it may be wrong.
        id: None where the model gives none.
    """

    name: str
    arguments: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class CallPiece:
    """
    A tool call, or a piece of one.

    Attributes:
        index: Which of the calls it belongs to; None when the model did not number it.
        arguments: JSON text, or a piece of it.
    """

    index: int | None
    id: str | None
    name: str | None
    arguments: str


@dataclass(slots=True)
class _Open:
    id: str | None
    name: str
    arguments: str


def join_halves(text: str) -> str:
    """Put characters together that came in two halves, as JavaScript has them; mark lone halves."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


class Calls:
    """Gathers the calls of one answer."""

    def __init__(self) -> None:
        self._open: list[_Open] = []
        self._numbers: dict[int, int] = {}  # the model's to ours

    def add(self, piece: CallPiece) -> None:
        """Take a call or a piece of one; the last one of some models says nothing."""
        if not (piece.name or piece.arguments):
            return
        number = len(self._open) - 1
        if piece.index is not None:
            number = self._numbers.get(piece.index, len(self._open))
        if 0 <= number < len(self._open):
            known = self._open[number]
            # Some models give every call the same number, or none; but each has its own name or id.
            if not piece.name or (piece.id is not None and piece.id == known.id):
                known.arguments += piece.arguments
                return
        if piece.index is not None:
            self._numbers[piece.index] = len(self._open)
        self._open.append(_Open(piece.id, piece.name or "", piece.arguments))

    def gathered(self) -> tuple[ToolCall, ...]:
        """Tell them all."""
        return tuple(
            ToolCall(call.name, join_halves(call.arguments) or _NO_ARGUMENTS, call.id)
            for call in self._open
        )
