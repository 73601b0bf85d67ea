"""What a caller asks for: every body we accept, decoded and validated once into a Generation."""

from collections.abc import Container, Mapping, Sequence
from operator import attrgetter
from typing import cast

import msgspec

from ..errors import BadRequest
from ..gate.caps import check_characters, check_counts
from ..settings import Settings
from .fields import decode_with_names, name_value, read_query
from .inputs import (
    EXPECTED,
    FIELDS,
    MOST_SEED,
    NAMES,
    NOT_EMPTY,
    SEED,
    Inputs,
    Message,
    ResponseFormat,
)
from .messages import impose, read_texts, word_messages
from .models import check_window, find_model
from .tools import word_tools

_DECODER = msgspec.json.Decoder(Inputs)
_QUERY_DECODER = msgspec.json.Decoder(Inputs, strict=False)  # all that a query holds is text
_LONGEST_NAME = 64
_MOST_NAMES = 16


class Generation(msgspec.Struct, frozen=True):
    """
    One validated request for text.

    Attributes:
        model: The public id.
        inputs: JSON text, as Workers AI takes it; max_tokens is always in it.
        max_tokens: Tokens, the limit that the completion runs under.
        stream: Whether a stream was asked for.
        stop: Texts that end the completion. Workers AI has no such input.
        include_usage: Whether a stream of OpenAI's chunks ends with the usage.
        reject_if_busy: Whether not to wait for capacity.
        ignored: Names of fields that were sent and do nothing.
    """

    model: str
    inputs: str
    max_tokens: int
    stream: bool = False
    stop: Sequence[str] = ()
    include_usage: bool = False
    reject_if_busy: bool = False
    ignored: Sequence[str] = ()


def parse(document: bytes, model: str | None, settings: Settings, name: str = "body") -> Generation:
    """
    Read a native body, or the inputs of a call.

    Args:
        document: `{"prompt"}`, `{"prompt", "raw": true}` or `{"messages"}`, each with any of
            the other fields of Inputs. Untrusted.
        model: The public id that the path names.
        name: What the document itself is called.

    Raises:
        BadRequest: Names the field, what was expected there and what was found.
        UnknownModel: There is no such model.
        ContextLengthExceeded: It does not fit into the model's context window.
    """
    inputs, given = decode_with_names(
        document, _DECODER, EXPECTED, NAMES, settings.max_json_depth, name
    )
    return generate(inputs, model, settings, ignored=find_ignored(given, FIELDS))


def parse_query(query: str, model: str | None, settings: Settings) -> Generation:
    """
    Read a query that asks for a stream.

    Args:
        query: `prompt` and any of the fields of Inputs that are neither arrays nor objects, each
            once, percent-encoded. Untrusted.
        model: The public id that the path names.

    Raises:
        BadRequest, UnknownModel, ContextLengthExceeded: As for a body.
    """
    document = read_query(query, FIELDS)
    inputs, given = decode_with_names(document, _QUERY_DECODER, EXPECTED, FIELDS)
    if inputs.stream is False:
        raise BadRequest("stream: expected true, a GET is answered by a stream", param="stream")
    if inputs.prompt is None:
        raise BadRequest(f"prompt: expected {NOT_EMPTY}, got nothing", param="prompt")
    inputs = msgspec.structs.replace(inputs, stream=True)
    return generate(inputs, model, settings, ignored=find_ignored(given, FIELDS))


def find_ignored(given: Mapping[str, object], known: Container[str]) -> list[str]:
    """
    Name the fields of a body that do nothing, those of its messages too.

    Only names that a header can carry, and no more than a few: they are the caller's text.

    Args:
        given: The body, as read_names reads it once it was found valid.
        known: The fields at the top that do something.
    """
    names = [name for name in given if name not in known]
    for index, turn in enumerate(cast(list[dict[str, object]], given.get("messages") or ())):
        if not turn.keys() <= _OF_MESSAGE:
            names += [f"messages[{index}].{name}" for name in turn if name not in _OF_MESSAGE]
    if not names:
        return names
    told = [
        name
        for name in names[:_MOST_NAMES]
        if len(name) <= _LONGEST_NAME and name.isascii() and name.isprintable() and "," not in name
    ]
    return told if len(told) == len(names) else [*told, "..."]


_OF_MESSAGE = frozenset(Message.__struct_fields__)


