"""The OpenAI view: chat completions and completions in, their objects and chunks out."""

from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta

from ... import examples
from ...asked.fields import decode_checked, decode_with_names, descriptions
from ...asked.generation import Generation, find_ignored, generate
from ...asked.inputs import EXPECTED, FIELDS, MOST_SEED, NAMES, Flag, Inputs, MaxTokens
from ...asked.models import find_model, serving
from ...errors import BadRequest, EdgewiseError
from ...exchange import Reply, Request, Rewritten, Stream
from ...heard.events import CallPiece
from ...heard.stream import Listener
from ...heard.whole import Heard, understand
from ...inference import Outcome
from ...openapi import alternatives_of, limit_max_tokens, properties_of
from ...replies import EVENT_STREAM, JSON, common_headers, json_reply, stream_headers
from ...routes import Dialect, Inference, Json, Lookup, Operation, Route, Schemas
from ...settings import Model, Settings
from ..cloudflare import ACCOUNT
from ..rewriting import Rewriting
from .chunks import ChunkWriter
from .objects import (
    ChatChunk,
    ChatCompletion,
    ChatMessage,
    ChatToolCall,
    Choice,
    FunctionCall,
    Heading,
    ModelList,
    OpenAIErrorBody,
    OpenAIModel,
    TextChoice,
    TextCompletion,
    call_id,
    text_reason,
    word_error,
    word_usage,
)

_StopText = Annotated[str, Meta(min_length=1, description="a string that is not empty")]
_STOP = "a string that is not empty, or an array of 1 to 4"


class StreamOptions(msgspec.Struct, frozen=True):
    """What else a stream holds."""

    include_usage: Flag | None = None
    include_obfuscation: Flag | None = None


class Extras(msgspec.Struct, frozen=True):
    """What OpenAI's bodies hold that Workers AI's inputs do not."""

    model: Annotated[str, Meta(description="a model's id")]
    max_completion_tokens: MaxTokens | None = None
    stop: (
        Annotated[
            _StopText | Annotated[list[_StopText], Meta(min_length=1, max_length=4)],
            Meta(description=_STOP),
        ]
        | None
    ) = None
    stream_options: (
        Annotated[StreamOptions, Meta(description="an object with include_usage")] | None
    ) = None
    n: object = None
    best_of: object = None
    echo: object = None
    suffix: object = None
    logprobs: object = None
    top_logprobs: object = None
    logit_bias: object = None
    modalities: object = None
    audio: object = None
    functions: object = None
    function_call: object = None
    web_search_options: object = None
    moderation: object = None
    seed: Annotated[int, Meta(description="an integer")] | None = None


