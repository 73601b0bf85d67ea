"""Sending an answer: what it costs to send is spread, counted, and ended when its reader goes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

JSON = "application/json"  # exactly so: the Ai class parses a body under no other content type


class Streams(msgspec.Struct):
    """How many streams are open, came to their end, lost their reader, or were broken off."""

    open: int = 0
    finished: int = 0
    cancelled: int = 0
    broken: int = 0

    @contextlib.contextmanager
    def counted(self) -> Iterator[None]:
        """Count a stream while it is sent."""
        self.open += 1
        outcome = "broken"
        try:
            yield
            outcome = "finished"
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            # In this order: who waits for the outcome finds the stream closed.
            self.open -= 1
            setattr(self, outcome, getattr(self, outcome) + 1)


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What is sent.

    Attributes:
        chunks: The body, piece by piece.
        is_stream: Whether it counts as a stream.
    """

    chunks: AsyncGenerator[bytes, None]
    content_type: str = JSON
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    is_stream: bool = False


class Delivery(Response):
    """
    A response whose making is cancelled when its reader goes away, before its first byte too.

    Starlette's own responses notice that only while they send.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[Answer]],
        streams: Callable[[], Sequence[Streams]],
        *,
        wants_stream: bool,
    ) -> None:
        """
        Args:
            make: Makes the answer.
            streams: Finds where it is counted if it is a stream.
            wants_stream: Whether it is to be one; then a reader who goes before the first byte is
                counted too.
        """
        super().__init__()
        self._make = make
        self._streams = streams
        self._wants_stream = wants_stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_disconnected(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            leaving.cancel()
            results = await asyncio.gather(sending, leaving, return_exceptions=True)
        if isinstance(results[0], Exception):
            raise results[0]

    async def _send(self, send: Send) -> None:
        try:
            answer = await self._make()
        except asyncio.CancelledError:
            for streams in self._streams() if self._wants_stream else ():
                streams.cancelled += 1
            raise
        headers = {"content-type": answer.content_type, **answer.headers}
        start = [(name.encode(), value.encode()) for name, value in headers.items()]
        async with contextlib.AsyncExitStack() as stack:
            chunks = await stack.enter_async_context(contextlib.aclosing(answer.chunks))
            for streams in self._streams() if answer.is_stream else ():
                stack.enter_context(streams.counted())
            await send({"type": "http.response.start", "status": answer.status, "headers": start})
            async for chunk in chunks:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
