"""Telling tool calls apart, whichever way a model numbers them."""

from collections.abc import Iterator

from .events import CallPiece
from .flavours import ToolCall

NO_ARGUMENTS = "{}"  # a call's arguments are always JSON


class Numbering:
    """Numbers the calls of an answer, from pieces as they come."""

    def __init__(self) -> None:
        self._ids: list[str | None] = []
        self._has_arguments: list[bool] = []
        self._numbers: dict[int, int] = {}  # theirs to ours

    @property
    def has_called(self) -> bool:
        """Whether there was any call."""
        return bool(self._ids)

    def number(self, call: ToolCall) -> CallPiece | None:
        """
        Find out which call a piece belongs to.

        Returns:
            None when it says nothing, as the last one of some models.
        """
        if not (call.name or call.arguments):
            return None
        number = len(self._ids) - 1
        if call.index is not None:
            number = self._numbers.get(call.index, len(self._ids))
        is_known = 0 <= number < len(self._ids)
        # Some models give every call the same number, or none; but each has its own name or id.
        is_same = is_known and call.id is not None and call.id == self._ids[number]
        if is_known and (not call.name or is_same):
            self._has_arguments[number] |= bool(call.arguments)
            return CallPiece(number, False, None, "", call.arguments)
        return self.whole(call)

    def whole(self, call: ToolCall) -> CallPiece:
        """Begin a call, with all of it or its first piece."""
        number = len(self._ids)
        if call.index is not None:
            self._numbers[call.index] = number
        self._has_arguments.append(bool(call.arguments))
        self._ids.append(call.id)
        return CallPiece(number, True, call.id, call.name or "", call.arguments)

    def rest(self) -> Iterator[CallPiece]:
        """Complete the calls of which only the name was told: their arguments are missing."""
        for number, has_arguments in enumerate(self._has_arguments):
            if not has_arguments:
                yield CallPiece(number, False, None, "", NO_ARGUMENTS)
