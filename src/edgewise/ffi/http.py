"""Requests in, responses out."""

from asyncio import wait_for
from contextlib import suppress
from time import time
from typing import Any

import msgspec
import workers
from js import WritableStream
from pyodide.ffi import JsException, jsnull

from ..errors import BadRequest, BodyTooLarge
from ..exchange import Preceded, Reply, Request, Rewritten, Stream
from ..records import Record
from .bindings import write_down
from .builtins import builtin, parse
from .streams import Rewriting, precede

_FIRST_READ_BYTES = 65_536  # most bodies are read in one step
_NEXT_READ_BYTES = 1_048_576
_DROP_S = 2.0
_HEADERS = msgspec.json.Decoder(dict[str, str])


def bare(request: Any) -> Any:
    """Take off what the SDK puts around a Request, whose method it knows from a list."""
    return request.js_object if isinstance(request, workers.Request) else request


def path_of(request: Any) -> str:
    """Tell a request's path, percent-encoded."""
    return _split(request.url)[1]


def _split(url: str) -> tuple[str, str, str]:
    """Split an address into origin, path and query."""
    scheme, _, rest = url.partition("://")
    host, _, rest = rest.partition("#")[0].partition("/")
    path, _, query = rest.partition("?")
    return f"{scheme}://{host}", f"/{path}", query


def read_request(request: Any) -> "tuple[Request, RequestBody]":
    """Read all of a request but its body."""
    headers = _HEADERS.decode(
        builtin("JSON", "stringify")(builtin("Object", "fromEntries")(request.headers))
    )
    body = RequestBody(request, headers.get("content-length", ""))
    origin, path, query = _split(request.url)
    received = Request(
        method=request.method,
        path=path,
        query=query,
        origin=origin,
        headers=headers,
        body=body,
        id=builtin("crypto", "randomUUID")(),
        received_at=time(),
    )
    return received, body


class RequestBody:
    """
    The body of a request.

    Args:
        claimed: Its length as its sender claims: how much room the first step needs, no more.
    """

    def __init__(self, request: Any, claimed: str) -> None:
        self._stream = request.body
        self._is_read = self._stream is jsnull
        # One byte of room more, so that the step ends where the body does.
        is_short = claimed.isdecimal() and len(claimed) < 6
        self._first_step = (
            min(int(claimed) + 1, _FIRST_READ_BYTES) if is_short else _FIRST_READ_BYTES
        )

    async def read(self, limit: int) -> bytes:
        """See exchange.Body."""
        if self._is_read:
            return b""
        reader = self._stream.getReader(mode="byob")
        parts: list[bytes] = []
        size, step = 0, self._first_step
        try:
            while size <= limit:
                # Resolves once so many bytes came or the body has ended, however it was cut up.
                result = await reader.readAtLeast(step, builtin("Uint8Array", "new")(step))
                value = result.value
                read = b"" if value is None else value.to_bytes()
                parts.append(read)
                size += len(read)
                if len(read) < step:
                    self._is_read = True
                    break
                step = _NEXT_READ_BYTES
        except JsException as error:
            raise BadRequest("body: it broke off while it was read") from error
        if size > limit:
            reader.releaseLock()
            raise BodyTooLarge(f"body: expected at most {limit} bytes")
        return b"".join(parts)

    async def drop_rest(self) -> None:
        """
        Let what was left unread come and go, for a while.

        Over HTTP/1.1 a client that is still sending sees its connection reset instead of an answer
        that comes before it is done.
        """
        if not self._is_read:
            with suppress(TimeoutError, JsException):
                await wait_for(self._stream.pipeTo(WritableStream.new()), _DROP_S)


def to_response(reply: Reply, record: Record) -> Any:
    """
    Build the JavaScript Response; a stream goes in as it is.

    The record is written down now, or of a stream that is rewritten once that has ended.
    """
    if not isinstance(reply.body, Rewritten):
        write_down(record)
    match reply.body:
        case Stream(handle):
            body = handle
        case Preceded(opening, stream):
            body = precede(opening, stream.handle)
        case Rewritten(stream, rewriter):
            body = Rewriting(rewriter, record).pipe(stream.handle)
        case _:
            body = reply.body
    return respond(reply, body)


def respond(reply: Reply, body: Any) -> Any:
    """Build the JavaScript Response around a body."""
    init = msgspec.json.encode({"status": reply.status, "headers": reply.headers}).decode()
    return builtin("Response", "new")(body, parse(init))
