"""
What Workers AI answers, in every flavour it comes in: whole, or a frame of a stream.

Native ones hold `response`, OpenAI-style ones `choices`, some models send both at once; gpt-oss
answers with the `output` of OpenAI's Responses, or streams its events.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Raw

from ..asked.structure import is_too_deep

S = TypeVar("S", bound=msgspec.Struct)

_NOTHING = frozenset({b"", b"null", b"[]"})


class _Function(msgspec.Struct, frozen=True):
    name: str | None = None
    arguments: Raw = Raw()


class _Call(msgspec.Struct, frozen=True):
    """A call or a piece of one: OpenAI-style, with `function`, or native."""

    id: str | None = None
    index: int | None = None
    function: _Function | None = None
    name: str | None = None
    arguments: Raw = Raw()


class _Said(msgspec.Struct, frozen=True):
    content: Raw = Raw()
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Raw] | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Said | None = None
    message: _Said | None = None
    text: Raw = Raw()
    finish_reason: str | None = None


class _Item(msgspec.Struct, frozen=True):
    """An item of `output`, or one that is added to it."""

    type: str | None = None
    content: list["_Part"] | None = None
    summary: list["_Part"] | None = None
    call_id: str | None = None
    id: str | None = None
    name: str | None = None
    arguments: Raw = Raw()


class _Part(msgspec.Struct, frozen=True):
    text: str | None = None


class _Details(msgspec.Struct, frozen=True):
    reason: str | None = None


class _Response(msgspec.Struct, frozen=True):
    """How a streamed `output` ended."""

    usage: Raw = Raw(b"null")
    incomplete_details: _Details | None = None


class _Answer(msgspec.Struct, frozen=True):
    response: Raw = Raw()
    choices: list[_Choice] | None = None
    tool_calls: list[Raw] | None = None
    usage: Raw = Raw(b"null")
    finish_reason: str | None = None
    reasoning: str | None = None
    # Of the Responses: whole, and an event of theirs.
    output: list[_Item] | None = None
    status: str | None = None
    incomplete_details: _Details | None = None
    type: str | None = None
    delta: str | None = None
    item: _Item | None = None
    output_index: int | None = None
    # What only a failure holds. Nothing is documented; these are the errors of workerd's Ai class,
    # of REST, and of the servers that models run in.
    error: Raw = Raw()
    errors: Raw = Raw()
    internalCode: Raw = Raw()
    httpCode: Raw = Raw()
    success: Raw = Raw()
    object: Raw = Raw()
    message: Raw = Raw()


class _PlainDelta(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    content: str | None = None
    role: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _PlainChoice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    delta: _PlainDelta = _PlainDelta()
    index: int = 0
    finish_reason: None = None
    logprobs: None = None
    token_ids: None = None


class _Plain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    What nearly every frame is in each flavour: some text, spoken or thought, and no more.

    Attributes:
        p: Padding, which hides how long the text is.
    """

    response: str = ""
    p: str = ""
    choices: tuple[_PlainChoice] | None = None
    tool_calls: Annotated[list[None], Meta(max_length=0)] | None = None
    usage: None = None
    id: str = ""
    object: Literal["chat.completion.chunk"] | None = None
    created: int = 0
    model: str = ""


class _Refusal(msgspec.Struct, frozen=True):
    """
    The shapes of an error.

    Source: parseError in workerd/src/cloudflare/internal/ai-api.ts; AI Gateway's has `error`
    """

    internalCode: Raw = Raw()
    errors: Raw = Raw()
    error: Raw = Raw()
    response: Raw = Raw()  # of an event: what failed


class _Listed(msgspec.Struct, frozen=True):
    code: int


_ANSWER = msgspec.json.Decoder(_Answer)
_RESPONSE = msgspec.json.Decoder(_Response)
_PLAIN = msgspec.json.Decoder(_Plain)
_TEXT = msgspec.json.Decoder(str)
_CALL = msgspec.json.Decoder(_Call)
_CODES: msgspec.json.Decoder[list[_Listed] | _Listed] = msgspec.json.Decoder(
    list[_Listed] | _Listed, strict=False
)
_CODE: msgspec.json.Decoder[int] = msgspec.json.Decoder(int, strict=False)
_NO_CHOICE = _Choice()
_NOTHING_SAID = _Said()

_FAILED = "error"


