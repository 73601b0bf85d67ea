"""Values that a JSON Schema allows, made up. Not a validator, and not for every schema."""

import math
import random
from collections.abc import Mapping

_WORDS = ("river", "lantern", "clock", "morning", "boat", "garden")
_MOST_VALUES = 1000
_ARRAY_ITEMS = 2
_LARGEST = 10_000  # of what a keyword may ask for
_NOT_MET = {"oneOf", "anyOf", "allOf", "not", "$ref", "pattern", "format"} | {
    *("exclusiveMinimum", "exclusiveMaximum", "multipleOf", "uniqueItems", "prefixItems"),
}

Schema = Mapping[str, object]


class Unmet(Exception):
    """No value could be made up for the schema."""


def make_instance(schema: object, chance: random.Random) -> object:
    """
    Make up a value.

    Args:
        schema: A bare JSON Schema with `type`, `properties`, `enum` or `const` at every level.

    Raises:
        Unmet: It unites types, refers to another place, asks for a pattern, or is not a schema.
    """
    try:
        return _Maker(chance).make(schema)
    except RecursionError as error:
        raise Unmet from error


class _Maker:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._left = _MOST_VALUES

    def make(self, schema: object) -> object:
        self._left -= 1
        if not isinstance(schema, Mapping) or self._left < 0 or schema.keys() & _NOT_MET:
            raise Unmet
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            choices = schema["enum"]
            if not isinstance(choices, list) or not choices:
                raise Unmet
            return self._chance.choice(choices)
        match schema.get("type", "object" if "properties" in schema else None):
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema)
            case "string":
                return self._string(schema)
            case "integer":
                low, high = _range(schema)
                low, high = math.ceil(low), math.floor(high)
                if low > high:
                    raise Unmet
                return self._chance.randint(low, high)
            case "number":
                return self._chance.uniform(*_range(schema))
            case "boolean":
                return self._chance.random() < 0.5
            case "null":
                return None
        raise Unmet

    def _object(self, schema: Schema) -> object:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        if not isinstance(properties, Mapping) or not isinstance(required, list):
            raise Unmet
        if any(name not in [*properties] for name in required):
            raise Unmet
        return {name: self.make(inner) for name, inner in properties.items()}

    def _array(self, schema: Schema) -> object:
        least, most = _bounds(schema, "minItems", "maxItems", _ARRAY_ITEMS)
        items = schema.get("items", {"type": "string"})
        return [self.make(items) for _ in range(max(least, min(_ARRAY_ITEMS, most)))]

    def _string(self, schema: Schema) -> object:
        text = self._chance.choice(_WORDS)
        least, most = _bounds(schema, "minLength", "maxLength", len(text))
        return text.ljust(least, ".")[:most]


def _bounds(schema: Schema, lower: str, upper: str, usual: int) -> tuple[int, int]:
    least = math.ceil(_number(schema, lower, 0))
    most = math.floor(_number(schema, upper, max(least, usual)))
    if not 0 <= least <= most:
        raise Unmet
    return least, most


def _range(schema: Schema) -> tuple[float, float]:
    low = _number(schema, "minimum", min(0, _number(schema, "maximum", 0)))
    high = _number(schema, "maximum", low + 100)
    if low > high:
        raise Unmet
    return low, high


def _number(schema: Schema, keyword: str, usual: float) -> float:
    value = schema.get(keyword, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _LARGEST:
        raise Unmet
    return value
