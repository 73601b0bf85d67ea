"""What is written down of a request: one line, which holds nothing that anybody said."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from traceback import extract_tb

import msgspec
from msgspec import UNSET, UnsetType

from .errors import EdgewiseError, UpstreamError
from .exchange import Rewriter
from .heard.events import Usage

_NOBODY = "-:nobody"  # no caller's name has both


class Count(msgspec.Struct, frozen=True):
    """Tokens, as Workers AI counted them."""

    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None


class Fault(msgspec.Struct, frozen=True):
    """
    A failure that is ours to look into.

    Attributes:
        cause: The class of what was raised; its text may hold what a caller sent.
        trace: Where it was raised, the outermost place first.
    """

    cause: str
    trace: Sequence[str]


class Record(msgspec.Struct, frozen=True):
    """
    What is known of a request when it is answered.

    Attributes:
        time: When it came in, ISO 8601 in UTC.
        id: What the header x-request-id told.
        caller: Whose key it was, `access:` with an id, or `anonymous`; over RPC whom the binding
            names. Null for a caller who has none of these, and where anybody may ask.
        route: Such as `POST /run/{model}` or `RPC run`; null where there is none.
        model: The id of Workers AI that was asked last; null where none was.
        status: HTTP status.
        code: Our code of the error; null where there was none.
        upstream_code: Workers AI's own.
        ms: Milliseconds from then until now.
        model_ms: Milliseconds of them that Workers AI took to begin its answer.
        stream: Whether the answer is one.
        usage: Null where Workers AI did not count, and for streams that are passed on unread.
        fault: Of a failure with status 500 or more, and of one of ours in the middle of a
            rewritten stream.
    """

    time: str
    id: str
    caller: str | None
    route: str | None
    model: str | None
    status: int
    code: str | None
    upstream_code: int | None
    ms: float
    model_ms: float | None
    stream: bool
    usage: Count | None
    fault: Fault | UnsetType = UNSET


class Draft(msgspec.Struct):
    """
    What is known of a request so far: the corridor's own notes, which no room sees.

    Attributes:
        received_at: Seconds since 1970.
        id, caller, route, model: As of Record.
        model_took: Seconds that Workers AI took to begin its answer, or to refuse.
        refusal: What went wrong, for the caller.
        fault: The same for the log, where it is ours to look into.
    """

    received_at: float
    id: str
    route: str | None = None
    caller: str | None = None
    model: str | None = None
    model_took: float | None = None
    refusal: EdgewiseError | None = None
    fault: Fault | UnsetType = UNSET

    def fail(self, refusal: EdgewiseError, error: Exception) -> None:
        """Note what went wrong: what the caller is told, and what was raised."""
        self.refusal = refusal
        if refusal.status >= 500:
            self.fault = find_fault(error)
        if isinstance(refusal, UpstreamError):
            self.model = refusal.model

    def finish(
        self, status: int, seconds: float, *, is_stream: bool, usage: Usage | None
    ) -> Record:
        """Make the record, once the answer is known; it took so many seconds."""
        refusal = self.refusal
        return Record(
            time=word_time(self.received_at),
            id=self.id,
            caller=self.caller,
            route=self.route,
            model=self.model,
            status=status,
            code=refusal.code if refusal else None,
            upstream_code=refusal.upstream_code if refusal else None,
            ms=milliseconds(seconds),
            model_ms=None if self.model_took is None else milliseconds(self.model_took),
            stream=is_stream,
            usage=count(usage),
            fault=self.fault,
        )


def word_time(seconds: float) -> str:
    """Word a time in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def milliseconds(seconds: float) -> float:
    """Word a span of time."""
    return round(seconds * 1000, 1)


def count(usage: Usage | None) -> Count | None:
    """Take the figures of a usage."""
    if usage is None:
        return None
    figures = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    return Count(*(None if figure is None else int(figure) for figure in figures))


def find_fault(error: BaseException) -> Fault:
    """Find where a failure comes from, without what it says."""
    cause = error.__cause__ or error
    frames = extract_tb(cause.__traceback__)
    trace = [f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    return Fault(type(cause).__name__, trace)


def end(record: Record, rewriter: Rewriter, code: str | None, seconds: float) -> Record:
    """
    Add what is known of a rewritten stream when it has ended.

    Args:
        code: How it ended before its time; None for as the rewriter says.
        seconds: How long it took.
    """
    return msgspec.structs.replace(
        record,
        code=code or rewriter.code,
        upstream_code=rewriter.upstream_code,
        ms=milliseconds(record.ms / 1000 + seconds),
        usage=count(rewriter.usage),
    )


def word_record(record: Record) -> str:
    """Word a record as one line of JSON."""
    return msgspec.json.encode(record).decode()


def word_point(record: Record) -> str:
    """
    Word a record as a data point of Analytics Engine.

    Returns:
        JSON: one index, the caller; blobs and doubles in the order of docs/configuration.md.
    """
    usage = record.usage or Count(None, None, None)
    texts = (
        *(record.route, record.model, record.code, "stream" if record.stream else "json"),
        *(record.caller, record.id),
    )
    figures = (
        *(record.status, record.upstream_code, record.ms, record.model_ms),
        *(usage.prompt_tokens, usage.completion_tokens, usage.total_tokens),
    )
    point = {
        "indexes": [record.caller or _NOBODY],
        "blobs": [text or "" for text in texts],
        "doubles": [figure or 0 for figure in figures],
    }
    return msgspec.json.encode(point).decode()
