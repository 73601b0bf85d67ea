"""Text without a model: made up from the prompt, the same for the same prompt and seed."""

import hashlib
import itertools
import random
import re
from collections.abc import Iterator

from .inputs import Prompt

_LONGEST_QUOTE = 80  # characters
_TOKEN = re.compile(r"\s*\S+")
_SUBJECTS = ("The river", "A lantern", "The old clock", "Morning", "A small boat", "The garden")
_VERBS = ("follows", "remembers", "waits for", "answers", "carries", "outlasts")
_OBJECTS = ("the rain", "a quiet road", "the last train", "its own shadow", "the sea", "a letter")
_TURNS = ("after all", "without hurry", "as it should", "once more", "in plain sight", "by noon")


def generate(prompt: Prompt, seed: int | None) -> Iterator[str]:
    """
    Generate tokens: words, each with the white space before it, some hundreds at most.

    Args:
        seed: Another seed gives another text; None is a seed of its own.
    """
    quote = " ".join(prompt.text.split())
    if len(quote) > _LONGEST_QUOTE:
        quote = quote[:_LONGEST_QUOTE].rstrip() + "…"
    opening = (
        "I am a local stand-in for Workers AI, not a model."
        f" You sent this {prompt.kind} prompt: “{quote}”."
    )
    digest = hashlib.sha256(f"{prompt.kind}\0{prompt.text}\0{seed}".encode()).digest()
    sentences = _sentences(random.Random(digest))
    return itertools.chain.from_iterable(
        _TOKEN.findall(sentence) for sentence in itertools.chain([opening], sentences)
    )


def _sentences(chance: random.Random) -> Iterator[str]:
    for _ in range(chance.randint(4, 40)):
        words = (chance.choice(words) for words in (_SUBJECTS, _VERBS, _OBJECTS, _TURNS))
        yield " " + " ".join(words) + "."
