"""
The protocol of the binding, as workerd's Ai class speaks it.

Source: workerd/src/cloudflare/internal/ai-api.ts
"""

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .errors import Refused, binding_error, rest_error
from .service import Surface, WorkersAi
from .wire import deliver, json_response, read_asked, read_body, search_models

MODEL_HEADER = "cf-consn-model-id"


class Call(msgspec.Struct, frozen=True):
    """The body of a request."""

    inputs: msgspec.Raw
    options: msgspec.Raw = msgspec.Raw(b"{}")


def routes(workers_ai: WorkersAi) -> list[Route]:
    """Route the paths that the Ai class calls."""

    async def run(request: Request) -> Response:
        return await _run(request, "binding")

    async def run_through_gateway(request: Request) -> Response:
        return await _run(request, "gateway")

    async def _run(request: Request, surface: Surface) -> Response:
        model = request.headers.get(MODEL_HEADER, "")
        try:
            call = msgspec.json.decode(await read_body(request), type=Call)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            # Such as a stream among the inputs, which text generation does not take.
            refused = Refused(3003, "Request is missing headers or body: inputs as JSON")
            return json_response(binding_error(refused, model), refused.status)
        asked = read_asked(request, surface, model, call.inputs, call.options)
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
