"""Stand-ins at both ends of the corridor: a body that was not read yet, a platform to script."""

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from edgewise.app import Platform, call, handle
from edgewise.errors import AccessUnavailable, BodyTooLarge, RateLimitUnavailable
from edgewise.exchange import Arguments, Call, Method, Reply, Request, Returned
from edgewise.gate.access import Jwk
from edgewise.inference import Answer
from edgewise.records import Record
from tests.edgewise.hostile import Case

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
        "ALLOW_ANONYMOUS": "true",
        "MAX_BODY_BYTES": 1000,
        "MAX_TOKENS_CEILING": 900,
    }
)


def request_of(case: Case) -> Request:
    """Make a request of a case, as it reaches the corridor."""
    return Request(
        method=case.method,
        path=case.path,
        query=case.query,
        origin="https://edge.example",
        headers={},
        body=TextBody(case.body),
        id="an-id",
        received_at=NOW,
    )


def variables(**others: object) -> str:
    """The variables of these tests, and others."""
    return json.dumps(json.loads(VARIABLES) | others)


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


def text_arguments(*texts: str | None) -> Arguments:
    """A call's arguments that are JSON texts; None for undefined."""
    return Arguments(texts, lambda text: text if isinstance(text, str) else None)


@dataclass
class ScriptedLimits:
    """
    Rate limits that accept every request, or none, or fail.

    Attributes:
        is_within: What they answer.
        is_failing: Whether they fail instead.
        counted: What they were asked.
    """

    is_within: bool = True
    is_failing: bool = False
    counted: list[Mapping[str, str]] = field(default_factory=list)

    async def count(self, keys: Mapping[str, str]) -> bool:
        """See rates.RateLimits."""
        self.counted.append(keys)
        if self.is_failing:
            raise RateLimitUnavailable("the rate limit cannot be asked")
        return self.is_within


@dataclass
class ScriptedWeb:
    """
    A Web in which there are these documents; signatures are checked for real.

    Attributes:
        documents: By address.
        fetched: The addresses that were asked for.
    """

    documents: dict[str, str] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)

    async def fetch_text(self, url: str) -> str:
        """See access.Web."""
        self.fetched.append(url)
        if url not in self.documents:
            raise AccessUnavailable("Cloudflare Access cannot be reached")
        return self.documents[url]

    async def verify_rs256(self, key: Jwk, signed: bytes, signature: bytes) -> bool:
        """See access.Web."""
        modulus, exponent = (
            int.from_bytes(urlsafe_b64decode(number + "==")) for number in (key.n, key.e)
        )
        public = RSAPublicNumbers(exponent, modulus).public_key()
        try:
            public.verify(signature, signed, PKCS1v15(), SHA256())
        except InvalidSignature:
            return False
        return True


@dataclass
class Corridor:
    """
    The corridor with a scripted platform at its end.

    Attributes:
        records: What was to be written down.
        ticks: What the clock tells next, in seconds; then it stands still.
        origin: Where requests are sent to.
    """

    ai: ScriptedAi = field(default_factory=ScriptedAi)
    limits: ScriptedLimits = field(default_factory=ScriptedLimits)
    web: ScriptedWeb = field(default_factory=ScriptedWeb)
    variables: str = VARIABLES
    records: list[Record] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    origin: str = "https://edge.example"

    def request(
        self,
        method: str,
        path: str,
        body: TextBody | None = None,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        now: float = NOW,
    ) -> Reply:
        """Walk a request through it."""
        request = Request(
            method=method,
            path=path,
            query=query,
            origin=self.origin,
            headers=headers or {},
            body=body or TextBody(),
            id="a-request",
            received_at=now,
        )
        platform = Platform(self.ai, self.limits, self.web, self._tick)
        reply, record = asyncio.run(handle(request, self.variables, platform))
        self.records.append(record)
        return reply

    def run(
        self, document: object, path: str = "/run", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Post a JSON document."""
        return self.request("POST", path, TextBody(json.dumps(document).encode()), headers=headers)

    def call(
        self, method: Method, *arguments: str | None, props: str = "{}", now: float = NOW
    ) -> Returned:
        """Make a call over RPC with these JSON texts."""
        return self.make(Call(method, text_arguments(*arguments), props, "a-call", now))

    def make(self, asked: Call) -> Returned:
        """Make a call over RPC."""
        platform = Platform(self.ai, self.limits, self.web, self._tick)
        returned, record = asyncio.run(call(asked, self.variables, platform))
        self.records.append(record)
        return returned

    def _tick(self) -> float:
        return self.ticks.pop(0) if self.ticks else 0.0


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
