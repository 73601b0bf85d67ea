"""What is written down of each kind of request, for real: one line, and one data point."""

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.edgewise.hostile import MODEL
from tests.harness.credentials import API_KEYS, KEY
from tests.harness.deployments import Deployment, deploy, deploy_alone, unlimited
from tests.harness.processes import wait_until
from tests.harness.servers import endless
from tests.harness.witness import CANARY
from workers_ai_local import Reply, Scripted

CHATS = "/v1/chat/completions"
CHAT = {"model": MODEL, "messages": [{"role": "user", "content": CANARY}]}
PROMPT = {"model": MODEL, "prompt": CANARY}
EVENT = b'data: {"response":"Hello"}\n\n'
MOST_MS = 5_000
REQUESTS = 200
# Stands in for Analytics Engine: prints what it is told, and fails or dawdles where the id says so.
ANALYTICS = """\
import { WorkerEntrypoint } from "cloudflare:workers";
export default class extends WorkerEntrypoint {
  async writeDataPoint(point) {
    if (point.blobs[5].startsWith("slow")) {
      await scheduler.wait(500);
    }
    console.log("point " + JSON.stringify(point));
    if (point.blobs[5] === "fail") {
      throw new Error("out of order");
    }
  }
}
"""
BOUND = '\n[[env.local.services]]\nbinding = "ANALYTICS"\nservice = "beside"\n'


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Worker that takes keys, and whoever has none; beside it, what takes its data points."""
    settings = {"API_KEYS": API_KEYS, "ALLOWED_ORIGINS": "https://friend.example"}
    folder = tmp_path_factory.mktemp("deployed")
    with deploy(
        folder, settings, edit=lambda config: unlimited(config) + BOUND, beside=ANALYTICS
    ) as deployment:
        yield deployment


@pytest.fixture
def worker(deployed: Deployment) -> Deployment:
    """The same, over a Workers AI that has nothing scripted and has seen nothing yet."""
    deployed.ai.reset()
    return deployed


def name() -> dict[str, str]:
    """Name a request anew."""
    return {"x-request-id": str(uuid.uuid4())}


def points(worker: Deployment) -> dict[str, dict[str, Any]]:
    """The data points so far, by the request's id."""
    said = [line.partition("point ")[2] for line in [*worker.log] if "point {" in line]
    return {point["blobs"][5]: point for point in map(json.loads, said)}


def line(
    worker: Deployment, method: str, path: str, body: object = None, **headers: str
) -> dict[str, Any]:
    """Ask, read the whole answer, and find the line about it, without the times in it."""
    told = headers | name()
    worker.client.request(method, path, json=body, headers=told)
    return without_times(worker.record(told["x-request-id"]))


def without_times(record: dict[str, Any]) -> dict[str, Any]:
    """Check the times of a record, and leave out what is another one each time."""
    at = datetime.fromisoformat(record["time"])
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"])
    assert 0 <= record["ms"] < MOST_MS
    if record["model"] is None:
        assert record["model_ms"] is None
    else:
        assert 0 <= record["model_ms"] <= record["ms"]
    return {key: value for key, value in record.items() if key not in ("time", "id", *_TIMES)}


