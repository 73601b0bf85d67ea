"""Hearing a stream: whatever frames a model sends, however they are cut, become events."""

from collections.abc import Sequence

import msgspec
from msgspec import Raw

from .endings import find_reason, read_usage
from .events import Calls, Counted, End, Event, Failure, Reasoning, Text, Usage
from .flavours import Answer, read_answer, read_call, read_code, read_plain
from .frames import DONE, Lines
from .numbering import Numbering
from .stopping import Stopper
from .surrogates import Halves, may_hold_halves, take_halves


class Listener:
    """
    Turns the bytes of a stream into events.

    Attributes:
        is_over: Whether everything was heard: what still comes is not wanted.
        failure: How it failed; None as long as it did not.
    """

    def __init__(self, max_tokens: int, stop: Sequence[str] = (), *, wants_usage: bool) -> None:
        """
        Args:
            max_tokens: Tokens, the limit that the completion runs under.
            stop: Texts that end it.
            wants_usage: Whether to go on behind a stop text, to the count at the stream's end.
        """
        self.is_over = False
        self.failure: Failure | None = None
        self._max_tokens = max_tokens
        self._wants_usage = wants_usage
        self._lines = Lines()
        self._spoken = Halves()
        self._thought = Halves()
        self._stops = bool(stop)
        self._stopper = Stopper(stop)
        self._calls = Numbering()
        self._usage = Raw(b"null")
        self._reason: str | None = None
        self._has_ended = False

    @property
    def usage(self) -> Usage | None:
        """What Workers AI has counted so far."""
        return read_usage(self._usage)

    def feed(self, chunk: bytes) -> list[Event]:
        """Hear a chunk. Texts that came together are one event."""
        return self._hear_all(self._lines.feed(chunk))

    def close(self) -> list[Event]:
        """
        Hear the end of the stream.

        A stream that ended without `[DONE]` or a finish reason was cut off on its way.
        """
        heard = self._hear_all(self._lines.close())
        if self.is_over:
            return heard
        if self._reason is None:
            return heard + self.break_off()
        return heard + self._finish()

    def break_off(self) -> list[Event]:
        """Hear that the stream broke: a failure, never an end."""
        return self._fail(None)

    def _hear_all(self, frames: Sequence[bytes]) -> list[Event]:
        heard: list[Event] = []
        text: list[str] = []
        for data in frames:
            if self.is_over:
                break
            plain = read_plain(data)
            if plain is None:
                self._hear_any(data, text, heard)
            elif plain[1] or self._stops or self._spoken.held or self._has_ended:
                self._hear(*plain, text, heard)
            else:  # nearly every frame, in half the time
                text.append(plain[0])
                continue
            if self._stopper.matched is not None and not self._has_ended:
                _flush(text, heard)
                heard.append(End("stop", self._stopper.matched))
                self._has_ended = True
                self.is_over = not self._wants_usage
        if text:
            _flush(text, heard)
        return heard

    def _hear_any(self, data: bytes, text: list[str], heard: list[Event]) -> None:
        """
        Hear a frame of any kind.

        Args:
            text: What gathered before it; text that the frame holds is added.
            heard: Events that are certain.
        """
        if data == DONE:
            _flush(text, heard)
            heard += self._finish()
            return
        halves: Sequence[int] = ()
        if may_hold_halves(data):
            data, halves = take_halves(data)
        try:
            answer = read_answer(data)
            numbered = [self._calls.number(read_call(call)) for call in answer.calls]
        except msgspec.DecodeError:
            if not data.startswith(b"{"):
                return  # no frame: something to keep the connection alive
            _flush(text, heard)
            heard += self._fail(None)
            return
        if answer.is_failure:
            _flush(text, heard)
            heard += self._fail(read_code(data))
            return
        self._take_figures(answer)
        self._hear(answer.text, answer.reasoning, text, heard, halves)
        pieces = [piece for piece in numbered if piece is not None]
        if pieces and self._stopper.matched is None:
            text.append(self._stopper.close())
            _flush(text, heard)
            heard.append(Calls(pieces))

    def _take_figures(self, answer: Answer) -> None:
        self._reason = answer.reason or self._reason
        if bytes(answer.usage).startswith(b"{"):
            self._usage = answer.usage

    def _hear(
        self,
        spoken: str | None,
        thought: str,
        text: list[str],
        heard: list[Event],
        halves: Sequence[int] = (),
    ) -> None:
        """
        Hear what a frame holds of text and reasoning.

        Args:
            halves: Those of characters in it; of the text, unless there is reasoning alone.
        """
        if self._has_ended:
            return
        if thought and self._stopper.matched is None:
            thought = self._thought.join(thought, () if spoken else halves)
            if thought:
                _flush(text, heard)
                heard.append(Reasoning(thought))
        if spoken:
            text.append(self._stopper.feed(self._spoken.join(spoken, halves)))

    def _rest(self) -> list[Event]:
        """Hear what was held back."""
        thought = self._thought.close()
        rest = self._stopper.feed(self._spoken.close()) + self._stopper.close()
        heard: list[Event] = [Reasoning(thought)] if thought else []
        return [*heard, Text(rest)] if rest else heard

    def _finish(self) -> list[Event]:
        """Hear that the answer ended well."""
        self.is_over = True
        usage = self.usage
        counted: list[Event] = [] if usage is None else [Counted(usage)]
        if self._has_ended:
            return counted
        self._has_ended = True
        heard = self._rest()
        rest = [*self._calls.rest()]
        if rest:
            heard.append(Calls(rest))
        called = self._calls.has_called
        reason = find_reason(self._reason, usage, self._max_tokens, called=called)
        return [*heard, End(reason), *counted]

    def _fail(self, code: int | None) -> list[Event]:
        if self._has_ended:  # a stop text came before: only the usage is missing
            return self._finish()
        heard = self._rest()
        self.is_over = self._has_ended = True
        self.failure = Failure(code)
        return [*heard, self.failure]


def _flush(text: list[str], heard: list[Event]) -> None:
    """Make one event of the texts that gathered."""
    joined = text[0] if len(text) == 1 else "".join(text)
    text.clear()
    if joined:
        heard.append(Text(joined))
