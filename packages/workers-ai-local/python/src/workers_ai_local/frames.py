"""The shapes of an answer: the frames of a stream in each flavour, and the object without one."""

import itertools
import json
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from .speech import Calls, End, Event, Text, ToolCall, parse_text

# native: {"response": ...}; openai: {"choices": [{"delta": ...}]}; both in one frame;
# chat: openai as REST's /ai/v1/chat/completions sends it.
Flavour = Literal["native", "openai", "both", "chat"]

DONE = b"data: [DONE]\n\n"
_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_PADDINGS = [_ALPHABET[:length].encode() for length in range(1, len(_ALPHABET) + 1)]
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Shape:
    """
    What an answer looks like on the wire.

    Attributes:
        usage: Whether it ends with the usage.
        done: Whether it ends with `[DONE]`.
        crlf: Whether its lines end in CRLF.
        chunk_bytes: Cut the stream anew into pieces of so many bytes; one length for all, or
            lengths taken in turn. None sends frames whole.
    """

    flavour: Flavour = "native"
    usage: bool = True
    done: bool = True
    crlf: bool = False
    chunk_bytes: Sequence[int] | None = None


class Framer:
    """Frames the events of one answer."""

    def __init__(self, shape: Shape, model: str, seed: int) -> None:
        """
        Args:
            seed: Decides the lengths of the padding `p`, which hides the lengths of tokens.
        """
        self._shape = shape
        self._head = _chat_head(model, "chat.completion.chunk")
        chance = random.Random(seed)
        self._paddings = itertools.cycle(chance.sample(_PADDINGS, len(_PADDINGS)))
        self._is_first = True

    def frame(self, event: Event) -> bytes:
        """Word an event as frames, none, one or more of them."""
        match event:
            case Text():
                frames = b"".join([self._token(token) for token in event.tokens])
            case Calls():
                frames = self._calls(event.calls)
            case End():
                frames = self._end(event)
        return frames.replace(b"\n", b"\r\n") if self._shape.crlf else frames

    def _token(self, token: str) -> bytes:
        text, padding = _encode(token), next(self._paddings)
        match self._shape.flavour:
            case "native":
                return b'data: {"response":' + text + b',"p":"' + padding + b'"}\n\n'
            case "chat":
                return self._choice(b'{"content":' + text + b"}")
            case "openai":
                delta = b'{"content":' + text + b"}"
                return self._choice(delta, extra=b',"p":"' + padding + b'"')
            case "both":
                delta = b'{"content":' + text + b"}"
                extra = b',"response":' + text + b',"tool_calls":[],"p":"' + padding + b'"'
                return self._choice(delta, extra=extra)

    def _choice(self, delta: bytes, reason: bytes = b"null", extra: bytes = b"") -> bytes:
        """Word a chunk; the first one opens the assistant's turn."""
        opening = b""
        if self._is_first:
            self._is_first = False
            opening = self._choice(
                b'{"role":"assistant","content":""}',
                extra=b',"response":"","tool_calls":[]' if self._shape.flavour == "both" else b"",
            )
        return (
            opening
            + (b"data: " + self._head + b',"choices":[{"index":0,"delta":' + delta)
            + (b',"finish_reason":' + reason + b',"logprobs":null}]' + extra + b"}\n\n")
        )

    def _calls(self, calls: Sequence[ToolCall]) -> bytes:
        if self._shape.flavour == "native":
            return _frame({"response": "", "tool_calls": _native_calls(calls)})
        frames = b""
        for index, call in enumerate(openai_calls(calls)):
            function = call["function"]
            assert isinstance(function, dict)
            opening = {"index": index, **call, "function": {"name": function["name"]}}
            text = function["arguments"]
            deltas: list[dict[str, object]] = [opening]
            deltas += [
                {"index": index, "function": {"arguments": half}}
                for half in (text[: len(text) // 2], text[len(text) // 2 :])
            ]
            frames += b"".join(self._choice(_encode({"tool_calls": [delta]})) for delta in deltas)
        return frames

    def _end(self, end: End) -> bytes:
        usage = _encode(end.usage) if self._shape.usage else b""
        with_usage = b',"usage":' + usage if usage else b""
        reason = _encode(end.finish_reason)
        native = b'data: {"response":""' + with_usage + b"}\n\n" if usage else b""
        match self._shape.flavour:
            case "native":
                frames = native
            case "chat":
                frames = self._choice(b"{}", reason, with_usage)
            case "openai":
                frames = self._choice(b"{}", reason)
                if usage:
                    frames += b"data: " + self._head + b',"choices":[]' + with_usage + b"}\n\n"
                frames += native
            case "both":
                frames = self._choice(b"{}", reason, b',"response":"","tool_calls":[]' + with_usage)
        return frames + (DONE if self._shape.done else b"")


def answer(
    shape: Shape, model: str, text: str, calls: Sequence[ToolCall], end: End, exact: object
) -> dict[str, object]:
    """
    Word a whole answer as one object.

    Args:
        exact: The value of `response`, unless it is UNSET.
    """
    usage = {"usage": end.usage} if shape.usage else {}
    response = None if calls and not text else parse_text(text)
    if exact is not msgspec.UNSET:
        response = exact
    native: dict[str, object] = {"response": response, "tool_calls": _native_calls(calls), **usage}
    if shape.flavour == "native":
        return native
    content = None if calls and not text else text
    message: dict[str, object] = {"role": "assistant", "content": content}
    if calls:
        message["tool_calls"] = list(openai_calls(calls))
    head: dict[str, object] = json.loads(_chat_head(model, "chat.completion") + b"}")
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": end.finish_reason,
    }
    completion = {**head, "choices": [choice], **usage}
    return native | completion if shape.flavour == "both" else completion


def _native_calls(calls: Sequence[ToolCall]) -> list[dict[str, object]]:
    return [{"name": call.name, "arguments": call.arguments} for call in calls]


def openai_calls(calls: Sequence[ToolCall]) -> Iterator[dict[str, object]]:
    """Word tool calls as OpenAI does."""
    for number, call in enumerate(calls):
        yield {
            "id": f"chatcmpl-tool-{number:08x}",
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments_text},
        }


async def cut(chunks: AsyncIterator[bytes], lengths: Sequence[int]) -> AsyncGenerator[bytes, None]:
    """Cut a stream anew into pieces of these lengths, taken in turn; the last may be shorter."""
    turn = itertools.cycle(lengths)
    length = next(turn)
    held = b""
    async for chunk in chunks:
        held += chunk
        start = 0
        while len(held) - start >= length:
            yield held[start : start + length]
            start += length
            length = next(turn)
        held = held[start:]
    if held:
        yield held


def _frame(content: object) -> bytes:
    return b"data: " + _encode(content) + b"\n\n"


def _chat_head(model: str, kind: str) -> bytes:
    """Open a chunk or a completion; its last brace is missing."""
    now = time.time()
    head = {"id": f"id-{now * 1000:.0f}", "object": kind, "created": int(now), "model": model}
    return _encode(head)[:-1]