class ToolCall(msgspec.Struct, frozen=True):
    """
    A tool call, or a piece of one.

    Attributes:
        index: Which of the calls it belongs to; None when the model did not number it.
        arguments: JSON text, or a piece of it.
    """

    index: int | None
    id: str | None
    name: str | None
    arguments: str


class Answer(msgspec.Struct, frozen=True):
    """
    An answer or a frame of one.

    Attributes:
        text: None when there is none beside tool calls. JSON that Workers AI parsed is text again.
        reasoning: What the model thought before it spoke, where a model tells.
        calls: Each as it came; those of `output` are read already.
        usage: As it came, `null` when there is none.
        reason: As it came.
        is_failure: Whether it says that something failed.
        is_empty: Whether it lacks all that an answer consists of.
    """

    text: str | None
    reasoning: str
    calls: Sequence[Raw | ToolCall]
    usage: Raw
    reason: str | None
    is_failure: bool
    is_empty: bool


def read_answer(document: bytes) -> Answer:
    """
    Read a JSON answer or the data of a frame.

    Raises:
        msgspec.DecodeError: It is not one of those that are known.
    """
    if is_too_deep(document):  # a model may write it, and Workers AI parse it
        raise msgspec.DecodeError("nested too deeply")
    try:
        document.decode()
    except UnicodeDecodeError:
        document = document.decode("utf-8", "replace").encode()
    try:
        answer = _ANSWER.decode(document)
    except msgspec.ValidationError:
        answer = _read_answer_tolerantly(document)
    if answer.output is not None:
        return _read_output(answer)
    if answer.type in _FAILED_EVENTS or (answer.type or "").startswith(_EVENT):
        return _read_event(answer)
    choice = answer.choices[0] if answer.choices else _NO_CHOICE
    said = choice.message or choice.delta or _NOTHING_SAID
    # Whoever sends both sends the same text twice.
    text = _text_of(answer.response)
    if not text and answer.choices:
        text = _text_of(said.content) or _text_of(choice.text) or text
    reasons = (choice.finish_reason, answer.finish_reason)
    is_empty = not (bytes(answer.response) or answer.choices or answer.tool_calls)
    return Answer(
        text=text,
        # As with text: whoever sends it twice sends the same.
        reasoning=said.reasoning_content or said.reasoning or answer.reasoning or "",
        calls=answer.tool_calls or said.tool_calls or (),
        usage=answer.usage,
        reason=reasons[0] or reasons[1],
        is_failure=_FAILED in reasons or _is_failure(answer, is_empty=is_empty),
        is_empty=is_empty,
    )


_EVENT = "response."
_FAILED_EVENTS = ("response.failed", "error")
# Source: the types of the openai libraries, responses/response.py
_REASONS_OF_OUTPUT = {"max_output_tokens": "length", "content_filter": "content_filter"}


def _read_output(answer: _Answer) -> Answer:
    """Read the `output` of OpenAI's Responses."""
    items = answer.output or ()
    texts = [_join(item.content) for item in items if item.type == "message"]
    thoughts = [
        _join(item.content) or _join(item.summary) for item in items if item.type == "reasoning"
    ]
    calls = [_read_item(item, None) for item in items if item.type == "function_call"]
    is_failure = answer.status == "failed" or _is_failure(answer, is_empty=False)
    return Answer(
        text="".join(texts) if texts or not calls else None,
        reasoning="".join(thoughts),
        calls=calls,
        usage=answer.usage,
        reason=_reason_of_output(answer.incomplete_details),
        is_failure=is_failure,
        is_empty=not (texts or thoughts or calls),  # it may have been cut while it thought
    )


def _read_event(answer: _Answer) -> Answer:
    """Read an event of OpenAI's Responses; most of them say nothing that others do not."""
    kind = (answer.type or "").removeprefix(_EVENT)
    text, thought, usage, reason = "", "", Raw(b"null"), None
    calls: list[Raw | ToolCall] = []
    if kind == "output_text.delta":
        text = answer.delta or ""
    elif kind in ("reasoning_text.delta", "reasoning_summary_text.delta"):
        thought = answer.delta or ""
    elif kind == "output_item.added" and answer.item and answer.item.type == "function_call":
        calls = [_read_item(answer.item, answer.output_index)]
    elif kind == "function_call_arguments.delta":
        calls = [ToolCall(answer.output_index, None, None, answer.delta or "")]
    elif kind in ("completed", "incomplete"):
        ended = _RESPONSE.decode(answer.response)
        usage, reason = ended.usage, _reason_of_output(ended.incomplete_details)
    return Answer(
        text=text,
        reasoning=thought,
        calls=calls,
        usage=usage,
        reason=reason,
        is_failure=answer.type in _FAILED_EVENTS,
        is_empty=False,
    )


