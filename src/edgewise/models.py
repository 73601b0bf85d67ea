"""The model catalogue: which public ids there are and what serves each."""

from .errors import UnknownModel
from .settings import Settings


def find_model(name: str | None, settings: Settings) -> str:
    """
    Find the public id that a request names, or the deployment's default.

    Raises:
        UnknownModel: The deployment does not serve it.
    """
    if name is None:
        return settings.default_model
    if name not in settings.models:
        raise UnknownModel("model: expected one of " + ", ".join(settings.models), param="model")
    return name
