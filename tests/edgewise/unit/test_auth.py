import asyncio
import json
from collections.abc import Mapping

import pytest

from edgewise.errors import AccessUnavailable
from edgewise.exchange import Reply
from edgewise.gate import access
from edgewise.gate.access import FRESH_S, LEEWAY_S, PAUSE_S, RETRY_S, STALE_S, Access
from tests.edgewise.unit.scripted import (
    NOW,
    Corridor,
    ScriptedWeb,
    TextBody,
    completion,
    error_of,
    variables,
)
from tests.harness.credentials import (
    API_KEYS,
    AUDIENCE,
    KEY,
    OTHER_KEY,
    SUBJECT,
    TOKEN,
    Bad,
    bad_keys,
    bad_tokens,
    good_token,
)
from tools.access_issuer import CERTS, Issuer

TEAM = "edge-team"
ISSUER = f"https://{TEAM}.cloudflareaccess.com"
ACCESS = {"ACCESS_TEAM": TEAM, "ACCESS_AUD": AUDIENCE}
PAID = [
    ("POST", "/run"),
    ("GET", "/run"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/client/v4/accounts/a/ai/run/@cf/meta/llama-3.1-8b-instruct"),
]
LISTS = [
    ("GET", "/v1/models"),
    ("GET", "/v1/models/@cf/meta/llama-3.1-8b-instruct"),
    ("GET", "/client/v4/accounts/a/ai/models/search"),
]


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """Cloudflare Access, as it issues tokens for us."""
    issuer = Issuer()
    issuer.address = ISSUER
    return issuer


@pytest.fixture
def closed(corridor: Corridor) -> Corridor:
    """A corridor that asks for a key."""
    corridor.variables = variables(API_KEYS=API_KEYS, ALLOW_ANONYMOUS="false")
    return corridor


@pytest.fixture
def guarded(corridor: Corridor, issuer: Issuer) -> Corridor:
    """A corridor that asks for a token of Access."""
    access.known_keys.clear()
    corridor.variables = variables(**ACCESS, ALLOW_ANONYMOUS="false")
    publish(corridor, issuer)
    return corridor


def publish(corridor: Corridor, issuer: Issuer) -> None:
    """Have the issuer's keys be found."""
    corridor.web.documents[ISSUER + CERTS] = issuer.certs().decode()


def ask(corridor: Corridor, headers: Mapping[str, str], *, at: float = NOW) -> Reply:
    """Ask for a completion."""
    corridor.ai.answers = [completion(response="Hi")]
    body = TextBody(b'{"prompt":"Hello"}')
    return corridor.request("POST", "/run", body, headers=headers, now=at)


def ask_with(corridor: Corridor, token: str, *, at: float = NOW) -> int:
    """Ask with a token of Access; the status."""
    return ask(corridor, {TOKEN: token}, at=at).status


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ({"authorization": f"Bearer {KEY}"}, "shop"),
        ({"authorization": f"bearer {OTHER_KEY}"}, "desk"),
        ({"authorization": f"BEARER   {KEY}"}, "shop"),
        ({"x-api-key": OTHER_KEY}, "desk"),
        ({"x-api-key": KEY, "authorization": f"Bearer {KEY}"}, "shop"),
        ({"x-api-key": KEY, "authorization": "Basic c29tZWJvZHk6ZWxzZQ=="}, "shop"),
    ],
)
def test_key_lets_its_caller_in(closed: Corridor, headers: dict[str, str], caller: str) -> None:
    assert ask(closed, headers).status == 200

    assert closed.records[-1].caller == caller


@pytest.mark.parametrize("bad", [*bad_keys()], ids=lambda bad: bad.name)
def test_bad_key_is_refused_before_the_body_is_read(closed: Corridor, bad: Bad) -> None:
    body = TextBody(b'{"prompt":"Hello"}')

    reply = closed.request("POST", "/run", body, headers=bad.headers)

    assert (reply.status, error_of(reply)["code"]) == (401, "unauthorized")
    assert reply.headers["www-authenticate"] == bad.challenge
    assert not body.was_read
    assert closed.ai.asked == []
    assert KEY not in str(reply)


