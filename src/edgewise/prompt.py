"""What a caller asks for: every body we accept, decoded and validated once into a Generation."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .errors import BadRequest
from .fields import decode, descriptions

DEFAULT_MAX_TOKENS = 256  # Workers AI's own


# Ranges are those that every model we serve takes.
# Source: the model's JSON schema at
# developers.cloudflare.com/workers-ai/models/llama-3.1-8b-instruct-fast/
Role = Annotated[
    Literal["system", "user", "assistant"],
    Meta(description='"system", "user" or "assistant"'),
]
Content = Annotated[str, Meta(description="a string")]
Prompt = Annotated[str, Meta(min_length=1, description="a string that is not empty")]
Flag = Annotated[bool, Meta(description="true or false")]
MaxTokens = Annotated[int, Meta(ge=1, le=128_000, description="an integer from 1 to 128000")]
Temperature = Annotated[float, Meta(ge=0, le=5, description="a number from 0 to 5")]
TopP = Annotated[float, Meta(ge=0, le=2, description="a number from 0 to 2")]
TopK = Annotated[int, Meta(ge=1, le=50, description="an integer from 1 to 50")]
Seed = Annotated[int, Meta(ge=1, le=9_999_999_999, description="an integer from 1 to 9999999999")]
Penalty = Annotated[float, Meta(ge=0, le=2, description="a number from 0 to 2")]


class Message(msgspec.Struct, frozen=True):
    """One turn of a scoped prompt."""

    role: Role
    content: Content


Messages = Annotated[list[Message], Meta(min_length=1, description="an array of 1 message or more")]


class Inputs(msgspec.Struct, frozen=True, omit_defaults=True):
    """The inputs of Workers AI for text generation; null stands for absent."""

    prompt: Prompt | None = None
    messages: Messages | None = None
    raw: Flag | None = None
    stream: Flag | None = None
    max_tokens: MaxTokens | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: TopK | None = None
    seed: Seed | None = None
    repetition_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None


_DECODER = msgspec.json.Decoder(Inputs)
_EXPECTED = {
    "": "an object",
    "messages[]": "an object with role and content",
    **descriptions(Inputs),
}


@dataclass(frozen=True, slots=True)
class Generation:
    """
    One validated request for text.

    Attributes:
        model: The public id.
        inputs: JSON text, as Workers AI takes it; max_tokens is always in it.
        max_tokens: Tokens, the limit that the completion runs under.
    """

    model: str
    inputs: str
    max_tokens: int


def parse(document: bytes, model: str) -> Generation:
    """
    Read a native body.

    Args:
        document: `{"prompt"}`, `{"prompt", "raw": true}` or `{"messages"}`, each with any of
            the sampling parameters. Untrusted.
        model: The public id of the model asked for.

    Raises:
        BadRequest: Names the field, what was expected there and what came.
    """
    inputs = decode(document, _DECODER, _EXPECTED, BadRequest)
    if (inputs.prompt is None) == (inputs.messages is None):
        got = "neither" if inputs.prompt is None else "both"
        raise BadRequest(f"prompt, messages: expected exactly one of them, got {got}")
    if inputs.raw and inputs.prompt is None:
        raise BadRequest("raw: expected true only with prompt, got true with messages", param="raw")
    max_tokens = inputs.max_tokens or DEFAULT_MAX_TOKENS
    sent = msgspec.structs.replace(inputs, max_tokens=max_tokens)
    return Generation(model, msgspec.json.encode(sent).decode(), max_tokens)
