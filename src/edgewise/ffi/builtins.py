"""What JavaScript has itself, as often as each request needs it."""

from functools import cache
from typing import Any

import js


@cache  # to look a function up takes as long as to call it
def builtin(place: str, name: str) -> Any:
    """
    Find a function, such as `JSON.parse`; `new` is that of a class.

    It cannot be kept in a module's global: that would be part of the Worker's snapshot.
    """
    return getattr(getattr(js, place), name)


def parse(text: str) -> Any:
    """Make JavaScript's value of JSON."""
    return builtin("JSON", "parse")(text)
