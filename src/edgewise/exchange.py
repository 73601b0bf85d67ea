"""What enters and leaves the corridor: plain values, no JavaScript."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Body(Protocol):
    """A request's body that nobody has read yet."""

    async def read(self, limit: int) -> bytes:
        """
        Read it whole, counting bytes as they come.

        Args:
            limit: Bytes. The length that the caller claims is not trusted.

        Raises:
            BodyTooLarge: There were more; what was left over is not read.
            BadRequest: It broke off.
        """
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """
    A request as it came in.

    Attributes:
        method: As sent, any token.
        path: Percent-encoded, without query.
        query: Percent-encoded, without the question mark.
        body: Unread.
        last_event_id: The header of that name, which an EventSource sends when it reconnects.
        id: New for each request: letters, digits and hyphens.
        received_at: Seconds since 1970, UTC.
    """

    method: str
    path: str
    query: str
    body: Body
    last_event_id: str | None
    id: str
    received_at: float


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of bytes that is handed on unread: in the Worker, a JavaScript ReadableStream."""

    handle: object


@dataclass(frozen=True, slots=True)
class Preceded:
    """A stream that is handed on unread behind some text."""

    opening: str
    stream: Stream


class Rewriter(Protocol):
    """
    What turns a stream of bytes into another one as it passes. Never raises.

    Attributes:
        is_over: Whether everything was said: what still comes is not wanted.
    """

    is_over: bool

    def feed(self, chunk: bytes) -> bytes:
        """Rewrite what came, as far as it can be told yet."""
        ...

    def close(self) -> bytes:
        """Say the rest, after the last byte came."""
        ...

    def break_off(self) -> bytes:
        """Say that the stream broke."""
        ...


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A stream that is rewritten on its way."""

    stream: Stream
    rewriter: Rewriter


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What goes back to the caller.

    Attributes:
        status: HTTP status.
        headers: Lower-case names.
        body: Text (sent as UTF-8), a stream, or None where the status allows none.
    """

    status: int
    headers: Mapping[str, str]
    body: str | Stream | Preceded | Rewritten | None
