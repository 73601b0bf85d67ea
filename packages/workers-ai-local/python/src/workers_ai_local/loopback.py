"""
Who may ask: programs on this machine, and no web page that found a way to it.

A page of another site reaches loopback by a name of its own that resolves to it (DNS rebinding),
which shows in `Host`, or by plain cross-site requests, which show in `Origin`.
"""

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from .wire import json_response

BINDING_HOST = "workers-binding.ai"  # what the Ai class asks for
_NOT_OF_THE_BINDING = ("/_local", "/client/")
_LOOPBACK = re.compile(r"localhost|[\w-]+\.localhost|127(\.\d{1,3}){3}|::1", re.IGNORECASE)


class LocalOnly:
    """Refuses requests that do not name this machine in `Host`, or come from another's page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 or pass on."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            host, origin = headers.get("host", ""), headers.get("origin")
            is_binding = host == BINDING_HOST and not scope["path"].startswith(_NOT_OF_THE_BINDING)
            if not is_binding and not is_loopback(f"//{host}"):
                said = f"Host: expected a loopback name such as localhost, got {host!r}"
            elif origin is not None and not is_loopback(origin):
                said = f"Origin: expected a page of this machine, got {origin!r}"
            else:
                await self._app(scope, receive, send)
                return
            response = json_response({"errors": [{"code": 403, "message": said}]}, 403)
            await response(scope, receive, send)
            return
        await self._app(scope, receive, send)


def is_loopback(url: str) -> bool:
    """Check whether a URL's host is a name of this machine's loopback."""
    try:
        host = urlsplit(url).hostname
    except ValueError:
        return False
    return host is not None and _LOOPBACK.fullmatch(host) is not None
