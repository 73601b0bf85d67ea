"""
What callers of Workers AI meet: its errors, and a Worker that asks the real Ai class for them.

The errors are written out from their sources, not read from the server.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec

from tests.harness.servers import serve
from tests.workers_ai_local.wording import SCOPED, UNSCOPED
from tools.runtime.config import command_to_serve, write_config
from workers_ai_local.scripts import Reply
from workers_ai_local.service import WorkersAi

FAST = "@cf/meta/llama-3.1-8b-instruct-fast"
FP8 = "@cf/meta/llama-3.1-8b-instruct-fp8"
LLAMA_70B = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
OPENAI = "@cf/ibm-granite/granite-4.0-h-micro"
BOTH = "@cf/meta/llama-4-scout-17b-16e-instruct"

ACCOUNT = "/client/v4/accounts/abc/ai"

_WORKER = Path(__file__).with_name("contract_worker.js")


@dataclass(frozen=True)
class Documented:
    """
    An error.

    Attributes:
        title: What REST's message starts with.
        description: What stands after the code in the exception's message.
        name: The exception's.
    """

    code: int
    status: int
    title: str
    description: str
    name: str = "AiError"

    def __str__(self) -> str:
        return f"{self.code} {self.title}"


@dataclass(frozen=True)
class Cause:
    """A request that Workers AI answers with an error, and the error."""

    error: Documented
    inputs: Mapping[str, object] = field(default_factory=lambda: SCOPED)
    model: str = FAST
    options: Mapping[str, object] = field(default_factory=dict)
    reply: Reply | None = None


# Source: developers.cloudflare.com/workers-ai/platform/errors/; the text of 3040 as it is live and
# in .../features/reject-if-busy/, that of 5035 in .../changelog/ of 2026-07-28.
_PLATFORM = [
    Documented(5007, 400, "No such model", f"No such model {FAST} or task"),
    Documented(5004, 400, "Invalid data", "Invalid data type for base64 input: string"),
    Documented(
        3039,
        400,
        "Finetune missing required files",
        "Finetune is missing required files (model.safetensors and config.json)",
    ),
    Documented(3003, 400, "Incomplete request", "Request is missing headers or body: body"),
    Documented(
        5018,
        403,
        "Account not allowed for private model",
        "The account is not allowed to access this model",
    ),
    Documented(5016, 403, "Model agreement", "User has not agreed to Llama3.2 model terms"),
    Documented(3023, 403, "Account blocked", "Service unavailable for account"),
    Documented(
        3041,
        403,
        "Account not allowed for private model",
        "The account is not allowed to access this model",
    ),
    Documented(5035, 403, "Paid plan required", "This model requires a Workers Paid plan."),
    Documented(5019, 405, "Deprecated SDK version", "Request trying to use deprecated SDK version"),
    Documented(5005, 405, "LoRa unsupported", f"The model {FAST} does not support LoRa inference"),
    Documented(3042, 404, "Invalid model ID", "The model name is invalid"),
    Documented(3006, 413, "Request too large", "Request is too large"),
    Documented(3007, 408, "Timeout", "Request timeout"),
    Documented(3008, 408, "Aborted", "Request was aborted"),
    Documented(
        3036,
        429,
        "Account limited",
        "You have used up your daily free allocation of 10,000 neurons. Please upgrade to"
        " Cloudflare's Workers Paid plan if you would like to continue usage.",
    ),
    Documented(3040, 429, "Out of capacity", "Capacity temporarily exceeded, please try again."),
]

# Seen live in 2026, with this status and this text; nobody noted the title but of 5028.
_SEEN = [
    Documented(
        4006,
        429,
        "Account limited",
        "you have used up your daily free allocation of 10,000 neurons, please upgrade to"
        " Cloudflare's Workers Paid plan if you would like to continue usage.",
    ),
    Documented(3046, 408, "Timeout", "Request timeout"),
    Documented(8001, 400, "Invalid input", "Invalid input"),
    # Seen as 400s without their numbers.
    Documented(5024, 400, "JSON Mode", "JSON Mode couldn't be met"),
    Documented(5025, 400, "JSON Mode", "This model doesn't support JSON Schema."),
    # 410 on REST, 400 too.
    Documented(
        5028,
        410,
        "Model has been deprecated",
        "This model was deprecated. Please use an alternative model",
    ),
]

# Seen live in 2026, but what stands here of their texts (and of a status, where a comment says so)
# is this server's choice.
_SEEN_IN_PART = [
    Documented(5006, 400, "Bad input", "Error: the input does not fit the model's schema"),
    Documented(
        5021,
        413,
        "Context window exceeded",
        "The estimated number of input and maximum output tokens exceeded this model context"
        " window limit.",
    ),
    Documented(3043, 500, "Internal server error", "Internal server error"),
    Documented(8008, 500, "Internal server error", "Internal server error"),
    Documented(5012, 422, "Unprocessable input", "The input could not be processed"),
    # No status was noted.
    Documented(8006, 400, "Invalid input", "The forced tool call did not fit into max_tokens"),
    Documented(3030, 400, "Content refused", "Sequence too long"),
    Documented(5034, 403, "Account blocked", "Service unavailable for account"),
]

# The gateway's, seen in 2026; the titles and texts are this server's choice.
_GATEWAY = [
    Documented(2003, 429, "Rate limited", "Rate limited", "AiGatewayError"),
    Documented(2045, 429, "Spend limit", "Spend limit exceeded", "AiGatewayError"),
    Documented(2021, 402, "No credits", "Insufficient credits", "AiGatewayError"),
    # No status was noted.
    Documented(2014, 400, "Provider timeout", "Provider request timed out", "AiGatewayError"),
    Documented(
        2016,
        400,
        "Guardrails",
        "Prompt blocked due to security configurations",
        "AiGatewayError",
    ),
    # Either is a 404 or a 400.
    Documented(7003, 404, "No such model", f"Could not route to {FAST}", "AiGatewayError"),
    Documented(7000, 400, "Missing model", "No route for that URI", "AiGatewayError"),
]

ERRORS = _PLATFORM + _SEEN + _SEEN_IN_PART + _GATEWAY

_UNKNOWN = "@cf/nobody/nothing"
_RETIRED = "@cf/meta/llama-3.1-8b-instruct"
_PAID = "@cf/moonshotai/kimi-k2.6"
_LORA = UNSCOPED | {"lora": "my-finetune"}
_JSON_SCHEMA = {"response_format": {"type": "json_schema", "json_schema": {"type": "object"}}}
_NO_JSON_SCHEMA = Documented(5025, 400, "JSON Mode", "This model doesn't support JSON Schema.")
_NO_JSON = Documented(5024, 400, "JSON Mode", "JSON Mode couldn't be met")
JSON_OBJECT: dict[str, object] = {"response_format": {"type": "json_object"}}

# What a caller can do to meet an error without a script, or with one that only sets the scene.
CAUSES = {
    "unknown model": Cause(
        Documented(5007, 400, "No such model", f"No such model {_UNKNOWN} or task"),
        model=_UNKNOWN,
    ),
    "retired model": Cause(
        Documented(
            5028,
            410,
            "Model has been deprecated",
            "This model was deprecated on 2026-05-30. Please use an alternative model",
        ),
        model=_RETIRED,
    ),
    "paid model on the free plan": Cause(
        Documented(5035, 403, "Paid plan required", "This model requires a Workers Paid plan."),
        model=_PAID,
    ),
    "LoRA adapter for a model without": Cause(
        Documented(
            5005, 405, "LoRa unsupported", f"The model {FAST} does not support LoRa inference"
        ),
        _LORA,
    ),
    "more tokens than the context window": Cause(
        Documented(
            5021,
            413,
            "Context window exceeded",
            "The estimated number of input and maximum output tokens (32001) exceeded this model"
            " context window limit (32000).",
        ),
        {"prompt": "one two", "raw": True, "max_tokens": 31_999},
        FP8,
    ),
    "JSON mode and an answer that is none": Cause(
        _NO_JSON, SCOPED | JSON_OBJECT, LLAMA_70B, reply=Reply(text="Hello")
    ),
    # No code is documented for it.
    "JSON mode as a stream": Cause(_NO_JSON, SCOPED | JSON_OBJECT | {"stream": True}, LLAMA_70B),
    "JSON Schema for a model without": Cause(_NO_JSON_SCHEMA, SCOPED | _JSON_SCHEMA, FP8),
    "no capacity and rejectIfBusy": Cause(
        Documented(
            3040, 429, "Out of capacity", "Capacity temporarily exceeded, please try again."
        ),
        options={"rejectIfBusy": True},
        reply=Reply(busy_ms=3_600_000),
    ),
}


class Thrown(msgspec.Struct, frozen=True):
    """What `env.AI` threw; `keys` are the names of its own properties."""

    name: str
    message: str
    keys: list[str]


class Raw(msgspec.Struct, frozen=True):
    """A Response that `env.AI` gave."""

    status: int
    headers: dict[str, str]
    body: str


class Outcome(msgspec.Struct, frozen=True, rename="camel"):
    """
    What came of a call, and what `env.AI` then said about it.

    Attributes:
        value: What it gave, if that was neither of the next two.
        stream: All the text of the ReadableStream that it gave.
    """

    last_request_id: str | None
    ai_gateway_log_id: str | None
    last_request_http_status_code: int | None
    last_request_internal_status_code: int | None
    value: object = msgspec.UNSET
    stream: str | None = None
    response: Raw | None = None
    thrown: Thrown | None = None


@dataclass(frozen=True)
class Driver:
    """
    A Worker that calls `env.AI` as it is told.

    Attributes:
        ai: The Workers AI behind the binding.
        rest: A client of that one's REST.
    """

    ai: WorkersAi
    rest: httpx.Client
    _worker: httpx.Client

    def ask(
        self,
        inputs: Mapping[str, object] = SCOPED,
        model: str = FAST,
        options: Mapping[str, object] | None = None,
        *,
        how: str = "run",
    ) -> Outcome:
        """
        Call it.

        Args:
            how: Of contract_worker.js.
        """
        asked = {"how": how, "model": model, "inputs": inputs, "options": options or {}}
        response = self._worker.post("/", content=json.dumps(asked))
        return msgspec.json.decode(response.raise_for_status().content, type=Outcome)

    def value(self, inputs: Mapping[str, object] = SCOPED, model: str = FAST) -> dict[str, object]:
        """Run a model for an object."""
        outcome = self.ask(inputs, model)
        assert isinstance(outcome.value, dict), outcome
        return outcome.value

    def events(self, inputs: Mapping[str, object] = SCOPED, model: str = FAST) -> list[object]:
        """Run a model for a stream, and decode its events; `[DONE]` stays text."""
        outcome = self.ask({**inputs, "stream": True}, model)
        assert outcome.stream is not None, outcome
        return decode_events(outcome.stream)

    def thrown(
        self,
        inputs: Mapping[str, object] = SCOPED,
        model: str = FAST,
        options: Mapping[str, object] | None = None,
        *,
        how: str = "run",
    ) -> Thrown:
        """Run a model for an exception."""
        outcome = self.ask(inputs, model, options, how=how)
        assert outcome.thrown is not None, outcome
        return outcome.thrown


def decode_events(text: str) -> list[object]:
    """Decode the data of a stream's events; `[DONE]` stays text."""
    blocks = text.split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith("data: ") for block in blocks)
    data = [block.removeprefix("data: ") for block in blocks]
    return [one if one == "[DONE]" else json.loads(one) for one in data]


@contextmanager
def drive(folder: Path) -> Iterator[Driver]:
    """
    Run the Worker in its own workerd, over a Workers AI in this process.

    Args:
        folder: For its configuration.
    """
    ai = WorkersAi()
    with serve(ai) as address:
        config = folder / "contract.capnp"
        modules, ai_address = {_WORKER.name: _WORKER}, address.removeprefix("http://")
        write_config(config, modules, [], ai_address=ai_address, serves=True)
        with (
            _workerd(config) as port,
            httpx.Client(verify=False, base_url=address, timeout=60) as rest,
        ):
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(verify=False, base_url=url, timeout=60) as worker:
                yield Driver(ai, rest, worker)


@contextmanager
def _workerd(config: Path) -> Iterator[int]:
    """Serve a Worker, and find out on which port."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as control:
        with os.fdopen(writing, "w"):
            process = subprocess.Popen(command_to_serve(config, writing), pass_fds=[writing])
        try:
            line = control.readline()
            assert line, "workerd ended before it listened"
            yield msgspec.json.decode(line, type=_Listening).port
        finally:
            process.kill()
            process.wait()


class _Listening(msgspec.Struct):
    port: int
