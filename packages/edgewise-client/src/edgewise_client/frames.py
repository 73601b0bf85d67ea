"""
What Workers AI answers, in every flavour it comes in: whole, or a frame of a stream.

Native ones hold `response`, OpenAI-style ones `choices`, some models send both at once. A field of
another shape than usual is left out: the others count.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from .answers import Usage
from .calls import CallPiece

DONE = "[DONE]"
_FAILED = "error"
_SIGNS = ("error", "errors", "internalCode", "httpCode")
_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


@dataclass(frozen=True, slots=True)
class Failure:
    """
    What a frame says that went wrong.

    Attributes:
        code: Workers AI's own.
    """

    message: str | None
    code: int | None


@dataclass(frozen=True, slots=True)
class Frame:
    """
    A frame, or a whole answer.

    Attributes:
        reasoning: What the model thought before it spoke, where a model tells.
        reason: Why the answer ended, as it came.
        model: The id that ran, where it is told here.
        is_empty: Whether it lacks all that an answer consists of.
    """

    text: str
    reasoning: str
    calls: Sequence[CallPiece]
    usage: Usage | None
    reason: str | None
    model: str | None
    failure: Failure | None
    is_empty: bool


class _Written(float):
    """A number that remembers how it was written: a model's text may be 1.50."""

    def __new__(cls, written: str) -> "_Written":
        made = super().__new__(cls, written)
        made.written = written
        return made

    written: str


def split_data(data: str) -> list[str]:
    """
    Split the data of an event into documents, mostly one.

    Models that leave out the empty lines make the frames of a stream one event.
    """
    data = data.strip()
    if "\n" in data:
        try:
            _load(data)
        except ValueError:
            return [line.strip() for line in data.split("\n") if line.strip()]
    return [data] if data else []


def read_frame(document: str) -> Frame | None:
    """
    Read the data of a frame, or a whole answer.

    Returns:
        None when it is not a frame, but something to keep the connection alive.

    Raises:
        ValueError: It cannot be read: text was lost.
    """
    try:
        answer = _load(document)
    except ValueError:
        if document.startswith("{"):
            raise
        return None
    if not _is_object(answer):
        return None
    choices = _list(answer.get("choices"))
    choice = _object(choices[0]) if choices else {}
    said = _object(choice.get("message")) or _object(choice.get("delta"))
    # Whoever sends both sends the same text twice.
    text = _word(answer.get("response"))
    text = text or _word(said.get("content")) or _word(choice.get("text"))
    reason = _text(choice.get("finish_reason")) or _text(answer.get("finish_reason"))
    calls = _list(answer.get("tool_calls"))
    is_empty = not ("response" in answer or choices or calls)
    return Frame(
        text=text,
        reasoning=_text(said.get("reasoning_content"))
        or _text(said.get("reasoning"))
        or _text(answer.get("reasoning"))
        or "",
        calls=[_read_call(call) for call in calls or _list(said.get("tool_calls"))],
        usage=_read_usage(answer.get("usage")),
        reason=reason,
        model=_text(answer.get("model")),
        failure=_read_failure(answer, reason, is_empty=is_empty),
        is_empty=is_empty,
    )


def _load(document: str) -> object:
    try:
        loaded: object = json.loads(document, parse_float=_Written, parse_constant=_refuse)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    return loaded


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _object(value: object) -> dict[str, object]:
    return value if _is_object(value) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _word(value: object) -> str:
    """Turn a value into text: text as it is, anything else as JSON."""
    match value:
        case None:
            return ""
        case str():
            return value
        case _Written():
            return value.written
        case _:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _read_usage(value: object) -> Usage | None:
    """Read what was counted; None when that cannot be read."""
    if not _is_object(value):
        return None
    counts: list[int | None] = []
    for name in _COUNTS:
        count = value.get(name)
        if not (count is None or (isinstance(count, int | float) and not isinstance(count, bool))):
            return None
        try:
            counts.append(None if count is None else int(count))
        except OverflowError:
            return None
    return Usage(*counts)


def _read_call(value: object) -> CallPiece:
    """
    Read a tool call or a piece of one: OpenAI-style, with `function`, or native.

    Raises:
        ValueError: It is not a tool call.
    """
    if not _is_object(value):
        raise ValueError("a tool call that is not an object")
    named = _object(value.get("function")) or value
    index = value.get("index")
    return CallPiece(
        index if isinstance(index, int) else None,
        _text(value.get("id")),
        _text(named.get("name")),
        _word(named.get("arguments")),
    )


def _read_failure(
    answer: dict[str, object], reason: str | None, *, is_empty: bool
) -> Failure | None:
    """
    Find out whether something failed.

    None of it is documented; these are the errors of workerd's Ai class, of Cloudflare's REST,
    and of the servers that models run in.
    """
    has_failed = (
        reason == _FAILED
        or any(answer.get(sign) not in (None, []) for sign in _SIGNS)
        or answer.get("success") is False
        or answer.get("object") == _FAILED
        or (is_empty and answer.get("message") not in (None, []))
    )
    if not has_failed:
        return None
    listed = _list(answer.get("errors")) or [answer.get("errors")]
    parts = [_object(listed[0]), _object(answer.get("error"))]
    codes = [answer.get("internalCode"), *(part.get("code") for part in parts)]
    messages = [part.get("message") for part in parts] + [
        answer.get("error"),
        answer.get("message"),
    ]
    return Failure(
        next((text for text in map(_text, messages) if text), None),
        next((code for code in map(_code, codes) if code is not None), None),
    )


def _code(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:9])
    return value if isinstance(value, int) and not isinstance(value, bool) else None
