"""
Which pages elsewhere may read what is answered: an allow list of origins.

Source: fetch.spec.whatwg.org, "CORS protocol"
"""

import re
from collections.abc import Mapping

from ..exchange import Reply, Request
from ..replies import OF_ALL, OF_ERRORS, OF_INFERENCE
from ..routes import Api, methods_of
from ..settings import ANY_ORIGIN, Settings

_MAX_AGE_S = 7200  # browsers keep it no longer
_TAKEN = ("authorization", "content-type", "x-api-key", "x-request-id", "last-event-id")
_MOST_MATCHED = 32  # headers that a dialect takes by their pattern
_TOLD = ", ".join([*OF_ALL, *OF_INFERENCE, *OF_ERRORS])


def cors_headers(request: Request, settings: Settings) -> Mapping[str, str]:
    """Tell a browser whether the page that asked may read the answer."""
    if not settings.allowed_origins:
        return {}
    origin = request.headers.get("origin")
    headers = {"vary": "Origin"}
    if origin is None or not {origin, ANY_ORIGIN} & set(settings.allowed_origins):
        return headers
    headers["access-control-expose-headers"] = _TOLD
    if origin == ANY_ORIGIN or origin not in settings.allowed_origins:
        return {**headers, "access-control-allow-origin": ANY_ORIGIN}
    headers["access-control-allow-origin"] = origin
    if settings.access is not None:  # whose session is a cookie
        headers["access-control-allow-credentials"] = "true"
    return headers


def is_preflight(request: Request) -> bool:
    """Check whether a browser asks if a page may send something. It sends no credentials then."""
    return request.method == "OPTIONS" and "access-control-request-method" in request.headers


def preflight_reply(request: Request, settings: Settings, api: Api) -> Reply:
    """
    Tell a browser what a page may send; nothing, where its origin is not allowed.

    Raises:
        NotFound: There is no such path.
    """
    methods = methods_of(api, request.path)
    if "access-control-allow-origin" not in cors_headers(request, settings):
        return Reply(204, {}, None)
    asked = request.headers.get("access-control-request-headers", "").lower().split(",")
    names = [name.strip() for name in asked]
    taken = [*_TAKEN, *(name for dialect in api.dialects for name in dialect.request_headers)]
    patterns = [dialect.request_header_pattern for dialect in api.dialects]
    matched = {
        name for name in names for pattern in patterns if pattern and re.fullmatch(pattern, name)
    }
    headers = {
        "access-control-allow-methods": ", ".join(methods),
        "access-control-allow-headers": ", ".join([*taken, *sorted(matched)[:_MOST_MATCHED]]),
        "access-control-max-age": str(_MAX_AGE_S),
    }
    return Reply(204, headers, None)