# Fields that would change the answer in a way that Workers AI cannot: only these values are taken.
ONLY: Mapping[str, tuple[object, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "modalities": (["text"],),
    "audio": (),
    "functions": (),
    "function_call": (),
    "web_search_options": (),
    "moderation": (),
}
# Fields of OpenAI's that do not change what the answer is.
WITHOUT_EFFECT = frozenset(
    {
        *("user", "metadata", "store", "service_tier", "parallel_tool_calls", "prediction"),
        *("reasoning_effort", "verbosity", "safety_identifier"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    }
)
_OF_CHAT = frozenset({"messages", "tools", "tool_choice", "functions", "function_call"})
_OF_COMPLETIONS = frozenset({"best_of", "echo", "suffix"})
_TAKEN = FIELDS | set(Extras.__struct_fields__)
CHAT_FIELDS = _TAKEN - {"prompt", "raw"} - _OF_COMPLETIONS
COMPLETION_FIELDS = _TAKEN - _OF_CHAT

_EXTRAS = msgspec.json.Decoder(Extras)
_INPUTS = msgspec.json.Decoder(Inputs)
_EXTRAS_EXPECTED = {"": "an object", **descriptions(Extras)}
_NAMES = NAMES | set(Extras.__struct_fields__)
_LONGEST_NAME = 64


def parse_chat(document: bytes, _model: str | None, settings: Settings) -> Generation:
    """
    Read the body of a chat completion.

    Raises:
        BadRequest, UnknownModel, ContextLengthExceeded: As prompt.parse.
    """
    return _parse(document, settings, CHAT_FIELDS, "messages")


def parse_completion(document: bytes, _model: str | None, settings: Settings) -> Generation:
    """
    Read the body of a completion. Its prompt is an unscoped one, or with `raw` a raw one.

    Raises:
        BadRequest, UnknownModel, ContextLengthExceeded: As prompt.parse.
    """
    return _parse(document, settings, COMPLETION_FIELDS, "prompt")


def _parse(document: bytes, settings: Settings, known: frozenset[str], asked_by: str) -> Generation:
    extras, given = decode_with_names(
        document, _EXTRAS, _EXTRAS_EXPECTED, _NAMES, settings.max_json_depth
    )
    _refuse_unknown(name for name in given if name not in known)
    for name, allowed in ONLY.items():
        value = getattr(extras, name)
        if value is not None and not any(_is_same(value, one) for one in allowed):
            wanted = " or ".join(["null", *(msgspec.json.encode(one).decode() for one in allowed)])
            raise BadRequest(f"{name}: expected {wanted}, which is all there is here", param=name)
    inputs = decode_checked(document, _INPUTS, EXPECTED, BadRequest)
    if getattr(inputs, asked_by) is None:
        raise BadRequest(f"{asked_by}: expected {EXPECTED[asked_by]}, got nothing", param=asked_by)
    limited_by = "max_tokens"
    if extras.max_completion_tokens is not None:
        if inputs.max_tokens is not None:
            raise BadRequest(
                "max_tokens: expected none beside max_completion_tokens", param="max_tokens"
            )
        limited_by = "max_completion_tokens"
        inputs = msgspec.structs.replace(inputs, max_tokens=extras.max_completion_tokens)
    if extras.seed is not None and not 1 <= extras.seed <= MOST_SEED:
        # OpenAI's may be 0 or negative. What counts is that the same one gives the same.
        inputs = msgspec.structs.replace(inputs, seed=extras.seed % MOST_SEED or MOST_SEED)
    if extras.stream_options is not None and not inputs.stream:
        raise BadRequest("stream_options: expected only with stream", param="stream_options")
    options = extras.stream_options or StreamOptions()
    stop = extras.stop or []
    return generate(
        inputs,
        None,
        settings,
        ignored=find_ignored(given, known),
        limited_by=limited_by,
        stop=[stop] if isinstance(stop, str) else stop,
        include_usage=bool(options.include_usage),
    )


def _refuse_unknown(names: Iterable[str]) -> None:
    """Refuse what OpenAI refuses as well: a field that is not in its API, or in ours."""
    for name in names:
        if name in WITHOUT_EFFECT:
            continue
        if name.isidentifier() and len(name) <= _LONGEST_NAME:
            raise BadRequest(f"{name}: unknown field", param=name)
        raise BadRequest("body: expected fields of OpenAI's API, got another one")


def _is_same(value: object, allowed: object) -> bool:
    return type(value) is type(allowed) and value == allowed


def chat_reply(request: Request, generation: Generation, outcome: Outcome) -> Reply:
    """
    Answer with a chat completion, or with its chunks.

    Raises:
        UpstreamError: The JSON is not what Workers AI documents.
    """
    created = int(request.received_at)
    return _reply(
        Heading(True, f"chatcmpl-{request.id}", created, outcome.model), generation, outcome
    )


def completion_reply(request: Request, generation: Generation, outcome: Outcome) -> Reply:
    """
    Answer with a completion, or with its chunks.

    Raises:
        UpstreamError: The JSON is not what Workers AI documents.
    """
    created = int(request.received_at)
    return _reply(Heading(False, f"cmpl-{request.id}", created, outcome.model), generation, outcome)


def _reply(heading: Heading, generation: Generation, outcome: Outcome) -> Reply:
    headers = stream_headers(generation, outcome)
    writer = ChunkWriter(heading, include_usage=generation.include_usage)
    if isinstance(outcome.body, Stream):
        listener = Listener(
            generation.max_tokens, generation.stop, wants_usage=generation.include_usage
        )
        return Reply(
            200, headers, Rewritten(outcome.body, Rewriting(listener, writer, outcome.model))
        )
    heard = understand(outcome.model, outcome.body, generation.max_tokens, generation.stop)
    if generation.stream:  # some models answer with JSON all the same
        told = writer.write([*heard.events()]) + writer.close()
        return Reply(200, headers, told.decode(), heard.counted)
    return json_reply(
        200,
        _complete(heading, heard),
        common_headers(generation, outcome),
        heard.counted,
    )


def _complete(heading: Heading, heard: Heard) -> ChatCompletion | TextCompletion:
    reason = heard.reason or "stop"
    usage = word_usage(heard.counted) or UNSET
    if not heading.is_chat:
        choices = [TextChoice(0, heard.text or "", text_reason(reason))]
        return TextCompletion(
            heading.id, "text_completion", heading.created, heading.model, choices, usage
        )
    message = ChatMessage("assistant", heard.text, reasoning_content=heard.reasoning or UNSET)
    if heard.calls:
        message.tool_calls = [_call(piece, heading) for piece in heard.pieces()]
    return ChatCompletion(
        heading.id,
        "chat.completion",
        heading.created,
        heading.model,
        [Choice(0, message, reason)],
        usage,
    )


def _call(piece: CallPiece, heading: Heading) -> ChatToolCall:
    function = FunctionCall(piece.name, piece.arguments)
    return ChatToolCall(call_id(piece, heading.id), "function", function)


def models_reply(models: Mapping[str, Model]) -> Reply:
    """List the catalogue."""
    listed = ModelList("list", [_list(model) for model in models.values()])
    return json_reply(200, listed, {})


def model_reply(model: Model) -> Reply:
    """Describe one model of the catalogue."""
    return json_reply(200, _list(model), {})


def _list(model: Model) -> OpenAIModel:
    author = model.id.split("/")[1:2] or ["edgewise"]
    window = UNSET if model.context_window is None else model.context_window
    return OpenAIModel(
        id=model.id,
        object="model",
        created=0,
        owned_by=author[0],
        capabilities=list(model.capabilities),
        served_by=serving(model),
        context_window=window,
    )


def openai_error(error: EdgewiseError, headers: Mapping[str, str]) -> Reply:
    """Word an error."""
    return json_reply(error.status, word_error(error), headers)


def _list_models(_request: Request, _route: Route, settings: Settings) -> Reply:
    return models_reply(settings.models)


def _describe_model(_request: Request, route: Route, settings: Settings) -> Reply:
    return model_reply(find_model(route.model, settings))


def _finish_schemas(schemas: dict[str, Json], default: int, ceiling: int) -> None:
    """Describe the bodies, which are decoded twice: into Workers AI's inputs, and into Extras."""
    extras = schemas.pop("Extras")
    limit_max_tokens(extras, "max_completion_tokens", default, ceiling)
    known = {**properties_of(schemas["Inputs"]), **properties_of(extras)}
    for name, fields, asked_by in (
        ("ChatRequest", CHAT_FIELDS, "messages"),
        ("CompletionRequest", COMPLETION_FIELDS, "prompt"),
    ):
        properties = {key: value for key, value in known.items() if key in fields}
        properties[asked_by] = alternatives_of(properties[asked_by])[0]
        properties |= {
            key: {"enum": [None, *allowed]} for key, allowed in ONLY.items() if key in fields
        }
        ignored = {key: {"description": "Without effect."} for key in sorted(WITHOUT_EFFECT)}
        schemas[name] = {
            "title": name,
            "description": "As OpenAI's, and the other fields of Workers AI's inputs.",
            "type": "object",
            "properties": properties | ignored,
            "required": ["model", asked_by],
            "additionalProperties": False,
        }


def _operations(base: str, suffix: str) -> list[Operation]:
    """
    List the operations below a path.

    Args:
        suffix: Of their names.
    """
    return [
        Operation(
            name=f"chat{suffix}",
            path=f"{base}/v1/chat/completions",
            work=Inference(parse=parse_chat, reply=chat_reply),
            summary="A chat completion, or its chunks.",
            body="ChatRequest",
            answers={JSON: ChatCompletion, EVENT_STREAM: None},
        ),
        Operation(
            name=f"complete{suffix}",
            path=f"{base}/v1/completions",
            work=Inference(parse=parse_completion, reply=completion_reply),
            summary="A completion, or its chunks.",
            body="CompletionRequest",
            answers={JSON: TextCompletion, EVENT_STREAM: None},
        ),
        Operation(
            name=f"openaiModels{suffix}",
            path=f"{base}/v1/models",
            methods=("GET", "HEAD"),
            work=Lookup(_list_models),
            summary="The catalogue, as OpenAI lists models.",
            answers={JSON: ModelList},
        ),
        Operation(
            name=f"openaiModel{suffix}",
            path=f"{base}/v1/models/{{model}}",
            methods=("GET", "HEAD"),
            work=Lookup(_describe_model),
            summary="One model of the catalogue.",
            answers={JSON: OpenAIModel},
        ),
    ]


_HEAD: Json = {"created": 1_795_379_373, "model": examples.SERVED_BY}
_LISTED: Json = {
    "id": examples.MODEL,
    "object": "model",
    "created": 0,
    "owned_by": "meta",
    "capabilities": ["tools"],
    "served_by": [examples.SERVED_BY],
    "context_window": 128_000,
}
_END: Json = {"finish_reason": "length", "logprobs": None}
OPENAI = Dialect(
    name="OpenAI's",
    paths=r"(/client/v4/accounts/[^/]+/ai)?/v1(/|$)",
    refuse=openai_error,
    request_headers=["openai-organization", "openai-project", "openai-beta", "idempotency-key"],
    # OpenAI's library for browsers describes itself, each version in a few headers more.
    request_header_pattern="x-stainless-[a-z-]{1,40}",
    operations=[*_operations("", ""), *_operations(ACCOUNT, "OfAccount")],
    schemas=Schemas(
        structs=[
            *(Inputs, Extras, ChatCompletion, ChatChunk, TextCompletion),
            *(ModelList, OpenAIModel, OpenAIErrorBody),
        ],
        error=OpenAIErrorBody,
        finish=_finish_schemas,
        examples={
            "ChatRequest": {
                "model": examples.MODEL,
                "messages": examples.MESSAGES,
                "max_tokens": 4,
            },
            "CompletionRequest": {"model": examples.MODEL, "prompt": "Hello", "max_tokens": 4},
            "ChatCompletion": {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                **_HEAD,
                "choices": [
                    {
                        "index": 0,
                        "message": {"role": "assistant", "content": examples.TEXT, "refusal": None},
                        **_END,
                    }
                ],
                "usage": examples.USAGE,
            },
            "ChatChunk": {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                **_HEAD,
                "choices": [
                    {"index": 0, "delta": {"content": "I"}, "finish_reason": None, "logprobs": None}
                ],
            },
            "TextCompletion": {
                "id": "cmpl-1",
                "object": "text_completion",
                **_HEAD,
                "choices": [{"index": 0, "text": examples.TEXT, **_END}],
                "usage": examples.USAGE,
            },
            "OpenAIModel": _LISTED,
            "ModelList": {"object": "list", "data": [_LISTED]},
            "OpenAIErrorBody": {
                "error": {
                    "message": examples.REFUSAL,
                    "type": "invalid_request_error",
                    "param": "temperature",
                    "code": "invalid_request",
                }
            },
        },
    ),
)
