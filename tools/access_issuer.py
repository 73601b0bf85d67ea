"""
Cloudflare Access on this machine: `make access` issues tokens and publishes the keys to them.

It stands in for a team's domain, and not for the page where people log in: whoever runs it has
the tokens.
"""

import base64
import contextlib
import json
import os
import re
import secrets
import socket
import sys
import time
import uuid
from collections.abc import Mapping

import uvicorn
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from workers_ai_local import LocalOnly

CERTS = "/cdn-cgi/access/certs"
LIFETIME_S = 86_400
_EMAIL = "person@example.com"
_EXPONENT = 65537
_KEY_BITS = 2048
_WORDS = """\
Access        {issuer}

Have make dev trust it: put these lines into .dev.vars, then start make dev:

  ACCESS_TEAM="{issuer}"
  ACCESS_AUD="{audience}"

Try it, as {email}, for 24 hours:

  curl http://localhost:8787/run -H 'cf-access-jwt-assertion: {token}' -d '{{"prompt":"Hello"}}'

Started again, it has another audience and other keys. Ctrl-C ends it.
"""


class AccessError(Exception):
    """Says what is wrong and what to do."""


class Issuer:
    """
    Signs tokens, and publishes the keys that they are verified with.

    Attributes:
        address: Its own, without a slash at the end; empty until somebody sets it.
        kid: The id of the key that it signs with.
        app: Serves the published keys, to this machine only.
        asked: How many times they were asked for.
        failing: Whether that is answered with 503.

    Source: https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/application-token/
    """

    def __init__(self) -> None:
        self.address = ""
        self.kid = ""
        self.app = Starlette(routes=[Route(CERTS, self._certs)], middleware=[Middleware(LocalOnly)])
        self.asked = 0
        self.failing = False
        self._published: dict[str, rsa.RSAPublicKey] = {}
        self.rotate()

    def rotate(self) -> None:
        """Sign with a new key from now on; those before it stay published."""
        self.kid = secrets.token_hex(32)
        self._key = rsa.generate_private_key(_EXPONENT, _KEY_BITS)
        self._published[self.kid] = self._key.public_key()

    def withdraw(self, kid: str) -> None:
        """Publish a key no longer, be it the one that it signs with."""
        del self._published[kid]

    def claims(self, audience: str, subject: str, now: int, **others: object) -> dict[str, object]:
        """
        Word what Access says about a person who has logged in.

        Args:
            audience: The tag of the application, 64 hexadecimal digits.
            subject: The person's id, a UUID.
            now: Seconds since 1970.
            others: Claims to add, or to have instead.
        """
        return {
            "aud": [audience],
            "email": _EMAIL,
            "exp": now + LIFETIME_S,
            "iat": now,
            "nbf": now,
            "iss": self.address,
            "type": "app",
            "identity_nonce": "6ei69kawdKzMIAPF",
            "sub": subject,
            "country": "US",
            **others,
        }

    def sign(self, claims: object, header: Mapping[str, object] | None = None) -> str:
        """
        Make a token, with a signature of the current key that is right whatever it says.

        Args:
            claims: Anything that JSON words.
            header: Members to add, or to have instead.
        """
        whole = {"alg": "RS256", "kid": self.kid, "typ": "JWT", **(header or {})}
        signed = f"{_base64url(_json(whole))}.{_base64url(_json(claims))}"
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256())
        return f"{signed}.{_base64url(signature)}"

    def certs(self) -> bytes:
        """Word the published keys as a JSON Web Key Set."""
        return _json({"keys": [_key_as_json(kid, key) for kid, key in self._published.items()]})

    async def _certs(self, _request: Request) -> Response:
        self.asked += 1
        if self.failing:
            return Response(status_code=503)
        return Response(self.certs(), media_type="application/json")


def _key_as_json(kid: str, key: rsa.RSAPublicKey) -> dict[str, str]:
    numbers = key.public_numbers()
    return {
        "kid": kid,
        "kty": "RSA",
        "alg": "RS256",
        "use": "sig",
        "e": _base64url(numbers.e.to_bytes(3)),
        "n": _base64url(numbers.n.to_bytes(_KEY_BITS // 8)),
    }


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def listen(port: str) -> socket.socket:
    """
    Listen on loopback, at ACCESS_PORT.

    Raises:
        AccessError: It is not a port, or cannot be had.
    """
    if not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise AccessError(f"ACCESS_PORT: expected a number from 0 to 65535, got {port!r}")
    try:
        return socket.create_server(("127.0.0.1", int(port)))
    except OSError as error:
        raise AccessError(
            f"ACCESS_PORT: cannot listen on {port}: {error.strerror}.\n"
            "Choose another port, or leave ACCESS_PORT out for any that is free."
        ) from error


def main() -> int:
    """Run `make access`."""
    try:
        listener = listen(os.environ.get("ACCESS_PORT") or "0")
    except AccessError as error:
        print(error, file=sys.stderr)
        return 1
    issuer = Issuer()
    issuer.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    audience = secrets.token_hex(32)
    token = issuer.sign(issuer.claims(audience, str(uuid.uuid4()), int(time.time())))
    print(
        _WORDS.format(issuer=issuer.address, audience=audience, email=_EMAIL, token=token),
        flush=True,
    )
    config = uvicorn.Config(
        issuer.app, log_level="warning", timeout_graceful_shutdown=1, ws="none", lifespan="off"
    )
    # uvicorn raises it once more when it has ended.
    with listener, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
