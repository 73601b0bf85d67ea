"""
Cloudflare Access: who a visitor is, told by a signed token.

Source: developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/
authorization-cookie/validating-json/, RFC 7515 and RFC 7519.
"""

import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol, TypeVar

import msgspec
from msgspec import Raw

from ..asked.structure import is_too_deep
from ..errors import AccessUnavailable, Misconfigured, Unauthorized

HEADER = "cf-access-jwt-assertion"
BY_ACCESS = "access:"  # no name of a key begins so
CERTS_PATH = "/cdn-cgi/access/certs"
FRESH_S = 3600.0
PAUSE_S = 60.0  # between two fetches, whatever kid somebody sends
RETRY_S = 5.0  # while none is known
STALE_S = 86_400.0  # a key that was withdrawn is to be trusted no longer than that
LEEWAY_S = 30.0  # clocks differ

_TEAM = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_ISSUER = re.compile(r"https://[a-z0-9.-]+|http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?")
_AUDIENCE = re.compile(r"[!-~]{16,256}")
_LONGEST_TOKEN = 16_384
_PART = r"[A-Za-z0-9_-]+"
_TOKEN = re.compile(rf"({_PART})\.({_PART})\.({_PART})")
# A user's or a service token's id; a mail address would be in every log line.
_SUBJECT = re.compile(r"[A-Za-z0-9._-]{1,80}")
_LEAST_MODULUS = 342  # characters of base64url: 2048 bits

T = TypeVar("T")


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str
    crit: Raw | None = None


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    aud: str | list[str]
    exp: float
    nbf: float = 0
    sub: str = ""
    common_name: str = ""  # of a service token, which has no sub


class Jwk(msgspec.Struct, frozen=True):
    """A public key, RFC 7517."""

    kid: str
    kty: str
    n: str
    e: str
    alg: str = "RS256"


class _Certs(msgspec.Struct, frozen=True):
    keys: list[Raw]


_HEADER_DECODER = msgspec.json.Decoder(_Header)
_CLAIMS_DECODER = msgspec.json.Decoder(_Claims)
_KEY_DECODER = msgspec.json.Decoder(Jwk)
_CERTS_DECODER = msgspec.json.Decoder(_Certs)


class Access(msgspec.Struct, frozen=True):
    """
    Whose tokens are taken.

    Attributes:
        issuer: Such as `https://team.cloudflareaccess.com`.
        audience: The application's tag.
    """

    issuer: str
    audience: str


class Web(Protocol):
    """What checking a token needs of the platform."""

    async def fetch_text(self, url: str) -> str:
        """
        Fetch a document.

        Raises:
            AccessUnavailable: It did not come.
        """
        ...

    async def verify_rs256(self, key: Jwk, signed: bytes, signature: bytes) -> bool:
        """Check whether a signature is right: RSASSA-PKCS1-v1_5 with SHA-256, nothing else."""
        ...


class Known(msgspec.Struct, frozen=True):
    """
    The keys of an issuer, as they were published.

    Attributes:
        fetched_at: Seconds since 1970.
        asked_at: When it was last tried, whether it came or not.
        keys: By kid.
    """

    fetched_at: float
    asked_at: float
    keys: Mapping[str, Jwk]


_UNKNOWN = Known(-math.inf, -math.inf, {})
# Issuer to its keys. A cache that may be lost at any time.
known_keys: dict[str, Known] = {}


def read_access(team: str, audience: str) -> Access | None:
    """
    Read ACCESS_TEAM and ACCESS_AUD.

    Args:
        team: The team's name, or the address of an issuer: https, or http on this machine.
        audience: The application's audience tag. Both are empty where Access is not used.

    Raises:
        Misconfigured: Names the variable.
    """
    if not team and not audience:
        return None
    issuer = f"https://{team}.cloudflareaccess.com" if _TEAM.fullmatch(team) else team
    if not _ISSUER.fullmatch(issuer):
        raise Misconfigured(
            "ACCESS_TEAM: expected the name of a team, such as `example` of"
            " example.cloudflareaccess.com, or its address",
            param="ACCESS_TEAM",
        )
    if not _AUDIENCE.fullmatch(audience):
        raise Misconfigured(
            "ACCESS_AUD: expected the audience tag of the Access application, at least 16"
            " characters",
            param="ACCESS_AUD",
        )
    return Access(issuer, audience)


