import asyncio
import base64
import json
import socket

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tools.access_issuer import CERTS, LIFETIME_S, AccessError, Issuer, listen

AUDIENCE = "32eafc7626e974616deaf0dc3ce63d7bcbed58a2731e84d06bc3cdf1b53c4228"
PERSON = "7335d417-61da-459d-899c-0a01c76a2f94"
NOW = 1_800_000_000


def ask(issuer: Issuer, host: str = "127.0.0.1:8788") -> httpx.Response:
    """Ask for the keys."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(issuer.app)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            return await client.get(CERTS)

    return asyncio.run(send())


def decode(part: str) -> bytes:
    """Read base64url without its padding."""
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def read(issuer: Issuer, token: str) -> tuple[object, object]:
    """
    Read a token as one who has nothing but the published keys.

    Returns:
        Its header and its claims.

    Raises:
        KeyError: Its key is not published.
        InvalidSignature: It was signed with another key, or changed.
    """
    signed, _, signature = token.rpartition(".")
    header, claims = (json.loads(decode(part)) for part in signed.split("."))
    keys = {key["kid"]: key for key in ask(issuer).json()["keys"]}
    key = keys[header["kid"]]
    e, n = (int.from_bytes(decode(key[name])) for name in ("e", "n"))
    public = rsa.RSAPublicNumbers(e, n).public_key()
    public.verify(decode(signature), signed.encode(), padding.PKCS1v15(), SHA256())
    return header, claims


@pytest.fixture
def issuer() -> Issuer:
    """One that listens, as far as it knows."""
    issuer = Issuer()
    issuer.address = "http://127.0.0.1:8788"
    return issuer


def test_token_says_what_access_says_of_a_person(issuer: Issuer) -> None:
    token = issuer.sign(issuer.claims(AUDIENCE, PERSON, NOW))

    assert read(issuer, token) == (
        {"alg": "RS256", "kid": issuer.kid, "typ": "JWT"},
        {
            "aud": [AUDIENCE],
            "email": "person@example.com",
            "exp": NOW + LIFETIME_S,
            "iat": NOW,
            "nbf": NOW,
            "iss": "http://127.0.0.1:8788",
            "type": "app",
            "identity_nonce": "6ei69kawdKzMIAPF",
            "sub": PERSON,
            "country": "US",
        },
    )


def test_keys_are_published_as_access_does(issuer: Issuer) -> None:
    (key,) = ask(issuer).json()["keys"]

    assert len(decode(key.pop("n"))) == 256
    assert key == {"kid": issuer.kid, "kty": "RSA", "alg": "RS256", "use": "sig", "e": "AQAB"}


def test_claims_can_be_others(issuer: Issuer) -> None:
    claims = issuer.claims(AUDIENCE, PERSON, NOW, email="you@example.com", extra=1)

    assert (claims["email"], claims["extra"]) == ("you@example.com", 1)


def test_header_can_be_another(issuer: Issuer) -> None:
    header, claims = read(issuer, issuer.sign([], {"alg": "none", "crit": ["x"]}))

    assert header == {"alg": "none", "kid": issuer.kid, "typ": "JWT", "crit": ["x"]}
    assert claims == []


def test_token_that_was_changed_does_not_verify(issuer: Issuer) -> None:
    head, _, signature = issuer.sign({"sub": "one"}).split(".")
    _, other, _ = issuer.sign({"sub": "two"}).split(".")

    with pytest.raises(InvalidSignature):
        read(issuer, f"{head}.{other}.{signature}")


def test_older_key_stays_published_when_it_rotates(issuer: Issuer) -> None:
    older = issuer.kid
    token = issuer.sign({})
    issuer.rotate()

    assert older != issuer.kid
    assert read(issuer, token)[0] == {"alg": "RS256", "kid": older, "typ": "JWT"}
    assert read(issuer, issuer.sign({}))[0] == {"alg": "RS256", "kid": issuer.kid, "typ": "JWT"}


def test_key_that_was_withdrawn_is_not_published(issuer: Issuer) -> None:
    older = issuer.kid
    token = issuer.sign({})
    issuer.rotate()
    issuer.withdraw(older)

    with pytest.raises(KeyError):
        read(issuer, token)
    assert [key["kid"] for key in ask(issuer).json()["keys"]] == [issuer.kid]


def test_it_signs_on_with_a_key_that_was_withdrawn(issuer: Issuer) -> None:
    issuer.withdraw(issuer.kid)

    with pytest.raises(KeyError):
        read(issuer, issuer.sign({}))


def test_failing_is_503_and_counts_too(issuer: Issuer) -> None:
    issuer.failing = True
    statuses = [ask(issuer).status_code]
    issuer.failing = False
    statuses.append(ask(issuer).status_code)

    assert statuses == [503, 200]
    assert issuer.asked == 2


@pytest.mark.parametrize("host", ["127.0.0.1:8788", "localhost:8788"])
def test_host_that_names_this_machine_is_served(issuer: Issuer, host: str) -> None:
    assert ask(issuer, host).status_code == 200


@pytest.mark.parametrize("host", ["evil.example:8788", "127.0.0.1.evil.example", "192.0.2.1"])
def test_host_that_names_another_machine_is_403(issuer: Issuer, host: str) -> None:
    assert ask(issuer, host).status_code == 403
    assert issuer.asked == 0


def test_it_listens_on_loopback() -> None:
    with listen("0") as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("port", ["", "http", "-1", "65536", "8788.5", "٣"])
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(AccessError, match="^ACCESS_PORT: expected a number from 0 to 65535, got"):
        listen(port)


def test_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])

        with pytest.raises(AccessError, match=f"^ACCESS_PORT: cannot listen on {port}: Address"):
            listen(port)
