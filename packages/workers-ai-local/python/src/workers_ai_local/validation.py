"""
Checks inputs as Workers AI does, and complains in its words.

The rules are those of its validator, npm's @cloudflare/cabidela 0.2.4, not those of JSON Schema.
It counts what it finds to fit, and `required` and `oneOf` ask for that count:

- An object counts one, but nothing where no property of it fits. Whether it is an object at all is
  not asked: a 5 is an object of which nothing fits.
- An array counts as many as its items do, so a `oneOf` that two items fit is not met. Items that
  are all strings and numbers are not looked at. An object passes for the array of its values.
- A branch of which nothing fits, without a mistake, ends a `oneOf` that nothing has met so far.
- A mistake ends the check, but in a branch of a `oneOf` only the branch's: what was wrong there is
  said when the root complains, and never where the root is content.
- The path of an additional property starts at the property, and after the last slash in its name.
"""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NoReturn

import msgspec
from msgspec import UNSET


class Schema(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The keywords of JSON Schema that the models' schemas use; encoded, it is one."""

    type: str | None = None
    default: bool | int | float | None = None
    enum: tuple[str, ...] = ()
    minimum: float = -math.inf
    maximum: float = math.inf
    min_length: int = 0
    max_length: float = math.inf
    items: "Schema | None" = None
    properties: Mapping[str, "Schema"] = {}
    additional_properties: "Schema | None" = None
    required: tuple[str, ...] = ()
    one_of: tuple["Schema", ...] = ()


def find_complaint(schema: Schema, value: object) -> str | None:
    """
    Check a value.

    Args:
        value: Decoded JSON, untrusted.

    Returns:
        None when it fits.
    """
    try:
        _Check().count(schema, "", value)
    except _Mistake as mistake:
        return str(mistake)
    return None


class _Mistake(Exception):
    """What is wrong, as the validator says it."""


@dataclass(frozen=True, slots=True)
class _Check:
    """
    A walk through a value; a path is "" at its root, and UNSET stands for what is not there.

    Attributes:
        mistakes: Those of branches, the first first; each is said once.
    """

    mistakes: dict[str, None] = field(default_factory=dict)
    in_branch: bool = False

    def fail(self, text: str) -> NoReturn:
        if self.mistakes and not self.in_branch:
            text = f"{text}: {', '.join(self.mistakes)}"
        raise _Mistake(text)

    def count(self, schema: Schema, path: str, value: object) -> int:
        if schema.one_of:
            return self.count_branches(schema, path, value)
        if schema.items and (items := _items(value)) is not None:
            return sum(self.count(schema.items, f"{path}/{name}", item) for name, item in items)
        if schema.type == "object" or schema.properties:
            return self.count_properties(schema, path, value)
        if value is UNSET:
            return 0
        self.check_value(schema, path or "/", value)
        return 1

    def count_branches(self, schema: Schema, path: str, value: object) -> int:
        check = dataclasses.replace(self, in_branch=True)
        count = 0
        for branch in schema.one_of:
            try:
                count += check.count(branch, path, value)
            except _Mistake as mistake:
                self.mistakes[str(mistake)] = None
            else:
                if count != 1:
                    break
        if count != 1 and not path:
            self.fail(f"oneOf at '/' not met, {count} matches")
        return int(count == 1)

    def count_properties(self, schema: Schema, path: str, value: object) -> int:
        members = dict(_entries(value)) if isinstance(value, Mapping) else {}
        fit = {
            name
            for name, member in schema.properties.items()
            if self.count(member, f"{path}/{name}", members.get(name, UNSET))
        }
        count = len(fit)
        if schema.additional_properties:
            for name in [name.rpartition("/")[2] for name in members if name not in fit]:
                member = members.get(name, UNSET)
                count += int(self.count(schema.additional_properties, f"/{name}", member) > 0)
        if not fit.issuperset(schema.required):
            self.fail(f"required properties at '{path or '/'}' are '{','.join(schema.required)}'")
        return int(count > 0)

    def check_value(self, schema: Schema, path: str, value: object) -> None:
        types = _types(value)
        if schema.enum and value not in schema.enum:
            self.fail(f"enum {_text(value)} not in {','.join(schema.enum)} at '{path}'")
        if schema.type and schema.type not in types:
            got = ",".join(f"'{name}'" for name in types)
            self.fail(f"Type mismatch of '{path}', '{schema.type}' not in {got}")
        if isinstance(value, str):
            length = len(value.encode("utf-16-le", "surrogatepass")) // 2
            if length > schema.max_length:
                self.fail(f"Length of '{path}' must be <= {schema.max_length}")
            if length < schema.min_length:
                self.fail(f"Length of '{path}' must be >= {schema.min_length} not met")
        elif isinstance(value, int | float):
            if value < schema.minimum:
                self.fail(f"'{path}' must be >= {schema.minimum}")
            if value > schema.maximum:
                self.fail(f"'{path}' must be <= {schema.maximum}")


def _types(value: object) -> tuple[str, ...]:
    match value:
        case None:
            return ("null",)
        case bool():
            return ("boolean",)
        case str():
            return ("string",)
        case int() | float():
            return ("number", "integer") if _double(value).is_integer() else ("number",)
        case list():
            return ("array", "binary") if _items(value) is None else ("array",)
        case _:
            return ("object",)


def _items(value: object) -> Iterable[tuple[str | int, object]] | None:
    """List what is looked at as the items of an array; None is what is not looked into."""
    if isinstance(value, Mapping):
        return _entries(value)
    if isinstance(value, list):
        others = (i for i in value if isinstance(i, bool) or not isinstance(i, str | int | float))
        # A null that comes first among the others passes for their absence.
        return None if next(others, None) is None else enumerate(value)
    return None if isinstance(value, str) else ()


def _entries(value: Mapping[str, object]) -> list[tuple[str, object]]:
    """List an object's members as JavaScript does: array indices first, in their order."""
    indices = [name for name in value if _INDEX.fullmatch(name) and int(name) < 2**32 - 1]
    return [(name, value[name]) for name in dict.fromkeys([*sorted(indices, key=int), *value])]


_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


def _double(value: float) -> float:
    """Read a number as JavaScript does."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _text(value: object) -> str:
    """Write a value as JavaScript does in a string."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return value
        case int() | float():
            return _number(_double(value))
        case list():
            return ",".join("" if item is None else _text(item) for item in value)
        case _:
            return "[object Object]"


def _number(value: float) -> str:
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    if 1e-6 <= abs(value) < 1e21:
        return format(Decimal(repr(value)).normalize(), "f")
    return re.sub(r"e([+-])0", r"e\1", repr(value))
