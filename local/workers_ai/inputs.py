"""The inputs of text generation, as Workers AI takes them."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .errors import Refused

DEFAULT_MAX_TOKENS = 256


class Message(msgspec.Struct, frozen=True):
    """One turn of a scoped prompt."""

    role: str
    content: str


class Inputs(msgspec.Struct, frozen=True):
    """The fields that this server reads; it lets any others pass, as Workers AI does."""

    prompt: Annotated[str, Meta(min_length=1)] | msgspec.UnsetType = msgspec.UNSET
    messages: list[Message] | msgspec.UnsetType = msgspec.UNSET
    raw: bool = False
    stream: bool = False
    max_tokens: int = DEFAULT_MAX_TOKENS
    seed: Annotated[int, Meta(ge=1, le=9_999_999_999)] | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """
    What the model is given.

    Attributes:
        kind: Scoped is `messages`, unscoped is `prompt`.
        text: The last message, or the prompt.
        tokens: How many tokens it counts for, template included.
    """

    kind: Literal["scoped", "unscoped", "raw"]
    text: str
    tokens: int


_TEMPLATE_TOKENS = 11  # the system block and the open assistant header
_TURN_TOKENS = 4  # a turn's header and end


def read_inputs(document: msgspec.Raw) -> Inputs:
    """
    Check the inputs.

    Raises:
        Refused: 5006.
    """
    try:
        inputs = msgspec.json.decode(document, type=Inputs)
    except msgspec.ValidationError as error:
        raise Refused(5006, f"Error: {error}") from error
    given = [name for name in ("prompt", "messages") if getattr(inputs, name) is not msgspec.UNSET]
    if len(given) == 2:
        raise Refused(5006, "Error: oneOf at '/' not met, 2 matches")
    if not given:
        raise Refused(
            5006,
            "Error: oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt',"
            " required properties at '/' are 'messages'",
        )
    return inputs


def read_prompt(inputs: Inputs) -> Prompt:
    """Find what the model is given, and count it."""
    if not isinstance(inputs.messages, msgspec.UnsetType):
        contents = [message.content for message in inputs.messages]
        tokens = sum(count_tokens(content) + _TURN_TOKENS for content in contents)
        return Prompt("scoped", contents[-1] if contents else "", tokens + _TEMPLATE_TOKENS)
    text = str(inputs.prompt)
    if inputs.raw:
        return Prompt("raw", text, count_tokens(text))
    return Prompt("unscoped", text, count_tokens(text) + _TURN_TOKENS + _TEMPLATE_TOKENS)


def count_tokens(text: str) -> int:
    """Count as this server does: a token a word."""
    return len(text.split())
