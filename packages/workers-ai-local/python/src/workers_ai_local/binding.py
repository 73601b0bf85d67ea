"""
The protocol of the binding, as workerd's Ai class speaks it.

Source: workerd/src/cloudflare/internal/ai-api.ts
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .errors import Refused, binding_error, rest_error
from .history import Surface
from .service import WorkersAi
from .wire import NO_OPTIONS, Contents, deliver, json_response, read_asked, search_models

MODEL_HEADER = "cf-consn-model-id"


class Call(msgspec.Struct, frozen=True):
    """The body of a request."""

    inputs: msgspec.Raw
    options: msgspec.Raw = NO_OPTIONS


def routes(workers_ai: WorkersAi) -> list[Route]:
    """Route the paths that the Ai class calls."""

    async def run(request: Request) -> Response:
        return await _run(request, "binding")

    async def run_through_gateway(request: Request) -> Response:
        return await _run(request, "gateway")

    async def _run(request: Request, surface: Surface) -> Response:
        model = request.headers.get(MODEL_HEADER, "")

        def read(body: bytes) -> Contents:
            call = msgspec.json.decode(body, type=Call)
            return model, call.inputs, call.options

        def unreadable(_why: str) -> Refused:
            # Such as a stream among the inputs, which text generation does not take.
            return Refused(3003, "Request is missing headers or body: inputs as JSON")

        asked = await read_asked(request, surface, model, read, unreadable)
        return deliver(workers_ai, asked, binding_error)

    async def models(request: Request) -> Response:
        try:
            return json_response(search_models(workers_ai, request.query_params))
        except Refused as refused:
            # Here the Ai class looks for `errors` alone.
            return json_response(rest_error(refused, ""), refused.status)

    return [
        Route("/run", run, methods=["POST"]),
        Route("/ai-gateway/run", run_through_gateway, methods=["POST"]),
        Route("/ai-api/models/search", models, methods=["GET"]),
    ]