async def identify(token: str, access: Access, web: Web, now: float) -> str:
    """
    Find out who a token was made for.

    Args:
        token: The header's value. Untrusted.
        now: Seconds since 1970.

    Returns:
        `access:` and the user's id, or a service token's client id; no mail address.

    Raises:
        Unauthorized: It is not one of this application's that is valid now.
        AccessUnavailable: There are no keys to check it by.
    """
    parts = _TOKEN.fullmatch(token) if len(token) <= _LONGEST_TOKEN else None
    if parts is None:
        raise _refusal("a JSON Web Token")
    header = _read(parts[1], _HEADER_DECODER, "a header with alg and kid")
    claims = _read(parts[2], _CLAIMS_DECODER, "claims with iss, aud and exp")
    if header.alg != "RS256" or header.crit is not None:
        raise _refusal("the algorithm RS256")
    if claims.iss != access.issuer:
        raise _refusal("the issuer of this deployment")
    if access.audience not in ([claims.aud] if isinstance(claims.aud, str) else claims.aud):
        raise _refusal("the audience of this deployment")
    if claims.exp <= now - LEEWAY_S:
        raise _refusal("a token that has not expired")
    if claims.nbf > now + LEEWAY_S:
        raise _refusal("a token that is valid already")
    key = await _find_key(header.kid, access, web, now)
    signature = _decode(parts[3])
    signed = f"{parts[1]}.{parts[2]}".encode()
    if signature is None or not await web.verify_rs256(key, signed, signature):
        raise _refusal("a token signed by Access")
    name = claims.sub or claims.common_name
    if not _SUBJECT.fullmatch(name):
        raise _refusal("a token that says whose it is")
    return BY_ACCESS + name


async def _find_key(kid: str, access: Access, web: Web, now: float) -> Jwk:
    known = known_keys.get(access.issuer, _UNKNOWN)
    if now - known.fetched_at > STALE_S:
        if now - known.asked_at <= RETRY_S:
            raise AccessUnavailable("Cloudflare Access could not be reached a moment ago")
        try:
            known = await _fetch(access, web, now)
        except AccessUnavailable:
            # Another request may have had more luck meanwhile.
            if known_keys.get(access.issuer, _UNKNOWN) is not known:
                return await _find_key(kid, access, web, now)
            known_keys[access.issuer] = msgspec.structs.replace(_UNKNOWN, asked_at=now)
            raise
    is_due = now - known.fetched_at > FRESH_S or kid not in known.keys
    if is_due and now - known.asked_at > PAUSE_S:
        known_keys[access.issuer] = msgspec.structs.replace(known, asked_at=now)
        with suppress(AccessUnavailable):  # those that are known serve on for a while
            known = await _fetch(access, web, now)
    if kid not in known.keys:
        raise _refusal("a token signed by Access")
    return known.keys[kid]


async def _fetch(access: Access, web: Web, now: float) -> Known:
    document = await web.fetch_text(access.issuer + CERTS_PATH)
    if is_too_deep(document.encode()):
        document = ""
    usable: dict[str, Jwk] = {}
    try:
        for published in _CERTS_DECODER.decode(document).keys:
            with suppress(msgspec.ValidationError):  # of another kind, so nothing to us
                key = _KEY_DECODER.decode(published)
                if key.kty == "RSA" and key.alg == "RS256" and len(key.n) >= _LEAST_MODULUS:
                    usable[key.kid] = key
    except msgspec.DecodeError as error:
        raise AccessUnavailable("Cloudflare Access published no keys that can be read") from error
    known_keys[access.issuer] = Known(now, now, usable)
    return known_keys[access.issuer]


def _read(part: str, decoder: msgspec.json.Decoder[T], expected: str) -> T:
    document = _decode(part) or b""
    if is_too_deep(document):
        raise _refusal(expected)
    try:
        return decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _refusal(expected) from error


def _decode(part: str) -> bytes | None:
    """Decode base64url; None when it is not the one way to write what it says."""
    try:
        decoded = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return None
    return decoded if urlsafe_b64encode(decoded).rstrip(b"=") == part.encode() else None


def _refusal(expected: str) -> Unauthorized:
    return Unauthorized(f"{HEADER}: expected {expected}", headers=challenge("invalid_token"))


def challenge(problem: str | None = None) -> Mapping[str, str]:
    """
    Describe how to authenticate, as RFC 6750 words it.

    Args:
        problem: What was wrong with the credentials; None when there were none.
    """
    error = f', error="{problem}"' if problem else ""
    return {"www-authenticate": f'Bearer realm="edgewise"{error}'}
