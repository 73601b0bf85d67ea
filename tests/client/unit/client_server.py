"""A server that answers the client as a test says, byte by byte if need be."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}


@dataclass(frozen=True)
class Scripted:
    """
    An answer.

    Attributes:
        chunks: Sent one by one.
        is_cut: Whether the connection ends in their middle.
        is_silent: Whether nothing at all is answered.
    """

    chunks: Iterable[bytes] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: JSON)
    status: int = 200
    is_cut: bool = False
    is_silent: bool = False


@dataclass(frozen=True)
class Received:
    """A request. The names of its headers are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class Server:
    """
    Answers with what is scripted, one after the other.

    Attributes:
        address: Where it listens.
        received: What was asked.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.received: list[Received] = []
        self.scripts: list[Scripted] = []
        self.is_over = threading.Event()

    def script(self, *chunks: bytes, **answer: object) -> None:
        """Say what comes next, as Scripted has it."""
        self.scripts.append(Scripted(chunks, **answer))  # type: ignore[arg-type]  # its fields


@contextmanager
def serving() -> Iterator[Server]:
    """Serve on a free port of loopback, in threads of this process."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            with suppress(ConnectionError):  # some tests leave early
                answer(self, server)

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        server = Server(f"http://127.0.0.1:{listener.server_port}")
        thread = threading.Thread(target=listener.serve_forever, args=[0.01])
        thread.start()
        try:
            yield server
        finally:
            server.is_over.set()
            listener.shutdown()
            thread.join()


def answer(request: BaseHTTPRequestHandler, server: Server) -> None:
    """Answer a request with what is scripted next."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = request.rfile.read(int(headers.get("content-length", 0)))
    server.received.append(Received(request.command, request.path, headers, body))
    scripted = server.scripts.pop(0)
    if scripted.is_silent:
        server.is_over.wait()
        return
    request.send_response(scripted.status)
    for name, value in scripted.headers.items():
        request.send_header(name, value)
    request.send_header("transfer-encoding", "chunked")
    request.end_headers()
    for chunk in scripted.chunks:
        request.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
    if scripted.is_cut:
        request.close_connection = True
    else:
        request.wfile.write(b"0\r\n\r\n")
