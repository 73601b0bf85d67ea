"""What a deployment sets: the variables of wrangler.toml, checked before anything uses them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta

from .errors import Misconfigured
from .fields import decode, descriptions

# What a header can carry: the id that ran is told in one.
ModelId = Annotated[str, Meta(pattern=r"^[!-~]+\Z", description="a model's id")]


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A public id and what serves it, in the order in which it is tried."""

    id: ModelId
    served_by: Annotated[
        list[ModelId], Meta(min_length=1, description="an array of 1 model id or more")
    ]


class Variables(msgspec.Struct, frozen=True):
    """The variables as they stand in wrangler.toml."""

    MODELS: Annotated[list[Model], Meta(min_length=1, description="an array of 1 model or more")]
    MAX_BODY_BYTES: Annotated[
        int, Meta(ge=1, le=10_000_000, description="an integer from 1 to 10000000")
    ] = 1_048_576


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
        models: Public id to the ids that serve it, in order; at least one each.
        default_model: The public id for requests that name none.
        max_body_bytes: The longest body that is read.
    """

    models: Mapping[str, tuple[str, ...]]
    default_model: str
    max_body_bytes: int


def read_settings(variables: str) -> Settings:
    """
    Check a deployment's variables.

    Args:
        variables: A JSON object of those among NAMES that are set.

    Raises:
        Misconfigured: Names the variable.
    """
    checked = decode(variables.encode(), _DECODER, _EXPECTED, Misconfigured)
    models = {model.id: tuple(model.served_by) for model in checked.MODELS}
    if len(models) < len(checked.MODELS):
        raise Misconfigured("MODELS: expected each id once", param="MODELS")
    return Settings(
        models=models,
        default_model=checked.MODELS[0].id,
        max_body_bytes=checked.MAX_BODY_BYTES,
    )
