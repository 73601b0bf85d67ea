"""Says of untrusted JSON which field is wrong, what was expected there and what came instead."""

import json
import re
from collections import Counter
from collections.abc import Container, Mapping
from contextlib import suppress
from typing import TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec

from .errors import BadRequest, EdgewiseError

T = TypeVar("T")

_PATH = re.compile(r" - at `\$(?P<path>.*)`$")
_MISSING = re.compile(r"^Object missing required field `(?P<name>\w+)`")
_LAST_STEP = re.compile(r"(^|\.)\w+$|\[[^\[]*\]$")
_STEP = re.compile(r"\.?(?P<name>\w+)|\[(?P<index>\d+)\]")
# A decoder takes a level of the stack for a level of nesting. In workerd the stack is small, and
# running out of it ends the isolate with every request in it: 10,000 levels do, 2,000 do not.
MAX_DEPTH = 64
_PIECE_BYTES = 65_536
_ONE_KIND = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))

_BYTE = re.compile(r"\(byte (?P<byte>\d+)\)$")
_LONGEST_NUMBER = 400  # the longest that a float of 64 bits needs has 309 digits before the point
_ENDLESS = re.compile(rb"(?<![-+.0-9eE])[-+.0-9eE]{%d}" % (_LONGEST_NUMBER + 1))
_LONGEST_ECHO = 20  # characters of a number; longer ones are only called a number


def descriptions(struct: type[msgspec.Struct]) -> Mapping[str, str]:
    """
    Collect what each field of a struct expects.

    Args:
        struct: Every field's type is Annotated with a description.

    Returns:
        Path to description, nested structs included: `messages[].role`.
    """
    found: dict[str, str] = {}
    for name, hint in get_type_hints(struct, include_extras=True).items():
        found |= _describe(name, hint)
    return found


def _describe(path: str, hint: object) -> dict[str, str]:
    found: dict[str, str] = {}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        found |= {f"{path}.{name}": text for name, text in descriptions(hint).items()}
    suffix = "[]" if get_origin(hint) in (list, tuple) else ""
    for part in get_args(hint):
        found |= _describe(path + suffix, part)
    for part in getattr(hint, "__metadata__", ()):
        if part.description is not None:  # what stands outside tells of all that is inside
            found[path] = part.description
    return found


def decode(
    document: bytes,
    decoder: msgspec.json.Decoder[T],
    expected: Mapping[str, str],
    refuse: type[EdgewiseError],
    max_depth: int = MAX_DEPTH,
    name: str = "body",
) -> T:
    """
    Decode and validate untrusted JSON in one pass.

    Args:
        document: UTF-8.
        expected: Descriptions by path; the empty path stands for the document itself.
        refuse: What to raise, with the field's path as `param`.
        max_depth: Levels that it may be nested, at most MAX_DEPTH.
        name: What the document itself is called.
    """
    _check_form(document, expected, refuse, max_depth, name)
    return decode_checked(document, decoder, expected, refuse, name)


def decode_with_names(
    document: bytes,
    decoder: msgspec.json.Decoder[T],
    expected: Mapping[str, str],
    known: Container[str],
    max_depth: int = MAX_DEPTH,
    name: str = "body",
) -> tuple[T, Mapping[str, object]]:
    """
    Decode and validate an untrusted JSON object, and read all names in it.

    A name that stands twice in one object is refused: of two such fields, each reader takes another
    one, and what a check has seen on the way here need not be what is done here. So are numbers
    that are no numbers any more.

    Args:
        known: The names that may be told.

    Returns:
        What was decoded, and the object with all its names; its numbers may be missing.

    Raises:
        BadRequest: Names the field where it is a known one.
    """
    structure = _check_form(document, expected, BadRequest, max_depth, name)
    given = _read_plain(document, structure)
    if given is not None and decoder.strict:
        with suppress(msgspec.ValidationError):  # which cannot tell what came
            return msgspec.convert(given, decoder.type), given
    decoded = decode_checked(document, decoder, expected, BadRequest, name)
    return decoded, _read_any(document, known) if given is None else given