@pytest.mark.parametrize(("method", "path"), [*PAID, *LISTS])
def test_every_door_asks_for_a_key(closed: Corridor, method: str, path: str) -> None:
    body = TextBody(b"{}")

    reply = closed.request(method, path, body, query="prompt=Hello")

    assert reply.status == 401
    assert not body.was_read
    assert closed.ai.asked == []


@pytest.mark.parametrize("path", ["/health", "/openapi.json"])
@pytest.mark.parametrize("given", [{}, {"authorization": "Bearer wrong-wrong-wrong"}])
def test_what_costs_nothing_and_tells_nothing_is_open(
    closed: Corridor, path: str, given: dict[str, str]
) -> None:
    assert closed.request("GET", path, headers=given).status == 200


def test_key_in_the_address_is_none(closed: Corridor) -> None:
    for name in ("key", "api_key", "token", "authorization", "access_token"):
        reply = closed.request("GET", "/run", query=f"prompt=Hello&{name}={KEY}")

        assert reply.status == 401
        assert KEY not in str(reply)


@pytest.mark.parametrize(
    "switch", [{}, {"ALLOW_ANONYMOUS": "false"}, {"API_KEYS": " \n "}, {"ACCESS_TEAM": ""}]
)
@pytest.mark.parametrize(("method", "path"), PAID)
def test_nobody_is_let_in_until_somebody_is_meant_to_be(
    corridor: Corridor, method: str, path: str, switch: dict[str, str]
) -> None:
    corridor.variables = variables(**{"ALLOW_ANONYMOUS": "false", **switch})
    body = TextBody(b'{"prompt":"Hello"}')
    headers = {"authorization": f"Bearer {KEY}", "x-api-key": KEY, TOKEN: "a.b.c"}

    reply = corridor.request(method, path, body, headers=headers, query="prompt=Hello")

    assert reply.status == 403
    assert isinstance(reply.body, str)
    for name in ("API_KEYS", "make key", "ACCESS_TEAM", "ACCESS_AUD", "ALLOW_ANONYMOUS"):
        assert name in reply.body
    assert not body.was_read
    assert corridor.ai.asked == []


def test_variable_that_is_not_set_lets_nobody_in(corridor: Corridor) -> None:
    corridor.variables = json.dumps({"MODELS": [{"id": "a"}]})

    assert error_of(ask(corridor, {}))["code"] == "closed"


def test_anybody_is_let_in_where_the_owner_says_so(corridor: Corridor) -> None:
    # What OpenAI's libraries send when no key is needed.
    assert ask(corridor, {"authorization": "Bearer any"}).status == 200

    assert corridor.records[-1].caller == "anonymous"


def test_where_anybody_is_let_in_a_key_names_its_caller_and_a_wrong_one_is_refused(
    corridor: Corridor,
) -> None:
    corridor.variables = variables(API_KEYS=API_KEYS)

    assert ask(corridor, {}).status == 200
    assert corridor.records[-1].caller == "anonymous"
    assert ask(corridor, {"x-api-key": KEY}).status == 200
    assert corridor.records[-1].caller == "shop"
    assert ask(corridor, {"x-api-key": KEY + "a"}).status == 401


def test_caller_may_have_several_keys(corridor: Corridor) -> None:
    corridor.variables = variables(API_KEYS=f"shop:{KEY}\r\nshop:{OTHER_KEY}\n")

    for key in (KEY, OTHER_KEY):
        assert ask(corridor, {"x-api-key": key}).status == 200
        assert corridor.records[-1].caller == "shop"


def test_token_of_access_lets_its_owner_in_without_a_mail_address(
    guarded: Corridor, issuer: Issuer
) -> None:
    assert ask_with(guarded, good_token(issuer, int(NOW))) == 200

    assert guarded.records[-1].caller == f"access:{SUBJECT}"


