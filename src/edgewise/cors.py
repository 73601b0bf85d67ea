"""
Which pages elsewhere may read what is answered: an allow list of origins.

Source: fetch.spec.whatwg.org, "CORS protocol"
"""

import re
from collections.abc import Mapping

from .exchange import Reply, Request
from .routes import methods_of
from .settings import ANY_ORIGIN, Settings

_MAX_AGE_S = 7200  # browsers keep it no longer
_TAKEN = (
    *("authorization", "content-type", "x-api-key", "x-request-id", "last-event-id"),
    *("openai-organization", "openai-project", "openai-beta", "idempotency-key"),
)
# OpenAI's library for browsers tells about itself, each version in a few headers more.
_STAINLESS = re.compile(r"x-stainless-[a-z-]{1,40}")
_MOST_STAINLESS = 32
_TOLD = (
    *("x-request-id", "x-model", "x-max-tokens", "x-ignored-fields", "server-timing"),
    *("retry-after", "x-should-retry", "www-authenticate"),
)


def cors_headers(request: Request, settings: Settings) -> Mapping[str, str]:
    """Tell a browser whether the page that asked may read the answer."""
    if not settings.allowed_origins:
        return {}
    origin = request.headers.get("origin")
    headers = {"vary": "Origin"}
    if origin is None or not {origin, ANY_ORIGIN} & set(settings.allowed_origins):
        return headers
    headers["access-control-expose-headers"] = ", ".join(_TOLD)
    if origin == ANY_ORIGIN or origin not in settings.allowed_origins:
        return {**headers, "access-control-allow-origin": ANY_ORIGIN}
    headers["access-control-allow-origin"] = origin
    if settings.access is not None:  # whose session is a cookie
        headers["access-control-allow-credentials"] = "true"
    return headers


def is_preflight(request: Request) -> bool:
    """Check whether a browser asks if a page may send something. It sends no credentials then."""
    return request.method == "OPTIONS" and "access-control-request-method" in request.headers


def preflight_reply(request: Request, settings: Settings) -> Reply:
    """
    Tell a browser what a page may send; nothing, where its origin is not allowed.

    Raises:
        NotFound: There is no such path.
    """
    methods = methods_of(request.path)
    if "access-control-allow-origin" not in cors_headers(request, settings):
        return Reply(204, {}, None)
    asked = request.headers.get("access-control-request-headers", "").lower().split(",")
    names = [name.strip() for name in asked]
    stainless = sorted({name for name in names if _STAINLESS.fullmatch(name)})
    headers = {
        "access-control-allow-methods": ", ".join(methods),
        "access-control-allow-headers": ", ".join([*_TAKEN, *stainless[:_MOST_STAINLESS]]),
        "access-control-max-age": str(_MAX_AGE_S),
    }
    return Reply(204, headers, None)