def _check_form(
    document: bytes,
    expected: Mapping[str, str],
    refuse: type[EdgewiseError],
    max_depth: int,
    name: str,
) -> bytes:
    """Refuse what no decoder should see, and tell the document's structure."""
    if not document:
        raise refuse(f"{name}: expected {expected['']}, got nothing")
    structure = find_structure(document)
    if _nests(structure, max_depth):
        raise refuse(f"{name}: expected JSON nested at most {max_depth} levels deep")
    if not document.isascii():
        try:
            document.decode()  # the decoder passes over names that it does not know
        except UnicodeDecodeError as error:
            raise refuse(f"{name}: expected UTF-8") from error
    return structure


def decode_checked(
    document: bytes,
    decoder: msgspec.json.Decoder[T],
    expected: Mapping[str, str],
    refuse: type[EdgewiseError],
    name: str = "body",
) -> T:
    """Decode once more, into something else, what decode took."""
    try:
        return decoder.decode(document)
    except msgspec.ValidationError as error:
        path, message = _explain(error, document, expected, name)
        raise refuse(message, param=path or None) from error
    except msgspec.DecodeError as error:
        at = _BYTE.search(str(error))
        where = f", it breaks near byte {at['byte']}" if at else ""
        raise refuse(f"{name}: expected valid JSON{where}") from error


def read_query(query: str, known: Container[str]) -> bytes:
    """
    Turn a query into a JSON object of texts, for a decoder that is not strict.

    Args:
        query: Percent-encoded. Untrusted.
        known: The names that may be told.

    Raises:
        BadRequest: A name comes twice, or a value is no UTF-8.
    """
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError as error:
        raise BadRequest("query: expected percent-encoded UTF-8") from error
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given:
            where = name if name in known else "query"
            raise BadRequest(f"{where}: expected once, got it twice", param=where)
        given[name] = value
    return msgspec.json.encode(given)


def _read_plain(document: bytes, structure: bytes) -> Mapping[str, object] | None:
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
    # Of a name that stands twice, one is left.
    names = len(given) + sum(map(len, turns))
    return given if structure.count(b":") == names else None


def _read_any(document: bytes, known: Container[str]) -> Mapping[str, object]:
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
    """A name that stands twice in an object."""


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


def is_too_deep(document: bytes, max_depth: int = MAX_DEPTH) -> bool:
    """
    Tell whether JSON is nested more deeply than that, without recursion.

    What is malformed besides may pass up to twice that depth; it is for the decoder to refuse.
    """
    is_short = len(document) <= _PIECE_BYTES  # a long one has many, and to count takes its time
    if is_short and document.count(b"[") + document.count(b"{") <= max_depth:
        return False
    return _nests(find_structure(document), max_depth)


def _nests(structure: bytes, max_depth: int) -> bool:
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
    """Find what of JSON stands outside its strings: brackets, colons, commas, numbers."""
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


def _explain(
    error: msgspec.ValidationError, document: bytes, expected: Mapping[str, str], name: str
) -> tuple[str, str]:
    reason = str(error)
    at = _PATH.search(reason)
    path = at["path"].removeprefix(".") if at else ""
    missing = _MISSING.match(reason)
    if missing:
        path = f"{path}.{missing['name']}".removeprefix(".")
        got = "nothing"
    else:
        got = _name_at(document, path)
    # What is wrong inside a value of any shape is told of the field that holds it.
    while _place(path) not in expected:
        path, got = _LAST_STEP.sub("", path), "something else in it"
    return path, f"{path or name}: expected {expected[_place(path)]}, got {got}"


def _place(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path)


def _name_at(document: bytes, path: str) -> str:
    """Name what stands at a path: a number, a boolean or null as it is, never text."""
    try:
        value: object = msgspec.json.decode(document)
        for step in _STEP.finditer(path):
            if isinstance(value, dict):
                value = value[step["name"]]
            elif isinstance(value, list):
                value = value[int(step["index"])]
    except (msgspec.DecodeError, UnicodeDecodeError, LookupError):
        # What the first pass stopped before may be broken too, or name the field once more.
        return "something else"
    return name_value(value)


def name_value(value: object) -> str:
    """Name a value: a number, a boolean or null as it is, never text."""
    match value:
        case None | bool():
            return msgspec.json.encode(value).decode()
        case int() | float():
            text = msgspec.json.encode(value).decode()
            return text if len(text) <= _LONGEST_ECHO else "a number"
        case "":
            return "an empty string"
        case str():
            return "a string"
        case []:
            return "an empty array"
        case list():
            return "an array"
        case _:
            return "an object"
