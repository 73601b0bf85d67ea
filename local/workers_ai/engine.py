"""A real model: an OpenAI-compatible server that generates the text."""

import contextlib
import re
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field

import httpx
import httpx_sse
import msgspec

from .errors import Refused
from .inputs import DEFAULT_SYSTEM_PROMPT, Inputs, Prompt, read_tools
from .speech import BrokeOff, Calls, End, Event, FinishReason, Text, ToolCall, Usage, count_calls
from .tokens import split

_CONNECT_S = 5.0
_ANSWER_S = 120.0  # as long as Workers AI waits for its larger models
_LONGEST_QUOTE = 300  # characters of what the engine says of an error
_TOO_LONG = re.compile(r"context|too (long|many tokens)", re.IGNORECASE)
# 3040's documented text. Source: developers.cloudflare.com/workers-ai/platform/errors/
_DOWN = "No more data centers to forward the request to"
# What comes of a connection that fails, and of an answer that is none.
_BROKEN = (
    *(httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, BrokeOff),
    *(msgspec.DecodeError, UnicodeError, RecursionError),
)
_REASONS: dict[str, FinishReason] = {"length": "length", "tool_calls": "tool_calls"}


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int | None = None
    function: _Function | None = None


class _Said(msgspec.Struct):
    """A message, or a part of one."""

    content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    text: str | None = None  # of a completion
    message: _Said | None = None
    delta: _Said | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: float | None = None
    completion_tokens: float | None = None


class _Answer(msgspec.Struct):
    """An object or a chunk, of chat completions or of completions."""

    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: object = None


@dataclass(slots=True)
class _Heard:
    """What has come of an answer, beside its text."""

    prompt_tokens: int
    tokens: int = 0
    calls: list[_Function] = field(default_factory=list)
    indices: dict[int, _Function] = field(default_factory=dict)
    reason: str | None = None
    usage: _Usage | None = None

    def take(self, answer: _Answer) -> str:
        """
        Take in an object or a chunk.

        Returns:
            The text in it.

        Raises:
            BrokeOff: It says that something failed.
        """
        if answer.error is not None:
            said = msgspec.json.encode(answer.error).decode()
            raise BrokeOff(f"the engine said: {said[:_LONGEST_QUOTE]}")
        if answer.usage is not None and answer.usage.prompt_tokens is not None:
            self.usage = answer.usage
        text = ""
        for choice in (answer.choices or [])[:1]:
            message = choice.message or choice.delta or _Said()
            text = choice.text or message.content or ""
            self.reason = choice.finish_reason or self.reason
            for call in message.tool_calls or []:
                self._take_call(call)
        return text

    def _take_call(self, call: _Call) -> None:
        """Take in a call or a piece of one: of the call with its index, else of the last one."""
        function = call.function or _Function()
        index = len(self.calls) - 1 if call.index is None else call.index
        known = self.indices.get(index)
        # Some servers give every call the index 0, or none; but each names its function once.
        if known is None or (function.name and known.name):
            known = _Function("", "")
            self.calls.append(known)
            self.indices[len(self.calls) - 1 if call.index is None else index] = known
        known.name = (known.name or "") + (function.name or "")
        known.arguments = (known.arguments or "") + (function.arguments or "")

    def rest(self) -> Iterator[Event]:
        """Say what comes behind the text."""
        calls = [ToolCall(call.name or "", _arguments(call.arguments or "")) for call in self.calls]
        if calls:
            yield Calls(calls)
        # Not every engine counts.
        counted = self.usage or _Usage(self.prompt_tokens, self.tokens + count_calls(calls))
        reason = "tool_calls" if calls else _REASONS.get(self.reason or "", "stop")
        prompt, completion = counted.prompt_tokens or 0, counted.completion_tokens or 0
        yield End(reason, Usage.of(int(prompt), int(completion)))


def _arguments(text: str) -> dict[str, object] | str:
    with contextlib.suppress(msgspec.DecodeError, RecursionError):
        return msgspec.json.decode(text, type=dict[str, object])
    return text


