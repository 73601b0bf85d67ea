"""An answer as it comes."""

import http.client
import re
from collections import deque
from collections.abc import Generator, Iterator
from types import TracebackType

from .answers import Completion, Usage, find_ending
from .calls import Calls, ToolCall, join_halves
from .errors import ApiError, EdgewiseError, StreamBroken
from .events import EventReader
from .frames import DONE, Frame, read_frame, split_data
from .transport import Transport

_TOKENS = re.compile(r"[0-9]{1,9}")
Pieces = Generator[str, None, None]


class Stream:
    """
    The text of an answer, piece by piece: iterate over it, once.

    Leaving it early, by `close` or at the end of a `with`, closes the connection, which stops the
    generation. It is for one thread at a time.

    Attributes:
        model: The id that ran; None when nobody says.
        request_id: The request's name in the log of the Worker.
        max_tokens: The limit that it runs under.
        usage: Tokens. This and what follows is None until the stream has come to its end.
        finish_reason: As in Completion.
        truncated: As in Completion.
    """

    def __init__(
        self, transport: Transport, response: http.client.HTTPResponse, max_tokens: int | None
    ) -> None:
        """
        Args:
            max_tokens: What was asked for; the answer knows better, where it is let.
        """
        self._transport = transport
        self._response = response
        self.model = response.headers.get("x-model")
        self.request_id = response.headers.get("x-request-id")
        limit = response.headers.get("x-max-tokens", "")
        self.max_tokens = int(limit) if _TOKENS.fullmatch(limit) else max_tokens
        self.usage: Usage | None = None
        self.finish_reason: str | None = None
        self.truncated: bool | None = None
        self._is_whole = response.headers.get_content_type() == "application/json"
        self._reader = EventReader()
        # Not a generator: it would hold the stream that holds it, and a stream that is dropped
        # would keep its connection until the next collection of garbage.
        self._ready: deque[str] = deque()
        self._is_over = False
        self._has_ended = False
        self._failure: EdgewiseError | None = None
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls = Calls()
        self._counted: Usage | None = None
        self._reason: str | None = None
        self._half = ""

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        """What the model thought before it spoke, as far as it came."""
        return join_halves("".join(self._reasoning))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """What the model calls; whole at the end of the stream only."""
        return self._calls.gathered()

    def read(self) -> Completion:
        """
        Wait for all of it.

        Raises:
            StreamBroken: It did not come to its end, or was closed.
        """
        for _ in self:
            pass
        if not self._has_ended:
            raise StreamBroken("the stream was left early", request_id=self.request_id)
        return Completion(
            self.text,
            self.model,
            self.usage,
            self.finish_reason,
            self.truncated,
            self.max_tokens,
            self.request_id,
            self.reasoning,
            self.tool_calls,
        )

    def close(self) -> None:
        """Close the connection: the generation ends, if it has not yet."""
        self._response.close()
        if not self._is_over or self._ready:
            self._has_ended = False
            self._is_over = True
            self._ready.clear()

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        while not self._ready and not self._is_over:
            try:
                for piece in self._advance():
                    self._ready.append(piece)
            except EdgewiseError as error:  # after the pieces that came before it
                self._failure = error
            if self._has_ended or self._failure is not None:
                self._is_over = True
                self._response.close()
        if self._ready:
            self._text.append(self._ready.popleft())
            return self._text[-1]
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if self._has_ended:
            self.usage = self._counted
            called = bool(self._calls.gathered())
            self.finish_reason, self.truncated = find_ending(
                self._reason, self.usage, self.max_tokens, called=called
            )
        raise StopIteration

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _read_whole(self) -> Pieces:
        """Read an answer that is JSON: a model may answer so though it was asked for a stream."""
        document = self._transport.read(self._response).decode("utf-8", "replace")
        try:
            frame = read_frame(document.strip())
        except ValueError:
            frame = None
        if frame is None or frame.is_empty or frame.failure is not None:
            raise ApiError(
                "expected an answer of a model, got other JSON: is base_url right?",
                status=self._response.status,
                upstream_code=frame.failure.code if frame and frame.failure else None,
                request_id=self.request_id,
            )
        self.model = frame.model or self.model
        yield from self._take(frame)
        yield from self._end()

    def _advance(self) -> Pieces:
        """Take what comes next."""
        if self._is_whole:
            yield from self._read_whole()
            return
        chunk = self._read_some()
        for event in self._reader.feed(chunk):
            yield from self._take_data(event.data)
        if chunk or self._has_ended:
            return
        # Some streams lack the empty line at their end.
        last = self._reader.close()
        if last is not None:
            yield from self._take_data(last.data)
        if not self._has_ended:
            if self._reason is None:
                raise self._broken("it ended before the answer did")
            yield from self._end()

    def _read_some(self) -> bytes:
        try:
            return self._transport.read_some(self._response)
        except self._transport.failures as error:
            raise self._broken(self._transport.word(error)) from error

    def _take_data(self, data: str) -> Pieces:
        for document in split_data(data):
            if self._has_ended:
                return
            if document == DONE:
                yield from self._end()
                continue
            try:
                frame = read_frame(document)
            except ValueError as error:
                raise self._broken("a frame of it cannot be read") from error
            if frame is None:
                continue
            if frame.failure is not None:
                said = frame.failure.message or "the model failed"
                raise self._broken(said, frame.failure.code)
            yield from self._take(frame)

    def _take(self, frame: Frame) -> Pieces:
        self._reasoning.append(frame.reasoning)
        self._reason = frame.reason or self._reason
        self._counted = frame.usage or self._counted
        for call in frame.calls:
            self._calls.add(call)
        yield from self._say(frame.text)

    def _say(self, text: str, *, is_last: bool = False) -> Pieces:
        """
        Say some text.

        A character may come in two halves, as JavaScript has them: each in its own frame.
        """
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff" and not is_last:
            text, self._half = text[:-1], text[-1]
        if text:
            yield join_halves(text)

    def _end(self) -> Pieces:
        """End well."""
        yield from self._say("", is_last=True)
        self._has_ended = True

    def _broken(self, why: str, code: int | None = None) -> StreamBroken:
        return StreamBroken(
            f"the stream broke: {why}", request_id=self.request_id, upstream_code=code
        )
