"""What is behind both surfaces, the binding's and REST's: one request in, one answer out."""

import asyncio
import contextlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field, replace

import msgspec

from . import stand_in
from .catalogue import MODELS, Model, find_model
from .delivery import Answer, Streams
from .engine import Engine
from .errors import Envelope, Refused
from .frames import Framer, Shape, answer, cut
from .history import Asked, History, Received, Surface
from .inputs import Inputs, Prompt, read_inputs, read_prompt
from .scripts import Reply, Scripted, Scripts
from .speech import BrokeOff, Pace, Speech, ToolCall, gather, parse_text, response_text, speak
from .tokens import split

_EVENT_STREAM = "text/event-stream"


class Options(msgspec.Struct, frozen=True):
    """The options of a request that this server acts on; it remembers the others."""

    rejectIfBusy: bool = False


@dataclass(slots=True)
class WorkersAi:
    """
    One Workers AI.

    Attributes:
        pace: Of streams that no script paces.
        engine: A real model; the stand-in answers without one.
        is_paid_plan: Whether the account runs the models that take Workers Paid.
        models: By id.
        scripts: What requests get instead.
        received: The requests.
        streams: Counted since the start.
        streams_of: The same for each test that named itself.
    """

    pace: Pace = Pace()
    engine: Engine | None = None
    is_paid_plan: bool = False
    models: Mapping[str, Model] = field(default_factory=lambda: MODELS)
    scripts: Scripts = field(default_factory=Scripts)
    received: History = field(default_factory=History)
    streams: Streams = field(default_factory=Streams)
    streams_of: dict[str, Streams] = field(default_factory=dict)

    def script(self, reply: Reply | Scripted, *, model: str | None = None) -> None:
        """Say what the next request gets, or the next for a model."""
        self.scripts.add(reply, model=model)

    def counters(self, test: str | None) -> list[Streams]:
        """Find where a request's stream is counted."""
        if test is None:
            return [self.streams]
        return [self.streams, self.streams_of.setdefault(test, Streams())]

    def counted(self, test: str | None) -> Streams:
        """Count the streams of a test, or all."""
        return self.streams if test is None else self.streams_of.get(test, Streams())

    def reset(self, test: str | None = None) -> None:
        """Forget scripts, requests and counts, but for a file's scripts; or those of one test."""
        self.scripts.clear(test)
        self.received.clear(test)
        if test is None:
            self.streams_of.clear()
            self.streams = Streams()
        else:
            self.streams_of.pop(test, None)

    async def answer(self, asked: Asked) -> Answer:
        """
        Answer a request.

        Raises:
            Refused: Workers AI would refuse it, or a script does.
        """
        received = self.received.add(asked)
        try:
            if asked.wrong is not None:
                raise asked.wrong
            return await self._answer(asked, received)
        except Refused as refused:
            received.code = refused.code
            refused.request_id = received.request_id
            raise

    async def _answer(self, asked: Asked, received: Received) -> Answer:
        headers = request_headers(asked.surface, received.request_id)
        script = self.scripts.take(asked.test, asked.model, _prompt_text(asked.inputs))
        if script is not None:
            received.replied = f"script {script.number}"
            if isinstance(script.reply, Scripted):
                return _as_it_is(script.reply, headers, _NOTHING)
        reply = script.reply if script is not None and isinstance(script.reply, Reply) else _NOTHING
        await _wait_for_capacity(reply, asked.options)
        if reply.refused is not None:
            await asyncio.sleep(reply.delay_ms / 1000)
            raise reply.refused
        if reply.chunks is not None:
            await asyncio.sleep(reply.delay_ms / 1000)
            chunks = [chunk.encode() for chunk in reply.chunks]
            return _as_it_is(Scripted(chunks, reply.content_type, reply.status), headers, reply)

        models = self.models
        if reply.model is not None and reply.model not in models:
            models = {**models, reply.model: Model()}
        model = find_model(models, asked.model, is_paid_plan=self.is_paid_plan)
        inputs = read_inputs(asked.inputs, model)
        prompt = read_prompt(inputs, model)
        if script is None and self.engine is not None:
            received.replied = "engine"
            speech = await self.engine.generate(inputs, prompt)
        else:
            received.replied = received.replied if script is not None else "stand-in"
            speech = self._speak(reply, inputs, prompt)

        shape = reply.shape(model.flavour)
        if asked.surface == "chat":
            shape = replace(shape, flavour="chat")
        if not inputs.stream:
            body = await _whole(speech, reply, inputs, shape, asked)
            return Answer(body, headers=headers)
        frames = _frames(speech, Framer(shape, asked.model, prompt.tokens))
        if shape.chunk_bytes is not None:
            frames = cut(frames, shape.chunk_bytes)
        return Answer(frames, _EVENT_STREAM, headers=headers, is_stream=True)

    def _speak(self, reply: Reply, inputs: Inputs, prompt: Prompt) -> Speech:
        calls: Sequence[ToolCall] = reply.tool_calls
        if reply.text is not None:
            tokens: Sequence[str] = split(reply.text)
        elif reply.response is None:
            tokens = []
        elif reply.response is not msgspec.UNSET:
            tokens = split(response_text(reply.response))
        elif calls:
            tokens = []
        else:
            tokens, calls = stand_in.reply(inputs, prompt)
        usual = self.pace if inputs.stream else Pace()
        return speak(
            *(tokens, calls),
            prompt_tokens=prompt.tokens,
            max_tokens=inputs.max_tokens,
            pace=reply.pace(usual),
        )


