"""Telling a stream of Workers AI in a dialect's words, as it passes."""

from collections.abc import Sequence
from typing import Protocol

from ..errors import UpstreamError
from ..heard.events import Event, Failure, Usage
from ..heard.stream import Listener


class Writer(Protocol):
    """Words events as a dialect does."""

    def write(self, events: Sequence[Event]) -> bytes:
        """Word some events; together they are one answer."""
        ...

    def close(self) -> bytes:
        """Word the end of the stream, behind everything else; not after a Failure."""
        ...


class Rewriting:
    """
    A stream that is heard, and told in a dialect's words: an exchange.Rewriter.

    Attributes:
        is_over, code, upstream_code: As of Rewriter.
    """

    def __init__(self, listener: Listener, writer: Writer, model: str) -> None:
        """
        Args:
            model: The id that ran, for errors.
        """
        self.is_over = False
        self.code: str | None = None
        self.upstream_code: int | None = None
        self._listener = listener
        self._writer = writer
        self._model = model

    @property
    def usage(self) -> Usage | None:
        """What Workers AI has counted so far."""
        return self._listener.usage

    def feed(self, chunk: bytes) -> bytes:
        """See Rewriter."""
        return self._tell(self._listener.feed(chunk))

    def close(self) -> bytes:
        """See Rewriter."""
        return self._tell(self._listener.close())

    def break_off(self) -> bytes:
        """See Rewriter."""
        return self._tell(self._listener.break_off())

    def _tell(self, events: Sequence[Event]) -> bytes:
        told = self._writer.write(events)
        if self._listener.is_over and not self.is_over:
            self.is_over = True
            failure = self._listener.failure
            if failure is None:
                return told + self._writer.close()
            error = broken(failure, self._model)
            self.code, self.upstream_code = error.code, failure.code
        return told


def broken(failure: Failure, model: str) -> UpstreamError:
    """Make the error that a stream ends with instead of an end."""
    error = UpstreamError(failure.code, model=model)
    if failure.code is None:
        error.message = f"the answer broke off ({model})"
    return error
