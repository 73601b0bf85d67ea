"""What the client sends, what it refuses to send, and how it words what comes back instead."""

import json
import math
import pickle
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from edgewise_client import (
    ApiError,
    BadRequest,
    Client,
    ConnectionFailed,
    Forbidden,
    Model,
    NotFound,
    RateLimited,
    ServerError,
    StreamBroken,
    Unauthorized,
)
from tests.client.unit.client_server import EVENTS, JSON, Scripted, Server, serving

KEY = "ew_s3cr3t-k3y"
ANSWER = json.dumps({"response": "Hi", "model": "@cf/m", "usage": None}).encode()
STREAM = b'data: {"response":"Hi"}\n\ndata: [DONE]\n\n'
MESSAGES = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def _serving() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture
def server(_serving: Server) -> Server:
    """A server that has nothing scripted and has seen nothing yet."""
    _serving.scripts.clear()
    _serving.received.clear()
    return _serving


@pytest.fixture
def client(server: Server) -> Client:
    """A client of it."""
    return Client(server.address, KEY, timeout=30)


def test_request_carries_the_key_the_type_and_the_name_of_the_client(
    client: Client, server: Server
) -> None:
    server.script(ANSWER)

    assert client.generate("Hello").text == "Hi"
    [received] = server.received
    assert (received.method, received.path) == ("POST", "/run")
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"].startswith("edgewise-client/")
    assert json.loads(received.body) == {"prompt": "Hello"}


def test_no_key_is_no_header(server: Server) -> None:
    server.script(ANSWER)
    Client(server.address).generate("Hello")

    assert "authorization" not in server.received[0].headers


@pytest.mark.parametrize("path", ["/", "/ai", "/ai/"])
def test_base_url_may_have_a_path(server: Server, path: str) -> None:
    server.script(b'{"data":[]}')
    Client(server.address + path).models()

    assert server.received[0].path == path.rstrip("/") + "/v1/models"


def test_system_makes_a_scoped_prompt(client: Client, server: Server) -> None:
    server.script(ANSWER)
    client.generate("Hello", system="Be brief.")

    assert json.loads(server.received[0].body) == {
        "messages": [{"role": "system", "content": "Be brief."}, *MESSAGES]
    }


def test_every_parameter_is_sent_as_it_is_and_none_is_left_out(
    client: Client, server: Server
) -> None:
    server.script(ANSWER)
    tool = {"name": "a", "parameters": {}}
    client.chat(
        MESSAGES,
        model="@cf/m",
        max_tokens=7,
        temperature=1,
        top_p=0.5,
        top_k=3,
        seed=8,
        repetition_penalty=1.0,
        frequency_penalty=0.1,
        presence_penalty=0.2,
        lora="mine",
        response_format={"type": "json_object"},
        tools=[tool],
        tool_choice="auto",
        options=None,
    )

    assert json.loads(server.received[0].body) == {
        "messages": MESSAGES,
        "model": "@cf/m",
        "max_tokens": 7,
        "temperature": 1,
        "top_p": 0.5,
        "top_k": 3,
        "seed": 8,
        "repetition_penalty": 1.0,
        "frequency_penalty": 0.1,
        "presence_penalty": 0.2,
        "lora": "mine",
        "response_format": {"type": "json_object"},
        "tools": [tool],
        "tool_choice": "auto",
    }


def test_model_of_the_client_is_for_requests_that_name_none(server: Server) -> None:
    client = Client(server.address, model="@cf/a")
    for model in (None, "@cf/b"):
        server.script(ANSWER)
        client.generate("Hello", model=model)

    assert [json.loads(it.body)["model"] for it in server.received] == ["@cf/a", "@cf/b"]


@pytest.mark.parametrize("asked", ["Hello", MESSAGES], ids=["prompt", "messages"])
def test_stream_is_asked_for_prompts_and_messages(
    client: Client, server: Server, asked: Any
) -> None:
    server.script(STREAM, headers=EVENTS)

    with client.stream(asked, raw=isinstance(asked, str)) as stream:
        assert [*stream] == ["Hi"]
    named = {"prompt": asked, "raw": True} if isinstance(asked, str) else {"messages": asked}
    assert json.loads(server.received[0].body) == {**named, "stream": True}


