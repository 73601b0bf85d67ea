"""What this tier needs of the machine: a Workers AI in this process, and a look at processes."""

import asyncio
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import prepare
from runtime.config import (
    LOCAL_FLAGS,
    deployment,
    serving,
    source_modules,
    vendored_modules,
    write_config,
)
from runtime.process import Server
from runtime.wrangler import LOCAL, start_wrangler
from tests.hostile import CANARY
from tests.worker.relay import relay
from tests.worker.witness import Witness
from workers_ai.__main__ import KEEP_ALIVE_S
from workers_ai.app import create_app
from workers_ai.service import WorkersAi

_PATIENCE_S = 60.0
_ANSWER = (
    'data: {"choices":[{"index":0,"delta":{"content":"Ollama"},"finish_reason":"stop"}]}\n\n'
    "data: [DONE]\n\n"
)
_POLL_S = 0.01


@dataclass(frozen=True)
class Alone:
    """A workerd without wrangler."""

    address: str
    pid: int


@contextmanager
def serve(workers_ai: WorkersAi, token: str | None = None) -> Iterator[str]:
    """
    Serve a Workers AI on a free port of loopback, in a thread of this process.

    Yields:
        Its address.
    """
    with serve_app(create_app(workers_ai, token=token)) as address:
        yield address


@contextmanager
def serve_app(app: Starlette) -> Iterator[str]:
    """Serve an application in the same way."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_level="critical",
        lifespan="off",
        backlog=2048,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = server.force_exit = True
        thread.join()


async def endless(event: bytes) -> AsyncIterator[bytes]:
    """An answer that never ends."""
    while True:
        yield event
        await asyncio.sleep(0.01)


def copy_worker(folder: Path) -> None:
    """Copy what wrangler runs the Worker from; what others made is linked."""
    shutil.copytree(prepare.ROOT / "src", folder / "src")
    shutil.copytree(prepare.ROOT / "public", folder / "public")
    shutil.copy(prepare.ROOT / "wrangler.toml", folder)
    for name in ("python_modules", "node_modules"):
        (folder / name).symlink_to(prepare.ROOT / name)


def raise_limits(folder: Path) -> None:
    """Let a copy of the Worker be asked as often as tests ask."""
    file = folder / "wrangler.toml"
    toml = re.sub(r"(simple\s*=\s*\{\s*limit\s*=\s*)\d+", r"\g<1>1000000", file.read_text("utf-8"))
    file.write_text(toml, "utf-8")


def store_keys(folder: Path, keys: Mapping[str, str]) -> None:
    """Let callers with these keys into a copy of the Worker; by the callers' names."""
    (folder / ".dev.vars").write_text(f'API_KEYS="{word_keys(keys)}"\n', "utf-8")


def word_keys(keys: Mapping[str, str]) -> str:
    """Word keys as API_KEYS has them."""
    return " ".join(f"{name}:{key}" for name, key in keys.items())


@contextmanager
def run_wrangler(
    folder: Path,
    ai_url: str,
    on_line: Callable[[str], None] = lambda _line: None,
    arguments: Sequence[str] = LOCAL,
) -> Iterator[Server]:
    """
    Run a copy of the Worker over a Workers AI that runs already.

    Args:
        on_line: Called with each line that wrangler prints.
        arguments: More of `wrangler dev`.
    """
    wrangler = start_wrangler(
        port=0, ai_url=ai_url, cwd=folder, on_line=on_line, arguments=arguments
    )
    try:
        wait_until(lambda: bool(wrangler.address) or not wrangler.process.is_running())
        assert wrangler.address, wrangler.stop()
        yield wrangler
    finally:
        wrangler.stop()


@contextmanager
def run_workerd(folder: Path, ai_url: str, variables: Mapping[str, object]) -> Iterator[Alone]:
    """
    Run the Worker in a workerd without wrangler, so without rate limits.

    Args:
        folder: For its configuration.
        variables: More of them than in wrangler.toml, by name.
    """
    given = {**deployment().env["local"].variables, "RATE_LIMIT_ON_FAILURE": "open", **variables}
    config = folder / "config.capnp"
    write_config(
        config,
        source_modules() | vendored_modules(),
        [*LOCAL_FLAGS, "disable_python_dedicated_snapshot"],
        variables=given,
        ai_address=ai_url.removeprefix("http://"),
        serves=True,
    )
    with serving(config) as (pid, addresses):
        yield Alone(addresses["http"], pid)


@contextmanager
def run_worker(workers_ai: WorkersAi, folder: Path) -> Iterator[str]:
    """
    Run a copy of the Worker, and watch that it discloses no prompts.

    Yields:
        Its address.
    """
    witness = Witness([], [CANARY])
    with (
        serve(workers_ai) as ai_url,
        run_wrangler(folder, ai_url, witness.read_line) as wrangler,
        relay(wrangler.address, witness.watch) as address,
    ):
        yield address
    assert witness.disclosures == []


@contextmanager
def ollama(*models: str, key: str | None = None) -> Iterator[str]:
    """
    Run what looks like an Ollama that has these models.

    Yields:
        Its address, as OLLAMA_HOST takes it.
    """

    async def listed(request: Request) -> Response:
        if key is not None and request.headers.get("authorization") != f"Bearer {key}":
            return JSONResponse({}, 401)
        return JSONResponse({"object": "list", "data": [{"id": model} for model in models]})

    async def chat(request: Request) -> Response:
        if key is not None and request.headers.get("authorization") != f"Bearer {key}":
            return JSONResponse({}, 401)
        return StreamingResponse(iter([_ANSWER]), media_type="text/event-stream")

    routes = [Route("/v1/models", listed), Route("/v1/chat/completions", chat, methods=["POST"])]
    with serve_app(Starlette(routes=routes)) as url:
        yield url.removeprefix("http://")


def wait_until(is_so: Callable[[], bool], seconds: float = _PATIENCE_S) -> None:
    """
    Wait for something that another thread or process does.

    Raises:
        AssertionError: It was not so in time.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(_POLL_S)


def workerd_of(wrangler: int) -> list[int]:
    """The ids of a wrangler's workerd processes."""
    return [pid for pid, command in descendants(wrangler).items() if "workerd" in command]


def descendants(pid: int) -> dict[int, str]:
    """The processes that a process has started, and those that they have: id to command."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,command="],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    processes = [line.split(maxsplit=2) for line in listing.splitlines()]
    found = {pid: ""}
    for _ in processes:
        children = {
            int(own): " ".join(command)
            for own, parent, *command in processes
            if int(parent) in found and int(own) not in found
        }
        if not children:
            break
        found |= children
    del found[pid]
    return found


def is_running(pid: int) -> bool:
    """Whether a process lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def resident_bytes(pids: list[int]) -> int:
    """How much memory processes hold together."""
    listing = subprocess.run(
        ["ps", "-o", "rss=", "-p", ",".join(map(str, pids))],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return sum(int(kibibytes) for kibibytes in listing.split()) * 1024
