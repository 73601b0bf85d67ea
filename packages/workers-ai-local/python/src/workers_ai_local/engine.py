"""A real model: an OpenAI-compatible server that generates the text."""

import contextlib
import re
from collections.abc import AsyncGenerator, Iterator

import httpx
import httpx_sse
import msgspec

from .completions import Completion, Heard
from .errors import Refused
from .inputs import DEFAULT_SYSTEM_PROMPT, Inputs, Prompt, read_tools
from .speech import BrokeOff, Event, Text
from .tokens import split

_CONNECT_S = 5.0
_ANSWER_S = 120.0  # as long as Workers AI waits for its larger models
_LONGEST_QUOTE = 300  # characters of what the engine says about an error
_TOO_LONG = re.compile(r"context|too (long|many tokens)", re.IGNORECASE)
# 3040's documented text. Source: developers.cloudflare.com/workers-ai/platform/errors/
_DOWN = "No more data centers to forward the request to"
# What comes of a connection that fails, and of an answer that is invalid.
_BROKEN = (
    *(httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, BrokeOff),
    *(msgspec.DecodeError, UnicodeError, RecursionError),
)


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
                heard = Heard(prompt.tokens)
                kind = response.headers.get("content-type", "").partition(";")[0].strip()
                if kind != "text/event-stream":
                    answer = msgspec.json.decode(await response.aread(), type=Completion)
                    text = heard.take(answer)
                    if not answer.choices:
                        raise BrokeOff("the engine's answer is not a completion")
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


async def _say(heard: Heard, text: str) -> AsyncGenerator[Event, None]:
    tokens = split(text)
    heard.tokens = len(tokens)
    if tokens:
        yield Text(tokens)
    for event in heard.rest():
        yield event


async def _listen(
    response: httpx.Response, heard: Heard, closing: contextlib.AsyncExitStack
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
                text = heard.take(msgspec.json.decode(frame.data, type=Completion))
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
