"""
Characters that JavaScript words in two halves, a surrogate pair, and cuts between them.

JSON may hold one half alone, as an escape; UTF-8 cannot.
"""

import re
from collections.abc import Sequence

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)"
)
_UNKNOWN = "\ufffd"


def mend(document: bytes) -> bytes:
    """Put the replacement character into the place of each half that is alone."""
    return take_halves(document)[0] if may_hold_halves(document) else document


def may_hold_halves(document: bytes) -> bool:
    """Check in no time whether JSON has to be looked at."""
    return b"\\ud" in document or b"\\uD" in document


def take_halves(document: bytes) -> tuple[bytes, list[int]]:
    """
    Mend a frame, so that it can be decoded.

    Returns:
        It, and the halves in their order, with which `Halves.join` puts characters together.
    """
    halves: list[int] = []

    def replace(escape: re.Match[bytes]) -> bytes:
        if len(escape[0]) == 6 and 0xD800 <= (code := int(escape[0][2:], 16)) <= 0xDFFF:
            halves.append(code)
            return b"\\ufffd"
        return escape[0]

    return _ESCAPE.sub(replace, document), halves


class Halves:
    """
    Puts characters together that were cut between two frames of a stream.

    Attributes:
        held: The first half of one, whose other half may follow.
    """

    def __init__(self) -> None:
        self.held = ""

    def join(self, text: str, halves: Sequence[int]) -> str:
        """
        Put the text of a frame together with that of the frame before it.

        Args:
            halves: Those that were taken out of it.

        Returns:
            It, without a half at its end whose other one may follow.
        """
        if self.held and text:
            if halves and 0xDC00 <= halves[0] and text.startswith(_UNKNOWN):
                text = _pair(self.held, halves[0]) + text[1:]
                halves = halves[1:]
            else:
                text = _UNKNOWN + text
            self.held = ""
        if halves and halves[-1] < 0xDC00 and text.endswith(_UNKNOWN):
            self.held, text = chr(halves[-1]), text[:-1]
        return text

    def close(self) -> str:
        """Take a half that nothing follows any more."""
        held, self.held = self.held, ""
        return _UNKNOWN if held else ""


def _pair(first: str, second: int) -> str:
    return (first + chr(second)).encode("utf-16", "surrogatepass").decode("utf-16")
