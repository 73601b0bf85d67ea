"""The server: the binding's protocol in, the stand-in's text or a script's replies out."""

import asyncio
import itertools
import uuid
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send

from .catalogue import check_model
from .errors import Refused, error_body
from .frames import Usage, frames
from .inputs import Inputs, read_inputs, read_prompt
from .stand_in import generate

MODEL_HEADER = "cf-consn-model-id"
_REMEMBERED = 1000  # requests


class Call(msgspec.Struct, frozen=True):
    """
    The body of a request.

    Source: generateFetch in workerd/src/cloudflare/internal/ai-api.ts
    """

    inputs: msgspec.Raw
    options: dict[str, msgspec.Raw] = {}


@dataclass(frozen=True, slots=True)
class Received:
    """A request that came in: the model's id and the inputs as JSON."""

    model: str
    inputs: bytes


@dataclass(frozen=True, slots=True)
class Scripted:
    """
    A reply that a script gives instead of the stand-in.

    Attributes:
        chunks: The body, sent piece by piece as it is.
    """

    chunks: Iterable[bytes] | AsyncIterator[bytes]
    content_type: str = "text/event-stream"
    status: int = 200


class Streams(msgspec.Struct):
    """How many streams are open, came to their end, were cancelled by their reader."""

    open: int = 0
    finished: int = 0
    cancelled: int = 0


class Completion(msgspec.Struct):
    """An answer that is not streamed."""

    response: str
    tool_calls: list[msgspec.Raw]
    usage: Usage


@dataclass(slots=True)
class WorkersAi:
    """
    One Workers AI.

    Attributes:
        seconds_per_token: The pace of streams.
        scripts: Model to what its next requests get, refusals among them.
        received: The requests, the oldest first.
    """

    seconds_per_token: float = 0.0
    scripts: defaultdict[str, deque[Scripted | Refused]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    received: deque[Received] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    streams: Streams = field(default_factory=Streams)

    async def run(self, request: Request) -> Response:
        """Answer `POST /run` and `POST /ai-gateway/run`."""
        model = request.headers.get(MODEL_HEADER, "")
        try:
            call = msgspec.json.decode(await request.body(), type=Call)
            self.received.append(Received(model, bytes(call.inputs)))
            script = self.scripts[model]
            reply = script.popleft() if script else None
            if isinstance(reply, Refused):
                raise reply
            if reply is not None:
                response = self._stream(_pieces(reply.chunks), reply.content_type, reply.status)
            else:
                check_model(model)
                response = self._generate(read_inputs(call.inputs))
        except Refused as refused:
            response = _refusal(refused)
        except msgspec.DecodeError:
            response = _refusal(Refused(3003, "the body is not what the AI binding sends"))
        response.headers["cf-ai-req-id"] = str(uuid.uuid4())
        return response

    def _generate(self, inputs: Inputs) -> Response:
        prompt = read_prompt(inputs)
        tokens = itertools.islice(generate(prompt, inputs.seed), max(inputs.max_tokens, 0))
        if inputs.stream:
            return self._stream(self._paced(frames(tokens, prompt.tokens)), "text/event-stream")
        words = list(tokens)
        usage = Usage(prompt.tokens, len(words), prompt.tokens + len(words))
        return _json(Completion("".join(words), [], usage))

    def _stream(
        self, chunks: AsyncIterator[bytes], content_type: str, status: int = 200
    ) -> Response:
        response = CountedStream(chunks, status, headers={"content-type": content_type})
        response.streams = self.streams
        return response

    async def _paced(self, chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk
            await asyncio.sleep(self.seconds_per_token)

    async def report_streams(self, _request: Request) -> Response:
        """Answer `GET /_local/streams`."""
        return _json(self.streams)


class CountedStream(StreamingResponse):
    """A stream that is counted; Starlette cancels it when its reader goes away."""

    streams: Streams

    async def stream_response(self, send: Send) -> None:
        """Send it."""
        self.streams.open += 1
        try:
            await super().stream_response(send)
            self.streams.finished += 1
        except asyncio.CancelledError:
            self.streams.cancelled += 1
            raise
        finally:
            self.streams.open -= 1


async def _pieces(chunks: Iterable[bytes] | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(chunks, AsyncIterator):
        async for chunk in chunks:
            yield chunk
    else:
        for chunk in chunks:
            yield chunk


def _json(content: msgspec.Struct, status: int = 200) -> Response:
    # The Ai class parses the body only under exactly this content type.
    headers = {"content-type": "application/json"}
    return Response(msgspec.json.encode(content), status, headers=headers)


def _refusal(refused: Refused) -> Response:
    return _json(error_body(refused), refused.status)


def create_app(workers_ai: WorkersAi) -> Starlette:
    """Put a Workers AI behind HTTP."""
    return Starlette(
        routes=[
            Route("/run", workers_ai.run, methods=["POST"]),
            Route("/ai-gateway/run", workers_ai.run, methods=["POST"]),
            Route("/_local/streams", workers_ai.report_streams, methods=["GET"]),
        ]
    )