_TIMES = ("ms", "model_ms")
EMPTY: dict[str, Any] = {
    "caller": None,
    "route": None,
    "model": None,
    "status": 200,
    "code": None,
    "upstream_code": None,
    "stream": False,
    "usage": None,
}
USAGE = {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
ASKED = {"caller": "anonymous", "model": MODEL}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "told"),
    [
        pytest.param("GET", "/health", None, {}, {"route": "GET /health"}, id="health"),
        pytest.param(
            *("GET", "/v1/models", None, {"x-api-key": KEY}),
            {"route": "GET /v1/models", "caller": "shop"},
            id="models",
        ),
        pytest.param(
            *("POST", "/run", PROMPT, {}),
            ASKED | {"route": "POST /run", "usage": USAGE},
            id="native JSON",
        ),
        pytest.param(
            *("POST", f"/run/{MODEL}", PROMPT | {"stream": True}, {"x-api-key": KEY}),
            ASKED | {"caller": "shop", "route": "POST /run/{model}", "stream": True},
            id="native stream, which nobody reads on its way",
        ),
        pytest.param(
            *("GET", f"/run?prompt={CANARY}&model={MODEL}", None, {}),
            ASKED | {"route": "GET /run", "stream": True},
            id="EventSource",
        ),
        pytest.param(
            *("POST", CHATS, CHAT | {"stream": True}, {}),
            ASKED | {"route": f"POST {CHATS}", "stream": True, "usage": USAGE},
            id="OpenAI stream",
        ),
        pytest.param(
            *("POST", "/v1/completions", PROMPT, {}),
            ASKED | {"route": "POST /v1/completions", "usage": USAGE},
            id="OpenAI JSON",
        ),
        pytest.param(
            *("POST", f"/client/v4/accounts/{CANARY}/ai/run/{MODEL}", PROMPT, {}),
            ASKED | {"route": "POST /client/v4/accounts/{account}/ai/run/{model}", "usage": USAGE},
            id="REST",
        ),
        pytest.param(
            *("POST", "/run", {"prompt": 1}, {}),
            {"caller": "anonymous", "route": "POST /run", "status": 400, "code": "invalid_request"},
            id="400",
        ),
        pytest.param(
            *("POST", "/run", PROMPT, {"x-api-key": "a-key-of-somebody-else"}),
            {"route": "POST /run", "status": 401, "code": "unauthorized"},
            id="401",
        ),
        pytest.param(
            *("POST", f"/run/{CANARY}", PROMPT, {}),
            {
                "caller": "anonymous",
                "route": "POST /run/{model}",
                "status": 404,
                "code": "model_not_found",
            },
            id="no such model",
        ),
        pytest.param(
            *("GET", f"/{CANARY}", None, {}), {"status": 404, "code": "not_found"}, id="404"
        ),
        pytest.param(
            *("PUT", "/run", PROMPT, {}), {"status": 405, "code": "method_not_allowed"}, id="405"
        ),
        pytest.param(
            *("OPTIONS", "/run", None),
            {"origin": "https://friend.example", "access-control-request-method": "POST"},
            {"status": 204},
            id="preflight",
        ),
        pytest.param(
            *("GET", f"/run?prompt={CANARY}", None, {"last-event-id": CANARY}),
            {"caller": "anonymous", "route": "GET /run", "status": 204},
            id="EventSource that comes back",
        ),
    ],
)
def test_line_tells_what_is_known_of_a_request(
    worker: Deployment,
    method: str,
    path: str,
    body: object,
    headers: dict[str, str],
    told: dict[str, Any],
) -> None:
    worker.ai.script(Reply(text=f"{CANARY} one two"))

    found = line(worker, method, path, body, **headers)

    if found["usage"]:
        assert found["usage"]["total_tokens"] == sum([*found["usage"].values()][:2])
        found["usage"] = USAGE
    assert found == EMPTY | told


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(3036, 429, "allocation_used_up"), (3040, 429, "no_capacity"), (3043, 502, "upstream_error")],
)
def test_line_tells_how_workers_ai_refused(
    worker: Deployment, error: int, status: int, code: str
) -> None:
    worker.ai.script(Reply(error=error))

    found = line(worker, "POST", CHATS, CHAT)

    assert (found["status"], found["code"], found["upstream_code"]) == (status, code, error)
    assert found["model"] == MODEL
    assert ("fault" in found) == (status == 502)


def test_line_of_a_stream_that_is_passed_on_is_written_at_its_beginning(worker: Deployment) -> None:
    worker.ai.script(Scripted(endless(EVENT)))
    told = name()

    with worker.client.stream("POST", "/run", json=PROMPT | {"stream": True}, headers=told):
        found = worker.record(told["x-request-id"])
        assert worker.ai.streams.open == 1

    assert (found["status"], found["stream"]) == (200, True)


def test_line_of_a_stream_that_is_rewritten_is_written_at_its_end(worker: Deployment) -> None:
    worker.ai.script(Reply(text="one two three", tokens_per_second=10))
    told = name()

    with worker.client.stream("POST", CHATS, json=CHAT | {"stream": True}, headers=told) as stream:
        chunks = stream.iter_raw()
        next(chunks)
        early = [record for record in worker.records() if record["id"] == told["x-request-id"]]
        list(chunks)
    found = worker.record(told["x-request-id"])

    assert early == []
    assert found["usage"]["completion_tokens"] == 3
    assert found["ms"] > max(150, found["model_ms"])


def test_line_of_a_stream_that_broke_says_so(worker: Deployment) -> None:
    worker.ai.script(Reply(text="a b c d e f", break_after=3))

    found = line(worker, "POST", CHATS, CHAT | {"stream": True})

    assert (found["status"], found["code"], found["stream"]) == (200, "upstream_error", True)


@pytest.mark.parametrize("path", [CHATS, "/v1/completions"])
def test_line_of_a_stream_whose_client_left_says_so_at_once(worker: Deployment, path: str) -> None:
    worker.ai.script(Scripted(endless(EVENT)))
    told = name()
    body = {**(CHAT if path == CHATS else PROMPT), "stream": True}
    with worker.client.stream("POST", path, json=body, headers=told) as response:
        next(response.iter_raw())

    def record() -> list[dict[str, Any]]:
        return [each for each in worker.records() if each["id"] == told["x-request-id"]]

    wait_until(lambda: bool(record()), seconds=2)
    assert [each["code"] for each in record()] == ["client_left"]
    wait_until(lambda: worker.ai.streams.cancelled == 1, seconds=1)


