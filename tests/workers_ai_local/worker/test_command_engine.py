"""How the command finds its engine, and what it does by default."""

import subprocess

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from tests.harness.servers import ollama, serve_app
from tests.workers_ai_local.worker.test_command import COMMAND, ask, environment, failed, started

pytestmark = pytest.mark.thorough

NO_ONE = "127.0.0.1:9"


def test_key_of_the_environment_is_shown_to_the_engine() -> None:
    with ollama("a", key="secret") as host:
        url = f"http://{host}/v1"
        assert "set AI_ENGINE_KEY" in failed("--engine", url)
        with started("--engine", url, AI_ENGINE_KEY="secret") as (server, _):
            assert ask(server.address) == "Ollama"


def test_no_proxy_stands_before_an_engine_of_this_machine() -> None:
    proxy = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), f"http://{NO_ONE}")
    with (
        ollama("a") as host,
        started("--engine", f"http://{host}/v1", **proxy, NO_PROXY="", no_proxy="") as (server, _),
    ):
        assert ask(server.address) == "Ollama"


@pytest.mark.parametrize(
    "url",
    [
        "localhost:11434",
        "ftp://127.0.0.1/v1",
        "http:///v1",
        "http://127.0.0.1/v1?a=b",
        "http://127.0.0.1/v1#a",
    ],
)
def test_engine_that_is_no_address_is_an_error(url: str) -> None:
    assert "expected an address such as http://127.0.0.1:11434/v1, off or auto" in failed(
        "--engine", url
    )


@pytest.mark.parametrize("given", ["0.0.0.0:{port}", "http://127.0.0.1:{port}", "localhost:{port}"])
def test_ollama_is_found_however_its_host_is_written(given: str) -> None:
    with ollama("Meta-Llama-3.1-8B") as host:
        port = host.rpartition(":")[2]
        with started(OLLAMA_HOST=given.format(port=port)) as (server, _):
            assert ask(server.address) == "Ollama"


@pytest.mark.parametrize("given", ["", "127.0.0.1", "http://127.0.0.1"])
def test_ollama_is_looked_for_at_its_usual_port(given: str) -> None:
    said = failed("--engine-model", "no-such-model", OLLAMA_HOST=given)

    assert "no Ollama at http://127.0.0.1:11434/v1 has no-such-model" in said


def test_ollama_of_another_machine_is_not_asked() -> None:
    with ollama("llama3.1:8b") as host:
        # No name of loopback's, though it leads there.
        elsewhere = host.replace("127.0.0.1", "127.1")
        with started(OLLAMA_HOST=elsewhere) as (server, _):
            assert str(ask(server.address)).startswith("I am a local stand-in")


def test_what_is_no_ollama_is_left_alone() -> None:
    page = Starlette(routes=[Route("/v1/models", lambda _request: PlainTextResponse("<html>"))])
    with serve_app(page) as url, started(OLLAMA_HOST=url) as (server, _):
        assert str(ask(server.address)).startswith("I am a local stand-in")


def test_engine_of_one_model_or_that_lists_none_is_taken_at_its_word() -> None:
    with ollama("a") as host, started("--engine", f"http://{host}/v1/") as (server, _):
        assert server.ready is not None
        assert server.ready["what"] == f"a at http://{host}/v1"
    none = Starlette(routes=[Route("/models", lambda _request: JSONResponse({"data": None}))])
    with serve_app(none) as url:
        assert "It has: none" in failed("--engine", url)
        with started("--engine", url, "--engine-model", "x") as (server, _):
            assert server.ready is not None
            assert server.ready["what"] == f"x at {url}"


def test_engine_of_another_model_is_not_taken() -> None:
    with ollama("a") as host:
        assert "does not have x. It has: a" in failed(
            "--engine", f"http://{host}/v1", "--engine-model", "x"
        )


def test_older_llama_is_no_llama_3_1() -> None:
    with ollama("llama3:8b", "llama3.2:3b") as host, started(OLLAMA_HOST=host) as (server, _):
        assert str(ask(server.address)).startswith("I am a local stand-in")


def test_paid_models_are_refused_by_default() -> None:
    with started() as (server, _):
        url = f"{server.address}/client/v4/accounts/a/ai/run/@cf/moonshotai/kimi-k2.6"
        assert httpx.post(url, json={"prompt": "Hello"}, verify=False).status_code == 403


def test_engine_may_be_asked_over_tls() -> None:
    url = f"https://{NO_ONE}/v1"

    assert f"no server answers at {url}" in failed("--engine", url)


def test_help_names_every_option_and_its_default() -> None:
    said = subprocess.run(
        [COMMAND, "--help"], env=environment(COLUMNS="200"), capture_output=True, text=True
    ).stdout

    options = [line.split()[0].rstrip(",") for line in said.splitlines() if line.startswith("  --")]
    assert options == [
        *("--port", "--host", "--engine", "--engine-model", "--replies", "--token", "--plan"),
        *("--model", "--tokens-per-second"),
    ]
    for default in ("8789", "127.0.0.1", "free", "100"):
        assert f"(default: {default})" in said
