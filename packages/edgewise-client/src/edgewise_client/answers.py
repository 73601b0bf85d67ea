"""What callers are given: completions, their usage, and models."""

from dataclasses import dataclass

from .calls import ToolCall

# Source: src/edgewise/heard/endings.py, which words the reasons of JSON answers
_REASONS = {
    "stop": "stop",
    "length": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, as Workers AI counted them; None for what it did not."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """
    A whole answer.

    Attributes:
        text: Empty beside tool calls.
        model: The id that ran.
        usage: None when Workers AI did not count.
        finish_reason: `stop`, `length`, `tool_calls` or `content_filter`; None when it
            cannot be determined.
        truncated: Whether the text was cut at max_tokens; None when it cannot be determined.
        max_tokens: The limit that it ran under, in tokens; None when nobody says.
        request_id: The request's name in the log of the Worker.
        reasoning: What the model thought before it spoke; empty when it does not tell.
        tool_calls: In the order in which the model called.
    """

    text: str
    model: str | None = None
    usage: Usage | None = None
    finish_reason: str | None = None
    truncated: bool | None = None
    max_tokens: int | None = None
    request_id: str | None = None
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """
    A model of the deployment's catalogue.

    Attributes:
        id: What `model` is set to.
        served_by: Ids of Workers AI, in the order in which they are tried.
        context_window: Tokens of prompt and completion together; None when it is not told.
        capabilities: Any of `tools`, `json_mode`, `lora`.
    """

    id: str
    served_by: tuple[str, ...] = ()
    context_window: int | None = None
    capabilities: tuple[str, ...] = ()


def find_ending(
    reason: str | None, usage: Usage | None, max_tokens: int | None, *, called: bool
) -> tuple[str | None, bool | None]:
    """
    Find out why an answer ended.

    Args:
        reason: As it came; Workers AI's own streams have none.
        max_tokens: The limit that it ran under.
        called: Whether it holds tool calls.

    Returns:
        The finish reason, and whether the text was cut at the limit; None for what cannot be
        determined.
    """
    used = usage.completion_tokens if usage else None
    known = _REASONS.get(reason or "")  # a reason that nobody knows tells nothing
    is_at_limit = used is not None and max_tokens is not None and used >= max_tokens
    if known == "length" or is_at_limit:
        return "length", True
    truncated = None if known is None and used is None else False
    if called and known != "content_filter":
        return "tool_calls", truncated
    return known or (None if used is None else "stop"), truncated


def read_models(document: object) -> list[Model]:
    """
    Read the catalogue.

    Raises:
        ValueError: It is not a list of models.
    """
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        raise ValueError("no list of models")
    models = []
    for entry in data:
        if not (isinstance(entry, dict) and isinstance(entry.get("id"), str)):
            raise ValueError("a model without an id")
        window = entry.get("context_window")
        models.append(
            Model(
                entry["id"],
                _texts(entry.get("served_by")),
                window if isinstance(window, int) else None,
                _texts(entry.get("capabilities")),
            )
        )
    return models


def _texts(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else []
    return tuple(text for text in listed if isinstance(text, str))
