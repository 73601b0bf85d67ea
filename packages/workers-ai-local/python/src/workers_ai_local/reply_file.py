"""Reading replies.toml: replies that stand for as long as the server runs."""

import re
import tomllib
from pathlib import Path

import msgspec

from .scripts import Reply

_PATH = re.compile(r" - at `\$(?P<path>.*)`$")
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]+)`")
_STEP = re.compile(r"\[(\d+)\]|\.?([^.\[]+)")
_AT_LINE = re.compile(r"\(at line (?P<line>\d+), column \d+\)|\(at end of document\)")


class _File(msgspec.Struct, forbid_unknown_fields=True):
    reply: list[Reply] = []


class ReplyFileError(Exception):
    """Says what is wrong with a file, and in which line."""


def read_replies(file: Path) -> list[Reply]:
    """
    Read a file of `[[reply]]` tables.

    Raises:
        ReplyFileError: It cannot be read, is not TOML, or a reply is wrong.
    """
    try:
        text = file.read_text("utf-8")
    except OSError as error:
        raise ReplyFileError(f"{file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = file.read_bytes()[: error.start].count(b"\n") + 1
        raise ReplyFileError(f"{file}:{line}: expected UTF-8") from error
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        place = _AT_LINE.search(str(error))
        line = int(place["line"] or text.count("\n") + 1) if place else 1
        said = _AT_LINE.sub("", str(error)).strip()
        raise ReplyFileError(f"{file}:{line}: this is not TOML: {said}") from error

    try:
        return msgspec.convert(document, _File).reply
    except msgspec.ValidationError as error:
        said = str(error)
        place = _PATH.search(said)
        path = place["path"] if place else ""
        unknown = _UNKNOWN.search(said)
        line = _line_of(text, f"{path}.{unknown['name']}" if unknown else path)
        field = f"{path.removeprefix('.')}: " if path else ""
        raise ReplyFileError(f"{file}:{line}: {field}{_PATH.sub('', said)}") from error


def _line_of(text: str, path: str) -> int:
    """
    Find the line in which a value begins.

    TOML's parsers keep no lines. So the file is read again up to each of its lines: the value
    begins behind the last part that lacks it.

    Args:
        path: Such as `.reply[1].times`.
    """
    steps = [int(index) if index else name for index, name in _STEP.findall(path)]
    lines = text.split("\n")
    # `lacking` lines are TOML without the value; no fewer than `bound` are TOML with it.
    lacking, bound = 0, len(lines)
    while bound - lacking > 1:
        middle = (lacking + bound) // 2
        for end in range(middle, bound):
            value = _parse("\n".join(lines[:end]))
            if value is not None:
                break
        else:
            bound = middle  # within a value of several lines up to there
            continue
        if _has(value, steps):
            bound = middle
        else:
            lacking = end
    return lacking + 1


def _parse(text: str) -> object:
    try:
        return tomllib.loads(text)
    except ValueError:
        return None


def _has(value: object, steps: list[int | str]) -> bool:
    for step in steps:
        match value, step:
            case list(), int(index) if index < len(value):
                value = value[index]
            case dict(), str(name) if name in value:
                value = value[name]
            case _:
                return False
    return True
