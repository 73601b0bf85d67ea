"""Reading what an OpenAI-compatible server answers: completions, whole or in chunks."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from .speech import BrokeOff, Calls, End, Event, FinishReason, ToolCall, Usage, count_calls

_LONGEST_QUOTE = 300  # characters of what the server says about an error
_REASONS: dict[str, FinishReason] = {"length": "length", "tool_calls": "tool_calls"}


class Function(msgspec.Struct):
    """A function and its arguments as JSON text, or a part of either."""

    name: str | None = None
    arguments: str | None = None


class PartialCall(msgspec.Struct):
    """A tool call, or a part of one."""

    index: int | None = None
    function: Function | None = None


class Said(msgspec.Struct):
    """A message, or a part of one."""

    content: str | None = None
    tool_calls: list[PartialCall] | None = None


class Choice(msgspec.Struct):
    """One of the answers; only the first is asked for."""

    text: str | None = None  # of a completion
    message: Said | None = None
    delta: Said | None = None
    finish_reason: str | None = None


class Counted(msgspec.Struct):
    """Tokens, as the server counts them."""

    prompt_tokens: float | None = None
    completion_tokens: float | None = None


class Completion(msgspec.Struct):
    """An object or a chunk, of chat completions or of completions."""

    choices: list[Choice] | None = None
    usage: Counted | None = None
    error: object = None


@dataclass(slots=True)
class Heard:
    """What has come of an answer, beside its text."""

    prompt_tokens: int
    tokens: int = 0
    calls: list[tuple[int, Function]] = field(default_factory=list)
    indices: dict[int, Function] = field(default_factory=dict)
    reason: str | None = None
    usage: Counted | None = None

    def take(self, answer: Completion) -> str:
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
            message = choice.message or choice.delta or Said()
            text = choice.text or message.content or ""
            self.reason = choice.finish_reason or self.reason
            for call in message.tool_calls or []:
                self._take_call(call)
        return text

    def _take_call(self, call: PartialCall) -> None:
        """Take in a call or a piece of one: of the call with its index, else of the last one."""
        function = call.function or Function()
        index = len(self.calls) - 1 if call.index is None else call.index
        known = self.indices.get(index)
        # Some servers give every call the index 0, or none; but each names its function once.
        if known is None or (function.name and known.name):
            known = Function("", "")
            index = len(self.calls) if call.index is None else index
            self.calls.append((index, known))
            self.indices[index] = known
        known.name = (known.name or "") + (function.name or "")
        known.arguments = (known.arguments or "") + (function.arguments or "")

    def rest(self) -> Iterator[Event]:
        """Say what comes behind the text."""
        calls = [
            ToolCall(call.name or "", _arguments(call.arguments or ""))
            for _, call in sorted(self.calls, key=lambda numbered: numbered[0])
        ]
        if calls:
            yield Calls(calls)
        # Not every engine counts.
        counted = self.usage or Counted(self.prompt_tokens, self.tokens + count_calls(calls))
        reason = "tool_calls" if calls else _REASONS.get(self.reason or "", "stop")
        prompt, completion = counted.prompt_tokens or 0, counted.completion_tokens or 0
        yield End(reason, Usage.of(int(prompt), int(completion)))


def _arguments(text: str) -> dict[str, object] | str:
    with contextlib.suppress(msgspec.DecodeError, RecursionError):
        return msgspec.json.decode(text, type=dict[str, object])
    return text
