"""
A client that takes little of the machine: requests over open connections, so many at once.

It reads what it counts by, and no more: the measured server has one processor, this client another.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# One in each event of the upstream, and nowhere else: bytes that come cut anywhere are counted so.
MARK = b"~"
PATIENCE_S = 120

_END_OF_HEAD = b"\r\n\r\n"
_END_OF_CHUNKS = b"0\r\n\r\n"
_TAIL = 64


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What came back for a request.

    Attributes:
        first_byte_s: Seconds from the request to the first byte of the body.
        took_s: Seconds to the last one.
        body: Whole where its length was told, else the end of it, with its chunks' lengths.
        events: How many marks a body of untold length had.
        status: HTTP status.
    """

    first_byte_s: float
    took_s: float
    body: bytes
    events: int
    status: int


@dataclass(frozen=True, slots=True)
class Load:
    """
    What was asked, and what was answered.

    Attributes:
        answers: In the order in which they ended.
        seconds: From the first request to the last answer.
    """

    answers: Sequence[Answer]
    seconds: float


class _Connection(asyncio.Protocol):
    """A connection that asks the same thing again as long as there is something left to ask."""

    def __init__(self, request: bytes, left: list[None], answers: list[Answer]) -> None:
        self._request = request
        self._left = left
        self._answers = answers
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        if not self._left:
            self.done.set_result(None)
            self._transport.close()
            return
        self._left.pop()
        self._head = b""
        self._length: int | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._tail = b""
        self._events = 0
        self._first = 0.0
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._first:
            self._head += data
            at = self._head.find(_END_OF_HEAD)
            if at < 0:
                return
            data = self._head[at + len(_END_OF_HEAD) :]
            _, told, length = self._head[:at].lower().partition(b"\r\ncontent-length: ")
            if told:
                self._length = int(length.partition(b"\r")[0])
            if not data and self._length != 0:
                return
            self._first = time.perf_counter()
        if self._read(data):
            self._answers.append(
                Answer(
                    first_byte_s=self._first - self._began,
                    took_s=time.perf_counter() - self._began,
                    body=self._tail if self._length is None else b"".join(self._parts),
                    events=self._events,
                    status=int(self._head[9:12]),
                )
            )
            self._ask()

    def _read(self, data: bytes) -> bool:
        """Take a part of the body; tell whether it is the last one."""
        if self._length is None:
            self._events += data.count(MARK)
            self._tail = (self._tail + data[-_TAIL:])[-_TAIL:]
            return self._tail.endswith(_END_OF_CHUNKS)
        self._parts.append(data)
        self._size += len(data)
        return self._size >= self._length

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


def word_request(path: str, headers: Mapping[str, str], body: bytes) -> bytes:
    """Word a request of HTTP/1.1."""
    lines = [f"POST {path} HTTP/1.1", "host: localhost", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def ask(address: str, request: bytes, *, count: int, at_once: int) -> Load:
    """
    Send a request many times.

    Args:
        address: `http://host:port`.
        at_once: Over so many connections, each of which asks again once it has its answer.
    """

    async def run() -> Load:
        host, _, port = address.removeprefix("http://").partition(":")
        left: list[None] = [None] * count
        answers: list[Answer] = []
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(PATIENCE_S):
            began = time.perf_counter()
            made = [
                await loop.create_connection(
                    lambda: _Connection(request, left, answers), host, int(port)
                )
                for _ in range(min(at_once, count))
            ]
            await asyncio.gather(*(protocol.done for _, protocol in made))
        return Load(answers, time.perf_counter() - began)

    return asyncio.run(run())


def cpu_seconds(pid: int) -> float:
    """
    Tell the processor time that a process has taken, user and system, to the nanosecond.

    Source: clock_getcpuclockid(3) of the GNU C library: the clock of a process is made of its id.
    """
    return time.clock_gettime(~pid << 3 | 2)
