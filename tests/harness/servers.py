"""Servers in threads of this process: a Workers AI, and what looks like an Ollama."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.harness.processes import wait_until
from workers_ai_local import KEEP_ALIVE_S, WorkersAi, create_app

_ANSWER = (
    'data: {"choices":[{"index":0,"delta":{"content":"Ollama"},"finish_reason":"stop"}]}\n\n'
    "data: [DONE]\n\n"
)


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