def test_service_token_of_access_is_named_by_its_id(guarded: Corridor, issuer: Issuer) -> None:
    token = issuer.sign(
        {
            "type": "app",
            "aud": AUDIENCE,
            "exp": int(NOW) + 60,
            "iss": ISSUER,
            "common_name": "e367826f93b8d71185e03fe518aff3b4.access",
            "sub": "",
        }
    )

    assert ask_with(guarded, token) == 200

    assert guarded.records[-1].caller == "access:e367826f93b8d71185e03fe518aff3b4.access"


def test_every_bad_token_is_refused_before_the_body_is_read(
    guarded: Corridor, issuer: Issuer
) -> None:
    bad = [*bad_tokens(issuer, int(NOW))]
    assert len(bad) > 60

    for each in bad:
        body = TextBody(b'{"prompt":"Hello"}')
        reply = guarded.request("POST", "/run", body, headers=each.headers)

        assert reply.status == 401, each.name
        assert reply.headers["www-authenticate"] == each.challenge, each.name
        assert error_of(reply)["message"].startswith(f"{TOKEN}: expected "), each.name
        assert not body.was_read, each.name
    assert guarded.ai.asked == []
    # However many kids somebody makes up: nobody is asked for them again.
    assert guarded.web.fetched == [ISSUER + CERTS]


def test_request_without_a_token_is_told_what_is_missing(guarded: Corridor) -> None:
    reply = ask(guarded, {"authorization": f"Bearer {KEY}"})

    assert reply.status == 401
    assert error_of(reply)["message"] == (
        f"{TOKEN}: expected a token of Cloudflare Access, got nothing"
    )
    assert reply.headers["www-authenticate"] == 'Bearer realm="edgewise"'


def test_bad_token_is_refused_where_anybody_is_let_in_too(guarded: Corridor) -> None:
    guarded.variables = variables(**ACCESS)

    assert ask_with(guarded, "a.b.c") == 401
    assert ask(guarded, {}).status == 200


def test_key_and_token_each_let_in_where_both_are_set(guarded: Corridor, issuer: Issuer) -> None:
    guarded.variables = variables(**ACCESS, API_KEYS=API_KEYS, ALLOW_ANONYMOUS="false")
    token = good_token(issuer, int(NOW))

    assert ask(guarded, {"x-api-key": KEY}).status == 200
    assert ask_with(guarded, token) == 200
    # Who sends a key means it.
    assert ask(guarded, {"x-api-key": KEY, TOKEN: token}).status == 200
    assert guarded.records[-1].caller == "shop"
    assert ask(guarded, {"x-api-key": KEY + "a", TOKEN: token}).status == 401


def test_token_means_nothing_where_access_is_not_set(corridor: Corridor, issuer: Issuer) -> None:
    corridor.variables = variables(API_KEYS=API_KEYS, ALLOW_ANONYMOUS="false")

    assert ask_with(corridor, good_token(issuer, int(NOW))) == 401
    assert corridor.web.fetched == []


@pytest.mark.parametrize(
    ("times", "status"),
    [
        ({"exp": NOW - LEEWAY_S + 1}, 200),
        ({"exp": NOW - LEEWAY_S}, 401),
        ({"nbf": NOW + LEEWAY_S}, 200),
        ({"nbf": NOW + LEEWAY_S + 1}, 401),
        ({"exp": 10**300}, 200),
    ],
)
def test_clocks_may_differ_by_some_seconds(
    guarded: Corridor, issuer: Issuer, times: dict[str, float], status: int
) -> None:
    assert ask_with(guarded, good_token(issuer, int(NOW), **times)) == status


def test_keys_are_fetched_once_for_many_tokens(guarded: Corridor, issuer: Issuer) -> None:
    for second in range(10):
        token = good_token(issuer, int(NOW))
        assert ask_with(guarded, token, at=NOW + second) == 200

    assert len(guarded.web.fetched) == 1


