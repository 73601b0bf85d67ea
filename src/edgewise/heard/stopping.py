"""Ending a text at a stop text, which Workers AI cannot."""

from collections.abc import Sequence


class Stopper:
    """
    Lets text through up to the first stop text, and holds back what may be the start of one.

    Attributes:
        matched: The stop text that was found; None as long as there was none.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self.matched: str | None = None
        self._stop = stop
        self._held = ""

    def feed(self, text: str) -> str:
        """
        Take some text; none any more once a stop text was found.

        Returns:
            What of it, and of what was held back, certainly comes before any stop text.
        """
        if not self._stop:
            return text
        text = self._held + text
        found = [(at, stop) for stop in self._stop if (at := text.find(stop)) >= 0]
        if found:
            end, self.matched = min(found, key=lambda each: each[0])
            self._held = ""
            return text[:end]
        held = max(_overlap(text, stop) for stop in self._stop)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def close(self) -> str:
        """Take what was held back: nothing follows it any more."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Find how much of a text's end is the beginning of a stop text."""
    longest = min(len(stop) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)
