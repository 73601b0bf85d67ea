"""A Workers AI asked in this process, without a socket."""

import asyncio
import json

import httpx

from workers_ai_local.app import create_app
from workers_ai_local.binding import MODEL_HEADER
from workers_ai_local.service import WorkersAi

FAST = "@cf/meta/llama-3.1-8b-instruct-fast"
SCOPED = {"messages": [{"role": "user", "content": "Hello"}]}


def ask(
    workers_ai: WorkersAi,
    method: str,
    path: str,
    body: object = None,
    headers: dict[str, str] | None = None,
    token: str | None = None,
) -> httpx.Response:
    """
    Send one request.

    Args:
        body: Bytes as they are, or anything that JSON words.
    """
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body)

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(workers_ai, token=token))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, content=content, headers=headers)

    return asyncio.run(send())


def run(
    workers_ai: WorkersAi,
    inputs: object,
    model: str = FAST,
    *,
    options: object = None,
    path: str = "/run",
    test: str | None = None,
) -> httpx.Response:
    """Ask as the Ai class does."""
    headers = {MODEL_HEADER: model} | ({"x-local-test": test} if test else {})
    body = {"inputs": inputs, "options": options or {}}
    return ask(workers_ai, "POST", f"{path}?version=3", body, headers)
