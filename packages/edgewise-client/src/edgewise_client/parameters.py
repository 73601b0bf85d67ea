"""What a request says. Types are checked here, ranges by the Worker alone."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TypedDict

Message = Mapping[str, object]


class Parameters(TypedDict, total=False):
    """
    What can be said beside the prompt; None is as if it were not there.

    Attributes:
        model: An id of the deployment's catalogue.
        max_tokens: The most tokens to generate.
        temperature: 0 to 5.
        top_p: 0 to 2.
        top_k: 1 to 50.
        seed: The same one gives the same text, as far as the model can.
        repetition_penalty: 0 to 2, as the other penalties.
        lora: A LoRA adapter's name or id.
        response_format: Such as `{"type": "json_object"}`.
        tools: With messages only, as tool_choice.
        options: `{"rejectIfBusy": True}`: rather be refused than wait for capacity.

    Source of the ranges: docs/api.md
    """

    model: str | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    seed: int | None
    repetition_penalty: float | None
    frequency_penalty: float | None
    presence_penalty: float | None
    lora: str | None
    response_format: Mapping[str, object] | None
    tools: Sequence[Mapping[str, object]] | None
    tool_choice: str | Mapping[str, object] | None
    options: Mapping[str, object] | None


def word_body(
    asked: str | Sequence[Message],
    parameters: Mapping[str, object],
    *,
    system: str | None,
    raw: bool,
    stream: bool,
) -> bytes:
    """
    Word a request of the native dialect.

    Args:
        asked: A prompt or messages.
        system: What the model is told before a prompt.

    Raises:
        TypeError: An argument is of the wrong type, or no JSON.
        ValueError: Arguments do not go together, a number is not finite, or text is not
            Unicode.
    """
    _expect("raw", raw, "True or False", lambda value: isinstance(value, bool))
    if isinstance(asked, str):
        body = _word_prompt(asked, system, raw)
    else:
        if system is not None or raw:
            name = "raw" if raw else "system"
            raise ValueError(f"{name}: goes with a prompt; messages have roles of their own")
        body = {"messages": _read_messages(asked)}
    for name, value in parameters.items():
        if name not in _KINDS:
            raise TypeError(f"{name}: there is no such parameter")
        if value is not None:
            _expect(name, value, *_KINDS[name])
            body[name] = value
    if stream:
        body["stream"] = True
    return b"{" + b",".join(_word(name, value) for name, value in body.items()) + b"}"


def _word_prompt(prompt: str, system: str | None, raw: bool) -> dict[str, object]:
    if system is None:
        return {"prompt": prompt, **({"raw": True} if raw else {})}
    _expect("system", system, *_TEXT)
    _join_halves("prompt", prompt)
    _join_halves("system", system)
    if raw:
        raise ValueError("system: a raw prompt holds its own")
    return {
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": prompt}]
    }


def _read_messages(messages: object) -> list[dict[str, object]]:
    _expect("messages", messages, *_OBJECTS)
    assert isinstance(messages, Sequence)
    return [dict(message) for message in messages]


def _expect(name: str, value: object, expected: str, fits: Callable[[object], bool]) -> None:
    if not fits(value):
        raise TypeError(f"{name}: expected {expected}, got {type(value).__name__}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value}")


def _word(name: str, value: object) -> bytes:
    try:
        document = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except RecursionError as error:
        raise ValueError(f"{name}: nested too deeply") from error
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from error
    return f'"{name}":{_join_halves(name, document)}'.encode()


def _join_halves(name: str, text: str) -> str:
    """Put surrogates together that stand side by side, as JavaScript has them; refuse others."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: expected text without half a surrogate pair") from error


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_objects(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str | bytes)
        and all(isinstance(item, Mapping) for item in value)
    )


_Kind = tuple[str, Callable[[object], bool]]
_TEXT: _Kind = ("a str", lambda value: isinstance(value, str))
_INTEGER: _Kind = ("an int", _is_integer)
_NUMBER: _Kind = ("a number", _is_number)
_OBJECT: _Kind = ("a dict", lambda value: isinstance(value, dict))
_OBJECTS: _Kind = ("a list of dicts", _is_objects)
_KINDS: Mapping[str, _Kind] = {
    "model": _TEXT,
    "max_tokens": _INTEGER,
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "top_k": _INTEGER,
    "seed": _INTEGER,
    "repetition_penalty": _NUMBER,
    "frequency_penalty": _NUMBER,
    "presence_penalty": _NUMBER,
    "lora": _TEXT,
    "response_format": _OBJECT,
    "tools": _OBJECTS,
    "tool_choice": ("a str or a dict", lambda value: isinstance(value, str | dict)),
    "options": _OBJECT,
}
