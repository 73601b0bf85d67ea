"""The Worker makes of every answer what the corpus says, whole and however its stream is cut."""

from collections.abc import Iterable

import pytest

from edgewise.errors import UpstreamError
from edgewise.heard.events import Calls, Counted, End, Event, Failure, Reasoning, Text
from edgewise.heard.stream import Listener
from edgewise.heard.whole import understand
from tests.harness import corpus
from tests.harness.corpus import Case, Heard

MODEL = "@cf/meta/llama-3.1-8b-instruct-fast"


def gather(events: Iterable[Event]) -> Heard:
    """Put events together."""
    text, reasoning, reason, usage = "", "", None, corpus.usage(None, None, None)
    calls: list[list[str]] = []
    failure: Failure | None = None
    for event in events:
        match event:
            case Text():
                text += event.text
            case Reasoning():
                reasoning += event.text
            case Calls(pieces):
                for piece in pieces:
                    if piece.is_first:
                        calls.append([piece.name, ""])
                    calls[piece.number][1] += piece.arguments
            case End():
                reason = event.reason
            case Counted(counted):
                usage = corpus.usage(
                    counted.prompt_tokens, counted.completion_tokens, counted.total_tokens
                )
            case Failure():
                failure = event
    called = [corpus.call(name, arguments) for name, arguments in calls]
    code = failure.code if failure else None
    return Heard(text, reasoning, called, reason, usage, failure is not None, code)


def hear_whole(case: Case) -> Heard:
    """Read it in one piece; one that failed says nothing else."""
    try:
        return gather(understand(MODEL, case.whole or "", case.max_tokens).events())
    except UpstreamError as error:
        return gather([Failure(error.upstream_code)])


def hear_stream(case: Case, size: int) -> Heard:
    """Read it in pieces of so many bytes."""
    listener = Listener(case.max_tokens, wants_usage=True)
    events: list[Event] = []
    for chunk in case.chunks(size):
        events += listener.feed(chunk)
    return gather(events if listener.is_over else [*events, *listener.close()])


@pytest.mark.parametrize("case", corpus.WHOLE, ids=lambda case: case.name)
def test_whole_answer_is_heard(case: Case) -> None:
    assert hear_whole(case) == case.heard


@pytest.mark.parametrize("size", corpus.SIZES)
@pytest.mark.parametrize("case", corpus.STREAMED, ids=lambda case: case.name)
def test_stream_is_heard_however_it_is_cut(case: Case, size: int) -> None:
    assert hear_stream(case, size) == case.heard
