"""The server: every surface of a Workers AI on one port."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from . import binding, control, rest
from .errors import Error
from .loopback import LocalOnly
from .service import WorkersAi
from .wire import json_response

# Longer than workerd keeps a connection that is idle: it would ask on one that is being closed.
KEEP_ALIVE_S = 75


def create_app(
    workers_ai: WorkersAi, *, token: str | None = None, only_local: bool = True
) -> Starlette:
    """
    Put a Workers AI behind HTTP.

    Args:
        token: What callers of REST have to show; None for anything or nothing.
        only_local: Whether requests have to name this machine in `Host`.
    """
    app = Starlette(
        routes=[
            *binding.routes(workers_ai),
            *rest.routes(workers_ai, token),
            *control.routes(workers_ai),
        ],
        middleware=[Middleware(LocalOnly)] if only_local else [],
        exception_handlers={HTTPException: _http_error, ClientDisconnect: _gone},
    )
    app.router.redirect_slashes = False
    return app


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if request.url.path.startswith("/client/v4/"):
        response = rest.no_route(request, error.status_code)
    else:
        message = f"{request.method} {request.url.path}: this server has no such route"
        if error.status_code == 400:
            message = error.detail
        response = json_response({"errors": [Error(7000, message)]}, error.status_code)
    response.headers.update(error.headers or {})
    return response


def _gone(_request: Request, _error: Exception) -> Response:
    """Answer nobody: the client went before its body was whole."""
    return Response(status_code=400)
