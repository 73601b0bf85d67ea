"""What the client does to run in a page. Whether it does is for a browser to say, not for this."""

import http.client
import io
import json
import socket
import sys
import types
import urllib.request
from collections.abc import Iterator
from typing import cast

import pytest

from edgewise_client import Client, ConnectionFailed, EdgewiseError, Unauthorized
from tests.client.unit.client_server import serving

ANSWER = json.dumps({"response": "Hi"}).encode()
STREAM = b'data: {"response":"Hi"}\n\ndata: [DONE]\n\n'


class JsException(Exception):
    """Pyodide's."""


class Whole:
    """What pyodide-http reads a response from."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent

    def makefile(self, mode: str) -> io.BufferedIOBase:
        """Open it."""
        return io.BytesIO(self._sent)


class Page:
    """
    A page's XMLHttpRequest and pyodide-http.

    Attributes:
        asked: What was asked for, by URL.
        answers: What comes, whole, as pyodide-http words it.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: list[bytes] = []

    def open(
        self, request: urllib.request.Request, data: None = None, timeout: float | None = None
    ) -> http.client.HTTPResponse:
        """Answer as the patched urllib does, which raises nothing for a status."""
        self.asked.append(request.full_url)
        if not self.answers:
            raise JsException("NetworkError: A network error occurred.")
        response = http.client.HTTPResponse(cast(socket.socket, Whole(self.answers.pop(0))))
        response.begin()
        return response


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """The modules and the platform of a page."""
    page = Page()
    js, ffi = types.ModuleType("js"), types.ModuleType("pyodide.ffi")
    vars(js)["XMLHttpRequest"] = object()
    vars(ffi)["JsException"] = JsException
    patching = types.ModuleType("pyodide_http")

    def patch() -> None:
        monkeypatch.setattr(urllib.request.OpenerDirector, "open", page.open)

    vars(patching)["patch_urllib"] = patch
    for module in (js, types.ModuleType("pyodide"), ffi, patching):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    with monkeypatch.context() as platform:
        platform.setattr(sys, "platform", "emscripten")
        yield page


def answer(status: int, kind: str, body: bytes, *headers: str) -> bytes:
    """An answer as pyodide-http words it: in one piece, whatever its head says."""
    head = [f"HTTP/1.1 {status}", f"content-type: {kind}", *headers]
    return "\n".join(head).encode() + b"\n\n" + body


CHUNKED = "transfer-encoding: chunked"


@pytest.mark.parametrize("headers", [[], [CHUNKED], ["content-encoding: gzip"]])
def test_answer_is_read_whole_whatever_its_head_says(page: Page, headers: list[str]) -> None:
    page.answers = [answer(200, "application/json", ANSWER, *headers)]

    assert Client("https://edgewise.example.com").generate("Hello").text == "Hi"
    assert page.asked == ["https://edgewise.example.com/run"]


def test_stream_is_read_once_it_is_whole(page: Page) -> None:
    page.answers = [answer(200, "text/event-stream", STREAM, CHUNKED)]

    with Client("https://edgewise.example.com").stream("Hello") as stream:
        assert [*stream] == ["Hi"]


def test_refusal_is_one_though_urllib_does_not_raise(page: Page) -> None:
    page.answers = [answer(401, "application/json", b"", CHUNKED)]

    with pytest.raises(Unauthorized):
        Client("https://edgewise.example.com").generate("Hello")


def test_error_of_javascript_is_a_failed_connection(page: Page) -> None:
    with pytest.raises(ConnectionFailed, match="does not answer: NetworkError: A network error"):
        Client("https://edgewise.example.com").generate("Hello")


def test_page_without_the_package_is_told_its_name(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyodide_http", None)

    with pytest.raises(EdgewiseError, match=r"install edgewise-client\[browser\]"):
        Client("https://edgewise.example.com")


def test_pyodide_that_is_in_no_page_has_sockets(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("js.XMLHttpRequest")
    with serving() as server:
        server.script(ANSWER)

        assert Client(server.address).generate("Hello").text == "Hi"
    assert page.asked == []
