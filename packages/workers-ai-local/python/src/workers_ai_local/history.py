"""The requests that came in, and what each got."""

import contextlib
import itertools
import time
import uuid
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from .errors import Refused

_MOST = 10_000  # requests
_MOST_BYTES = 64 * 1_048_576  # of their inputs and options

Surface = Literal["binding", "gateway", "rest", "chat"]


@dataclass(frozen=True, slots=True)
class Asked:
    """
    A request for an answer.

    Attributes:
        inputs: JSON.
        options: JSON: what else `run` was given, `gateway` among it.
        test: Whose scripts it meets.
        headers: Those that the caller set.
        wrong: Why it is refused, when the body cannot be read; the inputs are its text then.
    """

    surface: Surface
    model: str
    inputs: msgspec.Raw
    options: msgspec.Raw
    test: str | None
    headers: Mapping[str, str]
    wrong: Refused | None = None

    @property
    def wants_stream(self) -> bool:
        """Whether it asks for a stream, as far as that can be told before it is checked."""
        with contextlib.suppress(msgspec.DecodeError, RecursionError):
            return msgspec.json.decode(self.inputs, type=_Streamed).stream is True
        return False


class _Streamed(msgspec.Struct):
    stream: object = False


class Received(msgspec.Struct):
    """
    A request that came in, and what it got.

    Attributes:
        number: Counted from 1.
        at: Seconds since 1970.
        inputs: As they were sent; text, if they were not JSON.
        replied: "script" and its number, "engine", "stand-in", or "error".
        code: Of the error.
    """

    number: int
    at: float
    surface: Surface
    model: str
    inputs: msgspec.Raw
    options: msgspec.Raw
    test: str | None
    headers: Mapping[str, str]
    request_id: str
    replied: str = "error"
    code: int | None = None


class History:
    """The last requests, the oldest first; the oldest of too many are forgotten."""

    def __init__(self, most: int = _MOST, most_bytes: int = _MOST_BYTES) -> None:
        """
        Args:
            most: Requests.
            most_bytes: Of their inputs and options.
        """
        self._most = most
        self._most_bytes = most_bytes
        self._numbers = itertools.count(1)
        self._requests: deque[Received] = deque()
        self._bytes = 0

    def __iter__(self) -> Iterator[Received]:
        return iter([*self._requests])

    def __getitem__(self, index: int) -> Received:
        return self._requests[index]

    def __len__(self) -> int:
        return len(self._requests)

    def add(self, asked: Asked) -> Received:
        """Remember a request."""
        received = Received(
            number=next(self._numbers),
            at=time.time(),
            surface=asked.surface,
            model=asked.model,
            inputs=asked.inputs.copy(),  # and not the whole body that it is part of
            options=asked.options.copy(),
            test=asked.test,
            headers=asked.headers,
            request_id=str(uuid.uuid4()),
        )
        self._requests.append(received)
        self._bytes += _size(received)
        while len(self) > self._most or (self._bytes > self._most_bytes and len(self) > 1):
            self._bytes -= _size(self._requests.popleft())
        return received

    def clear(self, test: str | None = None) -> None:
        """Forget all, or those of one test."""
        kept = [received for received in self if test not in (None, received.test)]
        self._requests = deque(kept)
        self._bytes = sum(map(_size, kept))


def _size(received: Received) -> int:
    return len(received.inputs) + len(received.options)
