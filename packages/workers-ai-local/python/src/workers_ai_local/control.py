"""The control API: says what requests get, and lists those that arrived."""

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .errors import Error
from .scripts import Reply, Script, Scripted
from .service import WorkersAi
from .wire import json_response


class Listed(msgspec.Struct):
    """A script that waits for its requests; `left` is null where any number gets it."""

    number: int
    left: int | None
    reply: Reply | None


def routes(workers_ai: WorkersAi) -> list[Route]:
    """Route `/_local`."""

    def test_of(request: Request) -> str | None:
        unknown = set(request.query_params) - {"test"}
        if unknown:
            raise HTTPException(400, f"{', '.join(sorted(unknown))}: expected only test")
        return request.query_params.get("test")

    async def about(_request: Request) -> Response:
        engine = workers_ai.engine
        return json_response(
            {
                "engine": None if engine is None else {"url": engine.url, "model": engine.model},
                "models": {
                    name: "retired" if model.retired else "paid" if model.paid else "living"
                    for name, model in workers_ai.models.items()
                },
                "streams": workers_ai.streams,
            }
        )

    async def add_replies(request: Request) -> Response:
        if request.query_params:
            raise HTTPException(400, "test: expected in the reply, not in the address")
        try:
            given = msgspec.json.decode(await request.body(), type=list[Reply] | Reply)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return json_response({"errors": [Error(400, f"body: {error}")]}, 400)
        replies = given if isinstance(given, list) else [given]
        return json_response({"added": [workers_ai.scripts.add(reply) for reply in replies]}, 201)

    async def list_replies(request: Request) -> Response:
        test = test_of(request)
        listed = [_list(script) for script in workers_ai.scripts if test in (None, script.test)]
        return json_response(listed)

    async def forget_replies(request: Request) -> Response:
        workers_ai.scripts.clear(test_of(request))
        return Response(status_code=204)

    async def list_requests(request: Request) -> Response:
        test = test_of(request)
        return json_response([one for one in workers_ai.received if test in (None, one.test)])

    async def count_streams(request: Request) -> Response:
        test = test_of(request)
        return json_response(workers_ai.counted(test))

    async def reset(request: Request) -> Response:
        workers_ai.reset(test_of(request))
        return Response(status_code=204)

    return [
        Route("/_local", about, methods=["GET"]),
        Route("/_local", reset, methods=["DELETE"]),
        Route("/_local/replies", add_replies, methods=["POST"]),
        Route("/_local/replies", list_replies, methods=["GET"]),
        Route("/_local/replies", forget_replies, methods=["DELETE"]),
        Route("/_local/requests", list_requests, methods=["GET"]),
        Route("/_local/streams", count_streams, methods=["GET"]),
    ]


def _list(script: Script) -> Listed:
    reply = None if isinstance(script.reply, Scripted) else script.reply
    return Listed(script.number, script.left, reply)
