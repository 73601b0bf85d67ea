"""
What Workers AI answers, in every flavour it comes in: whole, or a frame of a stream.

Native ones hold `response`, OpenAI-style ones `choices`, some models send both at once; gpt-oss
answers with the `output` of OpenAI's Responses, or streams its events. A field of another shape
than usual is left out: the others count.
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
_COUNTS = (
    ("prompt_tokens", "input_tokens"),
    ("completion_tokens", "output_tokens"),
    ("total_tokens",),
)
_EVENT = "response."
# Source: the types of the openai libraries, responses/response.py
_REASONS_OF_OUTPUT = {"max_output_tokens": "length"}


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
    kind = _text(answer.get("type")) or ""
    if isinstance(answer.get("output"), list):
        return _read_output(answer)
    if kind.startswith(_EVENT) or kind == _FAILED:
        return _read_event(answer, kind.removeprefix(_EVENT))
    return _read_answer(answer)


def _read_answer(answer: dict[str, object]) -> Frame:
    """Read `response` and `choices`."""
    choices = _list(answer.get("choices"))
    choice = _object(choices[0]) if choices else {}
    said = _object(choice.get("message")) or _object(choice.get("delta"))
    # Whoever sends both sends the same text twice.
    text = _word(answer.get("response"))
    text = text or _word(said.get("content")) or _word(choice.get("text"))
    reasons = [_text(each.get("finish_reason")) for each in (choice, answer)]
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
        reason=reasons[0] or reasons[1],
        model=_text(answer.get("model")),
        failure=_read_failure(answer, has_failed=_FAILED in reasons, is_empty=is_empty),
        is_empty=is_empty,
    )


def _read_output(answer: dict[str, object]) -> Frame:
    """Read the `output` of OpenAI's Responses."""
    items = [_object(item) for item in _list(answer.get("output"))]
    told = [item for item in items if item.get("type") in ("message", "reasoning", "function_call")]
    return Frame(
        text="".join(_join(item.get("content")) for item in told if item["type"] == "message"),
        reasoning="".join(
            _join(item.get("content")) or _join(item.get("summary"))
            for item in told
            if item["type"] == "reasoning"
        ),
        calls=[_read_item(item, None) for item in told if item["type"] == "function_call"],
        usage=_read_usage(answer.get("usage")),
        reason=_reason_of_output(answer),
        model=_text(answer.get("model")),
        failure=_read_failure(
            answer, has_failed=answer.get("status") == "failed", is_empty=not told
        ),
        is_empty=not told,
    )


def _read_event(answer: dict[str, object], kind: str) -> Frame:
    """Read an event of OpenAI's Responses; most of them say nothing that others do not."""
    text, thought, usage, reason, failure = "", "", None, None, None
    calls: list[CallPiece] = []
    delta, item = _text(answer.get("delta")) or "", _object(answer.get("item"))
    response = _object(answer.get("response"))
    match kind:
        case "output_text.delta":
            text = delta
        case "reasoning_text.delta" | "reasoning_summary_text.delta":
            thought = delta
        case "output_item.added" if item.get("type") == "function_call":
            calls = [_read_item(item, answer.get("output_index"))]
        case "function_call_arguments.delta":
            calls = [CallPiece(_index(answer.get("output_index")), None, None, delta)]
        case "completed" | "incomplete":
            usage, reason = _read_usage(response.get("usage")), _reason_of_output(response)
        case "failed" | "error":
            failure = _describe(response or answer)
    return Frame(text, thought, calls, usage, reason, None, failure, False)


def _reason_of_output(response: dict[str, object]) -> str:
    reason = _text(_object(response.get("incomplete_details")).get("reason"))
    return "stop" if reason is None else _REASONS_OF_OUTPUT.get(reason, reason)


def _read_item(item: dict[str, object], index: object) -> CallPiece:
    id = _text(item.get("call_id")) or _text(item.get("id"))
    return CallPiece(_index(index), id, _text(item.get("name")), _word(item.get("arguments")))


def _join(parts: object) -> str:
    return "".join(_text(_object(part).get("text")) or "" for part in _list(parts))


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
    """Read what was counted, as far as it can be read; None when nothing is told."""
    if not _is_object(value):
        return None
    told = [[_count(value.get(name)) for name in names] for names in _COUNTS]
    return Usage(*(next((count for count in each if count is not None), None) for each in told))


def _count(value: object) -> int | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return int(value)
    except OverflowError:
        return None


def _index(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _read_call(value: object) -> CallPiece:
    """
    Read a tool call or a piece of one: OpenAI-style, with `function`, or native.

    Raises:
        ValueError: It is not a tool call.
    """
    if not _is_object(value):
        raise ValueError("a tool call that is not an object")
    named = _object(value.get("function")) or value
    return CallPiece(
        _index(value.get("index")),
        _text(value.get("id")),
        _text(named.get("name")),
        _word(named.get("arguments")),
    )


def _read_failure(answer: dict[str, object], *, has_failed: bool, is_empty: bool) -> Failure | None:
    """
    Find out whether something failed.

    None of it is documented; these are the errors of workerd's Ai class, of Cloudflare's REST,
    and of the servers that models run in.

    Args:
        has_failed: Whether it says so where an answer says how it ended.
    """
    has_failed = (
        has_failed
        or any(answer.get(sign) not in (None, []) for sign in _SIGNS)
        or answer.get("success") is False
        or answer.get("object") == _FAILED
        or (is_empty and answer.get("message") not in (None, []))
    )
    return _describe(answer) if has_failed else None


def _describe(answer: dict[str, object]) -> Failure:
    """Describe what failed."""
    named = [answer.get("errors"), answer.get("error")]
    parts = [_object((_list(errors) or [errors])[0]) for errors in named]
    codes = [answer.get("internalCode"), *(part.get("code") for part in parts)]
    messages = [part.get("message") for part in parts] + [
        answer.get("error"),
        answer.get("message"),
        answer.get("description"),
    ]
    return Failure(
        next((text for text in map(_text, messages) if text), None),
        next((code for code in map(_code, codes) if code is not None), None),
    )


def _code(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:9])
    return value if isinstance(value, int) and not isinstance(value, bool) else None
