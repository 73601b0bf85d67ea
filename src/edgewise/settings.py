"""What a deployment sets: the variables of wrangler.toml, checked before anything uses them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from .errors import Misconfigured
from .fields import decode, descriptions

# What a header can carry: the id that ran is told in one.
ModelId = Annotated[str, Meta(pattern=r"^[!-~]+\Z", description="a model's id")]
Capability = Literal["tools", "json_mode", "lora"]


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    A public id and what is behind it.

    Attributes:
        served_by: Ids of Workers AI in the order in which they are tried; the id itself if None.
        context_window: Tokens of prompt and completion together; None leaves it to Workers AI.
        capabilities: What callers are told that it can do.
    """

    id: ModelId
    served_by: (
        Annotated[list[ModelId], Meta(min_length=1, description="an array of 1 model id or more")]
        | None
    ) = None
    context_window: Annotated[int, Meta(ge=1, description="a number of tokens")] | None = None
    capabilities: Annotated[
        list[Annotated[Capability, Meta(description='"tools", "json_mode" or "lora"')]],
        Meta(description='an array of "tools", "json_mode", "lora"'),
    ] = []


class Variables(msgspec.Struct, frozen=True):
    """The variables as they stand in wrangler.toml."""

    MODELS: Annotated[list[Model], Meta(min_length=1, description="an array of 1 model or more")]
    MAX_BODY_BYTES: Annotated[
        int, Meta(ge=1, le=10_000_000, description="an integer from 1 to 10000000")
    ] = 1_048_576
    # Workers AI's own default.
    MAX_TOKENS_DEFAULT: Annotated[int, Meta(ge=1, description="an integer of 1 or more")] = 256
    MAX_TOKENS_CEILING: Annotated[int, Meta(ge=1, description="an integer of 1 or more")] = 2048


NAMES = tuple(field.name for field in msgspec.structs.fields(Variables))
_DECODER = msgspec.json.Decoder(Variables, strict=False)  # the dashboard stores numbers as text
_EXPECTED = {
    "": "the variables",
    "MODELS[]": "an object with id and served_by",
    **descriptions(Variables),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """
    A deployment's settings.

    Attributes:
        models: The catalogue by public id; the first one is for requests that name none.
        max_body_bytes: The longest body that is read.
        max_tokens_default: For requests that set none.
        max_tokens_ceiling: The most that a request may ask for.
    """

    models: Mapping[str, Model]
    max_body_bytes: int
    max_tokens_default: int
    max_tokens_ceiling: int

    @property
    def default_model(self) -> str:
        """The public id for requests that name none."""
        return next(iter(self.models))


def read_settings(variables: str) -> Settings:
    """
    Check a deployment's variables.

    Args:
        variables: A JSON object of those among NAMES that are set.

    Raises:
        Misconfigured: Names the variable.
    """
    checked = decode(variables.encode(), _DECODER, _EXPECTED, Misconfigured)
    models = {model.id: model for model in checked.MODELS}
    if len(models) < len(checked.MODELS):
        raise Misconfigured("MODELS: expected each id once", param="MODELS")
    if checked.MAX_TOKENS_DEFAULT > checked.MAX_TOKENS_CEILING:
        raise Misconfigured(
            f"MAX_TOKENS_DEFAULT: expected at most MAX_TOKENS_CEILING,"
            f" which is {checked.MAX_TOKENS_CEILING}, got {checked.MAX_TOKENS_DEFAULT}",
            param="MAX_TOKENS_DEFAULT",
        )
    return Settings(
        models=models,
        max_body_bytes=checked.MAX_BODY_BYTES,
        max_tokens_default=checked.MAX_TOKENS_DEFAULT,
        max_tokens_ceiling=checked.MAX_TOKENS_CEILING,
    )
