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
        body: Unread.
    """

    method: str
    path: str
    body: Body


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of bytes that is handed on unread: in the Worker, a JavaScript ReadableStream."""

    handle: object


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What goes back to the caller.

    Attributes:
        status: HTTP status.
        headers: Lower-case names.
        body: Text (sent as UTF-8) or a stream to pass through.
    """

    status: int
    headers: Mapping[str, str]
    body: str | Stream
