"""Tools that a model may call, put into the form that Workers AI's schema takes."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ..errors import BadRequest

Name = Annotated[str, Meta(min_length=1, description="a string that is not empty")]
_Description = Annotated[str, Meta(description="a string")]
_Kind = Annotated[Literal["function"], Meta(description='"function"')]
_Schema = Annotated[dict[str, object], Meta(description="a JSON Schema of type object")]

# A JSON value's type, as JSON Schema names it.
_TYPES: Mapping[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}
_NULL = "null"
# What only a schema of that type has.
_PARTS = {"properties": "object", "items": "array"}
_MOST_LOOKS = 20_000  # in all the tools of a request; some tens of milliseconds


class Function(msgspec.Struct, frozen=True):
    """What a tool does and takes."""

    name: Name
    description: _Description | None = None
    parameters: _Schema | None = None


class Tool(msgspec.Struct, frozen=True):
    """
    A tool, as OpenAI words it (`type`, `function`) or flat (`name`, `description`, `parameters`).
    """

    type: _Kind | None = None
    function: Annotated[Function, Meta(description="an object with name")] | None = None
    name: Name | None = None
    description: _Description | None = None
    parameters: _Schema | None = None


class NamedFunction(msgspec.Struct, frozen=True):
    """A function, by its name."""

    name: Name


class NamedTool(msgspec.Struct, frozen=True):
    """The one tool that is to be called."""

    type: _Kind
    function: Annotated[NamedFunction, Meta(description="an object with name")]


ToolChoice = Annotated[
    Literal["auto", "none", "required", "any"] | NamedTool,
    Meta(description='"auto", "none", "required" or {"type": "function", "function": {"name"}}'),
]


def word_tools(tools: Sequence[Tool]) -> tuple[list[dict[str, object]], list[str]]:
    """
    Word tools as Workers AI takes them: each with a description and parameters, each parameter with
    a type and a description.

    A missing description becomes an empty one. A missing type is told from the schema: from the
    values allowed, the first alternative that is not null, what it refers to, or its parts. Where
    nothing tells it, it is that of text, which anything can be written in.

    Returns:
        The tools in the form in which they came, OpenAI's or flat; and their names.

    Raises:
        BadRequest: Names the field.

    Source: `tools` in the model's JSON schema at
        developers.cloudflare.com/workers-ai/models/llama-3.1-8b-instruct-fp8/
    """
    worded: list[dict[str, object]] = []
    names: list[str] = []
    looks = itertools.count(1)
    for index, tool in enumerate(tools):
        path = f"tools[{index}]"
        if (tool.function is None) == (tool.name is None):
            got = "neither" if tool.name is None else "both"
            raise BadRequest(f"{path}: expected one of function and name, got {got}", param=path)
        if tool.function is None:
            assert tool.name is not None
            flat = Function(tool.name, tool.description, tool.parameters)
            worded.append(_word_function(flat, path, looks))
            names.append(tool.name)
        else:
            function = _word_function(tool.function, f"{path}.function", looks)
            worded.append({"type": "function", "function": function})
            names.append(tool.function.name)
    return worded, names


def _word_function(function: Function, path: str, looks: Iterator[int]) -> dict[str, object]:
    return {
        "name": function.name,
        "description": function.description or "",
        "parameters": _word_parameters(function.parameters or {}, f"{path}.parameters", looks),
    }


def _word_parameters(
    schema: Mapping[str, object], path: str, looks: Iterator[int]
) -> dict[str, object]:
    kind = schema.get("type") or "object"
    if kind != "object":
        raise _wrong(f"{path}.type", '"object"')
    properties = schema.get("properties")
    properties = {} if properties is None else properties
    if not isinstance(properties, dict):
        raise _wrong(f"{path}.properties", "an object")
    required = schema.get("required")
    required = [] if required is None else required
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise _wrong(f"{path}.required", "an array of strings")
    rest = {name: value for name, value in schema.items() if name != "required"}
    types = _Types(schema, looks)
    return {
        **rest,
        "type": "object",
        "properties": {
            name: _word_parameter(parameter, types, f"{path}.properties")
            for name, parameter in properties.items()
        },
        **({"required": required} if required else {}),
    }


def _word_parameter(parameter: object, types: "_Types", path: str) -> dict[str, object]:
    # A parameter's name is the caller's text and is not told.
    parameter = {} if parameter is True else parameter
    if not isinstance(parameter, dict):
        raise _wrong(path, "an object of JSON Schemas")
    description = parameter.get("description")
    if not isinstance(description, str | None):
        raise _wrong(path, "schemas whose description is a string")
    if not isinstance(parameter.get("type"), str | list | None):
        raise _wrong(path, "schemas whose type is a string or an array")
    kind = types.find(parameter) or _TYPES[str]
    return {**parameter, "type": kind, "description": description or ""}


class _Types:
    """Tells the types of what the schemas of one tool describe."""

    def __init__(self, whole: Mapping[str, object], looks: Iterator[int]) -> None:
        """
        Args:
            whole: What references lead into.
            looks: Counts what is looked at: a schema may be reached in many ways.
        """
        self._whole = whole
        self._looks = looks
        self._referred: dict[tuple[str, int], str | None] = {}

    def find(self, schema: object, hops: int = 8) -> str | None:
        """
        Tell the type of what a schema describes, null only where it can be nothing else.

        Args:
            hops: How many more references and alternatives are followed, one within the other.
        """
        if not isinstance(schema, dict) or not hops:
            return None
        for kind in self._candidates(schema, hops - 1):
            if next(self._looks) > _MOST_LOOKS:
                raise BadRequest(
                    "tools: expected fewer parameters, alternatives, values and references",
                    param="tools",
                )
            if kind not in (None, _NULL):
                return kind
        return _NULL if schema.get("type") == _NULL else None

    def _candidates(self, schema: Mapping[str, object], hops: int) -> Iterator[str | None]:
        kinds = schema.get("type")
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            yield kind if isinstance(kind, str) else None
        values = schema.get("enum")
        for value in values if isinstance(values, list) else [schema.get("const")]:
            yield _TYPES.get(type(value))
        yield _TYPES.get(type(schema.get("default")))
        yield from (kind for part, kind in _PARTS.items() if part in schema)
        for keyword in ("anyOf", "oneOf", "allOf"):
            alternatives = schema.get(keyword)
            for each in alternatives if isinstance(alternatives, list) else []:
                yield self.find(each, hops)
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/"):
            yield self._follow(reference, hops)

    def _follow(self, reference: str, hops: int) -> str | None:
        # Once for each way to get there, or references among many parameters never end.
        if (reference, hops) not in self._referred:
            target: object = self._whole
            for step in reference.removeprefix("#/").split("/"):
                step = step.replace("~1", "/").replace("~0", "~")  # RFC 6901, 4
                target = target.get(step) if isinstance(target, dict) else None
            self._referred[reference, hops] = self.find(target, hops)
        return self._referred[reference, hops]


def _wrong(path: str, wanted: str) -> BadRequest:
    return BadRequest(f"{path}: expected {wanted}, got something else", param=path)
