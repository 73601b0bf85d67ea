"""What enters and leaves the corridor: plain values, no JavaScript."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Protocol

import msgspec

from .errors import EdgewiseError
from .heard.events import Usage


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


class Request(msgspec.Struct, frozen=True):
    """
    A request as it came in.

    Attributes:
        method: As sent, any token.
        path: Percent-encoded, without query.
        query: Percent-encoded, without the question mark.
        origin: Scheme, host and port that it was sent to, such as `https://example.com`.
        headers: Lower-case names; values of one name that came twice are joined by commas.
        body: Unread.
        id: New for each request: letters, digits and hyphens.
        received_at: Seconds since 1970, UTC.
    """

    method: str
    path: str
    query: str
    origin: str
    headers: Mapping[str, str]
    body: Body
    id: str
    received_at: float


class Method(Enum):
    """What other Workers may call."""

    RUN = "run"
    GENERATE = "generate"
    MODELS = "models"


NO_JSON = ""  # in place of a text: JSON cannot hold the value


class Arguments(msgspec.Struct, frozen=True):
    """
    A call's arguments, which are not text before they are read.

    Attributes:
        values: As they came.
        word: Words one as JSON; None for undefined, or NO_JSON.
    """

    values: Sequence[object]
    word: Callable[[object], str | None]

    def __len__(self) -> int:
        return len(self.values)

    def read(self, index: int) -> str | None:
        """Read one as JSON text; None for undefined, or NO_JSON."""
        return self.word(self.values[index])


class Call(msgspec.Struct, frozen=True):
    """
    A call of another Worker over RPC, or of the one that we are a library of.

    Attributes:
        arguments: Unread.
        props: JSON text of what the service binding says about its caller.
        id: New for each call: letters, digits and hyphens.
        received_at: Seconds since 1970, UTC.
    """

    method: Method
    arguments: Arguments
    props: str
    id: str
    received_at: float


class Stream(msgspec.Struct, frozen=True):
    """A stream of bytes that is handed on unread: in the Worker, a JavaScript ReadableStream."""

    handle: object


class Preceded(msgspec.Struct, frozen=True):
    """A stream that is handed on unread behind some text."""

    opening: str
    stream: Stream


class Rewriter(Protocol):
    """
    What turns a stream of bytes into another one as it passes. Never raises.

    Attributes:
        is_over: Whether everything was said: what still comes is not wanted.
        code: Our code for how it failed; None as long as it did not.
        upstream_code: Workers AI's own code, where it told one.
    """

    is_over: bool
    code: str | None
    upstream_code: int | None

    @property
    def usage(self) -> Usage | None:
        """What Workers AI has counted so far."""
        ...

    def feed(self, chunk: bytes) -> bytes:
        """Rewrite a chunk, as far as it can be told yet."""
        ...

    def close(self) -> bytes:
        """Say the rest, after the last byte came."""
        ...

    def break_off(self) -> bytes:
        """Say that the stream broke."""
        ...


class Rewritten(msgspec.Struct, frozen=True):
    """A stream that is rewritten on its way."""

    stream: Stream
    rewriter: Rewriter


class Reply(msgspec.Struct, frozen=True):
    """
    What goes back to the caller.

    Attributes:
        status: HTTP status.
        headers: Lower-case names.
        body: Text (sent as UTF-8), a stream, or None where the status allows none.
        usage: What Workers AI counted, where the answer tells.
    """

    status: int
    headers: Mapping[str, str]
    body: str | Stream | Preceded | Rewritten | None
    usage: Usage | None = None


# What goes back over RPC: a value as JSON text, a stream, a whole response, or an error to throw.
Returned = str | Stream | Reply | EdgewiseError
