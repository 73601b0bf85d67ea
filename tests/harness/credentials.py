"""Credentials that are accepted, and many that are not."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tools.access_issuer import Issuer

KEY = "ew_0123456789-abcdefghij"
OTHER_KEY = "ew_another.key~of+the/same=="
API_KEYS = f"shop:{KEY} desk:{OTHER_KEY}"
AUDIENCE = "4714c1358e65fe4b408ad6d432a5f878f08194bdb4752441fd56faefa9b2b6f2"
SUBJECT = "7335d417-61da-459d-899c-0a01c76a2f94"
TOKEN = "cf-access-jwt-assertion"
NO_BEARER = 'Bearer realm="edgewise"'
MALFORMED = f'{NO_BEARER}, error="invalid_request"'
WRONG = f'{NO_BEARER}, error="invalid_token"'


@dataclass(frozen=True)
class Bad:
    """
    Credentials that are to be refused.

    Attributes:
        name: What is wrong with them.
        headers: In which they are sent.
        challenge: What the answer has to say in `www-authenticate`.
    """

    name: str
    headers: Mapping[str, str]
    challenge: str


def bad_keys() -> Iterator[Bad]:
    """Headers that hold no key, none that is well-formed, or a wrong one."""
    for name, headers in {
        "nothing": {},
        "an empty token of Access": {TOKEN: ""},
        "a cookie": {"cookie": f"api_key={KEY}; CF_Authorization={KEY}"},
        "another header": {"api-key": KEY, "x-auth-key": KEY, "proxy-authorization": KEY},
    }.items():
        yield Bad(name, headers, NO_BEARER)
    for name, value in {
        "an empty header": "",
        "the scheme alone": "Bearer",
        "the scheme and a space": "Bearer ",
        "the key alone": KEY,
        "another scheme": f"Basic {KEY}",
        "Basic of the key": "Basic " + base64.b64encode(f"shop:{KEY}".encode()).decode(),
        "Digest": f'Digest username="shop", response="{KEY}"',
        "Token": f"Token {KEY}",
        "the scheme twice": f"Bearer Bearer {KEY}",
        "two keys": f"Bearer {KEY}, Bearer {OTHER_KEY}",
        "two keys between commas": f"Bearer {KEY},{OTHER_KEY}",
        "two keys between spaces": f"Bearer {KEY} {OTHER_KEY}",
        "a parameter": f"Bearer token={KEY}",
        "quotes": f'Bearer "{KEY}"',
        "a tab": f"Bearer\t{KEY}",
        "no space": f"Bearer{KEY}",
        "a colon": f"Bearer: {KEY}",
        "the name with it": f"Bearer shop:{KEY}",
        "a short one": "Bearer ew_0",
        "a long one": "Bearer " + "a" * 257,
        "a very long one": "Bearer " + "a" * 8_000,
        "letters beyond ASCII": "Bearer é" + KEY[1:],
        "a star": "Bearer ****************",
        "padding within": "Bearer ew_0123456789=abcdefghij",
    }.items():
        yield Bad(f"authorization: {name}", {"authorization": value}, MALFORMED)
    for name, value in {
        "another one": "ew_0123456789-abcdefghik",
        "the end missing": KEY[:-1],
        "more at the end": KEY + "a",
        "padding at the end": KEY + "=",
        "another case": KEY.upper(),
        "backwards": KEY[::-1],
        "its hash": hashlib.sha256(KEY.encode()).hexdigest(),
        "base64 of it": base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("="),
        "the padding missing": OTHER_KEY.rstrip("="),
        "both in one": KEY + OTHER_KEY,
        "undefined": "undefined-undefined",
        "what looks like one of OpenAI's": "sk-proj-0123456789abcdefghij",
    }.items():
        yield Bad(f"authorization: {name}", {"authorization": f"Bearer {value}"}, WRONG)
        yield Bad(f"x-api-key: {name}", {"x-api-key": value}, WRONG)
    for name, value in {
        "an empty header": "",
        "the scheme": f"Bearer {KEY}",
        "two keys": f"{KEY}, {OTHER_KEY}",
        "a short one": "ew_0",
        "the name with it": f"shop:{KEY}",
        "quotes": f'"{KEY}"',
    }.items():
        yield Bad(f"x-api-key: {name}", {"x-api-key": value}, MALFORMED)
    both = {"authorization": f"Bearer {KEY}", "x-api-key": OTHER_KEY}
    yield Bad("two keys that differ", both, MALFORMED)
    both = {"authorization": "Bearer", "x-api-key": KEY}
    yield Bad("a key beside a scheme without one", both, MALFORMED)


def bad_tokens(issuer: Issuer, now: int) -> Iterator[Bad]:
    """
    Tokens that Cloudflare Access did not make, or not for us, or not for now.

    Args:
        issuer: The real one. It signs what is wrong inside.
        now: Seconds since 1970.
    """
    for name, token in _bad_tokens(issuer, now):
        yield Bad(name, {TOKEN: token}, WRONG)


def good_token(issuer: Issuer, now: int, **others: object) -> str:
    """A token that lets SUBJECT in."""
    return issuer.sign(issuer.claims(AUDIENCE, SUBJECT, now, **others))


def encode(part: object) -> str:
    """A part of a token."""
    document = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(document).rstrip(b"=").decode()


def _bad_tokens(issuer: Issuer, now: int) -> Iterator[tuple[str, str]]:
    claims = issuer.claims(AUDIENCE, SUBJECT, now)
    good = issuer.sign(claims)
    header, payload, signature = good.split(".")
    other = Issuer()
    other.address = issuer.address

    def but(**changed: object) -> str:
        return issuer.sign(claims | changed)

    def without(name: str) -> str:
        return issuer.sign({key: value for key, value in claims.items() if key != name})

    def headed(**changed: object) -> str:
        return issuer.sign(claims, {"alg": "RS256", "kid": issuer.kid, "typ": "JWT"} | changed)

    yield "nothing", ""
    yield "no token", "token"
    yield "two parts", f"{header}.{payload}"
    yield "four parts", f"{good}.{signature}"
    yield "five parts, as of an encrypted one", f"{header}.{payload}.{signature}.a.b"
    yield "no signature", f"{header}.{payload}."
    yield "no header", f".{payload}.{signature}"
    yield "two tokens", f"{good}, {good}"
    yield "the scheme", f"Bearer {good}"
    yield "a space", f"{header}. {payload}.{signature}"
    yield "padding", f"{header}=.{payload}.{signature}"
    yield "the alphabet of base64", f"{header}.{payload}.{'+/' * 171}"
    yield "a header that is no JSON", f"{encode(b'alg')}.{payload}.{signature}"
    yield "a header that is no object", f"{encode([])}.{payload}.{signature}"
    yield "claims that are no object", issuer.sign([])
    yield "claims that are text", issuer.sign("claims")
    yield "claims that are no UTF-8", f"{header}.{encode(bytes([255, 254]))}.{signature}"
    yield "too long", f"{header}.{payload}{'A' * 20_000}.{signature}"

    for depth in (100, 1_500, 5_900):
        deep = b'{"alg":"RS256","kid":"a","iss":"a","aud":"a","exp":1,"x":%s%s}' % (
            b"[" * depth,
            b"]" * depth,
        )
        yield f"a header of {depth} levels", f"{encode(deep)}.{payload}.{signature}"
        yield f"claims of {depth} levels", f"{header}.{encode(deep)}.{signature}"

    unsigned = encode({"alg": "none", "kid": issuer.kid, "typ": "JWT"})
    yield "alg none", f"{unsigned}.{payload}."
    yield "alg none with a signature", f"{unsigned}.{payload}.{signature}"
    yield "alg None", f"{encode({'alg': 'None', 'kid': issuer.kid})}.{payload}.{signature}"
    for kind, secret in _public_keys(issuer):
        symmetric = f"{encode({'alg': 'HS256', 'kid': issuer.kid, 'typ': 'JWT'})}.{payload}"
        mac = hmac.digest(secret, symmetric.encode(), "sha256")
        yield f"HS256 with the public key, {kind}", f"{symmetric}.{encode(mac)}"
    for algorithm in ("RS384", "RS512", "PS256", "ES256", "EdDSA", "rs256", "", "HS256"):
        yield f"alg {algorithm or 'empty'}, signed with RS256", headed(alg=algorithm)
    yield "alg as an array", headed(alg=["RS256"])
    yield "no alg", f"{encode({'kid': issuer.kid})}.{payload}.{signature}"
    yield "no kid", f"{encode({'alg': 'RS256'})}.{payload}.{signature}"
    yield "an unknown kid", headed(kid="0" * 64)
    yield "an empty kid", headed(kid="")
    yield "a kid that is a path", headed(kid="../../dev/null")
    yield "a kid that is a number", headed(kid=1)
    yield "something critical", headed(crit=["exp"])
    yield "an address of keys, another key", _with_own_key(other, claims, issuer.kid)

    yield "another audience", but(aud=["0" * 64])
    yield "no audience", without("aud")
    yield "an empty audience", but(aud=[])
    yield "audience null", but(aud=None)
    yield "a part of the audience", but(aud=AUDIENCE[:32])
    yield "the audience inside a text", but(aud=f"{AUDIENCE} {AUDIENCE}")
    yield "another team", but(iss="https://other.cloudflareaccess.com")
    yield "a slash after the issuer", but(iss=f"{issuer.address}/")
    yield "no issuer", without("iss")
    yield "expired", but(exp=now - 60)
    yield "expired long ago", but(exp=0)
    yield "never expires", without("exp")
    yield "expires in words", but(exp="tomorrow")
    yield "expires when null", but(exp=None)
    yield "not yet valid", but(nbf=now + 120)
    yield "valid from some words on", but(nbf="now")
    yield "nobody's", but(sub="")
    yield "nobody's at all", without("sub")
    yield "somebody's with a line end", but(sub="a\nb")
    yield "somebody's with a name that is too long", but(sub="a" * 81)
    yield "of a mail address", but(sub="person@example.com")

    yield "signed by somebody else", other.sign(claims, {"alg": "RS256", "kid": issuer.kid})
    raised = encode(claims | {"sub": "00000000-0000-4000-8000-000000000000"})
    yield "claims changed", f"{header}.{raised}.{signature}"
    yield "header changed", f"{encode({'alg': 'RS256', 'kid': issuer.kid})}.{payload}.{signature}"
    flipped = "A" if signature[10] != "A" else "B"
    yield "signature changed", f"{header}.{payload}.{signature[:10]}{flipped}{signature[11:]}"
    # The last character of 342 holds four bits that nobody reads.
    last = chr(ord(signature[-1]) + 1)
    yield "signature written in another way", f"{header}.{payload}.{signature[:-1]}{last}"
    yield "signature cut", f"{header}.{payload}.{signature[:-4]}"
    yield "signature longer", f"{header}.{payload}.{signature}AAAA"
    yield "signature of zeros", f"{header}.{payload}.{encode(bytes(256))}"
    yield "signature of another token", f"{header}.{payload}.{but(x=1).split('.')[2]}"


def _public_keys(issuer: Issuer) -> Iterator[tuple[str, bytes]]:
    document = issuer.certs()
    [key] = json.loads(document)["keys"][:1]
    modulus, exponent = (
        int.from_bytes(base64.urlsafe_b64decode(key[name] + "==")) for name in ("n", "e")
    )
    public = RSAPublicNumbers(exponent, modulus).public_key()
    yield "as PEM", public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    yield "as DER", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    yield "as it is published", document


def _with_own_key(other: Issuer, claims: Mapping[str, object], kid: str) -> str:
    address = f"{other.address}/jwks"
    return other.sign(claims, {"alg": "RS256", "kid": kid, "jku": address, "jwk": {"kty": "RSA"}})
