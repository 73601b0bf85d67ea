"""
The OpenAI view: chat completions and completions in, their objects and chunks out.

Source: the types of the openai libraries, which are generated from OpenAI's own API description.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from .answers import (
    Answer,
    Call,
    FinishReason,
    Usage,
    find_reason,
    read_answer,
    read_call,
    read_code,
    read_usage,
    understand,
)
from .errors import BadRequest, EdgewiseError, UpstreamError
from .exchange import Reply, Request, Rewritten, Stream
from .fields import decode, descriptions, unknown_fields
from .inference import Outcome
from .models import serving
from .prompt import EXPECTED, FIELDS, Flag, Generation, Inputs, MaxTokens, find_ignored, generate
from .replies import common_headers, json_reply, stream_headers
from .settings import Model, Settings
from .sse import DONE, Lines

_StopText = Annotated[str, Meta(min_length=1, description="a string that is not empty")]
_STOP = "a string that is not empty, or an array of 1 to 4"


class StreamOptions(msgspec.Struct, frozen=True):
    """What a stream holds besides."""

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
}
# Fields of OpenAI's that do not change what the answer is.
WITHOUT_EFFECT = frozenset(
    {
        *("user", "metadata", "store", "service_tier", "parallel_tool_calls", "prediction"),
        *("reasoning_effort", "verbosity", "safety_identifier"),
        *("prompt_cache_key", "prompt_cache_retention"),
    }
)
_OF_COMPLETIONS = frozenset({"best_of", "echo", "suffix"})
_TAKEN = FIELDS | set(Extras.__struct_fields__)
CHAT_FIELDS = _TAKEN - {"prompt", "raw"} - _OF_COMPLETIONS
COMPLETION_FIELDS = _TAKEN - {"messages", "tools", "tool_choice", "functions", "function_call"}

_EXTRAS = msgspec.json.Decoder(Extras)
_INPUTS = msgspec.json.Decoder(Inputs)
_EXTRAS_EXPECTED = {"": "an object", **descriptions(Extras)}
_LONGEST_NAME = 64


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
    finish_reason: FinishReason | None
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
        created: Seconds since 1970; Workers AI tells of no model when it was made, so 0.
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


def parse_chat(document: bytes, settings: Settings) -> Generation:
    """
    Read the body of a chat completion.

    Raises:
        BadRequest, UnknownModel, ContextLengthExceeded: As prompt.parse.
    """
    return _parse(document, settings, CHAT_FIELDS, "messages")


def parse_completion(document: bytes, settings: Settings) -> Generation:
    """
    Read the body of a completion. Its prompt is an unscoped one, or with `raw` a raw one.

    Raises:
        BadRequest, UnknownModel, ContextLengthExceeded: As prompt.parse.
    """
    return _parse(document, settings, COMPLETION_FIELDS, "prompt")


def _parse(document: bytes, settings: Settings, known: frozenset[str], asked_by: str) -> Generation:
    extras = decode(document, _EXTRAS, _EXTRAS_EXPECTED, BadRequest)
    _refuse_unknown(document, known)
    for name, allowed in ONLY.items():
        value = getattr(extras, name)
        if value is not None and not any(_is_same(value, one) for one in allowed):
            wanted = " or ".join(["null", *(msgspec.json.encode(one).decode() for one in allowed)])
            raise BadRequest(f"{name}: expected {wanted}, which is all there is here", param=name)
    inputs = decode(document, _INPUTS, EXPECTED, BadRequest)
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
    if extras.stream_options is not None and not inputs.stream:
        raise BadRequest("stream_options: expected only with stream", param="stream_options")
    options = extras.stream_options or StreamOptions()
    stop = extras.stop or []
    return generate(
        inputs,
        None,
        settings,
        ignored=find_ignored(document, inputs, known),
        limited_by=limited_by,
        stop=[stop] if isinstance(stop, str) else stop,
        include_usage=bool(options.include_usage),
    )


def _refuse_unknown(document: bytes, known: frozenset[str]) -> None:
    """Refuse what OpenAI refuses as well: a field that is none of its API, or of ours."""
    for name in unknown_fields(document, known | WITHOUT_EFFECT):
        if name.isidentifier() and len(name) <= _LONGEST_NAME:
            raise BadRequest(f"{name}: unknown field", param=name)
        raise BadRequest("body: expected fields of OpenAI's API, got another one")


def _is_same(value: object, allowed: object) -> bool:
    return type(value) is type(allowed) and value == allowed


@dataclass(frozen=True, slots=True)
class Heading:
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


def chat_reply(request: Request, generation: Generation, outcome: Outcome) -> Reply:
    """
    Answer with a chat completion, or with its chunks.

    Raises:
        UpstreamError: The JSON is none that Workers AI documents.
    """
    created = int(request.received_at)
    return _reply(
        Heading(True, f"chatcmpl-{request.id}", created, outcome.model), generation, outcome
    )


def completion_reply(request: Request, generation: Generation, outcome: Outcome) -> Reply:
    """
    Answer with a completion, or with its chunks.

    Raises:
        UpstreamError: The JSON is none that Workers AI documents.
    """
    created = int(request.received_at)
    return _reply(Heading(False, f"cmpl-{request.id}", created, outcome.model), generation, outcome)


def _reply(heading: Heading, generation: Generation, outcome: Outcome) -> Reply:
    headers = stream_headers(generation, outcome)
    if isinstance(outcome.body, Stream):
        rewriter = Chunks(heading, generation)
        return Reply(200, headers, Rewritten(outcome.body, rewriter))
    answer, reason, _ = understand(outcome.model, outcome.body, generation.max_tokens)
    if generation.stream:  # some models answer with JSON all the same
        frame = b"data: " + outcome.body.replace("\n", " ").encode() + b"\n\ndata: [DONE]\n\n"
        return Reply(200, headers, Chunks(heading, generation).feed(frame).decode())
    return json_reply(
        200,
        _complete(heading, generation, answer, reason or "stop"),
        common_headers(generation, outcome),
    )


def _complete(
    heading: Heading, generation: Generation, answer: Answer, reason: FinishReason
) -> ChatCompletion | TextCompletion:
    text = answer.text
    stopper = Stopper(generation.stop)
    if text is not None:
        text = stopper.feed(text) + stopper.close()
    if stopper.has_stopped:
        reason = "stop"
    usage = _word_usage(read_usage(answer.usage)) or UNSET
    if not heading.is_chat:
        choices = [TextChoice(0, text or "", reason)]
        return TextCompletion(
            heading.id, "text_completion", heading.created, heading.model, choices, usage
        )
    message = ChatMessage("assistant", text, reasoning_content=answer.reasoning or UNSET)
    if answer.calls and not stopper.has_stopped:
        writer = CallWriter(heading.id)
        message.tool_calls = [writer.whole(read_call(call)) for call in answer.calls]
    return ChatCompletion(
        heading.id,
        "chat.completion",
        heading.created,
        heading.model,
        [Choice(0, message, reason)],
        usage,
    )


class Stopper:
    """Lets text through up to the first stop text, and holds back what may be the start of one."""

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = stop
        self._held = ""
        self.has_stopped = False

    def feed(self, text: str) -> str:
        """
        Take some text.

        Returns:
            What of it, and of what was held back, certainly comes before any stop text.
        """
        if not self._stop:
            return text
        if self.has_stopped:
            return ""
        text = self._held + text
        ends = [at for at in map(text.find, self._stop) if at >= 0]
        if ends:
            self.has_stopped, self._held = True, ""
            return text[: min(ends)]
        held = max(_overlap(text, stop) for stop in self._stop)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def close(self) -> str:
        """Take what was held back: nothing follows it any more."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Tell how much of a text's end is the beginning of a stop text."""
    longest = min(len(stop) - 1, len(text))
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)


