"""A reader of Workers AI's streams, in whatever flavour."""

import json
import re
from dataclasses import dataclass, field


@dataclass
class Heard:
    """
    What a stream says.

    Attributes:
        text: Whole.
        roles: How often it opened a turn.
        usage: The last.
        tool_calls: Name and arguments as JSON text, put together.
        reason: The finish reason, where one was given.
        is_done: Whether it ended with `[DONE]`.
    """

    text: str = ""
    roles: int = 0
    usage: dict[str, int] | None = None
    tool_calls: list[list[str]] = field(default_factory=list)
    reason: str | None = None
    is_done: bool = False


def hear(stream: bytes) -> Heard:
    """Read a stream of whatever flavour, each text once."""
    heard = Heard()
    for block in re.split(r"\r?\n\r?\n", stream.decode())[:-1]:
        assert block.startswith("data: "), block
        assert not heard.is_done, "something came behind the end"
        data = block.removeprefix("data: ")
        if data == "[DONE]":
            heard.is_done = True
            continue
        frame = json.loads(data)
        choice = (frame.get("choices") or [{}])[0]
        delta = choice.get("delta", {})
        heard.text += frame["response"] if "response" in frame else delta.get("content", "")
        heard.roles += "role" in delta
        heard.usage = frame.get("usage", heard.usage)
        heard.reason = choice.get("finish_reason") or heard.reason
        for call in frame.get("tool_calls") or delta.get("tool_calls") or []:
            if "function" not in call:
                heard.tool_calls.append([call["name"], json.dumps(call["arguments"])])
                continue
            if call["index"] == len(heard.tool_calls):
                heard.tool_calls.append([call["function"]["name"], ""])
            heard.tool_calls[call["index"]][1] += call["function"].get("arguments", "")
    return heard
