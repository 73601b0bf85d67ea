"""Stand-ins at both ends of the corridor: a body that was not read yet, an Ai that is scripted."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

from edgewise.app import handle
from edgewise.errors import BodyTooLarge
from edgewise.exchange import Reply, Request
from edgewise.inference import Answer

BASE = "@cf/meta/llama-3.1-8b-instruct"
FAST = f"{BASE}-fast"
FP8 = f"{BASE}-fp8"
NOW = 1_800_000_000.5  # 2027-01-15T08:00:00.5Z
VARIABLES = json.dumps(
    {
        "MODELS": [
            {"id": BASE, "served_by": [FAST, FP8, BASE], "context_window": 1000},
            {"id": FP8, "capabilities": ["tools"]},
        ],
        "MAX_BODY_BYTES": 1000,
        "MAX_TOKENS_CEILING": 900,
    }
)


@dataclass
class ScriptedAi:
    """
    An Ai that answers what it was told to and remembers what it was asked.

    Attributes:
        answers: Given in order; an exception is raised.
        asked: Pairs of model and decoded inputs.
        was_told_to_reject: Whether the last request was not to wait for capacity.
    """

    answers: list[Answer | Exception] = field(default_factory=list)
    asked: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    was_told_to_reject: bool = False

    async def run(self, model: str, inputs: str, *, reject_if_busy: bool) -> Answer:
        """See inference.Ai."""
        self.asked.append((model, json.loads(inputs)))
        self.was_told_to_reject = reject_if_busy
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class TextBody:
    """
    A body that knows whether it was read.

    Attributes:
        document: What it holds.
    """

    document: bytes = b""
    was_read: bool = False

    async def read(self, limit: int) -> bytes:
        """See exchange.Body."""
        self.was_read = True
        if len(self.document) > limit:
            raise BodyTooLarge(f"body: expected at most {limit} bytes")
        return self.document


@dataclass
class Corridor:
    """The corridor with a scripted Ai at its end."""

    ai: ScriptedAi = field(default_factory=ScriptedAi)
    variables: str = VARIABLES

    def request(
        self,
        method: str,
        path: str,
        body: TextBody | None = None,
        *,
        query: str = "",
        last_event_id: str | None = None,
    ) -> Reply:
        """Walk a request through it."""
        request = Request(
            method=method,
            path=path,
            query=query,
            body=body or TextBody(),
            last_event_id=last_event_id,
            id="a-request",
            received_at=NOW,
        )
        return asyncio.run(handle(request, self.variables, self.ai))

    def run(self, document: object, path: str = "/run") -> Reply:
        """Post a JSON document."""
        return self.request("POST", path, TextBody(json.dumps(document).encode()))


def refusal(code: int, status: int = 400) -> Answer:
    """A refusal of Workers AI, as the binding receives it."""
    return Answer(status, json.dumps({"name": "AiError", "internalCode": code}))


def completion(**fields: object) -> Answer:
    """A JSON answer of Workers AI."""
    return Answer(200, json.dumps(fields))


def error_of(reply: Reply) -> dict[str, Any]:
    """The error in a reply's body."""
    assert isinstance(reply.body, str)
    error = json.loads(reply.body)["error"]
    assert isinstance(error, dict)
    return error


def body_of(reply: Reply) -> dict[str, Any]:
    """A reply's JSON body."""
    assert isinstance(reply.body, str)
    body = json.loads(reply.body)
    assert isinstance(body, dict)
    return body
