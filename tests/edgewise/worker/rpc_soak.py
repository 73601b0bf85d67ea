"""A load of calls of every kind at once, each of which knows what it has to get."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tests.edgewise.hostile import MODEL
from tests.edgewise.worker.rpc import Call, Host, Outcome
from tests.edgewise.worker.soak import replies
from tests.edgewise.worker.test_soak import Held
from tests.harness.processes import wait_until
from workers_ai_local import Reply, Streams

CALLS = 1000
AT_ONCE = 32
WHOLE = {"returnRawResponse": True}
_STEPS = 4
_HTTP_REQUESTS = 150  # what Python keeps of those that are over does not grow any more then


@dataclass(frozen=True)
class Soaked:
    """
    What came of a load.

    Attributes:
        outcomes: Of each call.
        records: What the Worker wrote down of calls.
        held: What it held after each quarter.
        streams: What became of Workers AI's streams.
    """

    outcomes: list[Outcome]
    records: list[dict[str, Any]]
    held: list[Held]
    streams: Streams


STREAMED = {"stream": True}
# What the calls take turns in: how a number is asked for, and the line that is written down.
KINDS: Sequence[tuple[Callable[[int], Call], tuple[str, int, str | None, bool]]] = (
    (lambda number: Call("run", [MODEL, _ask(number)]), ("RPC run", 200, None, False)),
    (lambda number: Call("run", [MODEL, _ask(number) | STREAMED]), ("RPC run", 200, None, True)),
    (lambda number: Call("generate", [_ask(number)]), ("RPC generate", 200, None, False)),
    (lambda number: Call("run", [MODEL, _ask(number), WHOLE]), ("RPC run", 200, None, False)),
    (
        lambda number: Call("run", [MODEL, _ask(number) | STREAMED, WHOLE]),
        ("RPC run", 200, None, True),
    ),
    (
        lambda number: Call("generate", [_ask(number) | {"seed": number + 10**10}]),
        ("RPC generate", 400, "invalid_request", False),
    ),
    (
        lambda number: Call("run", [MODEL, _ask(number, "<3040>")]),
        ("RPC run", 429, "no_capacity", False),
    ),
    (
        lambda number: Call("run", [MODEL, _ask(number, "<broken>") | STREAMED]),
        ("RPC run", 200, None, True),
    ),
    (
        lambda number: Call("run", [MODEL, _ask(number, "<stalls>") | STREAMED], leaves=True),
        ("RPC run", 200, None, True),
    ),
    (
        lambda number: Call("models", [{"search": "fp8", "page": number + 1}]),
        ("RPC models", 200, None, False),
    ),
)


def _ask(number: int, does: str = "") -> dict[str, object]:
    """Ask for something that the stand-in quotes."""
    return {"prompt": f"{does}Number {number}", "max_tokens": 40}


def said(outcome: Outcome) -> str:
    """The text of an answer, of whatever kind."""
    if outcome.body is None:
        return str(outcome.value["response"])
    if not outcome.body.startswith("data: "):
        return str(json.loads(outcome.body)["response"])
    *blocks, done, end = outcome.body.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    return "".join(json.loads(block.removeprefix("data: "))["response"] for block in blocks)


def soak(host: Host) -> Soaked:
    """Have the Worker that is bound as SMALL called so often; it is soak_worker.py."""
    for reply in replies():
        host.ai.script(msgspec.convert(reply, Reply))
    host.ai.script(Reply(text="word " * 9, stall_after=3, contains="<stalls>", times="always"))
    host.call_all([Call("fetch", ["http://host/health"])] * _HTTP_REQUESTS, binding="SMALL")
    before = len(_lines(host))
    outcomes: list[Outcome] = []
    held: list[Held] = []
    for start in range(0, CALLS, CALLS // _STEPS):
        numbers = range(start, start + CALLS // _STEPS)
        calls = [KINDS[number % len(KINDS)][0](number) for number in numbers]
        outcomes += host.call_all(calls, binding="SMALL", at_once=AT_ONCE)
        wait_until(lambda: host.ai.streams.open == 0, seconds=10)
        held.append(_hold(host))
    wait_until(lambda: len(_lines(host)) >= before + CALLS, seconds=10)
    return Soaked(outcomes, _lines(host)[before:], held, host.ai.streams)


def _lines(host: Host) -> list[dict[str, Any]]:
    """The lines about calls."""
    return [line for line in host.deployment.records() if line["route"].startswith("RPC ")]


def _hold(host: Host) -> Held:
    """What the Worker holds, once V8 has let go of what it had of the calls."""
    for _ in range(3):
        told = host.fetch("SMALL", "/alive")
    return msgspec.json.decode(told.content, type=Held)