class Engine:
    """
    An OpenAI-compatible server.

    Attributes:
        url: Such as `http://127.0.0.1:11434/v1`.
        model: The model's name there; it stands in for every model of Workers AI.
    """

    def __init__(
        self, url: str, model: str, *, key: str | None = None, answer_s: float = _ANSWER_S
    ) -> None:
        """
        Args:
            key: Shown to it, when it asks for one.
            answer_s: Seconds to wait for an answer, or for the next piece of one.
        """
        self.url = url.rstrip("/")
        self.model = model
        self._client = httpx.AsyncClient(
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(answer_s, connect=_CONNECT_S, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=False,  # no proxy stands between this machine and itself
        )

    async def generate(self, inputs: Inputs, prompt: Prompt) -> AsyncGenerator[Event, None]:
        """
        Have it answer.

        Returns:
            What it says; it has begun to answer.

        Raises:
            Refused: The error of Workers AI that fits: 3040 it is down or busy, 3046 it is slow,
                5021 the prompt is too long for it, 5007 it has no such model, 8001 it refuses the
                input, 5018 it refuses us, 3043 anything else.
        """
        request = self._client.build_request(
            "POST",
            self.url + ("/completions" if prompt.kind == "raw" else "/chat/completions"),
            content=msgspec.json.encode(_body(inputs, prompt, self.model)),
            headers={"content-type": "application/json"},
        )
        async with contextlib.AsyncExitStack() as stack:
            with _failures():
                response = await self._client.send(request, stream=True)
                stack.push_async_callback(response.aclose)
                if response.status_code != 200:
                    raise self._refusal(response.status_code, await response.aread())
                heard = _Heard(prompt.tokens)
                kind = response.headers.get("content-type", "").partition(";")[0].strip()
                if kind != "text/event-stream":
                    answer = msgspec.json.decode(await response.aread(), type=_Answer)
                    text = heard.take(answer)
                    if not answer.choices:
                        raise BrokeOff("the engine's answer is no completion")
                    return _say(heard, text)
            self_closing = stack.pop_all()
        return _listen(response, heard, self_closing)

    def _refusal(self, status: int, body: bytes) -> Refused:
        said = body.decode("utf-8", "replace")
        with contextlib.suppress(msgspec.DecodeError, RecursionError):
            match msgspec.json.decode(body):
                case {"error": {"message": str(message)}} | {"error": str(message)}:
                    said = message
        text = f"The engine at {self.url} answered {status}: {said[:_LONGEST_QUOTE]}"
        match status:
            case 400 | 413 | 422 if _TOO_LONG.search(said):
                return Refused(5021, text)
            case 400 | 422:
                return Refused(8001, text)
            case 401 | 403:
                return Refused(5018, text)
            case 404:
                return Refused(5007, text)
            case 408 | 504:
                return Refused(3046, text)
            case 413:
                return Refused(3006, text)
            case 429 | 503:
                return Refused(3040, text)
        return Refused(3043, text)


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """
    Word what goes wrong with the connection.

    Raises:
        Refused: See Engine.generate.
    """
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise Refused(3040, _DOWN) from error
    except httpx.TimeoutException as error:
        raise Refused(3046) from error
    except _BROKEN as error:
        raise Refused(3043, f"Internal server error: {error}") from error


async def _say(heard: _Heard, text: str) -> AsyncGenerator[Event, None]:
    tokens = split(text)
    heard.tokens = len(tokens)
    if tokens:
        yield Text(tokens)
    for event in heard.rest():
        yield event


async def _listen(
    response: httpx.Response, heard: _Heard, closing: contextlib.AsyncExitStack
) -> AsyncGenerator[Event, None]:
    """
    Translate a stream, a frame at a time.

    Raises:
        BrokeOff: It ended before its end, or says that something failed.
    """
    is_done = False
    async with closing:
        try:
            async for frame in httpx_sse.EventSource(response).aiter_sse():
                if frame.data == "[DONE]":
                    is_done = True
                    break
                if not frame.data:
                    continue
                text = heard.take(msgspec.json.decode(frame.data, type=_Answer))
                if text:
                    heard.tokens += 1
                    yield Text([text])
        except _BROKEN as error:
            raise BrokeOff(f"The answer broke off: {error or type(error).__name__}") from error
        if not is_done and heard.reason is None:
            raise BrokeOff("The answer broke off: the engine's stream ended before its end")
        for event in heard.rest():
            yield event


def _body(inputs: Inputs, prompt: Prompt, model: str) -> dict[str, object]:
    """Word the inputs as OpenAI does, and the sampling as the servers named in the README do."""
    given = {
        "model": model,
        "max_tokens": max(inputs.max_tokens, 1),  # some servers take less for no limit
        "temperature": inputs.temperature,
        "top_p": inputs.top_p,
        "top_k": inputs.top_k,
        "seed": inputs.seed,
        "repetition_penalty": inputs.repetition_penalty,  # vLLM's name
        "repeat_penalty": inputs.repetition_penalty,  # llama.cpp's, LM Studio's and Ollama's
        "frequency_penalty": inputs.frequency_penalty,
        "presence_penalty": inputs.presence_penalty,
        "response_format": _response_format(inputs),
        # Also for an answer in one piece: some engines see only a stream's reader go away.
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if prompt.kind == "raw":
        given["prompt"] = prompt.text
    elif inputs.messages is None:
        given["messages"] = [
            {"role": "system", "content": DEFAULT_SYSTEM_PROMPT},
            {"role": "user", "content": prompt.text},
        ]
    else:
        given["messages"] = inputs.messages
        if inputs.tools:
            given["tools"] = [{"type": "function", "function": t} for t in read_tools(inputs)]
            given["tool_choice"] = inputs.tool_choice
    return {name: value for name, value in given.items() if value is not None}


def _response_format(inputs: Inputs) -> object:
    if inputs.json_mode == "json_schema":
        schema = {"name": "answer", "schema": inputs.json_schema}
        return {"type": "json_schema", "json_schema": schema}
    return {"type": "json_object"} if inputs.json_mode else None
