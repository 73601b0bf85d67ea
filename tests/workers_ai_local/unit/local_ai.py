"""A Workers AI asked in this process, without a socket, and a reader of its streams."""

import asyncio
import json
import re
from dataclasses import dataclass, field

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


@dataclass
class Heard:
    """
    What a stream says.

    Attributes:
        text: Whole.
        roles: How often it opened a turn.
        usage: The last.
        tool_calls: Name and arguments as JSON text, put together.
        reason: The finish reason, where one was given.
        is_done: Whether it ended with `[DONE]`.
    """

    text: str = ""
    roles: int = 0
    usage: dict[str, int] | None = None
    tool_calls: list[list[str]] = field(default_factory=list)
    reason: str | None = None
    is_done: bool = False


def hear(stream: bytes) -> Heard:
    """Read a stream of whatever flavour, each text once."""
    heard = Heard()
    for block in re.split(r"\r?\n\r?\n", stream.decode())[:-1]:
        assert block.startswith("data: "), block
        assert not heard.is_done, "something came behind the end"
        data = block.removeprefix("data: ")
        if data == "[DONE]":
            heard.is_done = True
            continue
        frame = json.loads(data)
        choice = (frame.get("choices") or [{}])[0]
        delta = choice.get("delta", {})
        heard.text += frame["response"] if "response" in frame else delta.get("content", "")
        heard.roles += "role" in delta
        heard.usage = frame.get("usage", heard.usage)
        heard.reason = choice.get("finish_reason") or heard.reason
        for call in frame.get("tool_calls") or delta.get("tool_calls") or []:
            if "function" not in call:
                heard.tool_calls.append([call["name"], json.dumps(call["arguments"])])
                continue
            if call["index"] == len(heard.tool_calls):
                heard.tool_calls.append([call["function"]["name"], ""])
            heard.tool_calls[call["index"]][1] += call["function"].get("arguments", "")
    return heard
