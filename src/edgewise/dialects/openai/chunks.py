"""OpenAI's chunks, from whatever stream a model sends."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from ...asked.generation import Generation
from ...errors import UpstreamError
from ...heard.endings import FinishReason, Usage, find_reason, read_usage
from ...heard.flavours import read_answer, read_call, read_code, read_plain
from ...heard.frames import DONE, Lines
from .objects import (
    CallWriter,
    Delta,
    DeltaChoice,
    Heading,
    TextChoice,
    TokenUsage,
    text_reason,
    word_error,
    word_usage,
)


class Stopper:
    """Lets text through up to the first stop text, and holds back what may be the start of one."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._held = ""
        self.has_stopped = False

    def feed(self, text: str) -> str:
        """
        Take some text.

        Returns:
            What of it, and of what was held back, certainly comes before any stop text.
        """
        if not self._stop:
            return text
        if self.has_stopped:
            return ""
        text = self._held + text
        ends = [at for at in map(text.find, self._stop) if at >= 0]
        if ends:
            self.has_stopped, self._held = True, ""
            return text[: min(ends)]
        held = max(_overlap(text, stop) for stop in self._stop)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def close(self) -> str:
        """Take what was held back: nothing follows it any more."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Find how much of a text's end is the beginning of a stop text."""
    longest = min(len(stop) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)


class Chunks:
    """Rewrites a stream of Workers AI into OpenAI's chunks, a Rewriter."""

    def __init__(self, heading: Heading, generation: Generation) -> None:
        self.is_over = False
        self.code: str | None = None
        self.upstream_code: int | None = None
        self._heading = heading
        self._generation = generation
        self._lines = Lines()
        self._stopper = Stopper(generation.stop)
        self._calls = CallWriter(heading.id)
        self._usage = Raw(b"null")
        self._reason: str | None = None
        self._has_begun = not heading.is_chat
        self._has_finished = False
        empty = DeltaChoice(0, Delta(content=""), None)
        chunk = self._chunk([empty if heading.is_chat else TextChoice(0, "", None)])
        self._before_text, _, self._after_text = chunk.rpartition(b'""')

    @property
    def usage(self) -> Usage | None:
        """What Workers AI has counted so far."""
        return read_usage(self._usage)

    def feed(self, chunk: bytes) -> bytes:
        """Rewrite a chunk. Texts that came together leave together."""
        return self._take(self._lines.feed(chunk))

    def close(self) -> bytes:
        """
        Say the rest.

        A stream that ended without `[DONE]` or a finish reason was cut off on its way.
        """
        said = self._take(self._lines.close())
        if self.is_over:
            return said
        if self._reason is None:
            return said + self.break_off()
        return said + self._finish()

    def break_off(self) -> bytes:
        """Say that the stream broke: an error, never a finish reason."""
        return self._fail(None)

    def _take(self, frames: Sequence[bytes]) -> bytes:
        said: list[bytes] = []
        text: list[str] = []
        for data in frames:
            if self.is_over:
                break
            plain = read_plain(data)
            if plain is None:
                said += self._take_any(data, text)
            else:
                said += self._hear(*plain, text)
            if self._stopper.has_stopped and not self._has_finished:
                said += [self._say(text), self._stop()]
        if not self.is_over:
            said.append(self._say(text))
        return b"".join(said)

    def _take_any(self, data: bytes, text: list[str]) -> list[bytes]:
        """
        Take a frame of any kind.

        Args:
            text: What gathered before it; text that the frame holds is added.
        """
        if data == DONE:
            return [self._say(text), self._finish()]
        try:
            answer = read_answer(data)
            calls = [self._calls.piece(read_call(call)) for call in answer.calls]
        except msgspec.DecodeError:
            if not data.startswith(b"{"):
                return []  # no frame: something to keep the connection alive
            return [self._say(text), self._fail(None)]
        if answer.is_failure:
            return [self._say(text), self._fail(read_code(data))]
        self._reason = answer.reason or self._reason
        if bytes(answer.usage) != b"null":
            self._usage = answer.usage
        said = self._hear(answer.text, answer.reasoning, text)
        pieces = [call for call in calls if call is not None]
        if pieces and self._has_place():
            text.append(self._stopper.close())
            said += [self._say(text), self._delta(Delta(tool_calls=pieces))]
        return said

    def _hear(self, spoken: str | None, thought: str, text: list[str]) -> list[bytes]:
        """Take what a frame holds of text and reasoning."""
        said: list[bytes] = []
        if thought and self._has_place():
            said += [self._say(text), self._delta(Delta(reasoning_content=thought))]
        if spoken:
            text.append(self._stopper.feed(spoken))
        return said

    def _has_place(self) -> bool:
        """Check whether it may say more than text: a completion's prompt asked for that alone."""
        return self._heading.is_chat and not self._stopper.has_stopped

    def _say(self, text: list[str]) -> bytes:
        """Say the text that gathered, and forget it."""
        joined = "".join(text)
        text.clear()
        if not joined or self._has_finished:
            return b""
        return self._begin() + self._before_text + msgspec.json.encode(joined) + self._after_text

    def _delta(self, delta: Delta) -> bytes:
        return self._begin() + self._chunk([DeltaChoice(0, delta, None)])

    def _begin(self) -> bytes:
        """Open the assistant's turn, once."""
        if self._has_begun:
            return b""
        self._has_begun = True
        return self._chunk([DeltaChoice(0, Delta("assistant", ""), None)])

    def _stop(self) -> bytes:
        """End at a stop text; the usage is still to come, where it is wanted."""
        if not self._generation.include_usage:
            return self._finish()
        return self._say_reason("stop")

    def _finish(self) -> bytes:
        """End well."""
        usage = self.usage
        said = b""
        if not self._has_finished:
            said = self._say([self._stopper.close()])
            rest = self._calls.rest() if self._heading.is_chat else []
            said += self._delta(Delta(tool_calls=rest)) if rest else b""
        reason = find_reason(
            self._reason, usage, self._generation.max_tokens, called=self._calls.has_called
        )
        said += self._say_reason("stop" if self._stopper.has_stopped else reason or "stop")
        worded = word_usage(usage)
        if self._generation.include_usage and worded is not None:
            said += self._chunk([], worded)
        self.is_over = True
        return said + b"data: [DONE]\n\n"

    def _say_reason(self, reason: FinishReason) -> bytes:
        if self._has_finished:
            return b""
        begun = self._begin()
        self._has_finished = True
        if not self._heading.is_chat:
            return self._chunk([TextChoice(0, "", text_reason(reason))])
        return begun + self._chunk([DeltaChoice(0, Delta(), reason)])

    def _fail(self, code: int | None) -> bytes:
        if self._has_finished:  # a stop text came before: only the usage is missing
            return self._finish()
        said = self._say([self._stopper.close()])
        self.is_over = True
        error = UpstreamError(code, model=self._heading.model)
        self.code, self.upstream_code = error.code, code
        if code is None:
            error.message = f"the answer broke off ({self._heading.model})"
        return said + b"data: " + msgspec.json.encode(word_error(error)) + b"\n\n"

    def _chunk(
        self, choices: Sequence[DeltaChoice | TextChoice], usage: TokenUsage | None = None
    ) -> bytes:
        heading = self._heading
        kind = "chat.completion.chunk" if heading.is_chat else "text_completion"
        chunk = {
            "id": heading.id,
            "object": kind,
            "created": heading.created,
            "model": heading.model,
            "choices": choices,
        }
        if self._generation.include_usage:
            chunk["usage"] = usage
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"
