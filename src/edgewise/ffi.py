"""The door between Python and JavaScript: the one module that knows both."""

from typing import Any

import msgspec
from js import JSON, Response, Uint8Array
from pyodide.ffi import JsException
from workers import import_from_javascript

from .errors import BadRequest, BodyTooLarge, Misconfigured, UpstreamError
from .exchange import Reply, Request, Stream
from .inference import Answer
from .settings import NAMES

_FIRST_READ_BYTES = 65_536  # longer bodies are read in one more step
# The platform itself takes no more than 100 MB.
# Source: developers.cloudflare.com/workers/platform/limits/
_DROP_STEP_BYTES = 1_000_000
_DROP_STEPS = 100

# Every call is of the same kind, because Ai keeps its options on itself across an await: calls of
# two kinds at once could swap their results. It also keeps refusals from becoming exceptions.
_OPTIONS = '{"returnRawResponse":true}'


def _env() -> Any:
    # The SDK's wrapper of self.env would convert each value once more.
    return import_from_javascript("cloudflare:workers").env


def read_variables() -> str:
    """Read the deployment's variables as one JSON text, for settings.read_settings."""
    env = _env()
    given = ((name, getattr(env, name, None)) for name in NAMES)
    texts = (f'"{name}":{JSON.stringify(value)}' for name, value in given if value is not None)
    return f"{{{','.join(texts)}}}"


def read_request(request: Any) -> Request:
    """Read all of a request but its body."""
    inner = request.js_object  # request.method raises KeyError for a method Python does not list
    url: str = inner.url
    path = "/" + url.partition("://")[2].partition("?")[0].partition("/")[2]
    return Request(inner.method, path, RequestBody(inner))


class RequestBody:
    """The body of a JavaScript Request."""

    def __init__(self, request: Any) -> None:
        self._request = request

    async def read(self, limit: int) -> bytes:
        """See exchange.Body."""
        stream = self._request.body
        if not stream:
            return b""
        reader = stream.getReader(mode="byob")
        try:
            # One byte more than allowed tells a body that is too long.
            document = await _read(reader, limit + 1)
            if len(document) <= limit:
                return document
            await _drop(reader)
        except JsException as error:
            raise BadRequest("body: it broke off while it was read") from error
        raise BodyTooLarge(f"body: expected at most {limit} bytes")


async def _read(reader: Any, most: int) -> bytes:
    parts: list[bytes] = []
    left = most
    step = min(left, _FIRST_READ_BYTES)
    while left:
        # Resolves once so many bytes came or the body has ended, however it was cut up.
        result = await reader.readAtLeast(step, Uint8Array.new(step))
        if result.value:
            parts.append(result.value.to_bytes())
            left -= len(parts[-1])
        if result.done or len(parts[-1]) < step:
            break
        step = left
    return b"".join(parts)


async def _drop(reader: Any) -> None:
    # Over HTTP/1.1 a client that is still sending would see its connection reset, not our answer.
    buffer = Uint8Array.new(_DROP_STEP_BYTES)
    for _ in range(_DROP_STEPS):
        result = await reader.readAtLeast(_DROP_STEP_BYTES, buffer)
        if result.done:
            return
        buffer = Uint8Array.new(result.value.buffer)
    await reader.cancel()


class WorkersAi:
    """The binding to Workers AI, an inference.Ai."""

    async def run(self, model: str, inputs: str) -> Answer:
        """See inference.Ai."""
        binding = getattr(_env(), "AI", None)
        if binding is None:
            raise Misconfigured("AI: expected the binding to Workers AI, got nothing")
        try:
            response = await binding.run(model, JSON.parse(inputs), JSON.parse(_OPTIONS))
            content_type = response.headers.get("content-type") or ""
            if response.status == 200 and not content_type.startswith("application/json"):
                return Answer(response.status, Stream(response.body))
            return Answer(response.status, await response.text())
        except JsException as error:
            raise UpstreamError(None, model=model) from error


def to_response(reply: Reply) -> Any:
    """Build the JavaScript Response; a stream goes in as it is."""
    body = reply.body.handle if isinstance(reply.body, Stream) else reply.body
    init = msgspec.json.encode({"status": reply.status, "headers": reply.headers}).decode()
    return Response.new(body, JSON.parse(init))
