"""What is asked of whom, and what a right answer is."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bench.contenders import HEADERS, MODEL
from bench.load import Answer, word_request

_END_OF_STREAM = b"data: [DONE]\n\n\r\n"
_LENGTH_OF_CHUNK = re.compile(rb"\r\n[0-9a-f]+\r\n")
_QUESTION = [
    {"role": "system", "content": "Answer in one sentence."},
    {"role": "user", "content": "What is it that an edge network does for a web page? " * 4},
]
_WORD = "considerations "


class BenchError(Exception):
    """Says what was not answered as it should."""


@dataclass(frozen=True, slots=True)
class Entrant:
    """
    A contender, asked in one way.

    Attributes:
        worker: The contender's name.
        inputs: What else its requests have.
        answer: What is in its JSON answers.
        pace: How many times as many requests it is measured with, because it is that fast.
    """

    worker: str
    path: str = "/run"
    inputs: Mapping[str, object] = field(default_factory=dict)
    answer: bytes = b"close to whoever asks for it. "
    pace: int = 1


ENTRANTS = {
    "edgewise": Entrant("edgewise"),
    "edgewise-rest": Entrant("edgewise", f"/client/v4/accounts/a/ai/run/{MODEL}"),
    "edgewise-openai": Entrant("edgewise", "/v1/chat/completions", {"model": MODEL}),
    "constant": Entrant("constant", answer=b"Hello", pace=2),
    "minimal": Entrant("minimal"),
    "minimal-reading": Entrant("minimal-reading"),
    "fastapi": Entrant("fastapi"),
    "javascript": Entrant("javascript", pace=4),
    "javascript-openai": Entrant("javascript-openai", pace=4),
}


@dataclass(frozen=True, slots=True)
class Case:
    """
    A request, and how often it is made.

    Attributes:
        entrants: Of whom it is asked.
        count: Requests in a round, times the pace of an entrant unless it is of streams.
        at_once: Over so many connections.
        rounds: That count.
        events: Of the stream that is asked for; 0 for a JSON answer.
        together: How many of them come in one chunk.
        messages, size: How many, in a body of so many bytes; the usual question when 0.
    """

    name: str
    entrants: Sequence[str]
    count: int
    at_once: int = 1
    rounds: int = 5
    events: int = 0
    together: int = 1
    messages: int = 0
    size: int = 0


_STREAMING = [name for name in ENTRANTS if name not in ("constant", "minimal", "minimal-reading")]
_NATIVE, _REWRITTEN = ("edgewise", "javascript"), ("edgewise-openai", "javascript-openai")
_REWRITING = (*_NATIVE, *_REWRITTEN)
_READING = ("edgewise", "edgewise-openai", "fastapi", "javascript")

CASES = [
    # Many short turns, as the machine's pace may change from one second to the next. But the first
    # answers of a turn take longer, one by one, than those that follow.
    Case("json-1", [*ENTRANTS], 16, rounds=15),
    Case("json-16", [*ENTRANTS], 32, at_once=16, rounds=41),
    Case("first-byte", _STREAMING, 24, rounds=15, events=10),
    Case("stream-200", _STREAMING, 6, events=200),
    Case("stream-1000", _NATIVE, 16, at_once=16, rounds=15, events=1000),
    Case("rewriting-1000", _REWRITING, 16, at_once=16, events=1000),
    Case("stream-together", _REWRITING, 16, at_once=16, events=2000, together=25),
    Case("stream-20000", _NATIVE, 1, events=20_000),
    Case("rewritten-20000", _REWRITTEN, 1, rounds=3, events=20_000),
    Case("body", _READING, 8, rounds=9, messages=256, size=1_000_000),
    *(
        Case(f"bytes-{size}", _READING, 8, rounds=3, messages=1, size=size)
        for size in (1_000, 10_000, 100_000, 1_000_000)
    ),
    *(
        Case(f"messages-{count}", _READING, 16, rounds=3, messages=count, size=128 * count)
        for count in (1, 4, 16, 64, 256)
    ),
    *(
        Case(f"at-once-{streams}", _REWRITING, max(streams, 16), streams, rounds=3, events=25)
        for streams in (1, 4, 16, 64, 256)
    ),
    *(
        Case(f"events-{events}", _REWRITING, max(1, 1000 // events), 1, 3, events, together=10)
        for events in (10, 100, 1_000, 10_000, 100_000)
    ),
]
# What is asked before anything counts, and how many times as often as in a round: until V8 has
# compiled for speed what is run, a Worker is the slower the more it does.
WARM_UP = {"json-16": 30, "first-byte": 1}


def word(case: Case, entrant: Entrant) -> bytes:
    """Word a case's request."""
    inputs = {"messages": _messages(case), "max_tokens": 256, **entrant.inputs}
    if case.events:
        inputs |= {"stream": True, "max_tokens": case.events, "top_k": case.together}
    return word_request(entrant.path, HEADERS, json.dumps(inputs).encode())


def _messages(case: Case) -> Sequence[Mapping[str, str]]:
    if not case.messages:
        return _QUESTION
    roles = ["user" if number % 2 == 0 else "assistant" for number in range(case.messages)]
    empty = len(json.dumps([{"role": role, "content": ""} for role in roles]))
    each = max(1, (case.size - empty) // case.messages)
    text = (_WORD * (each // len(_WORD) + 1))[:each]
    return [{"role": role, "content": text} for role in roles]


def check(answer: Answer, case: Case, name: str) -> None:
    """
    Look whether an entrant answered a case as it should.

    Raises:
        BenchError: It did not.
    """
    fault = _fault_of(answer, case, ENTRANTS[name])
    if fault:
        raise BenchError(f"{case.name} of {name}: {fault}")


def _fault_of(answer: Answer, case: Case, entrant: Entrant) -> str | None:
    if answer.status != 200:
        return f"HTTP {answer.status}: {answer.body[:300]!r}"
    if not case.events:
        return None if entrant.answer in answer.body else f"answered {answer.body[:300]!r}"
    if not _LENGTH_OF_CHUNK.sub(b"", answer.body).endswith(_END_OF_STREAM):
        return f"the stream ended in {answer.body!r}"
    if answer.events != case.events:
        return f"the stream had {answer.events} events instead of {case.events}"
    return None