def _reason_of_output(incomplete: _Details | None) -> str:
    reason = incomplete.reason if incomplete else None
    return "stop" if reason is None else _REASONS_OF_OUTPUT.get(reason, reason)


def _read_item(item: _Item, index: int | None) -> ToolCall:
    return ToolCall(index, item.call_id or item.id, item.name, _text_of(item.arguments) or "")


def _join(parts: Sequence[_Part] | None) -> str:
    return "".join(part.text or "" for part in parts or ())


def read_plain(document: bytes) -> tuple[str, str] | None:
    """
    Read the data of a frame if it is a plain one, in a fraction of the time that any takes.

    Returns:
        The text and the reasoning that read_answer finds; None for a frame that is left to it.
    """
    try:
        frame = _PLAIN.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if frame.choices is None:
        return frame.response, ""
    said = frame.choices[0].delta
    return frame.response or said.content or "", said.reasoning_content or said.reasoning or ""


def _is_failure(answer: _Answer, *, is_empty: bool) -> bool:
    signs = (answer.error, answer.errors, answer.internalCode, answer.httpCode)
    return (
        not _NOTHING.issuperset(map(bytes, signs))
        or bytes(answer.success) == b"false"
        or bytes(answer.object) == b'"error"'
        or (is_empty and bytes(answer.message) not in _NOTHING)
    )


def _read_answer_tolerantly(document: bytes) -> _Answer:
    """Read an answer of which some field is of another shape than usual: the others count."""
    fields = _FIELDS.decode(document)
    answer = _leave_out(_Answer, fields)
    if answer.choices is not None or "choices" not in fields:
        return answer
    try:
        [given, *_] = _LIST.decode(fields["choices"])
        parts = _FIELDS.decode(given)
    except (msgspec.DecodeError, ValueError):
        return answer
    choice = _leave_out(_Choice, parts)
    for name in ("message", "delta"):
        with suppress(msgspec.DecodeError):
            said = read_fitting(_Said, parts.get(name, b""))
            choice = msgspec.structs.replace(choice, **{name: said})
    return msgspec.structs.replace(answer, choices=[choice])


_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_LIST = msgspec.json.Decoder(list[Raw])


def read_fitting(kind: type[S], document: bytes | Raw) -> S:
    """
    Read an object of which some field is of another shape than usual: it is left out.

    Raises:
        msgspec.DecodeError: It is not an object.
    """
    return _leave_out(kind, _FIELDS.decode(document))


def _leave_out(kind: type[S], fields: Mapping[str, Raw]) -> S:
    """Make a struct of those fields whose values fit."""
    fitting: dict[str, object] = {}
    for field in msgspec.structs.fields(kind):
        if field.name in fields:
            with suppress(msgspec.DecodeError):
                fitting[field.name] = msgspec.json.decode(fields[field.name], type=field.type)
    return kind(**fitting)


def read_code(document: str | bytes) -> int | None:
    """Read Workers AI's own code from an error; None when there is none."""
    try:
        refusal = msgspec.json.decode(document, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    with suppress(msgspec.DecodeError):
        return _CODE.decode(refusal.internalCode)
    for part in (refusal.errors, refusal.error):
        with suppress(msgspec.DecodeError):
            listed = _CODES.decode(part)
            for each in listed if isinstance(listed, list) else [listed]:
                return each.code
    return read_code(bytes(refusal.response))


def read_call(call: Raw | ToolCall) -> ToolCall:
    """
    Read a tool call or a piece of one.

    Raises:
        msgspec.DecodeError: It is not a tool call.
    """
    if isinstance(call, ToolCall):
        return call
    try:
        read = _CALL.decode(call)
    except msgspec.ValidationError:
        read = read_fitting(_Call, call)
    name, arguments = read.name, read.arguments
    if read.function is not None:
        name, arguments = read.function.name, read.function.arguments
    return ToolCall(read.index, read.id, name, _text_of(arguments) or "")


def _text_of(value: Raw) -> str | None:
    """Turn a value into text: text as it is, anything else as JSON."""
    raw = bytes(value)
    if raw in (b"", b"null"):
        return None
    return _TEXT.decode(raw) if raw.startswith(b'"') else raw.decode()