def test_stream_that_nobody_asked_for_is_read_to_its_end(client: Client, server: Server) -> None:
    server.script(STREAM, headers=EVENTS)

    assert client.generate("Hello").text == "Hi"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_tokens": "7"}, "max_tokens: expected an int, got str"),
        ({"max_tokens": True}, "max_tokens: expected an int, got bool"),
        ({"seed": 7.0}, "seed: expected an int, got float"),
        ({"temperature": "hot"}, "temperature: expected a number, got str"),
        ({"temperature": False}, "temperature: expected a number, got bool"),
        ({"top_p": float("nan")}, "top_p: expected a finite number, got nan"),
        ({"model": 7}, "model: expected a str, got int"),
        ({"lora": b"x"}, "lora: expected a str, got bytes"),
        ({"response_format": "json"}, "response_format: expected a dict, got str"),
        ({"tools": "x"}, "tools: expected a list of dicts, got str"),
        ({"tools": ["x"]}, "tools: expected a list of dicts, got list"),
        ({"tool_choice": 7}, "tool_choice: expected a str or a dict, got int"),
        ({"options": {"a": {7}}}, "options: Object of type set is not JSON serializable"),
        ({"options": {"a": float("inf")}}, "options: Out of range float values"),
        ({"raw": 1}, "raw: expected True or False, got int"),
        ({"system": 7}, "system: expected a str, got int"),
        ({"system": "x", "raw": True}, "system: a raw prompt holds its own"),
        ({"stop": ["x"]}, "stop: there is no such parameter"),
    ],
)
def test_bad_argument_is_named_before_anything_is_sent(
    client: Client, server: Server, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        client.generate("Hello", **arguments)

    assert str(caught.value).startswith(message)
    assert server.received == []


def test_value_that_goes_round_or_too_deep_is_named(client: Client) -> None:
    deep: dict[str, object] = {}
    for _ in range(200_000):
        deep = {"a": deep}
    round_: dict[str, object] = {}
    round_["a"] = round_

    with pytest.raises(ValueError, match="^options: nested too deeply"):
        client.generate("Hello", options=deep)
    with pytest.raises(ValueError, match="^options: Circular"):
        client.generate("Hello", options=round_)
    while deep:  # else Python takes it apart by calling itself as deep
        deep = deep["a"]  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("name", "asked", "parameters"),
    [
        ("prompt", "\ud800", {}),
        ("prompt", "a\udfff", {"system": "x"}),
        ("prompt", "\ude00\ud83d", {"raw": True}),
        ("system", "Hello", {"system": "\ud800"}),
        ("messages", [{"role": "user", "content": "\ud800"}], {}),
        ("messages", [{"role": "user", "content": [{"text": "\ud800"}]}], {}),
        ("messages", [{"role": "user", "\ud800": "x"}], {}),
        ("model", "Hello", {"model": "\udcff"}),
        ("options", "Hello", {"options": {"a": ["\ud800"]}}),
    ],
)
def test_half_a_surrogate_pair_is_named_before_anything_is_sent(
    client: Client, server: Server, name: str, asked: Any, parameters: dict[str, Any]
) -> None:
    message = f"^{name}: expected text without half a surrogate pair$"
    with pytest.raises(ValueError, match=message):
        client.stream(asked, **parameters)

    assert server.received == []


@pytest.mark.parametrize("prompt", ["\ud83d\ude00", "\ufeffGrüezi 😀\u2028\0\x7f\\ud800\uffff"])
def test_text_is_sent_as_it_is_with_halves_put_together(
    client: Client, server: Server, prompt: str
) -> None:
    server.script(ANSWER)
    client.generate(prompt)

    assert json.loads(server.received[0].body) == {"prompt": prompt.replace("\ud83d\ude00", "😀")}


def test_longest_timeout_can_be_waited_for(server: Server) -> None:
    server.script(ANSWER)

    assert Client(server.address, timeout=86_400).generate("Hello").text == "Hi"


def test_prompts_and_messages_are_not_mistaken_for_each_other(client: Client) -> None:
    wrong: Any = MESSAGES
    with pytest.raises(TypeError, match="^prompt: expected a str, got list"):
        client.generate(wrong)
    wrong = "Hello"
    with pytest.raises(TypeError, match="^messages: expected a list of dicts, got str"):
        client.chat(wrong)
    wrong = 7
    with pytest.raises(TypeError, match="^messages: expected a list of dicts, got int"):
        client.chat(wrong)
    with pytest.raises(ValueError, match="^system: goes with a prompt"):
        client.stream(MESSAGES, system="x")
    with pytest.raises(ValueError, match="^raw: goes with a prompt"):
        client.stream(MESSAGES, raw=True)


@pytest.mark.parametrize(
    "base_url",
    [
        *("", "localhost:8787", "ftp://localhost", "http://", "http://localhost:x", "http://a:0"),
        *("http://[::1", "http://a..b", "https://me:pw@localhost", "https://me@localhost"),
        *("http://localhost/?a=b", "http://localhost?", "http://localhost/#a"),
        *("http://localhost/\n", "http://loc alhost", "http://zürich.example"),
    ],
)
def test_address_that_is_none_is_refused(base_url: str) -> None:
    with pytest.raises(ValueError, match="^base_url: expected ") as caught:
        Client(base_url)

    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("key", ["", " ", "a b", "a\r\nx: y", "a\0", "schlüssel", "key\n"])
