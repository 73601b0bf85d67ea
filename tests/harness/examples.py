"""The examples, each as `make example` serves it, over a Workers AI of this process."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.harness.pages import commands_of, is_as_shown
from tests.harness.processes import is_running, wait_until
from tests.harness.relay import relay
from tests.harness.servers import endless, serve
from tests.harness.witness import CANARY, Witness
from tools import prepare
from tools.runtime.process import Server, descendants
from workers_ai_local import Scripted, WorkersAi

FAST = "@cf/meta/llama-3.1-8b-instruct-fast"
# Cut where neither a character nor a line nor an event ends.
EVENTS = "".join(f'data: {{"response":"€ {number}"}}\n\n' for number in range(5000)).encode()
PIECES = [EVENTS[start : start + 997] for start in range(0, len(EVENTS), 997)]
_READY = re.compile(r"The example +http://localhost:(?P<address>\d+)")
_VARIABLES = {"PORT": "0", "AI_ENGINE": "", "AI_ENGINE_MODEL": "", "AI_REPLIES": ""}


@dataclass(frozen=True)
class Example:
    """
    A running example.

    Attributes:
        client: A client of it; the witness is before it.
        ai: The Workers AI behind it.
        log: The lines that were printed.
    """

    client: httpx.Client
    ai: WorkersAi
    log: list[str]

    def ask(self, path: str, prompt: str = CANARY) -> httpx.Response:
        """Post a prompt."""
        return self.client.post(path, content=prompt)

    def inputs(self) -> list[dict[str, Any]]:
        """What the model was given, of each request."""
        return [json.loads(bytes(received.inputs)) for received in self.ai.received]


@contextmanager
def run_example(name: str) -> Iterator[Example]:
    """Serve an example, watch that it discloses no prompts, and that it leaves nothing behind."""
    ai, log, witness = WorkersAi(), list[str](), Witness([], [CANARY])

    def read(line: str) -> None:
        log.append(line)
        witness.read_line(line)

    with serve(ai) as ai_url:
        server = Server(
            [sys.executable, "-m", "tools.example", name],
            _READY,
            environment=os.environ | _VARIABLES | {"AI_URL": ai_url},
            cwd=prepare.ROOT,
            on_line=read,
        )
        started: dict[int, str] = {}
        try:
            wait_until(lambda: bool(server.ready) or not server.process.is_running())
            assert server.ready, server.stop()
            started = descendants(server.process.pid)
            with (
                relay(f"http://127.0.0.1:{server.address}", witness.watch) as address,
                httpx.Client(verify=False, base_url=address, timeout=60) as client,
            ):
                yield Example(client, ai, log)
        finally:
            server.stop()
    wait_until(lambda: not any(is_running(pid) for pid in started))
    assert witness.disclosures == []


def readme_commands(name: str) -> list[object]:
    """The commands of an example's page, each with what it shows as the answer."""
    page = (prepare.EXAMPLES / name / "README.md").read_text("utf-8")
    return [pytest.param(*command, id=command[0]) for command in commands_of(page)]


def check_command(example: Example, command: str, shown: str) -> None:
    """Run a command of a page, and check that it is answered as the page shows."""
    address = str(example.client.base_url).rstrip("/")
    words = shlex.split(command.replace("http://localhost:8787", address))
    said = subprocess.run(
        [words[0], "--silent", *words[1:]], stdout=subprocess.PIPE, text=True, check=True
    ).stdout

    assert is_as_shown(said, shown), said


def check_bytes(example: Example, path: str, **asked: Any) -> None:
    """Check that a stream reaches the client as Workers AI sent it."""
    example.ai.script(Scripted(PIECES), model=FAST)

    answer = example.client.request("POST", path, **asked)

    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.content == EVENTS


def check_cancellation(example: Example, path: str, **asked: Any) -> None:
    """Check that Workers AI sees within a second that the client goes away."""
    example.ai.script(Scripted(endless(b'data: {"response":"Hello"}\n\n')), model=FAST)
    with example.client.stream("POST", path, **asked) as answer:
        pieces = answer.iter_raw()
        while b"Hello" not in next(pieces):
            pass
        assert example.ai.streams.open == 1

    wait_until(lambda: example.ai.streams.cancelled == 1, seconds=1)
