"""The command workers-ai-local, as a person starts it."""

import contextlib
import io
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.harness.processes import wait_until
from tests.harness.servers import ollama, serve_app
from tools import prepare
from tools.runtime.process import Server
from workers_ai_local.__main__ import listen, main

COMMAND = str(prepare.VENV / "bin" / "workers-ai-local")
FAST = "@cf/meta/llama-3.1-8b-instruct-fast"
_READY = re.compile(r"Workers AI on (?P<address>\S+) \((?P<what>.+)\)")


def environment(**variables: str) -> dict[str, str]:
    """An environment in which no engine of this machine is found."""
    nothing = {"AI_ENGINE": "", "AI_ENGINE_MODEL": "", "AI_REPLIES": "", "AI_ENGINE_KEY": ""}
    return prepare.environment() | nothing | {"OLLAMA_HOST": "127.0.0.1:9"} | variables


@contextmanager
def started(*arguments: str, **variables: str) -> Iterator[tuple[Server, list[str]]]:
    """
    Start the command on a free port.

    Yields:
        It, and the lines that it prints afterwards.
    """
    lines: list[str] = []
    server = Server(
        [COMMAND, "--port", "0", *arguments],
        _READY,
        environment=environment(**variables),
        cwd=prepare.ROOT,
        on_line=lines.append,
    )
    try:
        wait_until(lambda: bool(server.ready) or not server.process.is_running())
        assert server.ready, server.stop()
        yield server, lines
    finally:
        server.stop()


def failed(*arguments: str, **variables: str) -> str:
    """What the command says when it does not start; in this process, which spares a second."""
    said, printed = io.StringIO(), io.StringIO()
    with (
        environ(environment(**variables)),
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(printed),
    ):
        try:
            code: object = main(arguments)
        except SystemExit as left:  # argparse's way
            code = left.code
    assert code == 2
    assert not printed.getvalue()
    return said.getvalue()


@contextmanager
def environ(variables: Mapping[str, str]) -> Iterator[None]:
    """Have these variables alone in the environment."""
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def ask(address: str, **inputs: object) -> object:
    """Ask over REST for the text of an answer."""
    answer = httpx.post(
        f"{address}/client/v4/accounts/a/ai/run/{FAST}",
        json={"prompt": "Hello", **inputs},
        verify=False,
    )
    return answer.json()["result"].get("response")


def test_command_serves_made_up_text_without_an_engine() -> None:
    with started() as (server, _):
        assert server.ready is not None
        assert server.ready["what"] == "made-up text, not a model"
        assert str(ask(server.address)).startswith("I am a local stand-in")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_command_ends_at_once_even_amid_a_stalled_stream(number: signal.Signals) -> None:
    with (
        started() as (server, lines),
        httpx.Client(verify=False, base_url=server.address) as client,
    ):
        client.post("/_local/replies", json={"stall_after": 1})
        inputs = {"prompt": "Hello", "stream": True}
        with client.stream("POST", f"/client/v4/accounts/a/ai/run/{FAST}", json=inputs) as stream:
            next(stream.iter_raw())
            os.kill(server.process.pid, number)
            wait_until(lambda: not server.process.is_running(), seconds=10)
        server.stop()  # reads the last that it printed

        assert lines == []


def test_answer_that_breaks_off_by_script_is_no_news() -> None:
    with (
        started() as (server, lines),
        httpx.Client(verify=False, base_url=server.address) as client,
    ):
        for stream in (False, True):
            client.post("/_local/replies", json={"break_after": 1})
            with pytest.raises(httpx.RemoteProtocolError):
                client.post(
                    f"/client/v4/accounts/a/ai/run/{FAST}",
                    json={"prompt": "Hello", "stream": stream},
                )
        server.stop()

        assert lines == []


def test_replies_of_a_file_stand(tmp_path: Path) -> None:
    file = tmp_path / "replies.toml"
    file.write_text('[[reply]]\ntext = "from the file"\n')

    with started("--replies", str(file)) as (server, _):
        assert [ask(server.address) for _ in range(2)] == ["from the file"] * 2
    with started(AI_REPLIES=str(file)) as (server, _):
        assert ask(server.address) == "from the file"


def test_token_is_asked_for() -> None:
    with started("--token", "secret") as (server, _):
        url = f"{server.address}/client/v4/accounts/a/ai/run/{FAST}"
        refused = httpx.post(url, json={"prompt": "Hello"}, verify=False)
        taken = httpx.post(
            url, json={"prompt": "Hello"}, headers={"authorization": "Bearer secret"}, verify=False
        )

    assert refused.status_code == 401
    assert refused.json()["errors"] == [{"code": 10000, "message": "Authentication error"}]
    assert taken.status_code == 200


def test_models_and_plan_are_options() -> None:
    paid = "@cf/moonshotai/kimi-k2.6"
    with started("--plan", "paid", "--model", "@cf/new/model") as (server, _):
        for model in (paid, "@cf/new/model"):
            url = f"{server.address}/client/v4/accounts/a/ai/run/{model}"
            assert httpx.post(url, json={"prompt": "Hello"}, verify=False).status_code == 200