def test_key_that_no_header_can_hold_is_refused_without_being_told(key: str) -> None:
    with pytest.raises(ValueError, match="^key: expected visible ASCII") as caught:
        Client("http://localhost", key)

    assert not key.strip() or key.strip() not in str(caught.value).removeprefix("key:")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"key": b"x"}, "key: expected a str, got bytes"),
        ({"base_url": None}, "base_url: expected a str, got NoneType"),
        ({"model": 7}, "model: expected a str, got int"),
        ({"timeout": "7"}, "timeout: expected a number of seconds, got str"),
        ({"timeout": True}, "timeout: expected a number of seconds, got bool"),
        ({"timeout": 0}, "timeout: expected more than 0 seconds, got 0"),
        ({"timeout": float("nan")}, "timeout: expected more than 0 seconds, got nan"),
        ({"timeout": 86_401}, "timeout: expected at most 86400 seconds, or None, got 86401"),
        ({"timeout": 1e18}, r"timeout: expected at most 86400 seconds, or None, got 1e\+18"),
        ({"timeout": math.inf}, "timeout: expected at most 86400 seconds, or None, got inf"),
    ],
)
def test_bad_setting_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        Client(**{"base_url": "http://localhost", **arguments})


def test_client_shows_no_key() -> None:
    assert repr(Client("https://edgewise.example.com/", KEY)) == (
        "Client('https://edgewise.example.com')"
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, BadRequest),
        (413, BadRequest),
        (422, BadRequest),
        (401, Unauthorized),
        (403, Forbidden),
        (404, NotFound),
        (405, NotFound),
        (410, NotFound),
        (429, RateLimited),
        (500, ServerError),
        (502, ServerError),
        (599, ServerError),
        (418, ApiError),
    ],
)
def test_refusal_has_a_class_by_its_status(
    client: Client, server: Server, status: int, kind: type[ApiError]
) -> None:
    error = {"code": "c", "message": "no", "param": "a.b", "upstream_code": 7}
    server.script(
        json.dumps({"error": error}).encode(),
        status=status,
        headers={**JSON, "x-request-id": "r1"},
    )

    with pytest.raises(ApiError) as caught:
        client.generate("Hello")

    refusal = caught.value
    assert type(refusal) is kind
    assert (refusal.status, refusal.code, refusal.message) == (status, "c", "no")
    assert (refusal.param, refusal.upstream_code, refusal.request_id) == ("a.b", 7, "r1")
    assert str(refusal) == f"{status} c: no"


@pytest.mark.parametrize(
    ("headers", "retry_after", "should_retry"),
    [
        ({}, None, None),
        ({"retry-after": "2"}, 2.0, True),
        ({"Retry-After": "70", "X-Should-Retry": "false"}, 70.0, False),
        ({"x-should-retry": "false"}, None, False),
        ({"x-should-retry": "true"}, None, True),
        ({"x-should-retry": "perhaps"}, None, None),
        ({"retry-after": "soon"}, None, None),
        ({"retry-after": "nan"}, None, None),
        ({"retry-after": "-1"}, None, None),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0, True),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:37 -0000"}, 0.0, True),
    ],
)
def test_headers_say_whether_to_try_again(
    client: Client,
    server: Server,
    headers: dict[str, str],
    retry_after: float | None,
    should_retry: bool | None,
) -> None:
    server.script(b"", status=429, headers=headers)

    with pytest.raises(RateLimited) as caught:
        client.generate("Hello")

    assert (caught.value.retry_after, caught.value.should_retry) == (retry_after, should_retry)


def test_date_to_try_again_is_seconds_from_now(client: Client, server: Server) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(hours=1))
    server.script(b"", status=503, headers={"retry-after": date})

    with pytest.raises(ServerError) as caught:
        client.generate("Hello")

    assert caught.value.retry_after is not None
    assert 3500 < caught.value.retry_after <= 3600


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Bad gateway</html>", b"[]", b'{"error":"no"}', b'{"error":{"code":7}}', b"\xff"],
)
def test_refusal_of_somebody_else_is_told_by_its_status(
    client: Client, server: Server, body: bytes
) -> None:
    server.script(body, status=502, headers={"content-type": "text/html"})

    with pytest.raises(ServerError) as caught:
        client.generate("Hello")

    assert str(caught.value) == (
        "502: the server answers Bad Gateway with text/html, not as Edgewise does"
    )
    assert caught.value.code is None


@pytest.mark.parametrize("body", [b"{", b"[" * 200_000])
def test_refusal_that_cannot_be_read_is_told_by_its_status(
    client: Client, server: Server, body: bytes
) -> None:
    server.script(body, status=530, headers={})

    with pytest.raises(ServerError, match="^530: .* a status of its own with nothing, not"):
        client.generate("Hello")


