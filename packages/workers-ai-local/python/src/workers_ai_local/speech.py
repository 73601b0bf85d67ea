"""What a model says, before it takes any shape: text as it comes, tool calls, and an end."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from .tokens import count

FinishReason = Literal["stop", "length", "tool_calls"]
# Without a pace, so many tokens go out together: each write costs more than each token.
_BURST_TOKENS = 256


class Usage(msgspec.Struct, frozen=True):
    """Tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, prompt_tokens: int, completion_tokens: int) -> "Usage":
        """Add up."""
        return cls(prompt_tokens, completion_tokens, prompt_tokens + completion_tokens)


class ToolCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    A call of a tool.

    Attributes:
        arguments: An object; some models give it as JSON text.
    """

    name: str
    arguments: dict[str, object] | str

    @property
    def arguments_text(self) -> str:
        """The arguments as JSON text."""
        if isinstance(self.arguments, str):
            return self.arguments
        return json.dumps(self.arguments, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class Text:
    """Tokens that come together."""

    tokens: Sequence[str]


@dataclass(frozen=True, slots=True)
class Calls:
    """Tool calls, whole."""

    calls: Sequence[ToolCall]


@dataclass(frozen=True, slots=True)
class End:
    """The last thing said."""

    finish_reason: FinishReason
    usage: Usage


Event = Text | Calls | End
Speech = AsyncGenerator[Event, None]


class BrokeOff(ConnectionError):
    """The answer breaks off here: a script says so, or the engine's did, and its text says how."""


@dataclass(frozen=True, slots=True)
class Pace:
    """
    When the tokens come.

    Attributes:
        delay_s: Seconds before the first.
        tokens_per_second: None for all at once.
        break_after: Break off after so many tokens.
        stall_after: Say nothing more after so many tokens, and do not end either.
    """

    delay_s: float = 0.0
    tokens_per_second: float | None = None
    break_after: int | None = None
    stall_after: int | None = None

    @property
    def limit(self) -> int | None:
        """After how many tokens it fails."""
        limits = (self.break_after, self.stall_after)
        return min((limit for limit in limits if limit is not None), default=None)


async def speak(
    tokens: Sequence[str],
    calls: Sequence[ToolCall],
    *,
    prompt_tokens: int,
    max_tokens: int,
    pace: Pace,
) -> Speech:
    """
    Say tokens, cut at max_tokens, then tool calls.

    Raises:
        BrokeOff: The pace says so.
    """
    said = tokens[: max(max_tokens, 0)]
    await asyncio.sleep(pace.delay_s)
    loop = asyncio.get_running_loop()
    start = loop.time()
    done = 0
    limit = pace.limit
    while True:
        if pace.tokens_per_second is None:
            due = done + _BURST_TOKENS
        else:
            # By the clock, not by sleeping so long for each: late tokens come together.
            await asyncio.sleep(start + done / pace.tokens_per_second - loop.time())
            due = max(done, int((loop.time() - start) * pace.tokens_per_second)) + 1
        due = min(due, len(said) if limit is None else min(limit, len(said)))
        if said[done:due]:
            yield Text(said[done:due])
        done = due
        if limit is not None and done >= limit:
            await _fail(pace)
        if done >= len(said):
            break
        if pace.tokens_per_second is None:
            await asyncio.sleep(0)  # the other streams' turn
    completion_tokens = len(said) + count_calls(calls)
    if calls:
        yield Calls(calls)
    reason: FinishReason = (
        "tool_calls" if calls else "length" if len(said) < len(tokens) else "stop"
    )
    yield End(reason, Usage.of(prompt_tokens, completion_tokens))


async def _fail(pace: Pace) -> None:
    if pace.break_after == pace.limit:
        raise BrokeOff
    await asyncio.Event().wait()  # until its reader goes away


def count_calls(calls: Sequence[ToolCall]) -> int:
    """Count the tokens of tool calls."""
    return sum(count(call.name) + count(call.arguments_text) for call in calls)


async def gather(speech: Speech) -> tuple[str, Sequence[ToolCall], End]:
    """Listen to the end."""
    tokens: list[str] = []
    calls: Sequence[ToolCall] = []
    async for event in speech:
        match event:
            case Text():
                tokens += event.tokens
            case Calls():
                calls = event.calls
            case End():
                return "".join(tokens), calls, event
    raise BrokeOff


def parse_text(text: str) -> object:
    """
    Give a text as Workers AI gives it outside of streams.

    Returns:
        What JSON the text is, when it is an object, an array or a number; else the text.
    """
    if text.lstrip()[:1] not in {*"{[-0123456789"}:
        return text
    try:
        value: object = msgspec.json.decode(text.encode())
    except (msgspec.DecodeError, RecursionError):
        return text
    return value


def response_text(value: object) -> str:
    """Give a value as the text that a model would have said."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
