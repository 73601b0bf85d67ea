"""Requests in, responses out."""

from asyncio import wait_for
from contextlib import suppress
from time import time
from typing import Any

import msgspec
from js import JSON, Object, Response, Uint8Array, WritableStream, crypto
from pyodide.ffi import JsException

from ..errors import BadRequest, BodyTooLarge
from ..exchange import Preceded, Reply, Request, Rewritten, Stream
from ..records import Record
from .bindings import write_down
from .streams import Rewriting, precede

_FIRST_READ_BYTES = 65_536  # most bodies are read in one step
_NEXT_READ_BYTES = 1_048_576
_DROP_S = 2.0
_HEADERS = msgspec.json.Decoder(dict[str, str])


def _bare(request: Any) -> Any:
    """Take off what the SDK puts around a Request, whose method it knows from a list."""
    return getattr(request, "js_object", request)


def path_of(request: Any) -> str:
    """Tell a request's path, percent-encoded."""
    return _split(_bare(request).url)[1]


def _split(url: str) -> tuple[str, str, str]:
    """Split an address into origin, path and query."""
    scheme, _, rest = url.partition("://")
    host, _, rest = rest.partition("#")[0].partition("/")
    path, _, query = rest.partition("?")
    return f"{scheme}://{host}", f"/{path}", query


def read_request(request: Any, body: "RequestBody") -> Request:
    """Read all of a request but its body."""
    inner = _bare(request)
    origin, path, query = _split(inner.url)
    return Request(
        method=inner.method,
        path=path,
        query=query,
        origin=origin,
        headers=_HEADERS.decode(JSON.stringify(Object.fromEntries(inner.headers))),
        body=body,
        id=crypto.randomUUID(),
        received_at=time(),
    )


class RequestBody:
    """The body of a request."""

    def __init__(self, request: Any) -> None:
        self._stream = _bare(request).body
        self._is_read = not self._stream

    async def read(self, limit: int) -> bytes:
        """See exchange.Body."""
        if self._is_read:
            return b""
        reader = self._stream.getReader(mode="byob")
        parts: list[bytes] = []
        size, step = 0, _FIRST_READ_BYTES
        try:
            while size <= limit:
                # Resolves once so many bytes came or the body has ended, however it was cut up.
                result = await reader.readAtLeast(step, Uint8Array.new(step))
                if result.value:
                    parts.append(result.value.to_bytes())
                    size += len(parts[-1])
                if result.done or len(parts[-1]) < step:
                    self._is_read = True
                    break
                step = _NEXT_READ_BYTES
        except JsException as error:
            raise BadRequest("body: it broke off while it was read") from error
        finally:
            reader.releaseLock()
        if size > limit:
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


def to_response(reply: Reply, record: Record, env: Any) -> Any:
    """
    Build the JavaScript Response; a stream goes in as it is.

    The record is written down now, or of a stream that is rewritten once that has ended.
    """
    if not isinstance(reply.body, Rewritten):
        write_down(record, env)
    match reply.body:
        case Stream(handle):
            body = handle
        case Preceded(opening, stream):
            body = precede(opening, stream.handle)
        case Rewritten(stream, rewriter):
            body = Rewriting(rewriter, record, env).pipe(stream.handle)
        case _:
            body = reply.body
    return respond(reply, body)


def respond(reply: Reply, body: Any) -> Any:
    """Build the JavaScript Response around a body."""
    init = msgspec.json.encode({"status": reply.status, "headers": reply.headers}).decode()
    return Response.new(body, JSON.parse(init))
