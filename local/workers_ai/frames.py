"""The frames of a stream, as Workers AI sends them for the Llama family."""

import random
from collections.abc import Iterable, Iterator

import msgspec

DONE = b"data: [DONE]\n\n"
_PADDING = "abcdefghijklmnopqrstuvwxyz0123456789"


class Usage(msgspec.Struct, frozen=True):
    """Tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class _TokenFrame(msgspec.Struct):
    response: str
    p: str


class _UsageFrame(msgspec.Struct):
    response: str
    usage: Usage


def frames(tokens: Iterable[str], prompt_tokens: int) -> Iterator[bytes]:
    """
    Frame tokens: one frame each, then the usage, then the end.

    Args:
        prompt_tokens: What the prompt counts for in the usage.
    """
    chance = random.Random(prompt_tokens)
    completion_tokens = 0
    for token in tokens:
        completion_tokens += 1
        padding = _PADDING[: chance.randint(1, len(_PADDING))]  # hides the token's length
        yield _frame(_TokenFrame(token, padding))
    total = prompt_tokens + completion_tokens
    yield _frame(_UsageFrame("", Usage(prompt_tokens, completion_tokens, total)))
    yield DONE


def _frame(content: msgspec.Struct) -> bytes:
    return b"data: " + msgspec.json.encode(content) + b"\n\n"