class CallWriter:
    """Words tool calls as OpenAI does, whichever way a model numbers them."""

    def __init__(self, answer_id: str) -> None:
        """
        Args:
            answer_id: What the ids of calls are made of that come without one.
        """
        self._answer_id = answer_id
        self._ids: list[str] = []
        self._numbers: dict[int, int] = {}  # theirs to ours

    @property
    def has_called(self) -> bool:
        """Whether there was any."""
        return bool(self._ids)

    def whole(self, call: Call) -> ChatToolCall:
        """Word a call that came in one piece."""
        return ChatToolCall(
            self._open(call), "function", FunctionCall(call.name or "", call.arguments)
        )

    def piece(self, call: Call) -> ToolCallDelta | None:
        """
        Word a call or a piece of one.

        Returns:
            None when it says nothing, as the last one of some models.
        """
        if not (call.name or call.arguments):
            return None
        number = len(self._ids) - 1
        if call.index is not None:
            number = self._numbers.get(call.index, len(self._ids))
        is_known = 0 <= number < len(self._ids)
        # Some models give every call the same number, or none; but each has its own name or id.
        if is_known and (not call.name or call.id == self._ids[number]):
            return ToolCallDelta(number, FunctionCall(arguments=call.arguments))
        call_id = self._open(call)
        function = FunctionCall(call.name or "", call.arguments)
        return ToolCallDelta(len(self._ids) - 1, function, call_id, "function")

    def _open(self, call: Call) -> str:
        number = len(self._ids)
        if call.index is not None:
            self._numbers[call.index] = number
        self._ids.append(call.id or f"call-{number}-{self._answer_id}")
        return self._ids[-1]


