"""Stand-ins at both ends of the corridor: a body that was not read yet, an Ai that is scripted."""

import asyncio
import json
from dataclasses import dataclass, field

from edgewise.app import handle
from edgewise.errors import BodyTooLarge
from edgewise.exchange import Reply, Request
from edgewise.inference import Answer

BASE = "@cf/meta/llama-3.1-8b-instruct"
FAST = f"{BASE}-fast"
FP8 = f"{BASE}-fp8"
VARIABLES = json.dumps(
    {
        "MODELS": [
            {"id": BASE, "served_by": [FAST, FP8, BASE]},
            {"id": FP8, "served_by": [FP8]},
        ],
        "MAX_BODY_BYTES": 1000,
    }
)


@dataclass
class ScriptedAi:
    """
    An Ai that answers what it was told to and remembers what it was asked.

    Attributes:
        answers: Given in order; an exception is raised.
        asked: Pairs of model and decoded inputs.
    """

    answers: list[Answer | Exception] = field(default_factory=list)
    asked: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    async def run(self, model: str, inputs: str) -> Answer:
        """See inference.Ai."""
        self.asked.append((model, json.loads(inputs)))
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

    def request(self, method: str, path: str, body: TextBody | None = None) -> Reply:
        """Walk a request through it."""
        request = Request(method, path, body or TextBody())
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


def error_of(reply: Reply) -> dict[str, str]:
    """The error in a reply's body."""
    assert isinstance(reply.body, str)
    error = json.loads(reply.body)["error"]
    assert isinstance(error, dict)
    return error


def body_of(reply: Reply) -> dict[str, object]:
    """A reply's JSON body."""
    assert isinstance(reply.body, str)
    body = json.loads(reply.body)
    assert isinstance(body, dict)
    return body
