"""A load: requests of every kind at once, each of which knows what it has to get."""

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import httpx
import msgspec

from tests.harness.shared import KEYS, WRONG_KEY
from workers_ai_local import made_up_tokens

FAST = "@cf/meta/llama-3.1-8b-instruct-fast"
ID = "x-request-id"
AT_ONCE = 64
MOST_S = 30.0  # of a single request
_MOST_TOKENS = 64
_LEAVING_S = 0.3  # long before what is asked for comes

# What Workers AI does where the prompt holds the name.
SCRIPTS: Mapping[str, Mapping[str, object]] = {
    "<3040>": {"error": 3040},
    "<5006>": {"error": 5006},
    "<3007>": {"error": 3007},
    "<broken>": {"text": "word " * 9, "break_after": 3},
    "<endless>": {"text": "word " * 5000, "tokens_per_second": 50},
    "<late>": {"text": "word " * 9, "delay_ms": 2000},
}


def replies() -> list[dict[str, object]]:
    """The scripts, as Workers AI's control API takes them."""
    return [{**reply, "contains": name, "times": "always"} for name, reply in SCRIPTS.items()]


def said_in_json(body: bytes) -> str:
    """The text of a JSON answer, in any dialect."""
    match json.loads(body):
        case {"response": str(text)} | {"result": {"response": str(text)}}:
            return text
        case {"choices": [{"message": {"content": str(text)}} | {"text": str(text)}]}:
            return text
    raise AssertionError(f"no answer: {body[:200]!r}")


def said_in_stream(body: bytes) -> str:
    """The text of a stream that ended well, in any dialect."""
    *blocks, done, end = body.decode().split("\n\n")
    assert (done, end) == ("data: [DONE]", ""), body[-200:]
    if blocks[0].startswith("id: "):
        del blocks[0]
    text = ""
    for block in blocks:
        match json.loads(block.removeprefix("data: ")):
            case {"response": str(piece)} | {"choices": [{"text": str(piece)}]}:
                text += piece
            case {"choices": [{"delta": {"content": str(piece)}}]}:
                text += piece
            case frame:
                assert "error" not in frame, frame
    return text


def nothing_said(_body: bytes) -> str:
    """Of an answer that no model had a part in."""
    return ""


@dataclass(frozen=True)
class Kind:
    """
    A kind of request.

    Attributes:
        weight: How many of the mixture are of it.
        by: What holds the prompt.
        asked: What else is asked for.
        content: Instead of all that.
        does: The name of a script.
        status: HTTP status of the answer.
        code: Our code of the error.
        credential: What is shown; None for what others show.
        ends: How it ends: the stream breaks off, or the caller leaves.
    """

    weight: int
    path: str = f"/run/{FAST}"
    method: str = "POST"
    by: Literal["prompt", "messages", "query", "nothing"] = "prompt"
    asked: Mapping[str, object] = field(default_factory=dict)
    content: bytes | None = None
    does: str = ""
    read: Callable[[bytes], str] = said_in_json
    status: int = 200
    code: str | None = None
    credential: Mapping[str, str] | None = None
    ends: Literal["well", "broken", "left amid", "left before"] = "well"


STREAM: Mapping[str, object] = {"stream": True}
LONG: Mapping[str, object] = {"max_tokens": 2048}
NAMED: Mapping[str, object] = {"model": FAST}
NAMED_STREAM: Mapping[str, object] = {**NAMED, **STREAM}
REFUSED = "unauthorized"
CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
REST = "/client/v4/accounts/account/ai"
CREDENTIALS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("anonymous", {}),
    ("shop", {"authorization": f"Bearer {KEYS['shop']}"}),
    ("desk", {"x-api-key": KEYS["desk"]}),
)

