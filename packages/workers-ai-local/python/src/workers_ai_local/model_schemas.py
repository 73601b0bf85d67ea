"""
The input schemas of the text models, as far as they are known.

The order of branches and properties is the order of complaints.
"""

import math

from .validation import Schema


def text_generation(
    *,
    longest_text: float = math.inf,
    content_parts: bool = False,
    json_mode: bool = False,
    top_p: tuple[float, float] = (0, 2),
    least_penalty: int = 0,
) -> Schema:
    """
    Make a version of the schema of text generation.

    Left out are the image that the oldest versions list, and the batches of the 70b model.

    Args:
        longest_text: Of a prompt and of a message, in UTF-16 code units.
        content_parts: A message has a text or an array of parts.
        json_mode: There is response_format, and raw beside messages too.
        top_p: From, to.
        least_penalty: Of frequency and presence; the greatest is 2.

    Source: cloudflare/cloudflare-docs, src/content/workers-ai-models/ (the JSON files);
        content_parts from @cloudflare/workers-types
    """
    prompt = Schema(type="string", min_length=1, max_length=longest_text)
    text = Schema(type="string", max_length=longest_text)
    parts = _array(_object((), type=_STRING, text=_STRING))
    content = Schema(one_of=(text, parts)) if content_parts else text
    chat = {
        "messages": _array(_object(("role", "content"), role=_STRING, content=content)),
        "functions": _array(_object(("name", "code"), name=_STRING, code=_STRING)),
        "tools": _array(Schema(type="object", one_of=(_FUNCTION, _TOOL))),
    }
    sampling = {
        "stream": _SWITCH,
        "max_tokens": Schema(type="integer", default=256),
        "temperature": Schema(type="number", default=0.6, minimum=0, maximum=5),
        "top_p": Schema(type="number", minimum=top_p[0], maximum=top_p[1]),
        "top_k": Schema(type="integer", minimum=1, maximum=50),
        "seed": Schema(type="integer", minimum=1, maximum=9_999_999_999),
        "repetition_penalty": Schema(type="number", minimum=0, maximum=2),
        "frequency_penalty": Schema(type="number", minimum=least_penalty, maximum=2),
        "presence_penalty": Schema(type="number", minimum=least_penalty, maximum=2),
    }
    raw = {"raw": _SWITCH}
    lora = {"lora": _STRING}
    if json_mode:
        json_format = {"response_format": _object((), type=_JSON_FORMAT, json_schema=Schema())}
        unscoped = {"prompt": prompt} | lora | json_format | raw | sampling
        scoped = chat | json_format | raw | sampling
    else:
        unscoped = {"prompt": prompt} | raw | sampling | lora
        scoped = chat | sampling
    branches = (_object(("prompt",), **unscoped), _object(("messages",), **scoped))
    return Schema(type="object", one_of=branches)


def _object(required: tuple[str, ...], /, **properties: Schema) -> Schema:
    return Schema(type="object", properties=properties, required=required)


def _array(items: Schema) -> Schema:
    return Schema(type="array", items=items)


_STRING = Schema(type="string")
_SWITCH = Schema(type="boolean", default=False)
_JSON_FORMAT = Schema(type="string", enum=("json_object", "json_schema"))
_PARAMETER = _object(("type", "description"), type=_STRING, description=_STRING)
_PARAMETERS = _object(
    ("type", "properties"),
    type=_STRING,
    required=_array(_STRING),
    properties=Schema(type="object", additional_properties=_PARAMETER),
)
_FUNCTION = _object(
    ("name", "description", "parameters"),
    name=_STRING,
    description=_STRING,
    parameters=_PARAMETERS,
)
_TOOL = _object(("type", "function"), type=_STRING, function=_FUNCTION)

FAST = text_generation(longest_text=131_072)
FP8 = text_generation(content_parts=True, json_mode=True, least_penalty=-2)
FP8_FAST_70B = text_generation(
    content_parts=True, json_mode=True, least_penalty=-2, top_p=(0.001, 1)
)