class Chunks:
    """Rewrites a stream of Workers AI into OpenAI's chunks, a Rewriter."""

    def __init__(self, heading: Heading, generation: Generation) -> None:
        self.is_over = False
        self._heading = heading
        self._generation = generation
        self._lines = Lines()
        self._stopper = Stopper(generation.stop)
        self._calls = CallWriter(heading.id)
        self._usage = Raw(b"null")
        self._reason: str | None = None
        self._has_begun = not heading.is_chat
        self._has_finished = False

    def feed(self, chunk: bytes) -> bytes:
        """Rewrite what came. Texts that came together leave together."""
        return self._take(self._lines.feed(chunk))

    def close(self) -> bytes:
        """
        Say the rest.

        A stream that ended without `[DONE]` or a finish reason was cut off on its way.
        """
        said = self._take(self._lines.close())
        if self.is_over:
            return said
        if self._reason is None and not self._has_finished:
            return said + self.break_off()
        return said + self._finish()

    def break_off(self) -> bytes:
        """Say that the stream broke: an error, never a finish reason."""
        return self._fail(None)

    def _take(self, frames: Sequence[bytes]) -> bytes:
        said: list[bytes] = []
        text: list[str] = []
        for data in frames:
            if self.is_over:
                break
            if data == DONE:
                said += [self._say(text), self._finish()]
                break
            try:
                answer = read_answer(data)
                calls = [self._calls.piece(read_call(call)) for call in answer.calls]
            except msgspec.DecodeError:
                # What it holds is no text that a reader of Workers AI's streams would find.
                logging.getLogger("edgewise").warning("a frame that cannot be read was left out")
                continue
            if answer.is_failure:
                said += [self._say(text), self._fail(read_code(data))]
                break
            self._reason = answer.reason or self._reason
            if bytes(answer.usage) != b"null":
                self._usage = answer.usage
            if answer.reasoning and not self._stopper.has_stopped:
                said += [self._say(text), self._delta(Delta(reasoning_content=answer.reasoning))]
            if answer.text:
                text.append(self._stopper.feed(answer.text))
            pieces = [call for call in calls if call is not None]
            if pieces and not self._stopper.has_stopped:
                said += [self._say(text), self._delta(Delta(tool_calls=pieces))]
            if self._stopper.has_stopped and not self._has_finished:
                said += [self._say(text), self._stop()]
        if not self.is_over:
            said.append(self._say(text))
        return b"".join(said)

    def _say(self, text: list[str]) -> bytes:
        """Say the text that gathered, and forget it."""
        joined = "".join(text)
        text.clear()
        if not joined or self._has_finished:
            return b""
        if not self._heading.is_chat:
            return self._chunk([TextChoice(0, joined, None)])
        return self._delta(Delta(content=joined))

    def _delta(self, delta: Delta) -> bytes:
        return self._begin() + self._chunk([DeltaChoice(0, delta, None)])

    def _begin(self) -> bytes:
        """Open the assistant's turn, once."""
        if self._has_begun:
            return b""
        self._has_begun = True
        return self._chunk([DeltaChoice(0, Delta("assistant", ""), None)])

    def _stop(self) -> bytes:
        """End at a stop text; the usage is still to come, where it is wanted."""
        if not self._generation.include_usage:
            return self._finish()
        return self._say_reason("stop")

    def _finish(self) -> bytes:
        """End well."""
        usage = _usage_or_none(self._usage)
        held = [] if self._has_finished else [self._stopper.close()]
        said = self._say(held)
        reason = find_reason(
            self._reason, usage, self._generation.max_tokens, called=self._calls.has_called
        )
        said += self._say_reason("stop" if self._stopper.has_stopped else reason or "stop")
        worded = _word_usage(usage)
        if self._generation.include_usage and worded is not None:
            said += self._chunk([], worded)
        self.is_over = True
        return said + b"data: [DONE]\n\n"

    def _say_reason(self, reason: FinishReason) -> bytes:
        if self._has_finished:
            return b""
        begun = self._begin()
        self._has_finished = True
        if not self._heading.is_chat:
            return self._chunk([TextChoice(0, "", reason)])
        return begun + self._chunk([DeltaChoice(0, Delta(), reason)])

    def _fail(self, code: int | None) -> bytes:
        said = b"" if self._has_finished else self._say([self._stopper.close()])
        self.is_over = True
        error = UpstreamError(code, model=self._heading.model)
        if code is None:
            error.message = f"the answer broke off ({self._heading.model})"
        return said + b"data: " + msgspec.json.encode(_word_error(error)) + b"\n\n"

    def _chunk(
        self, choices: Sequence[DeltaChoice | TextChoice], usage: TokenUsage | None = None
    ) -> bytes:
        heading = self._heading
        kind = "chat.completion.chunk" if heading.is_chat else "text_completion"
        chunk = {
            "id": heading.id,
            "object": kind,
            "created": heading.created,
            "model": heading.model,
            "choices": choices,
        }
        if self._generation.include_usage:
            chunk["usage"] = usage
        return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _usage_or_none(usage: Raw) -> Usage | None:
    try:
        return read_usage(usage)
    except msgspec.DecodeError:
        return None


def _word_usage(usage: Usage | None) -> TokenUsage | None:
    """Word a count as OpenAI does, where it has both parts."""
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    prompt, completion = int(usage.prompt_tokens), int(usage.completion_tokens)
    details = usage.prompt_tokens_details
    return TokenUsage(prompt, completion, prompt + completion, details if details else UNSET)


def models_reply(models: Mapping[str, Model]) -> Reply:
    """List the catalogue."""
    listed = ModelList("list", [_list(model) for model in models.values()])
    return json_reply(200, listed, {})


def model_reply(model: Model) -> Reply:
    """Tell of one model."""
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
    return json_reply(error.status, _word_error(error), headers)


_TYPES = {403: "permission_error", 429: "rate_limit_error"}


def _word_error(error: EdgewiseError) -> OpenAIErrorBody:
    usual = "invalid_request_error" if error.status < 500 else "server_error"
    kind = _TYPES.get(error.status, usual)
    upstream = UNSET if error.upstream_code is None else error.upstream_code
    return OpenAIErrorBody(OpenAIError(error.message, kind, error.param, error.code, upstream))
