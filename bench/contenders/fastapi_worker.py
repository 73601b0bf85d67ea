"""
What people deploy who know FastAPI: the native endpoint's job, through the SDK's ASGI adapter.

Of the ways to write it, the one that took the least: the log is a middleware of ASGI itself, the
rate limits are asked one after the other, and the adapter gets JavaScript's request.
"""

import json
import secrets
from collections.abc import AsyncIterator
from functools import lru_cache
from time import perf_counter
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from workers import WorkerEntrypoint, asgi

MODEL = "@cf/meta/llama-3.1-8b-instruct-fast"


class Turn(BaseModel):
    role: Literal["system", "user", "assistant", "tool"]
    content: str


class Inputs(BaseModel):
    messages: list[Turn] = Field(min_length=1, max_length=256)
    max_tokens: int = Field(default=256, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=5)
    top_p: float | None = Field(default=None, ge=0, le=2)
    top_k: int | None = Field(default=None, ge=1, le=50)
    seed: int | None = Field(default=None, ge=1, le=9_999_999_999)
    repetition_penalty: float | None = Field(default=None, ge=0, le=2)
    frequency_penalty: float | None = Field(default=None, ge=0, le=2)
    presence_penalty: float | None = Field(default=None, ge=0, le=2)
    stream: bool = False


class Log:
    """One line of JSON a request, written when its answer begins."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = perf_counter()

        async def send_and_write(message: Message) -> None:
            if message["type"] == "http.response.start":
                line = {
                    "caller": scope["state"].get("caller"),
                    "route": f"{scope['method']} {scope['path']}",
                    "model": MODEL,
                    "status": message["status"],
                    "ms": round((perf_counter() - began) * 1000, 1),
                    "stream": scope["state"].get("stream", False),
                }
                print(json.dumps(line))
            await send(message)

        await self.app(scope, receive, send_and_write)


@lru_cache(maxsize=1)
def read_keys(text: str) -> dict[str, bytes]:
    """Read the names of callers and their keys."""
    pairs = (entry.partition(":") for entry in text.split())
    return {name: key.encode() for name, _, key in pairs}


async def authenticate(
    request: Request, given: Annotated[HTTPAuthorizationCredentials, Depends(HTTPBearer())]
) -> str:
    """Find out whose key it is."""
    token = given.credentials.encode()
    keys = read_keys(request.scope["env"].API_KEYS)
    matching = [name for name, key in keys.items() if secrets.compare_digest(key, token)]
    if not matching:
        raise HTTPException(401, "wrong key", {"www-authenticate": "Bearer"})
    request.state.caller = matching[0]
    return matching[0]


async def admit(request: Request, caller: Annotated[str, Depends(authenticate)]) -> None:
    """Ask both rate limits."""
    env = request.scope["env"]
    address = request.headers.get("cf-connecting-ip", "none")
    outcomes = [
        await env.RATE_LIMIT_CALLER.limit({"key": caller}),
        await env.RATE_LIMIT_ADDRESS.limit({"key": address}),
    ]
    if not all(outcome["success"] for outcome in outcomes):
        raise HTTPException(429, "too many requests")


app = FastAPI()
app.add_middleware(Log)


@app.post("/run", dependencies=[Depends(admit)])
async def run(inputs: Inputs, request: Request) -> Response:
    env = request.scope["env"]
    if inputs.max_tokens > env.MAX_TOKENS_CEILING:
        raise HTTPException(422, f"max_tokens: expected at most {env.MAX_TOKENS_CEILING}")
    request.state.stream = inputs.stream
    try:
        answer = await env.AI.run(MODEL, inputs.model_dump(exclude_none=True))
    except Exception as error:
        raise HTTPException(502, "the model failed") from error
    if inputs.stream:
        headers = {"cache-control": "no-cache"}
        return StreamingResponse(chunks(answer), 200, headers, "text/event-stream")
    return JSONResponse(answer)


async def chunks(stream: Any) -> AsyncIterator[bytes]:
    """Hand a stream of JavaScript on."""
    async for chunk in stream:
        yield chunk.to_bytes()


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return await asgi.fetch(app, request.js_object, self.env)