@pytest.mark.thorough
def test_every_request_of_many_at_once_has_one_line(worker: Deployment) -> None:
    before = len(worker.records())
    worker.ai.script(Reply(contains="broken", text="a b c d e f", break_after=3, times="always"))
    worker.ai.script(Reply(contains="refused", error=3036, times="always"))
    worker.ai.script(
        Reply(contains="left", text="word " * 2000, tokens_per_second=200, times="always")
    )
    kinds = [
        *(("POST", "/run", PROMPT), ("POST", "/run", PROMPT | {"stream": True})),
        *(("POST", CHATS, CHAT), ("POST", CHATS, CHAT | {"stream": True})),
        *(("POST", CHATS, {"model": MODEL}), ("GET", "/health", None), ("GET", "/nowhere", None)),
        ("POST", "/v1/completions", {"model": MODEL, "prompt": "broken", "stream": True}),
        ("POST", "/v1/completions", {"model": MODEL, "prompt": "refused"}),
        ("POST", "/v1/completions", {"model": MODEL, "prompt": "left", "stream": True}),
    ]

    def ask(number: int) -> str:
        method, path, body = kinds[number % len(kinds)]
        told = name()
        with worker.client.stream(method, path, json=body, headers=told) as response:
            chunks = response.iter_raw()
            if body and "left" in str(body):
                next(chunks)
            else:
                list(chunks)
        return told["x-request-id"]

    with ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(ask, range(REQUESTS)))
    wait_until(lambda: len(worker.records()) >= before + REQUESTS, seconds=10)
    worker.client.get("/health", headers={"x-request-id": "the-end"})
    worker.record("the-end")

    wait_until(lambda: points(worker).keys() >= {*ids}, seconds=10)
    records = worker.records()[before:-1]
    assert sorted(record["id"] for record in records) == sorted(ids)
    each = REQUESTS // len(kinds)
    assert Counter(record["code"] for record in records) == {
        None: 5 * each,
        "invalid_request": each,
        "not_found": each,
        "client_left": each,
        "upstream_error": each,
        "allocation_used_up": each,
    }


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/run", PROMPT),
        ("POST", CHATS, CHAT | {"stream": True}),
        ("POST", "/run", {"prompt": 1}),
        ("GET", "/nowhere", None),
    ],
)
def test_data_point_has_the_figures_of_the_line(
    worker: Deployment, method: str, path: str, body: object
) -> None:
    told = name()
    worker.client.request(method, path, json=body, headers=told | {"x-api-key": KEY})
    record = worker.record(told["x-request-id"])
    wait_until(lambda: record["id"] in points(worker), seconds=10)

    usage = record["usage"] or dict.fromkeys(USAGE)
    texts = [record["route"], record["model"], record["code"], None, record["caller"], record["id"]]
    figures = [record[key] for key in ("status", "upstream_code", "ms", "model_ms")]
    texts[3] = "stream" if record["stream"] else "json"
    assert points(worker)[record["id"]] == {
        "indexes": [record["caller"] or "-:nobody"],
        "blobs": [text or "" for text in texts],
        "doubles": [figure or 0 for figure in (*figures, *usage.values())],
    }


@pytest.mark.parametrize("stream", [False, True])
def test_analytics_that_fails_disturbs_no_answer(worker: Deployment, stream: bool) -> None:
    worker.ai.script(Reply(text="one two", times=2))
    body = CHAT | {"stream": stream}

    response = worker.client.post(CHATS, json=body, headers={"x-request-id": "fail"})

    assert response.status_code == 200
    assert "one" in response.text
    assert ("data: [DONE]" in response.text) == stream
    wait_until(lambda: "fail" in points(worker), seconds=10)
    worker.client.get("/health", headers=(told := name()))
    wait_until(lambda: told["x-request-id"] in points(worker), seconds=10)
    assert not [said for said in [*worker.log] if "out of order" in said]


@pytest.mark.parametrize("stream", [False, True])
def test_data_point_outlives_its_request(worker: Deployment, stream: bool) -> None:
    told = f"slow-{stream}"
    worker.client.post(CHATS, json=CHAT | {"stream": stream}, headers={"x-request-id": told})

    wait_until(lambda: told in points(worker), seconds=10)


def test_line_and_data_point_hold_nothing_that_anybody_said(worker: Deployment) -> None:
    worker.ai.script(Reply(text=CANARY, times="always"))
    told = name()

    httpx.post(
        f"{worker.address}/run", json=PROMPT, headers=told | {"x-api-key": KEY}, verify=False
    )
    worker.record(told["x-request-id"])

    said = [each for each in [*worker.log] if not each.startswith("[wrangler:info]")]
    assert not [each for each in said if CANARY in each or KEY in each]


@pytest.mark.thorough
def test_analytics_that_are_none_do_not_disturb_the_answer(tmp_path: Path) -> None:
    with deploy_alone(tmp_path, {"ANALYTICS": "a text"}) as deployment:
        response = deployment.client.post("/run", json=PROMPT, headers={"x-request-id": "none"})

        assert response.status_code == 200
        assert deployment.record("none")["caller"] == "anonymous"
