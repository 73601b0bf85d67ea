"""The inputs of text generation, as Workers AI takes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from .catalogue import Model
from .errors import Refused
from .tokens import count
from .validation import find_complaint

DEFAULT_MAX_TOKENS = 256
DEFAULT_TEMPERATURE = 0.6
# An unscoped prompt gets a default scoped prompt, whose words Cloudflare does not publish.
DEFAULT_SYSTEM_PROMPT = "You are a helpful assistant."

_TEMPLATE_TOKENS = 11  # the system block and the open assistant header
_TURN_TOKENS = 4  # a turn's header and end

Json = Mapping[str, object]


class Part(msgspec.Struct, frozen=True):
    """A part of a message's content."""

    type: str = "text"
    text: str = ""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn of a scoped prompt. What no schema describes is of any type."""

    role: str
    content: str | list[Part]
    name: object = None
    tool_calls: object = None
    tool_call_id: object = None

    @property
    def text(self) -> str:
        """The content, its parts joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class Inputs(msgspec.Struct, frozen=True):
    """The fields that this server reads; it lets any others pass, as Workers AI does."""

    prompt: str | None = None
    messages: list[Message] | None = None
    raw: bool = False
    stream: bool = False
    max_tokens: int = DEFAULT_MAX_TOKENS
    temperature: float = DEFAULT_TEMPERATURE
    top_p: float | None = None
    top_k: int | None = None
    seed: int | None = None
    repetition_penalty: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    lora: str | None = None
    tools: list[dict[str, object]] = []
    # Not in every model's schema, so of any type.
    tool_choice: object = None
    response_format: object = None

    @property
    def json_mode(self) -> Literal["json_object", "json_schema"] | None:
        """What `response_format` asks for."""
        kind = self.response_format.get("type") if isinstance(self.response_format, dict) else None
        return kind if kind in ("json_object", "json_schema") else None

    @property
    def json_schema(self) -> object:
        """The schema of `response_format`; a bare JSON Schema, not OpenAI's wrapper of one."""
        assert isinstance(self.response_format, dict)
        return self.response_format.get("json_schema", {})


class Tool(msgspec.Struct, frozen=True):
    """A tool that the model may call."""

    name: str
    description: str
    parameters: dict[str, object]


@dataclass(frozen=True, slots=True)
class Prompt:
    """
    What the model is given.

    Attributes:
        kind: Scoped is `messages`, unscoped is `prompt`.
        text: The last message, or the prompt.
        everything: All the text in it.
        tokens: How many tokens it counts for, template included.
    """

    kind: Literal["scoped", "unscoped", "raw"]
    text: str
    everything: str
    tokens: int


def read_inputs(document: bytes | msgspec.Raw, model: Model) -> Inputs:
    """
    Check the inputs against the model's schema, and the model's other bounds.

    Raises:
        Refused: 5005 no LoRA, 5006 not what the schema takes, 5025 no JSON Schema.
    """
    try:
        wrong = find_complaint(model.schema, msgspec.json.decode(document))
        # Not strictly: to the schema 5.0 is an integer too.
        inputs = None if wrong else msgspec.json.decode(document, type=Inputs, strict=False)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(5006, f"Error: {error}") from error
    if inputs is None:
        raise Refused(5006, f"Error: {wrong}")
    if inputs.lora is not None and not model.takes_lora:
        raise Refused(5005)
    if inputs.json_mode == "json_schema" and not model.takes_json_schema:
        raise Refused(5025)
    if inputs.json_mode and inputs.stream:
        raise Refused(5024)  # JSON mode does not stream
    return inputs


def read_prompt(inputs: Inputs, model: Model) -> Prompt:
    """
    Find what the model is given, and count it.

    Raises:
        Refused: 5021, it and max_tokens exceed the context window.
    """
    if inputs.messages is not None:
        texts = [message.text for message in inputs.messages]
        tokens = sum(count(text) + _TURN_TOKENS for text in texts) + _TEMPLATE_TOKENS
        prompt = Prompt("scoped", texts[-1] if texts else "", "\n".join(texts), tokens)
    else:
        text = inputs.prompt or ""
        template = 0 if inputs.raw else _TURN_TOKENS + _TEMPLATE_TOKENS
        kind: Literal["raw", "unscoped"] = "raw" if inputs.raw else "unscoped"
        prompt = Prompt(kind, text, text, count(text) + template)
    total = prompt.tokens + max(inputs.max_tokens, 0)
    if total > model.context_window:
        raise Refused(
            5021,
            f"The estimated number of input and maximum output tokens ({total}) exceeded this"
            f" model context window limit ({model.context_window}).",
        )
    return prompt


def read_tools(inputs: Inputs) -> list[Tool]:
    """
    Bring both shapes of a tool into one.

    Raises:
        Refused: 5006.
    """
    try:
        return [msgspec.convert(tool.get("function", tool), Tool) for tool in inputs.tools]
    except msgspec.ValidationError as error:
        raise Refused(5006, f"Error: tools: {error}") from error