KINDS: Mapping[str, Kind] = {
    "native": Kind(10),
    "native, scoped": Kind(8, by="messages"),
    "native, raw": Kind(2, asked={"raw": True}),
    "native stream": Kind(14, asked=STREAM, read=said_in_stream),
    "listening": Kind(6, method="GET", by="query", read=said_in_stream),
    "chat": Kind(8, CHAT, by="messages", asked=NAMED),
    "chat stream": Kind(14, CHAT, by="messages", asked=NAMED_STREAM, read=said_in_stream),
    "completion": Kind(4, COMPLETIONS, asked=NAMED),
    "completion stream": Kind(4, COMPLETIONS, asked=NAMED_STREAM, read=said_in_stream),
    "REST": Kind(4, f"{REST}/run/{FAST}", by="messages"),
    "REST stream": Kind(3, f"{REST}/run/{FAST}", asked=STREAM, read=said_in_stream),
    "REST chat": Kind(2, f"{REST}{CHAT}", by="messages", asked=NAMED),
    "models": Kind(1, "/v1/models", "GET", "nothing", read=nothing_said),
    "bad field": Kind(2, asked={"temperature": "hot"}, status=400, code="invalid_request"),
    "bad stream": Kind(1, CHAT, asked=NAMED_STREAM, status=400, code="invalid_request"),
    "no JSON": Kind(1, content=b'{"prompt":', status=400, code="invalid_request"),
    "too large": Kind(1, content=b" " * 1_048_577, status=413, code="body_too_large"),
    "unknown model": Kind(1, "/run/@cf/none/such", status=404, code="model_not_found"),
    "wrong path": Kind(1, "/nowhere", status=404, code="not_found"),
    "wrong method": Kind(1, "/run", "PUT", status=405, code="method_not_allowed"),
    "no capacity": Kind(1, does="<3040>", status=429, code="no_capacity"),
    "refused": Kind(1, does="<5006>", status=400, code="upstream_refused_input"),
    "timeout": Kind(1, asked=STREAM, does="<3007>", status=504, code="upstream_timeout"),
    "broken": Kind(1, does="<broken>", status=502, code="upstream_error"),
    "broken stream": Kind(1, asked=STREAM, does="<broken>", ends="broken"),
    "broken chat": Kind(1, CHAT, by="messages", asked=NAMED_STREAM, does="<broken>", ends="broken"),
    "left": Kind(2, asked={**STREAM, **LONG}, does="<endless>", ends="left amid"),
    "left chat": Kind(
        2, CHAT, by="messages", asked={**NAMED_STREAM, **LONG}, does="<endless>", ends="left amid"
    ),
    "wrong key": Kind(
        1, credential={"authorization": f"Bearer {WRONG_KEY}"}, status=401, code=REFUSED
    ),
    "no key": Kind(1, CHAT, credential={"authorization": "Bearer"}, status=401, code=REFUSED),
    "malformed key": Kind(1, credential={"x-api-key": "short"}, status=401, code=REFUSED),
}


# Apart, since V8 keeps what was begun for such a caller for long, and lets go of many at once.
ABANDONED: Mapping[str, Kind] = {
    "left before a stream": Kind(2, asked=STREAM, does="<late>", ends="left before"),
    "left before a chat": Kind(
        2, CHAT, by="messages", asked=NAMED_STREAM, does="<late>", ends="left before"
    ),
    "left before JSON": Kind(2, does="<late>", ends="left before"),
}


@dataclass(frozen=True)
class Asked:
    """
    A request that was sent, and what is to be written down of it.

    Attributes:
        caller: None where nobody let it in, so that it does not matter who sent it.
    """

    kind: Kind
    status: int
    caller: str | None


class Soak:
    """
    A load, and what came of it.

    Attributes:
        asked: By id.
        wrong: What was not as it should be.
    """

    def __init__(self, address: str) -> None:
        """
        Args:
            address: The Worker's.
        """
        self.asked: dict[str, Asked] = {}
        self.wrong: list[str] = []
        self._address = address

    def run(
        self, requests: int, kinds: Mapping[str, Kind] = KINDS, *, least_s: float = 0.0
    ) -> None:
        """
        Ask, AT_ONCE at once, and judge.

        Args:
            kinds: By name.
            least_s: Seconds over which the requests are spread, if they do not take longer.
        """
        asyncio.run(self._run(requests, kinds, least_s))

    async def _run(self, requests: int, kinds: Mapping[str, Kind], least_s: float) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
        turns = zip(range(requests), _mix(kinds, seed=len(self.asked)), strict=False)
        limits = httpx.Limits(max_connections=None)
        async with (
            httpx.AsyncClient(
                verify=False, base_url=self._address, limits=limits, timeout=None
            ) as client,
            asyncio.TaskGroup() as tasks,
        ):

            async def take_turns() -> None:
                for turn, name in turns:
                    await asyncio.sleep(start + turn * least_s / requests - loop.time())
                    await self._judge(client, name, kinds[name])

            for _ in range(AT_ONCE):
                tasks.create_task(take_turns())

    async def _judge(self, client: httpx.AsyncClient, name: str, kind: Kind) -> None:
        number = len(self.asked)
        caller, credential = CREDENTIALS[number % len(CREDENTIALS)]
        request = _word(client, kind, number, credential)
        is_let_in = kind.status == 200
        self.asked[request.headers[ID]] = Asked(kind, kind.status, caller if is_let_in else None)
        try:
            async with asyncio.timeout(MOST_S):
                await _ASK[kind.ends](client, kind, request)
        except (AssertionError, LookupError, TimeoutError, ValueError, httpx.HTTPError) as error:
            self.wrong.append(f"{request.headers[ID]}, {name}: {error!r}")


