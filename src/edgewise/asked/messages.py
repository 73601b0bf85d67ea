"""The turns of a scoped prompt, worded so that every version of Workers AI takes them."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import cast

import msgspec
from msgspec import UNSET, UnsetType

from ..errors import BadRequest
from .inputs import EXPECTED, CalledFunction, Content, Message, ToolCall

_PARTS = attrgetter("role", "content", "tool_calls", "name", "tool_call_id")


def word_messages(messages: Sequence[Message]) -> list[dict[str, object]]:
    """Word messages so that every version of Workers AI takes them: each content is a string."""
    turns: list[dict[str, object]] = []
    called: dict[str, str] = {}
    for index, (role, content, calls, name, answers) in enumerate(map(_PARTS, messages)):
        worded: Sequence[dict[str, object]] = ()
        if calls:
            path = f"messages[{index}].tool_calls"
            worded = _word_calls(calls, path)
            if role != "assistant":
                raise BadRequest(f"{path}: expected only with role assistant", param=path)
        if not isinstance(content, str):
            content = _flatten(content, bool(calls), f"messages[{index}].content")
        turn: dict[str, object] = {
            "role": "system" if role == "developer" else role,
            "content": content,
        }
        if name or answers:
            name = name or called.get(answers)
            if name:
                turn["name"] = name
            if answers:
                turn["tool_call_id"] = answers
        if calls:
            turn["tool_calls"] = worded
            for call in calls:
                if call.id:
                    called[call.id] = call.function.name if call.function else call.name or ""
        turns.append(turn)
    return turns


def _flatten(content: Content | UnsetType, is_call: bool, path: str) -> str:
    if isinstance(content, list):
        return "".join(part.text for part in content)
    if not is_call:
        got = "nothing" if content is UNSET else "null"
        raise BadRequest(
            f"{path}: expected {EXPECTED['messages[].content']}, got {got}", param=path
        )
    return ""


def _word_calls(calls: Sequence[ToolCall], path: str) -> Sequence[dict[str, object]]:
    worded: list[dict[str, object]] = []
    for index, call in enumerate(calls):
        function = call.function
        if function is None and call.name is not None:
            function = CalledFunction(call.name, call.arguments)
        if function is None:
            raise BadRequest(
                f"{path}[{index}].function: expected an object with name, got nothing",
                param=f"{path}[{index}].function",
            )
        arguments = function.arguments or {}
        text = arguments if isinstance(arguments, str) else msgspec.json.encode(arguments).decode()
        worded.append(
            {
                **({"id": call.id} if call.id else {}),
                "type": "function",
                "function": {"name": function.name, "arguments": text},
            }
        )
    return worded


_BESIDE = frozenset({"tools", "tool_choice", "functions", "response_format", "lora"})


def read_texts(sent: Mapping[str, object]) -> tuple[list[str], list[object]]:
    """
    Collect all that a model reads of its inputs.

    Args:
        sent: The inputs as Workers AI takes them.

    Returns:
        The prompt, or the content of each message; and everything that is not plain text.
    """
    if "messages" not in sent:
        texts, rest = [cast(str, sent["prompt"])], []
    else:
        turns = cast(list[dict[str, object]], sent["messages"])
        texts = [cast(str, turn["content"]) for turn in turns]
        rest = [
            value
            for turn in turns
            if len(turn) > 2
            for name, value in turn.items()
            if name not in ("role", "content")
        ]
    return texts, [*rest, *(sent[name] for name in sent.keys() & _BESIDE)]


def impose(system_prompt: str, sent: Mapping[str, object]) -> dict[str, object]:
    """
    Put a system prompt before inputs. An unscoped prompt becomes a message after it.

    Args:
        sent: The inputs as Workers AI takes them; no raw prompt.
    """
    turns = sent.get("messages") or [{"role": "user", "content": sent["prompt"]}]
    rest = {name: value for name, value in sent.items() if name not in ("prompt", "messages")}
    imposed = {"role": "system", "content": system_prompt}
    return {"messages": [imposed, *cast(list[object], turns)], **rest}
