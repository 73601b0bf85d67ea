"""What Workers AI answers, and what every reader must make of it: tests/corpus.json."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_FILE = Path(__file__).parents[1] / "corpus.json"
_MAX_TOKENS = 256
# In bytes: all at once, cut at every few of them, and at each.
SIZES = (1_000_000, 7, 3, 1)


@dataclass(frozen=True)
class Call:
    """
    A tool call.

    Attributes:
        arguments: JSON text without spaces; as it came where that is not JSON.
    """

    name: str
    arguments: str


@dataclass(frozen=True)
class Heard:
    """
    What a reader makes of an answer.

    Attributes:
        reason: Why it ended; None when it cannot be determined, or when it failed.
        usage: `prompt`, `completion` and `total`, as far as they are told; of a failure, nothing.
        has_failed: Whether it is a failure: the rest is what came before that.
        code: Workers AI's own, of a failure that has one.
    """

    text: str = ""
    reasoning: str = ""
    calls: Sequence[Call] = ()
    reason: str | None = None
    usage: dict[str, float] = field(default_factory=dict)
    has_failed: bool = False
    code: int | None = None


@dataclass(frozen=True)
class Case:
    """
    An answer of Workers AI.

    Attributes:
        whole: It in one piece, as JSON; None where it is a stream alone.
        stream: It as a stream; None where it is whole alone.
        max_tokens: The limit that it ran under.
    """

    name: str
    whole: str | None
    stream: bytes | None
    max_tokens: int
    heard: Heard

    def chunks(self, size: int) -> Iterator[bytes]:
        """Cut the stream into pieces of so many bytes."""
        stream = self.stream or b""
        for start in range(0, len(stream), size):
            yield stream[start : start + size]


def call(name: str, arguments: str) -> Call:
    """Make a tool call, whichever spaces are in its arguments."""
    try:
        return Call(name, _dump(json.loads(arguments)))
    except ValueError:
        return Call(name, arguments)


def usage(prompt: float | None, completion: float | None, total: float | None) -> dict[str, float]:
    """Make a usage of the counts that are known."""
    counts = {"prompt": prompt, "completion": completion, "total": total}
    return {name: count for name, count in counts.items() if count is not None}


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _frame(frame: object) -> str:
    """Write a frame: text is sent as it stands, anything else is the data of one."""
    return frame if isinstance(frame, str) else f"data: {_dump(frame)}\n\n"


def _read(case: dict[str, Any]) -> Case:
    heard = case["heard"]
    failure = heard.get("failure")
    return Case(
        case["name"],
        _dump(case["whole"]) if "whole" in case else None,
        "".join(map(_frame, case["frames"])).encode() if "frames" in case else None,
        case.get("max_tokens", _MAX_TOKENS),
        Heard(
            heard.get("text", ""),
            heard.get("reasoning", ""),
            [call(**each) for each in heard.get("calls", ())],
            heard.get("reason"),
            heard.get("usage", {}),
            failure is not None,
            failure and failure["code"],
        ),
    )


CASES = [_read(case) for case in json.loads(_FILE.read_text("utf-8"))]
WHOLE = [case for case in CASES if case.whole is not None]
STREAMED = [case for case in CASES if case.stream is not None]
