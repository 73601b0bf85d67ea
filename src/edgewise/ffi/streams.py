"""Streams that are not handed on as they are: with text before them, or rewritten."""

from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Any

import msgspec
from js import JSON, Object, TransformStream
from pyodide.ffi import JsException, create_proxy, to_js

from ..exchange import Rewriter
from ..records import Record, end, find_fault
from .bindings import write_down


def precede(opening: str, stream: Any) -> Any:
    """Put text before a stream, of which no byte crosses into Python."""

    def begin(controller: Any) -> None:
        controller.enqueue(to_js(opening.encode()))

    start = create_proxy(begin)
    joined = TransformStream.new(Object.fromEntries(to_js([["start", start]])))
    start.destroy()  # it was called
    return stream.pipeThrough(joined)  # which leaves no promise to anybody


class Rewriting:
    """
    A stream that is rewritten as it passes.

    The callbacks are synchronous: a promise for each chunk would cost more than the rewriting. A
    stream that breaks must not break the one the caller reads, which has to end with an error; so
    the pipe does not hand the failure on.
    """

    def __init__(self, rewriter: Rewriter, record: Record) -> None:
        self._rewriter: Rewriter | None = rewriter
        self._record = record
        self._began = perf_counter()
        self._controller: Any = None
        self._piped: Any = None
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
        options = JSON.parse('{"preventAbort":true}')
        self._piped = stream.pipeTo(self._stream.writable, options)
        self._piped.add_done_callback(self._settle)
        return readable

    def _start(self, controller: Any) -> None:
        self._controller = controller

    def _transform(self, chunk: Any, _controller: Any) -> None:
        if self._rewriter is not None:
            self._say(self._guard(self._rewriter.feed, chunk.to_bytes()))

    def _flush(self, _controller: Any) -> None:
        if self._rewriter is not None:
            self._say(self._guard(self._rewriter.close))

    def _cancel(self, _reason: Any) -> None:
        # The reader went away. Nothing comes back from the pipe then: its request is over.
        self._end("client_left")

    def _settle(self, piped: Any) -> None:
        piped.exception()  # which is nobody's news but the reader's
        if self._rewriter is not None and not self._rewriter.is_over:
            with suppress(JsException):
                self._say(self._rewriter.break_off())
        self._end()

    def _guard(self, rewrite: Callable[..., bytes], *arguments: bytes) -> bytes:
        """Let no exception out: it would end the stream as if it had been whole."""
        try:
            return rewrite(*arguments)
        except Exception as error:  # noqa: BLE001 - the record says where it comes from
            self._record = msgspec.structs.replace(self._record, fault=find_fault(error))
            assert self._rewriter is not None
            return self._rewriter.break_off()

    def _say(self, rewritten: bytes) -> None:
        if rewritten:
            self._controller.enqueue(to_js(rewritten))
        if self._rewriter is not None and self._rewriter.is_over:
            self._controller.terminate()

    def _end(self, code: str | None = None) -> None:
        """Let go of all that JavaScript holds of Python and Python of JavaScript."""
        if self._rewriter is not None:
            record = end(self._record, self._rewriter, code, perf_counter() - self._began)
            write_down(record)
        self._rewriter = self._controller = self._stream = None
        if self._piped is not None:
            # A future of Python's, which stays where the request is over before it settles.
            self._piped.remove_done_callback(self._settle)
            self._piped.cancel()
        self._piped = None
        while self._proxies:
            self._proxies.pop().destroy()
