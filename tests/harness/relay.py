"""A relay before a server: every byte, pause, end and break passes it, in both directions."""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakSet

import httpx

# Small ones: a reader that stands still is to be felt by the server as if nothing were between.
_SOCKET_BYTES = 65_536
_HELD_BYTES = 65_536
_RESET = struct.pack("ii", 1, 0)  # for SO_LINGER: to close is to reset


class Watcher(Protocol):
    """What looks at the bytes of one connection before they are passed on."""

    def asked(self, data: bytes) -> None:
        """Look at what the client sent."""
        ...

    def answered(self, data: bytes) -> None:
        """Look at what the server sent."""
        ...


@contextmanager
def relay(address: str, watch: Callable[[], Watcher]) -> Iterator[str]:
    """
    Relay from a free port of loopback, in a thread of this process.

    Args:
        address: The server's.
        watch: Called for each connection.

    Yields:
        The relay's address.
    """
    url = httpx.URL(address)
    over: Future[None] = Future()
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        listener.setblocking(False)
        _tune(listener)  # the connections that it accepts inherit it
        serving = _serve(listener, (url.host, url.port or 80), watch, over)
        thread = threading.Thread(target=asyncio.run, args=[serving])
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set_result(None)
            thread.join()


async def _serve(
    listener: socket.socket,
    server: tuple[str, int],
    watch: Callable[[], Watcher],
    over: Future[None],
) -> None:
    ends: WeakSet[_End] = WeakSet()
    async with asyncio.TaskGroup() as tasks:

        async def accept() -> None:
            while True:
                accepted, _ = await asyncio.get_running_loop().sock_accept(listener)
                tasks.create_task(_join(accepted, server, watch(), ends))

        accepting = tasks.create_task(accept())
        await asyncio.wrap_future(over)
        accepting.cancel()
    for end in list(ends):
        end.reset()
    await asyncio.sleep(0)  # they close in the loop's next turn


async def _join(
    accepted: socket.socket, server: tuple[str, int], watcher: Watcher, ends: "WeakSet[_End]"
) -> None:
    loop = asyncio.get_running_loop()
    to_server = socket.socket()
    to_server.setblocking(False)
    _tune(to_server)
    near, far = _End(watcher.asked), _End(watcher.answered)
    near.other, far.other = far, near
    try:
        await loop.sock_connect(to_server, server)
    except OSError:
        to_server.close()
        _close_by_reset(accepted)
        accepted.close()
        return
    await loop.create_connection(lambda: far, sock=to_server)
    await loop.connect_accepted_socket(lambda: near, accepted)
    ends |= {near, far}
    near.start()
    far.start()


def _tune(connection: socket.socket) -> None:
    # Else a small piece waits 40 ms for the acknowledgement of the one before.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for buffer in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        connection.setsockopt(socket.SOL_SOCKET, buffer, _SOCKET_BYTES)


def _close_by_reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


class _End(asyncio.Protocol):
    """One of a connection's two ends: what comes in here goes out at the other."""

    other: "_End"
    _transport: asyncio.Transport

    def __init__(self, look: Callable[[bytes], None]) -> None:
        self._look = look
        self._has_ended = False

    def start(self) -> None:
        """Take what comes; not before the other end is there."""
        self._transport.resume_reading()

    def reset(self) -> None:
        """Break off."""
        if not self._transport.is_closing():
            _close_by_reset(self._transport.get_extra_info("socket"))
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=_HELD_BYTES)
        transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self._look(data)
        self.other._transport.write(data)

    def eof_received(self) -> bool:
        self._has_ended = True
        self.other._transport.write_eof()
        if self.other._has_ended:
            for end in (self, self.other):
                end._transport.close()
        return True  # the other direction goes on

    def pause_writing(self) -> None:
        self.other._transport.pause_reading()

    def resume_writing(self) -> None:
        self.other._transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self.other.reset()
