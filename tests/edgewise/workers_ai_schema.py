"""
The input schemas of Workers AI in the words of JSON Schema, for a validator that others wrote.

Of the versions that Cloudflare published these two are furthest apart: the one of `-fast` and the
newer one of `-fp8`. The image that `-fast` lists is left out, and so is its longest text: later
versions count tokens instead.

Source: cloudflare/cloudflare-docs, src/content/workers-ai-models/, llama-3.1-8b-instruct-fast.json
    and llama-3.1-8b-instruct-fp8.json
"""

from collections.abc import Mapping

Schema = Mapping[str, object]

_STRING: Schema = {"type": "string"}
_SWITCH: Schema = {"type": "boolean"}


def _objects(properties: Schema, *required: str) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _arrays(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _numbers(least: float, most: float, kind: str = "number") -> Schema:
    return {"type": kind, "minimum": least, "maximum": most}


_PARAMETER = _objects({"type": _STRING, "description": _STRING}, "type", "description")
_PARAMETERS = _objects(
    {
        "type": _STRING,
        "required": _arrays(_STRING),
        "properties": {"type": "object", "additionalProperties": _PARAMETER},
    },
    *("type", "properties"),
)
_FUNCTION = _objects(
    {"name": _STRING, "description": _STRING, "parameters": _PARAMETERS},
    *("name", "description", "parameters"),
)
_TOOL = _objects({"type": _STRING, "function": _FUNCTION}, "type", "function")
_CODE = _objects({"name": _STRING, "code": _STRING}, "name", "code")
_PARTS = _arrays(_objects({"type": _STRING, "text": _STRING}))
_FORMAT = _objects(
    {"type": {"type": "string", "enum": ["json_object", "json_schema"]}, "json_schema": {}}
)


def _text_generation(content: Schema, penalty: Schema, newer: Schema) -> Schema:
    """
    Word a version of the schema.

    Args:
        content: Of a message.
        penalty: For frequency and presence.
        newer: Fields beside prompt and beside messages that older versions lack.
    """
    sampling = {
        "stream": _SWITCH,
        "max_tokens": {"type": "integer"},
        "temperature": _numbers(0, 5),
        "top_p": _numbers(0, 2),
        "top_k": _numbers(1, 50, "integer"),
        "seed": _numbers(1, 9_999_999_999, "integer"),
        "repetition_penalty": _numbers(0, 2),
        "frequency_penalty": penalty,
        "presence_penalty": penalty,
    }
    unscoped = {
        "prompt": {"type": "string", "minLength": 1},
        "lora": _STRING,
        "raw": _SWITCH,
        **sampling,
        **newer,
    }
    scoped = {
        "messages": _arrays(_objects({"role": _STRING, "content": content}, "role", "content")),
        "functions": _arrays(_CODE),
        "tools": _arrays({"oneOf": [_FUNCTION, _TOOL]}),
        **sampling,
        **newer,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "oneOf": [_objects(unscoped, "prompt"), _objects(scoped, "messages")],
    }


FAST = _text_generation(content=_STRING, penalty=_numbers(0, 2), newer={})
FP8 = _text_generation(
    content={"oneOf": [_STRING, _PARTS]},
    penalty=_numbers(-2, 2),
    newer={"raw": _SWITCH, "response_format": _FORMAT},
)
