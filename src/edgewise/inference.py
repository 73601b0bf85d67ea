"""Asking Workers AI, and falling back to the next model before the first byte."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from .asked.generation import Generation
from .errors import UpstreamError
from .exchange import Stream
from .heard.flavours import read_code

# What serves an id to the model of them that answered last. A cache that may be lost at any time.
answered_last: dict[tuple[str, ...], str] = {}


class Answer(msgspec.Struct, frozen=True):
    """
    What Workers AI answered.

    Attributes:
        status: HTTP status.
        body: The text of a JSON answer or of an error, or a stream nobody has read.
    """

    status: int
    body: str | Stream


class Ai(Protocol):
    """The binding to Workers AI."""

    async def run(self, model: str, inputs: str, *, reject_if_busy: bool) -> Answer:
        """
        Run a model. Refusals are answers.

        Args:
            model: The id that Workers AI knows.
            inputs: JSON text.
            reject_if_busy: Whether to be refused instead of waiting for capacity.

        Raises:
            UpstreamError: Workers AI could not be reached.
        """
        ...


class Outcome(msgspec.Struct, frozen=True):
    """
    A result and who gave it.

    Attributes:
        model: The id that Workers AI ran.
        body: JSON text or a stream.
    """

    model: str
    body: str | Stream


async def infer(generation: Generation, served_by: Sequence[str], ai: Ai) -> Outcome:
    """
    Have the first model that answers generate the text.

    Args:
        served_by: Ids to try in order, at least one. The one that answered last goes first.

    Raises:
        UpstreamError: The refusal of the model that was not gone, or of the last one.
    """
    key = tuple(served_by)  # a Worker may have several settings
    last = answered_last.get(key)
    for model in sorted(served_by, key=lambda candidate: candidate != last):
        answer = await ai.run(model, generation.inputs, reject_if_busy=generation.reject_if_busy)
        if answer.status == 200:
            answered_last[key] = model
            return Outcome(model, answer.body)
        refusal = UpstreamError(_code(answer.body), model=model)
        if not refusal.is_gone:
            break
    raise refusal


def _code(body: str | Stream) -> int | None:
    return None if isinstance(body, Stream) else read_code(body)
