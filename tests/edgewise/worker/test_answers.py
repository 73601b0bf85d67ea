import json
import socket
from collections.abc import Iterator

import httpx
import pytest

from edgewise import VERSION
from edgewise.asked.structure import MAX_DEPTH
from tests.edgewise.golden import ERRORS
from tests.harness.shared import Worker
from workers_ai_local import KINDS, Reply, Scripted

BASE = "@cf/meta/llama-3.1-8b-instruct"
FAST = f"{BASE}-fast"
FP8 = f"{BASE}-fp8"
SCOPED = {"messages": [{"role": "user", "content": "Hello"}]}


def asked(worker: Worker) -> list[str]:
    """The models that Workers AI was asked for since the last look."""
    models = [received.model for received in worker.ai.received]
    worker.ai.received.clear()
    return models


def test_health_names_version_and_model(client: httpx.Client) -> None:
    response = client.get("/health")

    assert response.status_code == 200
    assert response.json() == {"status": "ok", "version": VERSION, "model": BASE}


def test_health_can_be_asked_for_its_head(client: httpx.Client) -> None:
    response = client.head("/health")

    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize(
    ("inputs", "kind"),
    [
        (SCOPED, "scoped"),
        ({"prompt": "Hello"}, "unscoped"),
        ({"prompt": "Hello", "raw": True}, "raw"),
    ],
)
def test_prompt_of_each_kind_is_answered(
    client: httpx.Client, inputs: dict[str, object], kind: str
) -> None:
    response = client.post(f"/run/{FAST}", json=inputs | {"max_tokens": 1000})

    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-model"] == FAST
    body = response.json()
    assert f"this {kind} prompt: “Hello”" in body["response"]
    assert body["model"] == FAST
    assert body["usage"]["total_tokens"] > body["usage"]["completion_tokens"] > 0
    assert (body["finish_reason"], body["truncated"]) == ("stop", False)


def test_answer_is_cut_at_256_tokens_when_nothing_is_said(client: httpx.Client) -> None:
    body = client.post("/run", json={"prompt": "Hello"}).json()

    assert body["usage"]["completion_tokens"] == 256
    assert (body["finish_reason"], body["truncated"]) == ("length", True)


def test_answer_cut_at_max_tokens_says_so(client: httpx.Client) -> None:
    body = client.post("/run", json=SCOPED | {"max_tokens": 5}).json()

    assert body["usage"]["completion_tokens"] == 5
    assert (body["finish_reason"], body["truncated"]) == ("length", True)


def test_stream_is_server_sent_events_of_workers_ai(client: httpx.Client) -> None:
    whole = client.post("/run", json=SCOPED).json()["response"]

    response = client.post("/run", json=SCOPED | {"stream": True})

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["cache-control"] == "no-cache, no-store"
    assert response.headers["x-model"] == FAST
    *events, done, end = response.text.split("\n\n")
    assert (done, end) == ("data: [DONE]", "")
    tokens = [json.loads(event.removeprefix("data: "))["response"] for event in events]
    assert "".join(tokens) == whole
    assert len(tokens) > 10


def test_every_parameter_reaches_workers_ai_as_it_was_sent(
    client: httpx.Client, worker: Worker
) -> None:
    inputs = {
        "prompt": '<|begin_of_text|> é 😀 \u2028 " \\ \n \0',
        "raw": True,
        "stream": False,
        "max_tokens": 7,
        "temperature": 0.25,
        "top_p": 1,
        "top_k": 50,
        "seed": 9_999_999_999,
        "repetition_penalty": 1.5,
        "frequency_penalty": 0,
        "presence_penalty": 2,
    }

    client.post("/run", json=inputs)

    assert json.loads(bytes(worker.ai.received[0].inputs)) == inputs


def test_curl_without_a_content_type_is_understood(client: httpx.Client) -> None:
    response = client.post("/run", content=json.dumps(SCOPED))

    assert "content-type" not in response.request.headers
    assert response.status_code == 200


def test_tool_calls_are_handed_on(client: httpx.Client, worker: Worker) -> None:
    calls = [{"name": "weather", "arguments": {"city": "Zürich"}}]
    answer = json.dumps({"response": None, "tool_calls": calls, "usage": {"completion_tokens": 3}})
    worker.ai.script(Scripted([answer.encode()], "application/json"), model=FAST)

    body = client.post("/run", json=SCOPED).json()

    assert (body["tool_calls"], body["response"]) == (calls, None)
    assert body["finish_reason"] == "tool_calls"


