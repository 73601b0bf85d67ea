"""
Cloudflare's REST API, as far as it runs text models.

Source: developers.cloudflare.com/workers-ai/get-started/rest-api/ and
.../configuration/open-ai-compatibility/
"""

import hmac
from collections.abc import Awaitable, Callable

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .errors import Envelope, Error, Refused, rest_error
from .service import WorkersAi, request_headers
from .wire import NO_OPTIONS, Contents, deliver, json_response, read_asked, search_models

_ACCOUNT = "/client/v4/accounts/{account}/ai"


class Body(msgspec.Struct, frozen=True):
    """What a body holds beside the inputs."""

    options: msgspec.Raw = NO_OPTIONS


class ChatBody(msgspec.Struct, frozen=True):
    """What a chat completion's body words otherwise than the inputs do."""

    model: str
    options: msgspec.Raw = NO_OPTIONS
    max_completion_tokens: object = None
    response_format: object = None


def routes(workers_ai: WorkersAi, token: str | None) -> list[Route]:
    """
    Route the paths of an account.

    Args:
        token: What callers have to show; None for anything or nothing.
    """

    async def run(request: Request) -> Response:
        model = request.path_params["model"]

        def read(body: bytes) -> Contents:
            try:
                options = msgspec.json.decode(body, type=Body).options
            except msgspec.ValidationError:
                options = NO_OPTIONS  # not an object: the inputs are refused
            return model, msgspec.Raw(body), options

        asked = await read_asked(request, "rest", model, read, _unreadable)
        return deliver(workers_ai, asked, rest_error)

    async def chat(request: Request) -> Response:
        def read(body: bytes) -> Contents:
            given = msgspec.json.decode(body, type=ChatBody)
            inputs = _chat_inputs(msgspec.json.decode(body, type=dict[str, object]), given)
            return given.model, inputs, given.options

        asked = await read_asked(request, "chat", "", read, _unreadable)
        return deliver(workers_ai, asked, rest_error)

    async def search(request: Request) -> Response:
        try:
            return json_response(search_models(workers_ai, request.query_params))
        except Refused as refused:
            response = json_response(rest_error(refused, ""), refused.status)
            response.headers.update(request_headers("rest", refused.request_id))
            return response

    async def list_models(_request: Request) -> Response:
        raise HTTPException(405)  # OpenAI's clients ask for it, and Cloudflare has it not

    async def schema(request: Request) -> Response:
        model = workers_ai.models.get(request.query_params.get("model", ""))
        if model is None:
            return json_response(_failed(6002, "Model schema not found"), 404)
        return json_response(Envelope({"input": model.schema, "output": {"type": "object"}}))

    def guarded(
        endpoint: Callable[[Request], Awaitable[Response]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint_of_account(request: Request) -> Response:
            if token is not None and not _shows(request, token):
                return json_response(_failed(10000, "Authentication error", result=None), 401)
            return await endpoint(request)

        return endpoint_of_account

    return [
        Route(f"{_ACCOUNT}/run/{{model:path}}", guarded(run), methods=["POST"]),
        Route(f"{_ACCOUNT}/v1/chat/completions", guarded(chat), methods=["POST"]),
        Route(f"{_ACCOUNT}/v1/models", guarded(list_models)),
        Route(f"{_ACCOUNT}/models/search", guarded(search), methods=["GET"]),
        Route(f"{_ACCOUNT}/models/schema", guarded(schema), methods=["GET"]),
    ]


def _unreadable(why: str) -> Refused:
    return Refused(5006, f"Error: {why}")


def no_route(request: Request, status: int) -> Response:
    """Answer a path or a method that REST has not."""
    if status == 405:
        message = f"{request.method} not supported for requested URI"
        return json_response(_failed(7001, message, result=None), status)
    path = request.url.path
    wrong = Error(7003, f"Could not route to {path}, perhaps your object identifier is invalid?")
    errors = [wrong, Error(7000, "No route for that URI")]
    return json_response(Envelope(None, success=False, errors=errors), status)


def _failed(code: int, message: str, result: object = msgspec.UNSET) -> Envelope:
    content = {} if result is msgspec.UNSET else result
    return Envelope(content, success=False, errors=[Error(code, message)])


def _shows(request: Request, token: str) -> bool:
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        shown.encode("latin-1"), token.encode()
    )


def _chat_inputs(inputs: dict[str, object], given: ChatBody) -> msgspec.Raw:
    """Word a chat completion's body as inputs."""
    if given.max_completion_tokens is not None:
        inputs["max_tokens"] = given.max_completion_tokens
    match given.response_format:
        case {"type": "json_schema", "json_schema": {"schema": schema}}:
            inputs["response_format"] = {"type": "json_schema", "json_schema": schema}
        case {"type": "text"}:
            del inputs["response_format"]
    # OpenAI's clients send null where they mean nothing.
    present = {name: value for name, value in inputs.items() if value is not None}
    return msgspec.Raw(msgspec.json.encode(present))
