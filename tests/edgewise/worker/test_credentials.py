"""Who is let in, judged by the real Worker: by keys, and by tokens through the real WebCrypto."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tests.harness.credentials import (
    API_KEYS,
    AUDIENCE,
    KEY,
    NO_BEARER,
    OTHER_KEY,
    SUBJECT,
    TOKEN,
    Bad,
    bad_keys,
    bad_tokens,
    good_token,
)
from tests.harness.deployments import Deployment, deploy_alone
from tests.harness.servers import serve_app
from tools.access_issuer import CERTS, Issuer

CLOSED = {"ALLOW_ANONYMOUS": "false"}
PATIENCE_S = 10.0  # the Worker waits 2 s for what is left of a body
MODEL = "@cf/meta/llama-3.1-8b-instruct-fast"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Worker that asks for a key."""
    folder = tmp_path_factory.mktemp("keyed")
    with deploy_alone(folder, CLOSED | {"API_KEYS": API_KEYS}) as deployment:
        yield deployment


@dataclass(frozen=True)
class Issued:
    """
    Tokens signed with keys before the last.

    Attributes:
        earlier: With one that is still published.
        withdrawn: With one that is no longer.
    """

    earlier: str
    withdrawn: str


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Cloudflare Access on this machine."""
    issuer = Issuer()
    with serve_app(issuer.app) as issuer.address:
        yield issuer


@pytest.fixture(scope="module")
def issued(issuer: Issuer) -> Issued:
    """What was issued before its keys changed, twice."""
    first, withdrawn = issuer.kid, good_token(issuer, now())
    issuer.rotate()
    earlier = good_token(issuer, now())
    issuer.rotate()
    issuer.withdraw(first)
    return Issued(earlier, withdrawn)


@pytest.fixture(scope="module")
def guarded(
    tmp_path_factory: pytest.TempPathFactory, issuer: Issuer, issued: Issued
) -> Iterator[Deployment]:
    """A Worker that asks for a token of Access."""
    folder = tmp_path_factory.mktemp("guarded")
    with deploy_alone(folder, CLOSED | trust(issuer)) as deployment:
        yield deployment


def trust(issuer: Issuer) -> dict[str, str]:
    """What makes a deployment take an issuer's tokens."""
    return {"ACCESS_TEAM": issuer.address, "ACCESS_AUD": AUDIENCE}


def now() -> int:
    """Seconds since 1970."""
    return int(time.time())


def ask(deployment: Deployment, headers: Mapping[str, str]) -> httpx.Response:
    """Ask for a completion."""
    return deployment.client.post("/run", json={"prompt": "Hello"}, headers=headers)


@dataclass(frozen=True)
class Answer:
    """
    What came back while the body was held back.

    Attributes:
        headers: Lower-case names.
        body: All of it.
    """

    status: int
    headers: Mapping[str, str]
    body: str


async def ask_without_end(deployment: Deployment, bad: Bad) -> Answer:
    """Send headers and the beginning of a body, and wait for an answer instead of sending more."""
    host, _, port = deployment.address.removeprefix("http://").partition(":")
    lines = [f"{name}: {value}" for name, value in bad.headers.items()]
    heading = ["POST /run HTTP/1.1", f"host: {host}:{port}", "transfer-encoding: chunked", *lines]
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write("\r\n".join([*heading, "", '9\r\n{"prompt"\r\n']).encode("latin-1"))
        head = await reader.readuntil(b"\r\n\r\n")
        status, _, rest = head.partition(b"\r\n")
        headers = {
            name.lower(): str(value) for name, value in BytesParser().parsebytes(rest).items()
        }
        if "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        else:
            body = await reader.readuntil(b"\r\n0\r\n\r\n")
    finally:
        writer.close()
    return Answer(int(status.split()[1]), headers, body.decode())


def _unsent(bad: Bad) -> str:
    """The challenge without credentials: an empty `authorization` does not reach the Worker."""
    return bad.challenge if any(bad.headers.values()) else NO_BEARER


def refused(deployment: Deployment, table: Iterable[Bad]) -> list[str]:
    """Try all of a table at once; what was wrong about how each was refused."""
    bad = [*table]

    async def ask_all() -> list[Answer]:
        asking = [asyncio.wait_for(ask_without_end(deployment, each), PATIENCE_S) for each in bad]
        return await asyncio.gather(*asking)

    return [
        f"{each.name}: {answer}"
        for each, answer in zip(bad, asyncio.run(ask_all()), strict=True)
        if answer.status != 401
        or answer.headers.get("www-authenticate") not in (each.challenge, _unsent(each))
        or '"code":"unauthorized"' not in answer.body
        or any(value and value in str(answer) for value in each.headers.values() if len(value) > 9)
    ]


def test_table_of_bad_credentials_is_long_enough(issuer: Issuer, guarded: Deployment) -> None:
    assert len([*bad_keys()]) + len([*bad_tokens(issuer, now())]) > 100


def test_bad_key_is_refused_before_the_body_has_come(keyed: Deployment) -> None:
    keyed.ai.reset()

    assert refused(keyed, bad_keys()) == []
    assert not keyed.ai.received