def test_model_in_the_path_is_the_one_that_runs(client: httpx.Client, worker: Worker) -> None:
    for path in (f"/run/{FP8}", f"/run/{FP8}?x=1", "/run/" + FP8.replace("@", "%40")):
        assert client.post(path, json=SCOPED).json()["model"] == FP8

    assert asked(worker) == [FP8] * 3


@pytest.mark.parametrize("code", [5007, 5028, 3042])
@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
def test_model_that_is_gone_is_followed_by_the_next_and_that_is_remembered(
    client: httpx.Client, worker: Worker, code: int, stream: bool
) -> None:
    inputs = SCOPED | {"stream": stream}
    worker.ai.script(Reply(error=code), model=FAST)

    assert client.post("/run", json=inputs).headers["x-model"] == FP8
    assert asked(worker) == [FAST, FP8]

    assert client.post("/run", json=inputs).headers["x-model"] == FP8
    assert asked(worker) == [FP8]

    worker.ai.script(Reply(error=code), model=FP8)
    assert client.post("/run", json=inputs).headers["x-model"] == FAST
    assert asked(worker) == [FP8, FAST]


def test_retired_public_model_is_reached_only_when_the_others_are_gone(
    client: httpx.Client, worker: Worker
) -> None:
    worker.ai.script(Reply(error=5028), model=FAST)
    worker.ai.script(Reply(error=5007), model=FP8)

    response = client.post("/run", json=SCOPED)

    assert asked(worker) == [FAST, FP8, BASE]
    assert response.status_code == 410
    assert response.json()["error"] == {
        "code": "model_retired",
        "message": f"the model was retired ({BASE}, code 5028)",
        "upstream_code": 5028,
    }


@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
@pytest.mark.parametrize("code", sorted(ERRORS.keys() & KINDS.keys()))
def test_failure_of_the_model_is_told_with_whether_to_try_again(
    client: httpx.Client, worker: Worker, code: int, stream: bool
) -> None:
    worker.ai.script(Reply(error=code), model=FAST)

    response = client.post(f"/run/{FAST}", json=SCOPED | {"stream": stream})

    error = response.json()["error"]
    status, name, again = ERRORS[code]
    assert (response.status_code, error["code"]) == (status, name)
    assert error["message"].endswith(f"({FAST}, code {code})")
    assert error["upstream_code"] == code
    should_retry = "false" if again in (None, "tomorrow") else None
    assert response.headers.get("x-should-retry") == should_retry
    wait = response.headers.get("retry-after")
    if again == "tomorrow":
        assert 0 < int(wait) <= 86_400
    else:
        assert wait == (str(again) if isinstance(again, int) else None)
    assert asked(worker) == [FAST]


@pytest.mark.parametrize(
    ("content_type", "status", "body"),
    [
        ("text/html", 500, b"<h1>oops</h1>"),
        ("text/html", 200, b"<h1>oops</h1>"),
        ("application/octet-stream", 200, b"data: oops"),
        ("application/json", 200, b"[1]"),
        ("application/json", 200, b"{"),
        ("application/json; charset=utf-8", 200, b"[1]"),
        ("application/json", 200, b'{"response":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
    ],
    ids=[
        "an error page",
        "a page",
        "bytes",
        "an array",
        "half an object",
        "with a charset",
        "too deep",
    ],
)
def test_answer_that_cannot_be_read_is_502(
    client: httpx.Client, worker: Worker, content_type: str, status: int, body: bytes
) -> None:
    worker.ai.script(Scripted([body], content_type, status), model=FAST)

    response = client.post(f"/run/{FAST}", json=SCOPED)

    assert response.status_code == 502
    assert response.json()["error"]["code"] == "upstream_error"
    assert "oops" not in response.text


def test_answer_that_breaks_off_is_502(client: httpx.Client, worker: Worker) -> None:
    def broken() -> Iterator[bytes]:
        yield b'{"response":"Hel'
        raise ConnectionError

    worker.ai.script(Scripted(broken(), "application/json"), model=FAST)

    response = client.post(f"/run/{FAST}", json=SCOPED)

    assert response.status_code == 502
    assert response.json()["error"]["code"] == "upstream_error"


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/run", "POST, GET"),
        ("PURGE", "/run", "POST, GET"),
        ("OPTIONS", f"/run/{BASE}", "POST, GET"),
        ("POST", "/health", "GET, HEAD"),
    ],
)
def test_wrong_method_is_405_with_allow(
    client: httpx.Client, method: str, path: str, allow: str
) -> None:
    response = client.request(method, path)

    assert response.status_code == 405
    assert response.headers["allow"] == allow
    assert response.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ["/nowhere", "/run/", "/run//", "/%", "/run/%", "/run/%ff"])
