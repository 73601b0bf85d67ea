"""The relay before the shared Worker: what passes it is what would come without it."""

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.harness.relay import relay

MEBIBYTE = 1_048_576
RESET = struct.pack("ii", 1, 0)


class Seen:
    """What a watcher saw."""

    def __init__(self) -> None:
        self.from_client = b""
        self.from_server = b""

    def asked(self, data: bytes) -> None:
        self.from_client += data

    def answered(self, data: bytes) -> None:
        self.from_server += data


@contextmanager
def joined(seen: Seen) -> Iterator[tuple[socket.socket, socket.socket]]:
    """
    Connect through a relay.

    Yields:
        The client's end and the server's.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with relay(address, lambda: seen) as relayed:
            url = httpx.URL(relayed)
            with socket.create_connection((url.host, url.port or 80), timeout=10) as client:
                server, _ = listener.accept()
                with server:
                    server.settimeout(10)
                    yield client, server


def receive(connection: socket.socket, size: int) -> bytes:
    """Take so many bytes, or those up to the end."""
    received = b""
    while len(received) < size and (piece := connection.recv(65_536)):
        received += piece
    return received


def test_bytes_and_ends_pass_in_both_directions() -> None:
    seen = Seen()
    with joined(seen) as (client, server):
        client.sendall(b"asked")
        client.shutdown(socket.SHUT_WR)
        asked = receive(server, 100)
        server.sendall(b"answered")
        server.shutdown(socket.SHUT_WR)
        answered = receive(client, 100)

    assert (asked, answered) == (b"asked", b"answered")
    assert (seen.from_client, seen.from_server) == (b"asked", b"answered")


@pytest.mark.parametrize("who", ["client", "server"])
def test_reset_passes_at_once(who: str) -> None:
    with joined(Seen()) as (client, server):
        client.sendall(b"asked")
        receive(server, 5)
        leaving, staying = (client, server) if who == "client" else (server, client)
        staying.settimeout(1)
        leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        leaving.close()

        with pytest.raises(ConnectionResetError):
            staying.recv(1)


def test_reader_who_stands_still_holds_the_server_back() -> None:
    with joined(Seen()) as (client, server):
        server.settimeout(0.5)
        sent = 0
        with pytest.raises(TimeoutError):
            for _ in range(64):
                sent += server.send(bytes(MEBIBYTE))
        server.settimeout(10)
        received = receive(client, sent)

    assert len(received) == sent < 32 * MEBIBYTE


def test_server_that_is_not_there_is_a_reset() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}"

    # Of which a client hears before it has sent anything, or after.
    with relay(nobody, Seen) as address, pytest.raises((httpx.ReadError, httpx.ConnectError)):
        httpx.get(address, verify=False)


def test_end_of_the_relay_is_the_end_of_its_connections() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with relay(url, Seen) as relayed:
            at = httpx.URL(relayed)
            client = socket.create_connection((at.host, at.port or 80), timeout=10)
            server, _ = listener.accept()
        with client, server, pytest.raises(ConnectionResetError):
            client.recv(1)
