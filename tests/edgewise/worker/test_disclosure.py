"""Last of the tier: nothing that the Worker answered or logged in it held a key or a prompt."""

import itertools
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.edgewise.hostile import MODEL, POSTS
from tests.harness.processes import wait_until
from tests.harness.shared import KEYS, WRONG_KEY, Worker
from tests.harness.witness import CANARY
from workers_ai_local import Reply

KEY = KEYS["desk"]
CREDENTIALS: Sequence[Mapping[str, str]] = (
    {"authorization": f"Bearer {KEY}"},
    {"authorization": f"Bearer {WRONG_KEY}"},
    {"authorization": f"Basic {KEY}"},
    {"authorization": f"Bearer {KEY} {WRONG_KEY}"},
    {"authorization": KEY},
    {"x-api-key": KEY},
    {"x-api-key": f"{KEY}, {WRONG_KEY}"},
    {"x-api-key": KEY, "origin": f"http://{CANARY}.example", "user-agent": CANARY},
)
TURN = {"role": "user", "content": CANARY}
ASKED: Sequence[Mapping[str, object]] = (
    {"messages": [TURN]},
    {"messages": [TURN], "stream": True},
    {"prompt": CANARY},
    {"prompt": CANARY, "stream": True, "user": CANARY},
    {"prompt": CANARY, "temperature": CANARY},
    {"prompt": CANARY, "max_tokens": KEY},
    {"messages": [{"role": CANARY, "content": KEY}]},
    {"messages": [TURN], "model": KEY},
)
FAILURES: Sequence[Mapping[str, object]] = (
    {"error": 3040},
    {"error": {"code": 9999, "status": 500, "description": f"{CANARY} {KEY}"}},
    {"chunks": [f"<h1>{CANARY} {KEY}</h1>"], "content_type": "text/html", "status": 500},
    {"chunks": [f'{{"{CANARY}": "{KEY}"'], "content_type": "application/json"},
    {"text": "word " * 9, "break_after": 3},
)


class Asking:
    """Shows keys and prompts wherever a caller can, each time under another id."""

    def __init__(self, client: httpx.Client, worker: Worker) -> None:
        self.ids: set[str] = set()
        self._client = client
        self._worker = worker

    def in_every_way(self, path: str) -> None:
        """Ask at a path: with every credential, for everything, and where Workers AI fails."""
        asked = ASKED[2] if path.endswith("/v1/completions") else ASKED[0]
        for credential in CREDENTIALS:
            self._ask(path, asked, credential)
        for body in ASKED:
            self._ask(path, body)
        for failure, stream in itertools.product(FAILURES, [False, True]):
            self._worker.ai.reset()
            self._worker.ai.script(msgspec.convert(failure, Reply))
            self._ask(path, {**asked, "stream": stream})

    def _ask(
        self, path: str, body: Mapping[str, object], credential: Mapping[str, str] = CREDENTIALS[0]
    ) -> None:
        self.ids.add(f"disclosure-{len(self.ids)}")
        headers = {**credential, "x-request-id": f"disclosure-{len(self.ids) - 1}"}
        model = {"model": MODEL} if "/v1/" in path else {}
        with suppress(httpx.RemoteProtocolError):  # a stream that breaks
            self._client.post(path, headers=headers, json={**model, **body})


def test_no_key_and_no_prompt_was_disclosed(worker: Worker, request: pytest.FixtureRequest) -> None:
    start = len(worker.log)
    with httpx.Client(verify=False, base_url=worker.address, timeout=60) as client:
        asking = Asking(client, worker)
        for path in POSTS:
            asking.in_every_way(path)

    def logged() -> set[str]:
        return {json.loads(line)["id"] for line in worker.log[start:] if line.startswith("{")}

    wait_until(lambda: logged() >= asking.ids, seconds=10)
    others = [
        item
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.path.parent == Path(__file__).parent
        and {"worker", "client"} <= set(item.fixturenames)
    ]
    witness = worker.witness
    assert witness.answers >= len(others) + len(asking.ids) > 150
    assert witness.records >= len(asking.ids)
    assert witness.disclosures == []
