"""What untrusted JSON is made of: how deeply it is nested, and which names its objects have."""

import json
import re
from collections import Counter
from collections.abc import Container, Mapping

import msgspec

from ..errors import BadRequest

# A decoder takes a level of the stack for a level of nesting. In workerd the stack is small, and
# running out of it ends the isolate with every request in it: 10,000 levels do, 2,000 do not.
MAX_DEPTH = 64
_PIECE_BYTES = 65_536
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))

_LONGEST_NUMBER = 400  # the longest that a float of 64 bits needs has 309 digits before the point
_ENDLESS = re.compile(rb"(?<![-+.0-9eE])[-+.0-9eE]{%d}" % (_LONGEST_NUMBER + 1))


def is_too_deep(document: bytes, max_depth: int = MAX_DEPTH) -> bool:
    """
    Check whether JSON is nested more deeply than that, without recursion.

    What is malformed besides may pass up to twice that depth; it is for the decoder to refuse.
    """
    is_short = len(document) <= _PIECE_BYTES  # a long one has many, and to count takes its time
    if is_short and document.count(b"[") + document.count(b"{") <= max_depth:
        return False
    return is_deeper(find_structure(document), max_depth)


def is_deeper(structure: bytes, max_depth: int) -> bool:
    """Check a document's structure as is_too_deep checks the document."""
    if structure.count(b"[") + structure.count(b"{") <= max_depth:
        return False
    brackets = structure.translate(_ONE_KIND, _NO_BRACKET)
    for _ in range(max_depth):
        before = len(brackets)
        brackets = brackets.replace(b"[]", b"")  # each time the innermost level
        if len(brackets) == before:
            break
    return brackets.count(b"[") > max_depth or b"[]" in brackets


def find_structure(document: bytes) -> bytes:
    """Find what of JSON is outside its strings: brackets, colons, commas, numbers."""
    if b"\\" in document:
        document = document.replace(rb"\\", b"").replace(rb"\"", b"")
    if len(document) <= _PIECE_BYTES:
        return b"".join(document.split(b'"')[::2])
    kept: list[bytes] = []
    is_inside = False
    for start in range(0, len(document), _PIECE_BYTES):  # as each string takes an object
        parts = document[start : start + _PIECE_BYTES].split(b'"')
        kept.append(b"".join(parts[is_inside::2]))
        is_inside ^= len(parts) % 2 == 0
    return b"".join(kept)


def read_plain(document: bytes, structure: bytes) -> Mapping[str, object] | None:
    """
    Read an object that holds no other objects than messages without any, as most do.

    Returns:
        None where there are others, or something is wrong with it.
    """
    if len(structure) > _LONGEST_NUMBER and _ENDLESS.search(structure):
        return None
    try:
        given = _OBJECT.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    messages = given.get("messages")
    turns = messages if isinstance(messages, list) else ()
    if structure.count(b"{") != 1 + len(turns) or not {dict}.issuperset(map(type, turns)):
        return None
    # Of a name that appears twice, one is left.
    names = len(given) + sum(map(len, turns))
    return given if structure.count(b":") == names else None


def read_any(document: bytes, known: Container[str]) -> Mapping[str, object]:
    """Read an object with whatever is in it; its numbers become None."""
    try:
        given: dict[str, object] = _NAMES.decode(document.decode())
    except _Twice as error:
        [twice] = error.args
        if twice in known:
            raise BadRequest(
                f"{twice}: expected once in an object, got it twice", param=twice
            ) from error
        raise BadRequest("body: expected each name once in an object, got one twice") from error
    return given


class _Twice(Exception):
    """A name that appears twice in an object."""


def _take(pairs: list[tuple[str, object]]) -> dict[str, object]:
    given = dict(pairs)
    if len(given) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise _Twice(twice)
    return given


def _measure(digits: str) -> None:
    if len(digits) > _LONGEST_NUMBER:
        raise BadRequest(f"body: expected numbers of at most {_LONGEST_NUMBER} characters")


_OBJECT = msgspec.json.Decoder(dict[str, object])
_NAMES = json.JSONDecoder(object_pairs_hook=_take, parse_int=_measure, parse_float=_measure)