_NOTHING = Reply()


def made_up_tokens(model: str, document: bytes) -> Sequence[str]:
    """
    Make up the tokens that an unscripted request is answered with where there is no engine.

    Args:
        model: Its id, one of the catalogue.
        document: The inputs as JSON.

    Raises:
        Refused: Workers AI refuses them.
    """
    entry = MODELS[model]
    inputs = read_inputs(document, entry)
    tokens, _ = stand_in.reply(inputs, read_prompt(inputs, entry))
    return tokens[: inputs.max_tokens]


async def _wait_for_capacity(reply: Reply, options: msgspec.Raw) -> None:
    try:
        is_rejected = msgspec.json.decode(options, type=Options).rejectIfBusy
    except msgspec.ValidationError as error:
        raise Refused(5006, f"Error: options: {error}") from error
    if reply.busy_ms and is_rejected:
        raise Refused(3040)
    await asyncio.sleep(reply.busy_ms / 1000)


async def _frames(speech: Speech, framer: Framer) -> AsyncGenerator[bytes, None]:
    async with contextlib.aclosing(speech):
        async for event in speech:
            yield framer.frame(event)


async def _whole(
    speech: Speech, reply: Reply, inputs: Inputs, shape: Shape, asked: Asked
) -> AsyncGenerator[bytes, None]:
    """
    Word an answer that is not streamed.

    Raises:
        Refused: 3043, the engine broke off; 5024, JSON mode was asked for and this is not JSON.
    """
    async with contextlib.aclosing(speech):
        try:
            text, calls, end = await gather(speech)
        except BrokeOff as error:
            if reply.break_after is None:
                # It is the engine's stream that broke.
                raise Refused(3043, f"Internal server error: {error}") from error
            return _broken(b'{"response":"')
    is_exact = reply.response is not msgspec.UNSET
    is_json = is_exact or isinstance(parse_text(text), dict | list)
    if inputs.json_mode is not None and not calls and not is_json:
        raise Refused(5024)
    content: object = answer(shape, asked.model, text, calls, end, reply.response)
    if asked.surface == "rest":
        content = Envelope(content)
    return _pieces([msgspec.json.encode(content)])


async def _broken(start: bytes) -> AsyncGenerator[bytes, None]:
    yield start
    raise BrokeOff


def _as_it_is(scripted: Scripted, headers: Mapping[str, str], reply: Reply) -> Answer:
    chunks = _pieces(scripted.chunks)
    if reply.lengths is not None:
        chunks = cut(chunks, reply.lengths)
    is_stream = scripted.content_type.startswith(_EVENT_STREAM)
    return Answer(chunks, scripted.content_type, scripted.status, headers, is_stream)


async def _pieces(chunks: Iterable[bytes] | AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    if isinstance(chunks, AsyncIterator):
        async for chunk in chunks:
            yield chunk
    else:
        for chunk in chunks:
            yield chunk


def request_headers(surface: Surface, request_id: str) -> Mapping[str, str]:
    """Word the headers that name a request."""
    headers = {"cf-ai-req-id": request_id}
    if surface == "gateway":
        headers["cf-aig-log-id"] = request_id.replace("-", "")[:26].upper()
    return headers


def _prompt_text(inputs: msgspec.Raw) -> str:
    """Find the text of a prompt that nobody has checked yet."""
    with contextlib.suppress(msgspec.DecodeError, RecursionError):
        return "\n".join(_texts(msgspec.json.decode(inputs)))
    return ""


def _texts(value: object) -> Iterator[str]:
    match value:
        case {"messages": list(messages)}:
            for message in messages:
                yield from _texts(message)
        case {"content": str(text)} | {"prompt": str(text)} | {"text": str(text)}:
            yield text
        case {"content": list(parts)}:
            for part in parts:
                yield from _texts(part)
