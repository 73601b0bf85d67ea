"""Scripts: what requests get instead of made-up text, and which requests get it."""

import itertools
import json
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from .errors import KINDS, Refused
from .frames import Flavour, Shape
from .speech import Pace, ToolCall

_Count = Annotated[int, Meta(ge=0)]
_Length = Annotated[int, Meta(ge=1)]
_HeaderText = Annotated[str, Meta(pattern="^[ -~]+$")]
_Milliseconds = Annotated[float, Meta(ge=0, le=86_400_000)]


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    One of Workers AI's errors.

    Attributes:
        code: Such as 3040.
        status: HTTP status; needed only for a code that this server does not know.
        description: What stands after the code in the exception's message; likewise.
    """

    code: Annotated[int, Meta(ge=1)]
    status: Annotated[int, Meta(ge=400, le=599)] | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        if self.code not in KINDS and (self.status is None or self.description is None):
            raise ValueError(
                f"this server does not know the code {self.code}: give status and description too"
            )


class Reply(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    What a request gets. A file or the control API words it with these names.

    Attributes:
        test: Only requests whose header `x-local-test` holds this. A reply without it is not for
            requests that hold one, unless it comes from a file.
        model: Only requests for this model. A model that the catalogue lacks exists by this.
        contains: Only requests whose prompt holds this text.
        times: How many requests get it: 1 by default over HTTP, "always" in a file.
        text: The model's answer. Cut at the request's max_tokens.
        response: The value of `response` as it is, not for streams.
        tool_calls: Tools that the model calls, after the text if there is one.
        error: A code, or an object with code, status, description.
        chunks: The pieces of the body, sent as they are with content_type and status.
        delay_ms: Milliseconds before the first token.
        tokens_per_second: The pace.
        busy_ms: How long there is no capacity: a request waits so long first, and one with the
            option rejectIfBusy gets 3040.
        break_after: The answer breaks off after so many tokens (of a JSON answer, in its middle).
        stall_after: The answer stalls after so many tokens (a JSON answer never comes).
        flavour: The frames; by default those of the model.
        usage: Whether the answer holds its usage.
        done: Whether a stream ends with `[DONE]`.
        crlf: Whether a stream's lines end in CRLF.
        chunk_bytes: Cut a stream into pieces of so many bytes; or of these lengths in turn.
    """

    test: _HeaderText | None = None
    model: str | None = None
    contains: str | None = None
    times: _Length | Literal["always"] | UnsetType = UNSET
    text: str | None = None
    response: object = UNSET
    tool_calls: list[ToolCall] = []
    error: int | Failure | None = None
    chunks: list[str] | None = None
    content_type: _HeaderText = "text/event-stream"
    status: Annotated[int, Meta(ge=200, le=599)] = 200
    delay_ms: _Milliseconds = 0
    tokens_per_second: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None
    busy_ms: _Milliseconds = 0
    break_after: _Count | None = None
    stall_after: _Count | None = None
    flavour: Literal["native", "openai", "both"] | None = None
    usage: bool = True
    done: bool = True
    crlf: bool = False
    chunk_bytes: _Length | Annotated[list[_Length], Meta(min_length=1)] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.error, int):
            Failure(self.error)
        given = msgspec.to_builtins(self).keys()  # without the defaults
        kinds = [name for name in ("text", "response", "error", "chunks") if name in given]
        if len(kinds) > 1:
            raise ValueError(f"{' and '.join(kinds)}: expected only one of them")
        kind = kinds[0] if kinds else "text"
        misfits = sorted(_MISFITS[kind] & given)
        if misfits:
            raise ValueError(f"{' and '.join(misfits)}: not with {kind}")
        if self.status in (204, 205, 304):
            raise ValueError(f"status: {self.status} has no body")
        values = [self.response, *(call.arguments for call in self.tool_calls)]
        try:
            json.dumps([value for value in values if value is not UNSET], allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"response, tool_calls: expected JSON: {error}") from error

    @property
    def refused(self) -> Refused | None:
        """The error."""
        if self.error is None:
            return None
        if isinstance(self.error, int):
            return Refused(self.error)
        return Refused(self.error.code, self.error.description, status=self.error.status)

    def pace(self, usual: Pace) -> Pace:
        """
        Find when its tokens come.

        Args:
            usual: For what it does not say.
        """
        return Pace(
            delay_s=self.delay_ms / 1000,
            tokens_per_second=self.tokens_per_second or usual.tokens_per_second,
            break_after=self.break_after,
            stall_after=self.stall_after,
        )

    def shape(self, usual: Flavour) -> Shape:
        """Find what its answer looks like; its flavour is the usual one unless it says."""
        flavour = self.flavour or usual
        return Shape(flavour, self.usage, self.done, self.crlf, self.lengths)

    @property
    def lengths(self) -> list[int] | None:
        """How a stream is cut, as Shape.chunk_bytes has it."""
        return [self.chunk_bytes] if isinstance(self.chunk_bytes, int) else self.chunk_bytes


