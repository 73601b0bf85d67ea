"""Who is calling: by a key, by Cloudflare Access, or nobody in particular."""

import re
from collections.abc import Mapping

from ..errors import Closed, ForeignHost, ForeignOrigin, Unauthorized
from ..exchange import Request
from ..settings import ANY_ORIGIN, Settings
from .access import BY_ACCESS, Web, challenge, identify
from .access import HEADER as ACCESS_HEADER
from .keys import ANONYMOUS, KEY, find_caller

_BEARER = re.compile(rf"(?i:bearer) +(?P<key>{KEY})")
_PORT = re.compile(r":[0-9]+\Z")
_OURS = ("same-origin", "none")
_CLOSED = (
    "this deployment accepts no callers yet: its owner stores the secret API_KEYS (`make key` makes"
    " a key), or sets ACCESS_TEAM and ACCESS_AUD, or ALLOW_ANONYMOUS to true"
    " (docs/configuration.md)"
)


def check_host(request: Request, settings: Settings) -> None:
    """
    Refuse a host that is not among ALLOWED_HOSTS, where the deployment names any.

    A Worker that calls over a binding is not asked: it names whatever it likes, and no web page
    can be in its place.

    Raises:
        ForeignHost: Somebody else's name leads here.
    """
    if not settings.allowed_hosts or "cf-connecting-ip" not in request.headers:
        return
    host = request.origin.partition("://")[2]
    if _PORT.sub("", host) not in settings.allowed_hosts:
        raise ForeignHost("host: expected one that this deployment serves")


async def authenticate(request: Request, settings: Settings, web: Web) -> str:
    """
    Find out who is calling, without reading any of the body.

    Returns:
        The name of the caller: that of a key, `access:` with an id, or `anonymous`.

    Raises:
        Unauthorized: There are no credentials, or wrong ones.
        Closed: The deployment is not configured to accept anybody.
        AccessUnavailable: A token cannot be checked now.
    """
    given = _find_key(request.headers) if settings.keys else None
    if given is not None:
        caller = find_caller(settings.keys, given)
        if caller is None:
            raise Unauthorized(
                "authorization: expected a key of this deployment, got another one",
                headers=challenge("invalid_token"),
            )
        return caller
    token = request.headers.get(ACCESS_HEADER)
    if settings.access is not None and token is not None:
        return await identify(token, settings.access, web, request.received_at)
    if settings.allows_anonymous:
        return ANONYMOUS
    if settings.keys:
        expected = "authorization: expected `Bearer` and a key, or a key in x-api-key, got neither"
    elif settings.access is not None:
        expected = f"{ACCESS_HEADER}: expected a token of Cloudflare Access, got nothing"
    else:
        raise Closed(_CLOSED)
    raise Unauthorized(expected, headers=challenge())


def _find_key(headers: Mapping[str, str]) -> str | None:
    """
    Find the key that a request carries.

    Raises:
        Unauthorized: What it carries is not a key, or there are two that differ.
    """
    authorization, given = headers.get("authorization"), headers.get("x-api-key")
    if given is not None and not re.fullmatch(KEY, given):
        raise _malformed("x-api-key: expected a key, got something else")
    # Beside x-api-key another scheme than Bearer is for somebody else on the way.
    if authorization is None or (given is not None and authorization[:6].lower() != "bearer"):
        return given
    bearer = _BEARER.fullmatch(authorization)
    if bearer is None:
        raise _malformed("authorization: expected `Bearer` and a key, got something else")
    if given not in (None, bearer["key"]):
        raise _malformed("x-api-key: expected none beside authorization")
    return bearer["key"]


def _malformed(message: str) -> Unauthorized:
    return Unauthorized(message, headers=challenge("invalid_request"))


def check_origin(request: Request, caller: str, settings: Settings) -> None:
    """
    Refuse a page elsewhere that acts with its visitor's session of Access.

    The session comes by itself with whatever a browser sends, from any page: a form, an image.

    Raises:
        ForeignOrigin: It is not a page of this deployment's, nor of an origin that it allows.
    """
    if not caller.startswith(BY_ACCESS):
        return
    origin = request.headers.get("origin")
    if origin is None:
        is_foreign = request.headers.get("sec-fetch-site", "none") not in _OURS
    else:
        friends = {request.origin, *settings.allowed_origins} - {ANY_ORIGIN}
        is_foreign = origin not in friends
    if is_foreign:
        raise ForeignOrigin("origin: expected this deployment's own or one of ALLOWED_ORIGINS")