def test_refusal_that_breaks_off_is_told_by_its_status(client: Client, server: Server) -> None:
    server.script(b"{", status=401, is_cut=True)

    with pytest.raises(Unauthorized, match="^401: "):
        client.generate("Hello")


def test_refusal_crosses_into_another_process_as_it_is() -> None:
    refusal = RateLimited("no", status=429, code="c", retry_after=2.0, request_id="r1")

    crossed = pickle.loads(pickle.dumps(refusal))

    assert type(crossed) is RateLimited
    assert (str(crossed), crossed.args, vars(crossed)) == ("429 c: no", ("no",), vars(refusal))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed_so_nobody_else_sees_the_key(
    client: Client, server: Server, status: int
) -> None:
    with serving() as other:
        server.script(b"", status=status, headers={"location": other.address + "/run"})
        with pytest.raises(ApiError, match="redirects, which is not followed") as caught:
            client.generate("Hello")

        assert other.received == []
    assert caught.value.status == status
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("kind", ["text/html", "application/octet-stream"])
def test_answer_of_another_kind_is_an_error(client: Client, server: Server, kind: str) -> None:
    server.script(b"<html>", headers={"content-type": kind})

    with pytest.raises(ApiError, match=f"^200: expected JSON or server-sent events, got {kind}"):
        client.stream("Hello")


def test_models_are_listed(client: Client, server: Server) -> None:
    listed = [
        {"id": "a", "served_by": ["b", "c"], "context_window": 7, "capabilities": ["tools"]},
        {"id": "b", "served_by": 7, "context_window": "x"},
    ]
    server.script(json.dumps({"data": listed}).encode())

    assert client.models() == [Model("a", ("b", "c"), 7, ("tools",)), Model("b")]
    assert (server.received[0].method, server.received[0].path) == ("GET", "/v1/models")
    assert "content-type" not in server.received[0].headers


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data":[{}]}', b"[" * 200_000])
def test_list_of_models_that_is_none_is_an_error(
    client: Client, server: Server, body: bytes
) -> None:
    server.script(body)

    with pytest.raises(ApiError, match="^200: expected a list of models"):
        client.models()


def test_list_of_models_may_be_refused(client: Client, server: Server) -> None:
    server.script(b"", status=401)

    with pytest.raises(Unauthorized):
        client.models()


def test_nobody_there_is_a_failed_connection() -> None:
    with serving() as server:
        address = server.address

    with pytest.raises(ConnectionFailed, match="^http://.* does not answer: ") as caught:
        Client(address, KEY).generate("Hello")

    assert KEY not in str(caught.value)


def test_server_that_hangs_up_is_a_failed_connection(client: Client, server: Server) -> None:
    server.script(is_silent=True)
    server.is_over.set()
    try:
        with pytest.raises(ConnectionFailed, match="does not answer: "):
            client.generate("Hello")
    finally:
        server.is_over.clear()


def test_server_that_says_nothing_in_time_is_a_failed_connection(server: Server) -> None:
    server.script(is_silent=True)

    with pytest.raises(ConnectionFailed, match=r"does not answer: nothing came within 0\.05 s"):
        Client(server.address, timeout=0.05).generate("Hello")


def test_without_a_timeout_an_answer_is_waited_for(server: Server) -> None:
    server.script(ANSWER)

    assert Client(server.address, timeout=None).generate("Hello").text == "Hi"


def test_stream_that_stalls_is_broken(server: Server) -> None:
    stalled = threading.Event()

    def chunks() -> Iterator[bytes]:
        yield b'data: {"response":"Hi"}\n\n'
        stalled.wait()

    server.scripts.append(Scripted(chunks(), EVENTS))
    try:
        with Client(server.address, timeout=0.2).stream("Hello") as stream:
            assert next(stream) == "Hi"
            with pytest.raises(StreamBroken, match=r"broke: nothing came within 0\.2 s"):
                next(stream)
    finally:
        stalled.set()


def test_proxy_of_the_environment_is_used_but_never_for_this_machine(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as proxy:
        monkeypatch.setenv("http_proxy", proxy.address)
        server.script(ANSWER)
        proxy.script(ANSWER)

        Client(server.address).generate("Hello")
        Client(server.address.replace("127.0.0.1", "localhost"))
        Client("http://edgewise.example.com").generate("Hello")

        assert len(server.received) == 1
        assert [it.path for it in proxy.received] == ["http://edgewise.example.com/run"]


def test_https_is_spoken_to_nobody_who_cannot(server: Server) -> None:
    with pytest.raises(ConnectionFailed, match="does not answer: .*SSL"):
        Client(server.address.replace("http:", "https:"), timeout=5).generate("Hello")

    assert server.received == []