def _mix(kinds: Mapping[str, Kind], seed: int) -> Iterator[str]:
    """Name kinds by their weights, without end, always the same for a seed."""
    chance = random.Random(seed)
    names = [name for name, kind in kinds.items() for _ in range(kind.weight)]
    while True:
        chance.shuffle(names)
        yield from names


def _word(
    client: httpx.AsyncClient, kind: Kind, number: int, credential: Mapping[str, str]
) -> httpx.Request:
    shown = credential if kind.credential is None else kind.credential
    headers = {**shown, ID: f"soak-{number}"}
    if kind.content is not None or kind.by == "nothing":
        return client.build_request(kind.method, kind.path, headers=headers, content=kind.content)
    inputs = _inputs(kind, number)
    if kind.by == "query":
        url = httpx.URL(kind.path, params=inputs)
        return client.build_request(kind.method, url, headers=headers)
    return client.build_request(
        kind.method, kind.path, headers=headers, json={**inputs, **kind.asked}
    )


def _inputs(kind: Kind, number: int) -> dict[str, object]:
    """Ask each time for something else, so that no answer can be taken for another."""
    prompt = f"{kind.does}Number {number}"
    if kind.by == "messages":
        return {"messages": [{"role": "user", "content": prompt}], "max_tokens": _MOST_TOKENS}
    return {"prompt": prompt, "max_tokens": _MOST_TOKENS}


def _said(kind: Kind, number: int) -> str:
    """Find what the stand-in says to a request."""
    if kind.read is nothing_said:
        return ""
    asked = _inputs(kind, number) | {"raw": kind.asked.get("raw", False)}
    return "".join(made_up_tokens(FAST, msgspec.json.encode(asked)))


def _check_head(response: httpx.Response, kind: Kind) -> None:
    assert response.status_code == kind.status, response.status_code
    assert response.headers[ID] == response.request.headers[ID]


async def _take_all(client: httpx.AsyncClient, kind: Kind, request: httpx.Request) -> None:
    response = await client.send(request)
    _check_head(response, kind)
    if kind.status != 200:
        assert response.json()["error"]["code"] == kind.code, response.text
        return
    number = int(request.headers[ID].removeprefix("soak-"))
    said = kind.read(response.content)
    assert said == _said(kind, number), said


async def _take_what_breaks(client: httpx.AsyncClient, kind: Kind, request: httpx.Request) -> None:
    """Take a stream that breaks off, or that ends with an error, in OpenAI's words."""
    received, has_broken = b"", False
    response = await client.send(request, stream=True)
    try:
        _check_head(response, kind)
        async for piece in response.aiter_bytes():
            received += piece
    except httpx.RemoteProtocolError:
        has_broken = True
    finally:
        await response.aclose()
    assert received.count(b"word") == 3, received
    assert b"[DONE]" not in received, received
    assert has_broken == (b'"upstream_error"' not in received), received


async def _leave_amid(client: httpx.AsyncClient, kind: Kind, request: httpx.Request) -> None:
    response = await client.send(request, stream=True)
    try:
        _check_head(response, kind)
        await anext(response.aiter_raw())
    finally:
        await response.aclose()


async def _leave_before(client: httpx.AsyncClient, _kind: Kind, request: httpx.Request) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(_LEAVING_S):
            response = await client.send(request)
            raise AssertionError(f"answered: {response.status_code}")


_ASK = {
    "well": _take_all,
    "broken": _take_what_breaks,
    "left amid": _leave_amid,
    "left before": _leave_before,
}