def test_host_of_others_is_refused_unless_the_server_is_for_others() -> None:
    foreign = {"host": "evil.example"}
    with started() as (server, _):
        assert (
            httpx.get(f"{server.address}/_local", headers=foreign, verify=False).status_code == 403
        )
    with started("--host", "0.0.0.0") as (server, _):
        port = server.address.rpartition(":")[2]
        url = f"http://127.0.0.1:{port}/_local"
        assert httpx.get(url, headers=foreign, verify=False).status_code == 200
        said = server.stop()

    assert "Listening beyond this machine, at 0.0.0.0" in said


def test_ollama_with_a_llama_is_found_by_itself() -> None:
    with ollama("mistral:7b", "llama3.1:8b") as host, started(OLLAMA_HOST=host) as (server, _):
        assert server.ready is not None
        assert server.ready["what"] == f"llama3.1:8b at http://{host}/v1"
        assert ask(server.address) == "Ollama"


def test_ollama_is_left_alone_when_it_is_to_be_or_has_no_llama() -> None:
    with ollama("llama3.1:8b") as host, started(OLLAMA_HOST=host, AI_ENGINE="off") as (server, _):
        assert str(ask(server.address)).startswith("I am a local stand-in")
    with ollama("mistral:7b") as host, started(OLLAMA_HOST=host) as (server, _):
        assert str(ask(server.address)).startswith("I am a local stand-in")


def test_engine_and_its_model_are_named() -> None:
    with ollama("a", "b:latest") as host:
        url = f"http://{host}/v1"
        with started("--engine", url, "--engine-model", "b") as (server, _):
            assert server.ready is not None
            assert server.ready["what"] == f"b:latest at {url}"
        with started(AI_ENGINE=url, AI_ENGINE_MODEL="a") as (server, _):
            assert ask(server.address) == "Ollama"


def test_engine_that_cannot_be_had_is_an_error_at_start() -> None:
    said = failed("--engine", "localhost:11434")
    assert "expected an address such as http://127.0.0.1:11434/v1, off or auto" in said
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/v1"
    assert f"no server answers at {url}" in failed("--engine", url)
    with ollama("a", "b") as host:
        url = f"http://{host}/v1"
        assert f"{url} does not have a Llama 3.1. It has: a, b" in failed("--engine", url)
        assert f"{url} does not have c" in failed("--engine", url, "--engine-model", "c")
        assert f"http://{host}/models answered 404" in failed("--engine", f"http://{host}")
        assert "has c. Run `ollama pull c`" in failed("--engine-model", "c", OLLAMA_HOST=host)
    page = Starlette(routes=[Route("/models", lambda _request: PlainTextResponse("<html>"))])
    with serve_app(page) as url:
        assert f"{url}/models is not a list of models" in failed("--engine", url)


def test_bad_replies_are_an_error_at_start_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "replies.toml"
    file.write_text("[[reply]]\n\nerror = 1\n")

    result = subprocess.run(
        [COMMAND, "--replies", file], env=environment(), capture_output=True, text=True, timeout=60
    )

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"workers-ai-local: {file}:1: reply[0]: ")


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_bad_port_is_an_error(port: str) -> None:
    assert "--port" in failed(f"--port={port}")


def test_port_that_is_taken_is_an_error_that_names_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = failed("--port", str(port))

    assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in said
    assert said.endswith(f"Another port: --port {port % 65535 + 1}\n")


@pytest.mark.parametrize("host", ["a..b", "a" * 70, "nosuch.invalid"])
def test_bad_host_is_an_error(host: str) -> None:
    said = failed("--host", host)

    assert "--host" in said
    assert "--port 1" not in said


@pytest.mark.parametrize("url", ["http://[::1", "http://a..b/v1", "http://x:99999", "http://x?y"])
def test_bad_engine_address_is_an_error(url: str) -> None:
    assert "AI_ENGINE, --engine: " in failed("--engine", url)


@pytest.mark.parametrize("key", ["schlüssel", "key\n"])
def test_bad_key_is_an_error_that_does_not_tell_it(key: str) -> None:
    said = failed("--engine", "http://127.0.0.1:9/v1", AI_ENGINE_KEY=key)

    assert "AI_ENGINE_KEY: " in said
    assert key.strip() not in said.replace("AI_ENGINE_KEY", "")


@pytest.mark.sampled(5)
@pytest.mark.parametrize("host", ["127.0.0.1:abc", "::1", "[::", "http://x:99999", "192.0.2.1"])
def test_odd_address_of_ollama_is_no_engine(host: str) -> None:
    with started(OLLAMA_HOST=host) as (server, _):
        assert server.ready is not None
        assert server.ready["what"] == "made-up text, not a model"


@pytest.mark.parametrize("model", ["@cf/meta/llama-3.1-8b-instruct", ""])
def test_model_that_is_known_is_not_made_anew(model: str) -> None:
    assert "--model: " in failed("--model", model)


def test_client_that_leaves_amid_its_body_is_no_news() -> None:
    with started() as (server, lines):
        host, _, port = server.address.removeprefix("http://").partition(":")
        for path in ("/run", "/_local/replies"):
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(
                    f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n".encode()
                )
        assert str(ask(server.address)).startswith("I am a local stand-in")
        server.stop()

        assert lines == []


def test_answers_are_not_held_back() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("rate", ["-1", "nan", "fast"])
def test_bad_pace_is_an_error(rate: str) -> None:
    assert "--tokens-per-second" in failed(f"--tokens-per-second={rate}")