def generate(
    inputs: Inputs,
    model: str | None,
    settings: Settings,
    *,
    ignored: Sequence[str],
    limited_by: str = "max_tokens",
    stop: Sequence[str] = (),
    include_usage: bool = False,
) -> Generation:
    """
    Bring inputs into their one normal form: the validation that all dialects share.

    Args:
        model: The public id that the path names.
        limited_by: The field that max_tokens came from.

    Raises:
        BadRequest, UnknownModel, ContextLengthExceeded: As for a body.
    """
    if (inputs.prompt is None) == (inputs.messages is None):
        got = "neither" if inputs.prompt is None else "both"
        raise BadRequest(f"prompt, messages: expected exactly one of them, got {got}")
    if model is not None and inputs.model not in (None, model):
        raise BadRequest("model: expected the one that is named already, or none", param="model")
    found = find_model(model or inputs.model, settings)
    max_tokens = inputs.max_tokens or settings.max_tokens_default
    if max_tokens > settings.max_tokens_ceiling:
        raise BadRequest(
            f"{limited_by}: expected at most {settings.max_tokens_ceiling}, the ceiling of this"
            f" deployment, got {name_value(max_tokens)}",
            param=limited_by,
        )
    if inputs.seed is not None and not 1 <= inputs.seed <= MOST_SEED:
        raise BadRequest(f"seed: expected {SEED}, got {name_value(inputs.seed)}", param="seed")
    check_counts(inputs, settings)
    sent = _word_prompt(inputs)
    if inputs.tools or inputs.tool_choice is not None:
        sent |= _word_tools(inputs)
    sent |= _word_format(inputs.response_format)
    for name, value in zip(_PASSED_ON, _passed_on(inputs), strict=True):
        if value is not None and value != []:
            sent[name] = value
    sent["max_tokens"] = max_tokens
    texts, rest = read_texts(sent)
    check_characters("prompt" if inputs.messages is None else "messages", texts, rest, settings)
    if settings.system_prompt:
        sent = impose(settings.system_prompt, sent)
        texts.append(settings.system_prompt)
    worded = msgspec.json.encode(sent).decode()
    check_window(found, texts, worded, max_tokens, limited_by)
    return Generation(
        model=found.id,
        inputs=worded,
        max_tokens=max_tokens,
        stream=bool(inputs.stream),
        stop=stop,
        include_usage=include_usage,
        reject_if_busy=bool(inputs.options and inputs.options.rejectIfBusy),
        ignored=ignored,
    )


# Fields that are not passed on as they are.
_PUT_INTO_FORM = {
    *("model", "messages", "prompt", "max_tokens", "response_format", "tools", "tool_choice"),
    "options",
}
_PASSED_ON = tuple(name for name in Inputs.__struct_fields__ if name not in _PUT_INTO_FORM)
_passed_on = attrgetter(*_PASSED_ON)


def _word_prompt(inputs: Inputs) -> dict[str, object]:
    if inputs.messages is not None:
        if inputs.raw:
            raise BadRequest(
                "raw: expected true only with prompt, got true with messages", param="raw"
            )
        return {"messages": word_messages(inputs.messages)}
    for name in ("tools", "functions"):
        if getattr(inputs, name):
            raise BadRequest(f"{name}: expected only with messages, got it with prompt", param=name)
    assert inputs.prompt is not None
    return {"prompt": inputs.prompt if isinstance(inputs.prompt, str) else inputs.prompt[0]}


def _word_tools(inputs: Inputs) -> dict[str, object]:
    tools, names = word_tools(inputs.tools or [])
    choice = inputs.tool_choice
    if choice is None or choice == "auto" or choice == "none":
        return {"tools": tools} if tools and choice != "none" else {}
    if not tools:
        raise BadRequest("tool_choice: expected only with tools", param="tool_choice")
    if isinstance(choice, str):
        return {"tools": tools, "tool_choice": "required"}
    if choice.function.name not in names:
        raise BadRequest(
            "tool_choice.function.name: expected one of the tools",
            param="tool_choice.function.name",
        )
    return {"tools": tools, "tool_choice": msgspec.to_builtins(choice)}


_WRAPPER = {"name", "description", "strict"}


def _word_format(response_format: ResponseFormat | None) -> dict[str, object]:
    if response_format is None or response_format.type == "text":
        return {}
    schema = response_format.json_schema
    path = "response_format.json_schema"
    if schema is None:
        if response_format.type == "json_schema":
            raise BadRequest(f"{path}: expected a JSON Schema, got nothing", param=path)
        return {"response_format": {"type": response_format.type}}
    # OpenAI's wrapper holds what is no word of JSON Schema.
    if "schema" in schema or ("name" in schema and schema.keys() <= _WRAPPER):
        wrapped = schema.get("schema")
        if not isinstance(wrapped, dict):
            raise BadRequest(
                f"{path}.schema: expected a JSON Schema, got {name_value(wrapped)}",
                param=f"{path}.schema",
            )
        schema = wrapped
    return {"response_format": {"type": response_format.type, "json_schema": schema}}
