"""Says which field of untrusted JSON is wrong, what was expected there and what was found."""

import re
from collections.abc import Container, Mapping
from contextlib import suppress
from typing import TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

import msgspec

from ..errors import BadRequest, EdgewiseError
from .structure import MAX_DEPTH, find_structure, is_deeper, read_any, read_plain

T = TypeVar("T")

_PATH = re.compile(r" - at `\$(?P<path>.*)`$")
_MISSING = re.compile(r"^Object missing required field `(?P<name>\w+)`")
_LAST_STEP = re.compile(r"(^|\.)\w+$|\[[^\[]*\]$")
_STEP = re.compile(r"\.?(?P<name>\w+)|\[(?P<index>\d+)\]")
_BYTE = re.compile(r"\(byte (?P<byte>\d+)\)$")
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
        if part.description is not None:  # the outer one covers all that is inside
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

    A name that appears twice in one object is refused: of two such fields, each reader takes
    another one, and what a check has seen on the way here need not be what is done here. So are
    numbers that are no longer numbers.

    Args:
        known: The names that may be told.

    Returns:
        What was decoded, and the object with all its names; its numbers may be missing.

    Raises:
        BadRequest: Names the field where it is a known one.
    """
    structure = _check_form(document, expected, BadRequest, max_depth, name)
    given = read_plain(document, structure)
    if given is not None and decoder.strict:
        with suppress(msgspec.ValidationError):  # which cannot tell what was found
            return msgspec.convert(given, decoder.type), given
    decoded = decode_checked(document, decoder, expected, BadRequest, name)
    return decoded, read_any(document, known) if given is None else given


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
    if is_deeper(structure, max_depth):
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
        BadRequest: A name comes twice, or a value is not UTF-8.
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
    # What is wrong inside a value of any shape is reported for the field that holds it.
    while _place(path) not in expected:
        path, got = _LAST_STEP.sub("", path), "something else in it"
    return path, f"{path or name}: expected {expected[_place(path)]}, got {got}"


def _place(path: str) -> str:
    return re.sub(r"\[\d+\]", "[]", path)


def _name_at(document: bytes, path: str) -> str:
    """Name what is at a path: a number, a boolean or null as it is, never text."""
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