_EVENT_STREAM = "text/event-stream"
_OF_CHUNKS = {"content_type", "status"}
_OF_TOKENS = {
    *("tokens_per_second", "break_after", "stall_after", "tool_calls"),
    *("flavour", "usage", "done", "crlf"),
}
# What a reply of each kind would leave out silently.
_MISFITS = {
    "text": _OF_CHUNKS,
    "response": _OF_CHUNKS | {"tool_calls"},
    "error": _OF_CHUNKS | _OF_TOKENS | {"chunk_bytes"},
    "chunks": _OF_TOKENS,
}


@dataclass(frozen=True, slots=True)
class Scripted:
    """
    A body that a test in this process makes itself.

    Attributes:
        chunks: Sent piece by piece as they are.
    """

    chunks: Iterable[bytes] | AsyncIterator[bytes]
    content_type: str = _EVENT_STREAM
    status: int = 200


@dataclass(slots=True)
class Script:
    """
    A reply, and for whom.

    Attributes:
        left: How many more requests get it; None is any number.
        is_standing: Whether it comes from a file, so is for the requests of every test.
    """

    number: int
    test: str | None
    model: str | None
    contains: str | None
    reply: Reply | Scripted
    left: int | None
    is_standing: bool = False

    def matches(self, test: str | None, model: str, prompt: str) -> bool:
        """Check whether a request gets it."""
        is_for_test = self.test == test or (self.is_standing and self.test is None)
        is_for_model = self.model is None or self.model == model
        return is_for_test and is_for_model and (self.contains is None or self.contains in prompt)


class Scripts:
    """The scripts of a server, in the order in which they are tried. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._added: list[Script] = []
        self._standing: list[Script] = []

    def __iter__(self) -> Iterator[Script]:
        with self._lock:
            return iter([*self._added, *self._standing])

    def add(
        self, reply: Reply | Scripted, *, model: str | None = None, is_standing: bool = False
    ) -> int:
        """
        Add a reply behind the others; those of a file come behind all others.

        Returns:
            The number of the script.
        """
        number = next(self._numbers)
        if isinstance(reply, Scripted):
            script = Script(number, None, model, None, reply, 1)
        else:
            usual: int | Literal["always"] = "always" if is_standing else 1
            times = usual if isinstance(reply.times, UnsetType) else reply.times
            left = None if times == "always" else times
            script = Script(
                *(number, reply.test, model or reply.model, reply.contains, reply, left),
                is_standing,
            )
        with self._lock:
            (self._standing if is_standing else self._added).append(script)
        return number

    def take(self, test: str | None, model: str, prompt: str) -> Script | None:
        """Find what a request gets, and count that it got it."""
        with self._lock:
            for scripts in (self._added, self._standing):
                for script in scripts:
                    if script.matches(test, model, prompt):
                        if script.left is not None:
                            script.left -= 1
                            if script.left == 0:
                                scripts.remove(script)
                        return script
        return None

    def clear(self, test: str | None = None) -> None:
        """Forget all but a file's, or those of one test."""
        with self._lock:
            self._added = [
                script for script in self._added if test is not None and script.test != test
            ]
