"""The model catalogue: which public ids there are, and what callers are told about them."""

from collections.abc import Sequence

from ..errors import ContextLengthExceeded, UnknownModel
from ..settings import Model, Settings


def find_model(name: str | None, settings: Settings) -> Model:
    """
    Find the model that a request names, or the deployment's default.

    Raises:
        UnknownModel: The deployment does not serve it.
    """
    model = settings.models.get(settings.default_model if name is None else name)
    if model is None:
        raise UnknownModel("model: expected one of " + ", ".join(settings.models), param="model")
    return model


def serving(model: Model) -> list[str]:
    """Tell the ids of Workers AI that serve it, in the order in which they are tried."""
    return model.served_by or [model.id]


def check_window(
    model: Model, text: Sequence[str], inputs: str, max_tokens: int, param: str
) -> None:
    """
    Refuse what cannot fit into the model's context window.

    Only Workers AI can count a prompt's tokens. But no tokenizer joins words into one token, so a
    prompt has at least as many tokens as words.

    Args:
        text: All of the prompt.
        inputs: JSON that has all of it.
        max_tokens: Tokens, kept free for the completion.
        param: The field that asked for them.

    Raises:
        ContextLengthExceeded: It certainly does not fit.
    """
    if model.context_window is None:
        return
    room = model.context_window - max_tokens
    # Counting is for the rare prompt that is long enough: n words of a text take 2n - 1 characters,
    # and n - 1 spaces.
    words, most = 1, (sum(map(len, text)) + len(text)) // 2
    if most > room and len(text) + _count_spaces(inputs) > room:
        words = sum(len(part.split()) for part in text)
    if words > room:
        raise ContextLengthExceeded(
            f"{param}: expected prompt and completion to fit into the model's maximum context limit"
            f" of {model.context_window} tokens, got a prompt of at least {words} and up to"
            f" {max_tokens} for the completion",
            param=param,
        )


# All bytes but those that a space begins with outside of ASCII.
_NO_WIDE_SPACE = bytes({*range(256)} - {0xC2, 0xE1, 0xE2, 0xE3})


def _count_spaces(inputs: str) -> int:
    """Count the spaces that JSON has at the most, in a fraction of the time that words take."""
    most = inputs.count(" ")
    if "\\" in inputs:  # as all others of ASCII are escaped
        most += inputs.count("\\")
    if not inputs.isascii():
        most += len(inputs.encode().translate(None, _NO_WIDE_SPACE))
    return most