def test_bad_token_is_refused_before_the_body_has_come(guarded: Deployment, issuer: Issuer) -> None:
    ask(guarded, {TOKEN: good_token(issuer, now())})
    guarded.ai.reset()
    fetched = issuer.asked

    assert refused(guarded, bad_tokens(issuer, now())) == []
    assert not guarded.ai.received
    assert issuer.asked <= fetched + 1, "whatever kid they name"


@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
@pytest.mark.parametrize("path", ["/run", "/v1/chat/completions"])
@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        pytest.param({"authorization": f"Bearer {KEY}"}, "shop", id="bearer"),
        pytest.param({"x-api-key": OTHER_KEY}, "desk", id="x-api-key"),
    ],
)
def test_key_lets_its_caller_in(
    keyed: Deployment, headers: dict[str, str], caller: str, path: str, stream: bool
) -> None:
    body = CHAT | {"stream": stream}

    response = keyed.client.post(path, json=body, headers=headers)

    assert response.status_code == 200
    assert ("[DONE]" in response.text) == stream
    assert keyed.record(response.headers["x-request-id"])["caller"] == caller


def test_event_source_is_let_in_by_a_token(guarded: Deployment, issuer: Issuer) -> None:
    headers = {TOKEN: good_token(issuer, now())}

    response = guarded.client.get("/run?prompt=Hello", headers=headers)

    assert response.text.endswith("data: [DONE]\n\n")
    assert guarded.record(response.headers["x-request-id"])["caller"] == f"access:{SUBJECT}"


@pytest.mark.parametrize(
    ("claims", "caller"),
    [
        pytest.param({}, SUBJECT, id="person"),
        pytest.param({"aud": AUDIENCE}, SUBJECT, id="audience as a text"),
        pytest.param({"aud": ["0" * 64, AUDIENCE]}, SUBJECT, id="one of two audiences"),
        pytest.param({"sub": "", "common_name": "0f.access"}, "0f.access", id="service token"),
    ],
)
def test_token_lets_its_owner_in(
    guarded: Deployment, issuer: Issuer, claims: dict[str, object], caller: str
) -> None:
    response = ask(guarded, {TOKEN: good_token(issuer, now(), **claims)})

    assert response.status_code == 200
    assert guarded.record(response.headers["x-request-id"])["caller"] == f"access:{caller}"


def test_token_of_a_clock_that_goes_fast_lets_its_owner_in(
    guarded: Deployment, issuer: Issuer
) -> None:
    assert ask(guarded, {TOKEN: good_token(issuer, now() + 20)}).status_code == 200


def test_token_of_each_published_key_lets_in(guarded: Deployment, issued: Issued) -> None:
    assert ask(guarded, {TOKEN: issued.earlier}).status_code == 200


def test_keys_of_the_issuer_are_fetched_once(guarded: Deployment, issuer: Issuer) -> None:
    ask(guarded, {TOKEN: good_token(issuer, now())})
    fetched = issuer.asked

    statuses = [ask(guarded, {TOKEN: good_token(issuer, now())}).status_code for _ in range(20)]

    assert statuses == [200] * 20
    assert issuer.asked == fetched


def test_token_of_a_visitor_of_another_page_lets_nobody_in(
    guarded: Deployment, issuer: Issuer
) -> None:
    guarded.ai.reset()
    token = good_token(issuer, now())

    foreign = [
        ask(guarded, {TOKEN: token, "origin": "https://evil.example"}),
        ask(guarded, {TOKEN: token, "sec-fetch-site": "cross-site"}),
    ]
    own = ask(guarded, {TOKEN: token, "origin": guarded.address})

    assert [response.status_code for response in foreign] == [403, 403]
    assert {response.json()["error"]["code"] for response in foreign} == {"origin_not_allowed"}
    assert own.status_code == 200
    assert len(guarded.ai.received) == 1


def test_token_of_a_withdrawn_key_lets_nobody_in(guarded: Deployment, issued: Issued) -> None:
    assert ask(guarded, {TOKEN: issued.withdrawn}).status_code == 401


@pytest.mark.thorough
def test_nobody_is_let_in_while_the_keys_of_the_issuer_cannot_be_had(tmp_path: Path) -> None:
    issuer = Issuer()
    routes = issuer.app.router.routes

    def certs(_request: Request) -> Response:
        return Response(issuer.certs(), media_type="application/json")

    def elsewhere(_request: Request) -> Response:
        return RedirectResponse("/elsewhere")

    def broken(_request: Request) -> Response:
        return Response(issuer.certs()[:-1], media_type="application/json")

    with ExitStack() as serving:
        issuer.address = serving.enter_context(serve_app(issuer.app))
        headers = {TOKEN: good_token(issuer, now())}
        with deploy_alone(tmp_path, CLOSED | trust(issuer)) as worker:
            issuer.failing = True
            answers = [ask(worker, headers)]
            for app in (elsewhere, broken):
                routes[:] = [Route(CERTS, app), Route("/elsewhere", certs)]
                answers.append(ask(worker, headers))
            routes[:] = []
            answers.append(ask(worker, headers))
            serving.close()
            answers.append(ask(worker, headers))

    assert [answer.status_code for answer in answers] == [503] * 5
    assert {answer.json()["error"]["code"] for answer in answers} == {"access_unavailable"}
    assert not worker.ai.received
