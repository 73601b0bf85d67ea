"""Edgewise below a path of somebody else's Worker, and as functions that it calls."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.edgewise.worker.mounting import (
    MOUNTING_WORKER,
    deploy_behind_assets,
    deploy_mounting_host,
)
from tests.harness.deployments import Deployment
from tests.harness.processes import wait_until
from tests.harness.servers import endless, serve
from tools.runtime.config import (
    LOCAL_FLAGS,
    command_to_test,
    deployment,
    source_modules,
    vendored_modules,
    write_config,
)
from workers_ai_local import Reply, Scripted, WorkersAi

MODEL = "@cf/meta/llama-3.1-8b-instruct"
FAST = f"{MODEL}-fast"
GRANITE = "@cf/ibm-granite/granite-4.0-h-micro"
EVENT = b'data: {"response":"Hello"}\n\n'
EVENTS = EVENT * 3 + b"data: [DONE]\n\n"
STREAMED = {"prompt": "Hello", "stream": True}
KEY = "ew_k3y0fm0unt-Qm9v1Zt7xLw2"
HOST_KEY = "ew_k3y0fh0st-Hc4n8Rb6yTj5x"
ORIGIN = "https://shop.example"
MOUNTS: Mapping[str, Mapping[str, object] | None] = {
    "/ai": {"API_KEYS": f"shop:{KEY}", "ALLOWED_ORIGINS": ORIGIN, "MAX_TOKENS_CEILING": 300},
    "/open": {"ALLOW_ANONYMOUS": True, "MODELS": [{"id": GRANITE}], "MAX_TOKENS_CEILING": 400},
    "/closed": None,
    "/unbound": {"ALLOW_ANONYMOUS": True},
}
# The host's own business, whatever the names say.
HOST_VARIABLES = {
    "MAX_TOKENS_CEILING": "1",
    "MAX_TOKENS_DEFAULT": "1",
    "API_KEYS": f"host:{HOST_KEY}",
    "ALLOW_ANONYMOUS": "true",
    "ALLOWED_HOSTS": "elsewhere.example",
    "PATH_PREFIX": "/elsewhere",
    "MODELS": "nothing at all",
}
OPENAI = {"model": FAST, "messages": [{"role": "user", "content": "Hello"}]}
# There are no rate limits in workerd alone.
SAVED_MOUNTS = {
    "/open": {"ALLOW_ANONYMOUS": True, "RATE_LIMIT_ON_FAILURE": "open"},
    "/closed": None,
}


@pytest.fixture(scope="module")
def _host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    variables = HOST_VARIABLES | {"MOUNTS": json.dumps(MOUNTS)}
    with deploy_mounting_host(tmp_path_factory.mktemp("host"), variables) as deployed:
        deployed.client.headers["authorization"] = f"Bearer {KEY}"
        yield deployed


@pytest.fixture
def host(_host: Deployment) -> Deployment:
    """The Worker that Edgewise is mounted in, over a Workers AI that has seen nothing yet."""
    _host.ai.reset()
    return _host


def called(host: Deployment, function: str, *arguments: object, **asked: object) -> Any:
    """Have the host call a function, and tell what came of it."""
    document = {"function": function, "arguments": arguments, **asked}
    return host.client.post("/call/it", json=document).raise_for_status().json()


def test_stream_below_the_path_is_workers_ai_s_byte_for_byte(host: Deployment) -> None:
    host.ai.script(Scripted([EVENTS[:40], EVENTS[40:]]), model=FAST)

    response = host.client.post(f"/ai/run/{FAST}", json=STREAMED)

    assert (response.headers["content-type"], response.content) == ("text/event-stream", EVENTS)


def test_answer_below_the_path_is_as_a_deployment_s(host: Deployment) -> None:
    response = host.client.post("/ai/run", json={"prompt": "Hello", "max_tokens": 4})

    answer = response.json()
    assert (answer["model"], answer["truncated"]) == (FAST, True)
    assert response.headers["x-max-tokens"] == "4"
    assert response.headers["cache-control"] == "no-store"


def test_openai_s_words_are_below_the_path(host: Deployment) -> None:
    host.ai.script(Reply(text="Hi there", times=2), model=FAST)

    whole = host.client.post("/ai/v1/chat/completions", json=OPENAI)
    streamed = host.client.post("/ai/v1/chat/completions", json=OPENAI | {"stream": True})

    assert whole.json()["choices"][0]["message"]["content"] == "Hi there"
    assert streamed.text.endswith("data: [DONE]\n\n")
    assert '"object":"chat.completion.chunk"' in streamed.text


@pytest.mark.parametrize(
    ("method", "path", "key", "document", "status", "code"),
    [
        ("POST", "/ai/run", KEY, {"prompt": "Hello", "top_p": 3}, 400, "invalid_request"),
        ("POST", "/ai/run", "", {"prompt": "Hello"}, 401, "unauthorized"),
        ("POST", "/ai/run", HOST_KEY, {"prompt": "Hello"}, 401, "unauthorized"),
        ("GET", "/ai/nothing", KEY, None, 404, "not_found"),
        ("DELETE", "/ai/run", KEY, None, 405, "method_not_allowed"),
        ("POST", "/ai/v1/chat/completions", KEY, {"model": FAST}, 400, "invalid_request"),
        ("GET", "/ai/v1/nothing", KEY, None, 404, "not_found"),
    ],
)
def test_refusal_below_the_path_is_as_a_deployment_s(
    host: Deployment,
    method: str,
    path: str,
    key: str,
    document: Mapping[str, object] | None,
    status: int,
    code: str,
) -> None:
    headers = {"authorization": f"Bearer {key}"} if key else {}

    response = httpx.request(
        method, f"{host.address}{path}", headers=headers, json=document, verify=False
    )

    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert ("type" in error) == path.startswith("/ai/v1")  # as OpenAI words it
    assert response.headers.get("allow") == ("POST, GET" if status == 405 else None)
    assert ("www-authenticate" in response.headers) == (status == 401)


def test_preflight_below_the_path_is_answered(host: Deployment) -> None:
    headers = {"origin": ORIGIN, "access-control-request-method": "POST"}

    response = host.client.options("/ai/run", headers=headers)

    assert (response.status_code, response.headers["access-control-allow-origin"]) == (204, ORIGIN)
    assert response.headers["access-control-allow-methods"] == "POST, GET"


def test_openapi_document_tells_the_path(host: Deployment) -> None:
    assert host.client.get("/ai/openapi.json").json()["servers"] == [{"url": "/ai"}]


def test_log_line_is_as_a_deployment_s(host: Deployment) -> None:
    host.client.post("/ai/run", json={"prompt": "Hello"}, headers={"x-request-id": "mounted"})

    record = host.record("mounted")
    assert (record["caller"], record["route"], record["status"]) == ("shop", "POST /run", 200)
    assert (record["model"], record["stream"]) == (FAST, False)


@pytest.mark.parametrize(
    "path", ["/", "/run", "/ai", "/aix", "/aix/run", "/a/ai/run", "/AI/run", "/%61i/run", "/x?/ai/"]
)
def test_what_is_not_below_the_path_is_the_host_s(host: Deployment, path: str) -> None:
    response = host.client.post(path, json={"prompt": "Hello"})

    assert response.text == f"the host's {path.partition('?')[0]}"
    assert "x-request-id" not in response.headers
    assert len(host.ai.received) == 0


def test_settings_are_the_code_s_and_not_the_host_s_variables(host: Deployment) -> None:
    usual = host.client.post("/ai/run", json={"prompt": "Hello"})
    most = host.client.post("/ai/run", json={"prompt": "Hello", "max_tokens": 300})
    more = host.client.post("/ai/run", json={"prompt": "Hello", "max_tokens": 301})

    assert (usual.headers["x-max-tokens"], most.headers["x-max-tokens"]) == ("256", "300")
    message = "max_tokens: expected at most 300, the ceiling of this deployment, got 301"
    assert more.json()["error"]["message"] == message


def test_nobody_is_let_in_without_settings(host: Deployment) -> None:
    response = host.client.post("/closed/run", json={"prompt": "Hello"})

    assert (response.status_code, response.json()["error"]["code"]) == (403, "closed")


def test_catalogue_is_the_package_s_own_where_none_is_set(host: Deployment) -> None:
    listed = host.client.get("/ai/v1/models").json()["data"]

    catalogue = deployment().variables["MODELS"]
    assert isinstance(catalogue, list)
    assert [model["id"] for model in listed] == [model["id"] for model in catalogue]


def test_binding_of_another_name_has_to_be_given(host: Deployment) -> None:
    response = host.client.post("/unbound/run", json={"prompt": "Hello"})

    assert (response.status_code, response.json()["error"]["code"]) == (500, "misconfigured")
    assert response.json()["error"]["message"].startswith("AI: expected the binding")


def test_two_mounts_and_the_host_at_once_do_not_mix(host: Deployment) -> None:
    def ask(number: int) -> bool:
        kind, name = number % 4, f"mixed-{number}"
        path = ("/ai/run", "/open/run", "/ai/run", f"/own/{number}")[kind]
        asked = {"prompt": name, "max_tokens": 1000 if kind < 2 else 5}
        response = host.client.post(path, json=asked, headers={"x-request-id": name})
        if kind == 3:
            return response.text == f"the host's {path}"
        told = response.json()
        if kind == 2:
            return told["model"] == FAST and response.headers["x-request-id"] == name
        return f"at most {(300, 400)[kind]}," in told["error"]["message"]

    with ThreadPoolExecutor(16) as pool:
        answers = [*pool.map(ask, range(80))]

    assert answers == [True] * 80
    asked = [json.loads(bytes(received.inputs))["prompt"] for received in host.ai.received]
    assert sorted(asked) == sorted(f"mixed-{number}" for number in range(2, 80, 4))


@pytest.mark.parametrize(
    "path", ["ai", "/ai/", "/", "", "ai/run", "//", "/a b", "/ai?", "/..", "/ai/./b"]
)
def test_path_that_is_none_is_refused(host: Deployment, path: str) -> None:
    name, message = called(host, "mount", path)

    assert (name, message) == ("ValueError", f"path: expected one such as /ai, got {path!r}")


@pytest.mark.parametrize("function", ["mount", "run", "generate", "models"])
def test_setting_that_there_is_not_is_refused(host: Deployment, function: str) -> None:
    given: Mapping[str, list[object]] = {"mount": ["/call"], "run": [MODEL, {}], "generate": [{}]}
    keywords = {"settings": {"API_KEY": "x"}}

    name, message = called(host, function, *given.get(function, []), keywords=keywords)

    assert (name, "'API_KEY'" in message) == ("ValueError", True)


@pytest.mark.parametrize("caller", ["anonymous", "", "a@b.example", "access:me", "a" * 65])
def test_caller_that_nobody_could_log_is_refused(host: Deployment, caller: str) -> None:
    name, message = called(host, "generate", {"prompt": "Hello"}, keywords={"caller": caller})

    assert (name, message) == (
        "ValueError",
        f"caller: expected a name such as shop, got {caller!r}",
    )


def test_generate_gives_a_dict(host: Deployment) -> None:
    host.ai.script(Reply(text="Hi there"), model=FAST)

    answer = called(host, "generate", {"prompt": "Hello"})

    assert answer["response"] == "Hi there"
    assert answer.keys() == {"model", "response", "usage", "finish_reason", "truncated"}


def test_run_gives_workers_ai_s_own_answer(host: Deployment) -> None:
    host.ai.script(Reply(text="Hi there"), model=FAST)

    answer = called(host, "run", MODEL, {"prompt": "Hello", "max_tokens": 7})

    assert answer["response"] == "Hi there"
    assert answer.keys() >= {"response", "usage"}
    assert json.loads(bytes(host.ai.received[0].inputs))["max_tokens"] == 7


def test_models_gives_a_list_of_dicts(host: Deployment) -> None:
    listed = called(host, "models")
    found = called(host, "models", {"search": "fp8"})

    assert [model["name"] for model in listed] == [MODEL, FAST, f"{MODEL}-fp8"]
    assert [model["name"] for model in found] == [f"{MODEL}-fp8"]


def test_setting_may_be_a_variable_that_holds_json(host: Deployment) -> None:
    listed = called(host, "models", models=[{"id": "chat", "served_by": [GRANITE]}])

    assert [model["id"] for model in listed] == ["chat"]


def test_settings_of_a_call_count(host: Deployment) -> None:
    settings = {"MODELS": [{"id": "chat", "served_by": [GRANITE]}], "MAX_TOKENS_DEFAULT": 3}

    answer = called(host, "generate", {"prompt": "Hello"}, keywords={"settings": settings})

    assert (answer["model"], answer["usage"]["completion_tokens"]) == (GRANITE, 3)


def test_call_is_written_down_with_the_name_that_it_gives(host: Deployment) -> None:
    before = len(host.records())

    called(host, "generate", {"prompt": "Hello"}, keywords={"caller": "title"})

    wait_until(lambda: len(host.records()) > before, seconds=10)
    (record,) = host.records()[before:]
    assert (record["caller"], record["route"]) == ("title", "RPC generate")


def test_stream_of_run_is_handed_on_byte_for_byte(host: Deployment) -> None:
    host.ai.script(Scripted([EVENTS[:40], EVENTS[40:]]), model=FAST)
    asked = {"function": "run", "arguments": [FAST, STREAMED], "is_raw": False}

    response = host.client.post("/call/it", json=asked)

    assert response.content == EVENTS


def test_client_that_goes_away_is_seen_by_workers_ai_within_a_second(host: Deployment) -> None:
    host.ai.script(Scripted(endless(EVENT)), model=FAST)
    asked = {"function": "run", "arguments": [FAST, STREAMED]}
    with host.client.stream("POST", "/call/it", json=asked) as response:
        next(response.iter_raw())
        assert host.ai.streams.open == 1

    wait_until(lambda: host.ai.streams.cancelled == 1, seconds=1)


def test_response_of_run_is_handed_on_whole(host: Deployment) -> None:
    host.ai.script(Reply(error=3040), model=FAST)
    arguments = [FAST, {"prompt": "Hello"}, {"returnRawResponse": True}]

    response = host.client.post(
        "/call/it", json={"function": "run", "arguments": arguments, "is_raw": True}
    )

    assert (response.status_code, response.json()["internalCode"]) == (429, 3040)


def test_refusal_is_raised(host: Deployment) -> None:
    name, code, upstream, message = called(host, "generate", {"prompt": "Hello", "top_p": 3})

    assert (name, code, upstream) == ("BadRequest", "invalid_request", None)
    assert message == "top_p: expected a number from 0 to 2, got 3"


def test_failure_of_workers_ai_is_raised_with_its_code(host: Deployment) -> None:
    host.ai.script(Reply(error=3040), model=FAST)

    name, code, upstream, _ = called(host, "run", FAST, {"prompt": "Hello"})

    assert (name, code, upstream) == ("UpstreamError", "no_capacity", 3040)


@pytest.mark.parametrize(
    "odd",
    ["object", "complex", "surrogate", "deep", "very deep", "NaN", "infinity", "bytes", "set"],
)
def test_argument_that_json_cannot_say_is_refused(host: Deployment, odd: str) -> None:
    name, code, _, message = called(host, "generate", odd=odd)

    assert (name, code) == ("BadRequest", "invalid_request")
    assert message.startswith("inputs: expected ")
    assert ("nested at most 64 levels" in message) == odd.endswith("deep")
    assert len(host.ai.received) == 0


def workerd_test(folder: Path, ai_address: str, option: str) -> str:
    """Run the host's `test` in workerd alone; what it prints."""
    main = MOUNTING_WORKER
    modules = {main.name: main, **source_modules(), **vendored_modules()}
    wrangler = deployment()
    config = folder / "worker.capnp"
    write_config(
        config,
        modules,
        sorted({*wrangler.compatibility_flags, *LOCAL_FLAGS}),
        variables={"MOUNTS": json.dumps(SAVED_MOUNTS)},
        ai_address=ai_address,
    )
    # The binding has the host's own name for it.
    config.write_text(config.read_text("utf-8").replace('name = "AI"', 'name = "WORDS"'), "utf-8")
    result = subprocess.run(
        command_to_test(config, f"--python-snapshot-dir={folder}", option),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


@pytest.mark.thorough
def test_host_answers_from_its_snapshot_and_imports_no_more_than_our_own_worker(
    tmp_path: Path,
) -> None:
    with serve(WorkersAi()) as url:
        address = url.removeprefix("http://")
        workerd_test(tmp_path, address, "--python-save-snapshot")
        assert (tmp_path / "snapshot.bin").stat().st_size > 10_000_000
        said = workerd_test(tmp_path, address, "--python-load-snapshot=snapshot.bin")

    assert "answered from the snapshot" in said
    (added,) = (line for line in said.splitlines() if line.startswith("our own Worker adds:"))
    assert added == "our own Worker adds: edgewise.ffi.isolate edgewise.ffi.loop entry"


PAGE = b"<!doctype html><title>Site</title>\r\n\xe2\x82\xac\n"
PICTURE = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A site with assets, behind which Edgewise is bound."""
    assets = {"index.html": PAGE, "ai.bin": PICTURE, "ai/logo.bin": PICTURE[::-1]}
    variables = {"ALLOW_ANONYMOUS": "true"}
    folder = tmp_path_factory.mktemp("site")
    with deploy_behind_assets(folder, "/ai", assets, variables) as deployed:
        yield deployed


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("path", "content"),
    [
        pytest.param("/", PAGE, id="page"),
        pytest.param("/ai.bin", PICTURE, id="picture"),
        pytest.param("/ai/logo.bin", PICTURE[::-1], id="picture below the prefix"),
    ],
)
def test_assets_of_the_site_are_served_untouched(
    site: Deployment, path: str, content: bytes
) -> None:
    assert site.client.get(path).content == content


@pytest.mark.thorough
def test_path_of_the_site_below_the_prefix_reaches_edgewise(site: Deployment) -> None:
    site.ai.script(Scripted([EVENTS]), model=FAST)

    streamed = site.client.post(f"/ai/run/{FAST}", json=STREAMED)
    unknown = site.client.get("/ai/nothing")
    document = site.client.get("/ai/openapi.json").json()

    assert streamed.content == EVENTS
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
    assert document["servers"] == [{"url": "/ai"}]


@pytest.mark.thorough
@pytest.mark.parametrize("path", ["/run", "/ai", "/aix/run"])
def test_path_of_the_site_elsewhere_is_the_site_s(site: Deployment, path: str) -> None:
    assert site.client.post(path, json={"prompt": "Hello"}).text == "the site's"
