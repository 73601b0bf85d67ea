"""The text models that this server knows, and what has become of each."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import Refused


@dataclass(frozen=True, slots=True)
class Model:
    """
    A model of Workers AI.

    Attributes:
        retired: The day from which it is refused; None while it lives.
    """

    retired: datetime.date | None = None


_MAY_2026 = datetime.date(2026, 5, 30)

# Source: developers.cloudflare.com/changelog/ of 2026-05-08, "planned model deprecations"
MODELS: Mapping[str, Model] = {
    "@cf/meta/llama-3.1-8b-instruct": Model(retired=_MAY_2026),
    "@cf/meta/llama-3.1-8b-instruct-awq": Model(retired=_MAY_2026),
    "@cf/meta/llama-3.1-8b-instruct-fast": Model(),
    "@cf/meta/llama-3.1-8b-instruct-fp8": Model(),
    "@cf/meta/llama-3.3-70b-instruct-fp8-fast": Model(),
}


def check_model(name: str) -> None:
    """
    Refuse a model that cannot be run.

    Raises:
        Refused: 5007 unknown, 5028 retired.
    """
    model = MODELS.get(name)
    if model is None:
        raise Refused(5007, f"No such model {name} or task")
    if model.retired is not None:
        raise Refused(
            5028,
            f"This model was deprecated on {model.retired}. Please use an alternative model",
        )