def test_rotated_key_is_fetched_when_its_first_token_comes(guarded: Corridor) -> None:
    issuer = Issuer()
    issuer.address = ISSUER
    publish(guarded, issuer)
    old = good_token(issuer, int(NOW))
    assert ask_with(guarded, old) == 200
    issuer.rotate()
    publish(guarded, issuer)
    new = good_token(issuer, int(NOW))

    assert ask_with(guarded, new, at=NOW + 1) == 401  # asked a moment ago
    assert ask_with(guarded, new, at=NOW + PAUSE_S + 1) == 200
    assert ask_with(guarded, old, at=NOW + PAUSE_S + 2) == 200
    assert len(guarded.web.fetched) == 2


def test_withdrawn_key_is_trusted_for_an_hour_at_most(guarded: Corridor) -> None:
    issuer = Issuer()
    issuer.address = ISSUER
    publish(guarded, issuer)
    token = good_token(issuer, int(NOW))
    assert ask_with(guarded, token) == 200
    withdrawn = issuer.kid
    issuer.rotate()
    issuer.withdraw(withdrawn)
    publish(guarded, issuer)

    assert ask_with(guarded, token, at=NOW + FRESH_S) == 200
    assert ask_with(guarded, token, at=NOW + FRESH_S + 1) == 401


def test_known_keys_serve_on_while_access_cannot_be_reached(
    guarded: Corridor, issuer: Issuer
) -> None:
    token = good_token(issuer, int(NOW), exp=NOW + 10 * STALE_S)
    assert ask_with(guarded, token) == 200
    guarded.web.documents.clear()

    assert ask_with(guarded, token, at=NOW + FRESH_S + 1) == 200
    assert ask_with(guarded, token, at=NOW + FRESH_S + 2) == 200
    assert len(guarded.web.fetched) == 2  # not with every request
    assert ask_with(guarded, token, at=NOW + STALE_S + 1) == 503
    assert ask_with(guarded, token, at=NOW + STALE_S + 2) == 503


def test_access_that_cannot_be_reached_is_not_asked_with_every_request(
    guarded: Corridor, issuer: Issuer
) -> None:
    guarded.web.documents.clear()
    token = good_token(issuer, int(NOW))

    statuses = [ask_with(guarded, token, at=NOW + second) for second in range(5)]
    publish(guarded, issuer)

    assert statuses == [503] * 5
    assert len(guarded.web.fetched) == 1
    assert ask_with(guarded, token, at=NOW + RETRY_S + 1) == 200


@pytest.mark.parametrize("document", [None, "", "{}", "<html>", '{"keys":5}', '{"keys":{}}'])
def test_without_keys_nobody_is_let_in(
    guarded: Corridor, issuer: Issuer, document: str | None
) -> None:
    guarded.web.documents.clear()
    if document is not None:
        guarded.web.documents[ISSUER + CERTS] = document

    reply = ask(guarded, {TOKEN: good_token(issuer, int(NOW))})

    assert (reply.status, error_of(reply)["code"]) == (503, "access_unavailable")
    assert guarded.ai.asked == []


@pytest.mark.parametrize(
    "changed", [{"kty": "oct"}, {"alg": "HS256"}, {"n": "AQAB"}, {"kid": "another"}]
)
def test_only_keys_that_are_good_for_rs256_are_used(
    guarded: Corridor, issuer: Issuer, changed: dict[str, str]
) -> None:
    published = json.loads(guarded.web.documents[ISSUER + CERTS])
    keys = [key | changed for key in published["keys"]]
    guarded.web.documents[ISSUER + CERTS] = json.dumps({"keys": keys})

    assert ask_with(guarded, good_token(issuer, int(NOW))) == 401


