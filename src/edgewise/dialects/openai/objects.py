"""
The objects of OpenAI's API, and how Workers AI's words become them.

Source: the types of the openai libraries, which are generated from OpenAI's own API description.
"""

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ...errors import EdgewiseError
from ...heard.events import CallPiece, FinishReason, Usage

TextReason = Literal["stop", "length", "content_filter"]


class FunctionCall(msgspec.Struct, omit_defaults=True):
    """A function that is called, or a piece of the call."""

    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class ChatToolCall(msgspec.Struct):
    """A call in a message."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class ToolCallDelta(msgspec.Struct):
    """A call in a chunk, or a piece of one."""

    index: int
    function: FunctionCall
    id: str | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class ChatMessage(msgspec.Struct):
    """The assistant's turn."""

    role: Literal["assistant"]
    content: str | None
    refusal: None = None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ChatToolCall] | UnsetType = UNSET


class Choice(msgspec.Struct):
    """The one answer."""

    index: int
    message: ChatMessage
    finish_reason: FinishReason
    logprobs: None = None


class TextChoice(msgspec.Struct):
    """The one answer to a prompt, or a piece of it."""

    index: int
    text: str
    finish_reason: TextReason | None
    logprobs: None = None


class Delta(msgspec.Struct, omit_defaults=True):
    """A piece of the assistant's turn."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCallDelta] | UnsetType = UNSET


class DeltaChoice(msgspec.Struct):
    """A piece of the one answer."""

    index: int
    delta: Delta
    finish_reason: FinishReason | None
    logprobs: None = None


class TokenUsage(msgspec.Struct):
    """Tokens, as Workers AI counted them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: Raw | UnsetType = UNSET


class ChatCompletion(msgspec.Struct):
    """An answer to messages."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: TokenUsage | UnsetType = UNSET


class TextCompletion(msgspec.Struct):
    """An answer to a prompt; also a chunk of one."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: TokenUsage | None | UnsetType = UNSET


class ChatChunk(msgspec.Struct):
    """A chunk of an answer to messages."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[DeltaChoice]
    usage: TokenUsage | None | UnsetType = UNSET


class OpenAIModel(msgspec.Struct):
    """
    A model of the catalogue.

    Attributes:
        created: Seconds since 1970; Workers AI does not say when a model was made, so 0.
        context_window: Tokens; absent when the deployment does not tell.
    """

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    capabilities: list[str]
    served_by: list[str]
    context_window: int | UnsetType = UNSET


class ModelList(msgspec.Struct):
    """The catalogue."""

    object: Literal["list"]
    data: list[OpenAIModel]


class OpenAIError(msgspec.Struct):
    """What went wrong, in the words that OpenAI's clients read."""

    message: str
    type: str
    param: str | None
    code: str
    upstream_code: int | UnsetType = UNSET


class OpenAIErrorBody(msgspec.Struct):
    """The one shape of an error; a stream that breaks ends with one, too."""

    error: OpenAIError


class Heading(msgspec.Struct, frozen=True):
    """
    What all chunks of an answer have in common.

    Attributes:
        is_chat: Whether it answers messages, not a prompt.
        model: The id that ran.
        created: Seconds since 1970.
    """

    is_chat: bool
    id: str
    created: int
    model: str


def call_id(piece: CallPiece, answer_id: str) -> str:
    """Find a call's id, or make one from that of the answer, for calls that came without."""
    return piece.id or f"call-{piece.number}-{answer_id}"


def text_reason(reason: FinishReason) -> TextReason:
    """Give a completion's reason to end: OpenAI's know no tool calls."""
    return "stop" if reason == "tool_calls" else reason


def word_usage(usage: Usage | None) -> TokenUsage | None:
    """Word a count as OpenAI does, where it has both parts."""
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    prompt, completion = int(usage.prompt_tokens), int(usage.completion_tokens)
    details = usage.details
    return TokenUsage(prompt, completion, prompt + completion, details if details else UNSET)


_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def word_error(error: EdgewiseError) -> OpenAIErrorBody:
    usual = "invalid_request_error" if error.status < 500 else "server_error"
    kind = _TYPES.get(error.status, usual)
    upstream = UNSET if error.upstream_code is None else error.upstream_code
    return OpenAIErrorBody(OpenAIError(error.message, kind, error.param, error.code, upstream))
