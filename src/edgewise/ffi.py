"""The door between Python and JavaScript: the one module that knows both."""

import logging
from asyncio import wait_for
from collections.abc import Callable
from contextlib import suppress
from time import time
from typing import Any

import msgspec
from js import (
    JSON,
    Boolean,
    IdentityTransformStream,
    Object,
    Response,
    TransformStream,
    Uint8Array,
    WritableStream,
    crypto,
)
from pyodide.ffi import JsException, create_proxy, to_js
from workers import import_from_javascript

from .errors import BadRequest, BodyTooLarge, Misconfigured, UpstreamError
from .exchange import Preceded, Reply, Request, Rewriter, Rewritten, Stream
from .inference import Answer
from .settings import NAMES

_FIRST_READ_BYTES = 65_536  # most bodies are read in one step
_NEXT_READ_BYTES = 1_048_576
_DROP_S = 2.0

# Every call is of the same kind, because Ai keeps its options on itself across an await: calls of
# two kinds at once could swap their results. It also keeps refusals from becoming exceptions.
_OPTIONS = '{"returnRawResponse":true}'
_OPTIONS_IF_BUSY = '{"returnRawResponse":true,"rejectIfBusy":true}'


def _env() -> Any:
    # The SDK's wrapper of self.env would convert each value once more.
    return import_from_javascript("cloudflare:workers").env


def read_variables() -> str:
    """Read the deployment's variables as one JSON text, for settings.read_settings."""
    env = _env()
    given = ((name, getattr(env, name, None)) for name in NAMES)
    texts = (f'"{name}":{JSON.stringify(value)}' for name, value in given if value is not None)
    return f"{{{','.join(texts)}}}"


def read_request(request: Any, body: "RequestBody") -> Request:
    """Read all of a request but its body."""
    inner = request.js_object  # request.method raises KeyError for a method Python does not list
    url: str = inner.url
    path = "/" + url.partition("://")[2].partition("?")[0].partition("/")[2]
    last_event_id = inner.headers.get("last-event-id")
    return Request(
        method=inner.method,
        path=path,
        query=url.partition("#")[0].partition("?")[2],
        body=body,
        last_event_id=last_event_id if isinstance(last_event_id, str) else None,  # not null
        id=crypto.randomUUID(),
        received_at=time(),
    )


class RequestBody:
    """The body of the SDK's Request."""

    def __init__(self, request: Any) -> None:
        self._stream = request.js_object.body
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


class WorkersAi:
    """The binding to Workers AI, an inference.Ai."""

    async def run(self, model: str, inputs: str, *, reject_if_busy: bool) -> Answer:
        """See inference.Ai."""
        binding = getattr(_env(), "AI", None)
        if binding is None:
            raise Misconfigured("AI: expected the binding to Workers AI, got nothing")
        try:
            options = JSON.parse(_OPTIONS_IF_BUSY if reject_if_busy else _OPTIONS)
            response = await binding.run(model, JSON.parse(inputs), options)
            content_type = response.headers.get("content-type") or ""
            kind = content_type.partition(";")[0].strip().lower()
            if response.status != 200 or kind == "application/json":
                return Answer(response.status, await response.text())
            if kind == "text/event-stream":
                return Answer(response.status, Stream(response.body))
        except JsException as error:
            raise UpstreamError(None, model=model) from error
        raise UpstreamError(None, model=model)


def to_response(reply: Reply) -> Any:
    """Build the JavaScript Response; a stream goes in as it is."""
    match reply.body:
        case Stream(handle):
            body = handle
        case Preceded(opening, stream):
            body = _precede(opening, stream.handle)
        case Rewritten(stream, rewriter):
            body = _Rewriting(rewriter).pipe(stream.handle)
        case _:
            body = reply.body
    init = msgspec.json.encode({"status": reply.status, "headers": reply.headers}).decode()
    return Response.new(body, JSON.parse(init))


def _precede(opening: str, stream: Any) -> Any:
    """Put text before a stream, of which no byte crosses into Python."""
    joined = IdentityTransformStream.new()
    writer = joined.writable.getWriter()
    # Nobody waits for these, and how they fail the reader sees: Boolean only takes note.
    writer.write(to_js(opening.encode())).catch(Boolean)
    writer.releaseLock()
    stream.pipeTo(joined.writable).catch(Boolean)
    return joined.readable


class _Rewriting:
    """
    A stream that is rewritten as it passes.

    The callbacks are synchronous: a promise for each chunk would cost more than the rewriting. A
    stream that breaks must not break the one the caller reads, which has to end with an error; so
    the pipe does not hand the failure on.
    """

    def __init__(self, rewriter: Rewriter) -> None:
        self._rewriter: Rewriter | None = rewriter
        self._controller: Any = None
        callbacks = {
            "start": self._start,
            "transform": self._transform,
            "flush": self._flush,
            "cancel": self._cancel,
        }
        self._proxies = [create_proxy(callback) for callback in callbacks.values()]
        pairs = list(zip(callbacks, self._proxies, strict=True))
        self._stream = TransformStream.new(Object.fromEntries(to_js(pairs)))

    def pipe(self, stream: Any) -> Any:
        """Begin; the stream to read."""
        readable = self._stream.readable
        settled = create_proxy(self._settle)
        self._proxies.append(settled)
        options = JSON.parse('{"preventAbort":true}')
        stream.pipeTo(self._stream.writable, options).then(settled, settled).catch(Boolean)
        return readable

    def _start(self, controller: Any) -> None:
        self._controller = controller

    def _transform(self, chunk: Any, _controller: Any) -> None:
        if self._rewriter is not None:
            self._say(_guard(self._rewriter, self._rewriter.feed, chunk.to_bytes()))

    def _flush(self, _controller: Any) -> None:
        if self._rewriter is not None:
            self._say(_guard(self._rewriter, self._rewriter.close))

    def _cancel(self, _reason: Any) -> None:
        # The reader went away. Nothing comes back from the pipe then: its request is over.
        self._end()

    def _settle(self, _result: Any) -> None:
        if self._rewriter is not None and not self._rewriter.is_over:
            with suppress(JsException):
                self._say(self._rewriter.break_off())
        self._end()

    def _say(self, rewritten: bytes) -> None:
        if rewritten:
            self._controller.enqueue(to_js(rewritten))
        if self._rewriter is not None and self._rewriter.is_over:
            self._controller.terminate()

    def _end(self) -> None:
        """Let go of all that JavaScript holds of Python and Python of JavaScript."""
        self._rewriter = self._controller = self._stream = None
        while self._proxies:
            self._proxies.pop().destroy()


def _guard(rewriter: Rewriter, rewrite: Callable[..., bytes], *arguments: bytes) -> bytes:
    """Let no exception out: it would end the stream as if it had been whole."""
    try:
        return rewrite(*arguments)
    except Exception:
        logging.getLogger("edgewise").exception("internal error")
        return rewriter.break_off()