@pytest.mark.parametrize(
    "foreign",
    [
        {"kid": "ec", "kty": "EC", "crv": "P-256", "x": "a", "y": "b", "alg": "ES256"},
        {"kty": "RSA", "alg": "RS256"},
        {"kid": "a", "kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": None},
        "a text",
        None,
    ],
)
def test_key_of_another_kind_is_nothing_to_us(
    guarded: Corridor, issuer: Issuer, foreign: object
) -> None:
    published = json.loads(guarded.web.documents[ISSUER + CERTS])
    keys = [foreign, *published["keys"], foreign]
    guarded.web.documents[ISSUER + CERTS] = json.dumps({"keys": keys})

    assert ask_with(guarded, good_token(issuer, int(NOW))) == 200


def test_keys_nested_without_end_are_none(guarded: Corridor, issuer: Issuer) -> None:
    guarded.web.documents[ISSUER + CERTS] = '{"keys":' + "[" * 100_000

    assert ask_with(guarded, good_token(issuer, int(NOW))) == 503


class Unlucky(ScriptedWeb):
    """A Web of which the first fetch of two at once fails, after the second has come."""

    async def fetch_text(self, url: str) -> str:
        """See access.Web."""
        if not self.fetched:
            self.fetched.append(url)
            await asyncio.sleep(0)
            raise AccessUnavailable("Cloudflare Access cannot be reached")
        return await super().fetch_text(url)


def test_fetch_that_fails_leaves_alone_what_another_one_brought(
    guarded: Corridor, issuer: Issuer
) -> None:
    web = Unlucky(guarded.web.documents)
    token = good_token(issuer, int(NOW))
    of_us = Access(ISSUER, AUDIENCE)

    async def ask_twice() -> list[str]:
        asked = [access.identify(token, of_us, web, NOW) for _ in range(2)]
        return await asyncio.gather(*asked)

    assert asyncio.run(ask_twice()) == [f"access:{SUBJECT}"] * 2
    assert len(web.fetched) == 2


OWN = "https://edge.example"
FRIEND = "https://friend.example"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),  # no browser
        ({"origin": OWN, "sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"origin": FRIEND, "sec-fetch-site": "cross-site"}, 200),
        ({"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "*"}, 403),
        ({"origin": "http://edge.example"}, 403),
        ({"origin": "https://edge.example.evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),  # an image, a form that asks with GET
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_page_elsewhere_cannot_spend_with_its_visitors_session(
    guarded: Corridor, issuer: Issuer, headers: dict[str, str], status: int
) -> None:
    guarded.variables = variables(**ACCESS, ALLOW_ANONYMOUS="false", ALLOWED_ORIGINS=f"{FRIEND} *")
    token = good_token(issuer, int(NOW))

    reply = ask(guarded, {TOKEN: token, **headers})

    assert reply.status == status
    assert bool(guarded.ai.asked) == (status == 200)
    assert guarded.records[-1].caller == f"access:{SUBJECT}"  # whose session it was


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8787", 200),
        ("http://127.0.0.1:1", 200),
        ("http://[::1]:8787", 200),
        ("http://[::1]", 200),
        ("http://evil.example:8787", 403),
        ("http://localhost.evil.example", 403),
        ("http://127.0.0.2", 403),
    ],
)
def test_host_has_to_be_one_of_those_that_are_served(
    corridor: Corridor, origin: str, status: int
) -> None:
    corridor.variables = variables(ALLOWED_HOSTS="localhost 127.0.0.1 [::1]")
    corridor.origin = origin

    reply = corridor.request("GET", "/health", headers={"cf-connecting-ip": "127.0.0.1"})

    assert reply.status == status


def test_worker_that_calls_over_a_binding_names_any_host(corridor: Corridor) -> None:
    corridor.variables = variables(ALLOWED_HOSTS="localhost")

    assert corridor.request("GET", "/health").status == 200


def test_any_host_is_served_where_none_is_named(corridor: Corridor) -> None:
    headers = {"cf-connecting-ip": "127.0.0.1"}

    assert corridor.request("GET", "/health", headers=headers).status == 200