def test_unknown_path_or_model_is_404(client: httpx.Client, path: str) -> None:
    response = client.post(path, json=SCOPED)

    assert response.status_code == 404
    assert response.json()["error"]["code"] in ("not_found", "model_not_found")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", {"message": "body: expected an object, got nothing"}),
        (b"{", {"message": "body: expected valid JSON"}),
        (b'{"prompt":"\xff"}', {"message": "body: expected UTF-8"}),
        (b"{}", {"message": "prompt, messages: expected exactly one of them, got neither"}),
        (
            b'{"prompt":"a","temperature":6}',
            {
                "message": "temperature: expected a number from 0 to 5, got 6",
                "param": "temperature",
            },
        ),
        (
            b'{"messages":[{"role":"user","content":5}]}',
            {
                "message": "messages[0].content: expected a string or an array of text parts,"
                " got 5",
                "param": "messages[0].content",
            },
        ),
    ],
)
def test_bad_body_is_400_and_names_the_field(
    client: httpx.Client, worker: Worker, body: bytes, error: dict[str, str]
) -> None:
    response = client.post("/run", content=body)

    assert response.status_code == 400
    assert response.json() == {"error": {"code": "invalid_request"} | error}
    assert asked(worker) == []


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt":"a","x":' + b"[" * 1_000_000,
        b'{"messages":' + b"[" * 1_000_000,
        b'{"prompt":"a","x":' + b'{"a":' * 200_000,
        b'{"prompt":"a","x":' + b"[" * 500_000 + b"]" * 500_000 + b"}",
    ],
    ids=["arrays", "messages", "objects", "closed"],
)
def test_deep_nesting_is_400_and_the_isolate_lives_on(
    client: httpx.Client, worker: Worker, body: bytes
) -> None:
    processes = worker.workerd()

    response = client.post("/run", content=body)

    assert response.status_code == 400
    message = f"body: expected JSON nested at most {MAX_DEPTH} levels deep"
    assert response.json()["error"]["message"] == message
    assert worker.workerd() == processes


LIMIT = 1_048_576


def padded(size: int) -> bytes:
    """A good body of just so many bytes."""
    return b'{"prompt":"Hello"' + b" " * (size - 18) + b"}"


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    """A body in pieces: sent chunked, without a content length."""
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.parametrize("size", [18, 65_535, 65_536, 65_537, LIMIT - 1, LIMIT])
def test_body_up_to_the_cap_is_read_whole(client: httpx.Client, size: int) -> None:
    assert client.post("/run", content=padded(size)).status_code == 200
    assert client.post("/run", content=pieces(padded(size), 50_000)).status_code == 200


@pytest.mark.parametrize("size", [LIMIT + 1, 10 * LIMIT])
def test_body_over_the_cap_is_413_however_it_is_sent(
    client: httpx.Client, worker: Worker, size: int
) -> None:
    for body in (padded(size), pieces(padded(size), 50_000)):
        response = client.post("/run", content=body)

        assert response.status_code == 413
        assert response.json() == {
            "error": {
                "code": "body_too_large",
                "message": f"body: expected at most {LIMIT} bytes",
            }
        }
    assert asked(worker) == []


def test_body_without_end_is_413_before_it_ends(worker: Worker) -> None:
    url = httpx.URL(worker.address)
    with socket.create_connection((url.host, url.port or 80), timeout=30) as connection:
        connection.sendall(
            b"POST /run HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for _ in range(2 * LIMIT // 0x8000):
            connection.sendall(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
        answer = connection.recv(1000)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert asked(worker) == []


@pytest.mark.parametrize("path", ["/nowhere", "/health", "/run/unknown"])
def test_refusal_of_a_large_body_is_told(client: httpx.Client, path: str) -> None:
    response = client.post(path, content=padded(10 * LIMIT))

    assert response.status_code in (404, 405)
    assert response.json()["error"]["message"]


def test_no_answer_and_no_log_shows_our_source(client: httpx.Client, worker: Worker) -> None:
    for body in (b"", b"{", b"[]", b'{"prompt":5}', b"\xff"):
        assert "Traceback" not in client.post("/run", content=body).text

    assert not [line for line in worker.log if "Traceback" in line]
