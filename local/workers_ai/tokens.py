"""Tokens without a tokenizer: pieces of about the length that a Llama's have."""

import re

# A template's marker; a word of at most eight letters with the space before it; up to three digits
# or signs; white space.
_TOKEN = re.compile(r"<\|\w{1,30}\|>| ?[^\W\d_]{1,8}| ?\d{1,3}| ?[^\w\s]{1,3}|\s+|_", re.DOTALL)


def split(text: str) -> list[str]:
    """Split a text into tokens; joined they are the text again."""
    return _TOKEN.findall(text)


def count(text: str) -> int:
    """Count the tokens of a text."""
    return len(split(text))
