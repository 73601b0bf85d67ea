"""What this tier needs of the machine: a Workers AI in this process, and a look at processes."""

import asyncio
import os
import shutil
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import prepare
from runtime.wrangler import start_wrangler
from workers_ai.app import create_app
from workers_ai.service import WorkersAi

_PATIENCE_S = 60.0
_ANSWER = (
    'data: {"choices":[{"index":0,"delta":{"content":"Ollama"},"finish_reason":"stop"}]}\n\n'
    "data: [DONE]\n\n"
)
_POLL_S = 0.01


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
        app, host="127.0.0.1", port=0, log_level="critical", lifespan="off", backlog=2048
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
    shutil.copy(prepare.ROOT / "wrangler.toml", folder)
    for name in ("python_modules", "node_modules"):
        (folder / name).symlink_to(prepare.ROOT / name)


@contextmanager
def run_worker(workers_ai: WorkersAi, folder: Path) -> Iterator[str]:
    """
    Run a copy of the Worker.

    Yields:
        Its address.
    """
    with serve(workers_ai) as ai_url:
        wrangler = start_wrangler(port=0, ai_url=ai_url, cwd=folder)
        try:
            wait_until(lambda: bool(wrangler.address) or not wrangler.process.is_running())
            assert wrangler.address, wrangler.stop()
            yield wrangler.address
        finally:
            wrangler.stop()


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
