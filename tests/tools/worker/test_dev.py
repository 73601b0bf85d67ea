import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.harness.processes import descendants, is_running, wait_until
from tests.harness.servers import ollama, serve
from tools import prepare
from tools.runtime.wrangler import start_wrangler
from workers_ai_local import WorkersAi


@contextmanager
def dev(**variables: str) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """
    Run `make dev` up to where it says how to end it.

    Yields:
        The process and what it has printed.
    """
    process = start(**variables)
    too_late = threading.Timer(60, process.kill)
    too_late.start()
    try:
        assert process.stdout is not None
        printed = []
        for line in process.stdout:
            printed.append(line)
            if line.startswith("Ctrl-C"):
                break
        yield process, printed
    finally:
        too_late.cancel()
        process.terminate()
        process.communicate()


def start(**variables: str) -> "subprocess.Popen[str]":
    """Start what `make dev` starts."""
    return subprocess.Popen(
        [sys.executable, "-m", "tools.dev"],
        cwd=prepare.ROOT,
        env={
            **os.environ,
            "PORT": "0",
            "AI_URL": "",
            "AI_ENGINE": "",
            "AI_ENGINE_MODEL": "",
            "AI_REPLIES": "",
            "OLLAMA_HOST": "127.0.0.1:9",
            **variables,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def found(printed: list[str], name: str) -> str:
    """The address that is printed beside a name."""
    (address,) = re.findall(rf"^{name} +(http://\S+)", "".join(printed), re.MULTILINE)
    assert isinstance(address, str)
    return address


def asked(printed: list[str]) -> str:
    """What the Worker answers to a prompt."""
    return subprocess.run(
        ["curl", "--silent", f"{found(printed, 'Edgewise')}/run", "-d", '{"prompt":"Hello"}'],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


def listens(address: str) -> bool:
    """Whether a connection is taken there."""
    host, port = address.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port))).close()
    except OSError:
        return False
    return True


def to_the_program(process: "subprocess.Popen[str]", number: int) -> None:
    """Signal it alone."""
    process.send_signal(number)


def to_its_group(process: "subprocess.Popen[str]", number: int) -> None:
    """Signal its process group, as a terminal does on Ctrl-C."""
    os.killpg(process.pid, number)


@pytest.mark.parametrize(
    ("send", "number"),
    [
        (to_its_group, signal.SIGINT),
        (to_the_program, signal.SIGTERM),
        (to_the_program, signal.SIGHUP),
    ],
    ids=["Ctrl-C", "SIGTERM", "SIGHUP"],
)
def test_dev_streams_tokens_and_ends_all_that_it_started(
    send: Callable[["subprocess.Popen[str]", int], None], number: int
) -> None:
    with dev() as (process, printed):
        (command,) = re.findall(r"^  (curl .*)$", "".join(printed), re.MULTILINE)
        answer = subprocess.run(
            [*shlex.split(command), "--silent", "--no-buffer"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        started = descendants(process.pid)
        edgewise, workers_ai = found(printed, "Edgewise"), found(printed, "Workers AI")

        send(process, number)
        rest, _ = process.communicate(timeout=30)

    assert "(in a browser: the playground)" in "".join(printed)
    assert answer.startswith('data: {"response":"I",')
    assert answer.endswith("data: [DONE]\n\n")
    assert {"workerd", "workers-ai-local", "wrangler"} <= set(
        re.findall("workerd|workers-ai-local|wrangler", " ".join(started.values()))
    )
    assert process.returncode == 0
    assert "POST /run 200 OK" in rest
    assert "Traceback" not in rest
    wait_until(lambda: not any(is_running(pid) for pid in started))
    assert not listens(edgewise)
    assert not listens(workers_ai)


def test_dev_that_is_interrupted_while_it_starts_leaves_nothing() -> None:
    process = start()
    wait_until(lambda: "wrangler.js" in " ".join(descendants(process.pid).values()))
    started = descendants(process.pid)

    to_its_group(process, signal.SIGINT)
    printed, _ = process.communicate(timeout=30)

    assert process.returncode == 0
    assert "Edgewise" not in printed
    wait_until(lambda: not any(is_running(pid) for pid in started))


def test_dev_listens_on_loopback_only() -> None:
    with dev() as (_, printed):
        for address in (found(printed, "Edgewise"), found(printed, "Workers AI")):
            port = address.rpartition(":")[2]

            assert listens(address)
            for host in other_addresses():
                assert not listens(f"http://{host}:{port}")


def other_addresses() -> list[str]:
    """Addresses of this machine that are not the one address of loopback that we listen on."""
    found = ["127.0.0.2"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # No packet is sent to find our address; without a network there is none.
        with contextlib.suppress(OSError):
            probe.connect(("192.0.2.1", 9))
            found.append(probe.getsockname()[0])
    return found


def test_dev_uses_the_workers_ai_that_it_is_given() -> None:
    other = WorkersAi()
    with serve(other) as url, dev(AI_URL=url) as (_, printed):
        asked(printed)

        assert found(printed, "Workers AI") == url
        assert len(other.received) == 1


def test_dev_says_which_model_generates_the_text() -> None:
    with ollama("llama3.1:8b") as host, dev(OLLAMA_HOST=host) as (_, printed):
        answer = asked(printed)

    assert f"(llama3.1:8b at http://{host}/v1)" in "".join(printed)
    assert json.loads(answer)["response"] == "Ollama"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"AI_ENGINE": "llama"}, "AI_ENGINE, --engine: expected an address such as"),
        ({"AI_REPLIES": "nowhere.toml"}, "nowhere.toml: No such file or directory"),
        ({"AI_ENGINE_MODEL": "x"}, "AI_ENGINE_MODEL, --engine-model: no Ollama at"),
    ],
)
def test_dev_with_a_wrong_engine_or_file_says_so(variables: dict[str, str], message: str) -> None:
    process = start(**variables)
    printed, _ = process.communicate(timeout=60)

    assert process.returncode == 1
    assert f"\n{message}" in printed
    assert "Traceback" not in printed


def test_workers_ai_that_is_gone_is_502() -> None:
    with contextlib.ExitStack() as stack:
        with serve(WorkersAi()) as url:
            _, printed = stack.enter_context(dev(AI_URL=url))

        answer = asked(printed)

    assert json.loads(answer)["error"] == {
        "code": "upstream_error",
        "message": "Workers AI failed (@cf/meta/llama-3.1-8b-instruct-fast, no code)",
    }


def test_dev_on_a_port_that_is_taken_starts_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        process = start(PORT=port)
        printed, _ = process.communicate(timeout=30)

    assert process.returncode == 1
    assert printed.startswith(f"\nPORT: another program listens on {port} already.")
    assert "Starting" not in printed


def test_dev_that_loses_its_wrangler_starts_it_again_after_a_change() -> None:
    with dev() as (process, printed):
        address = found(printed, "Edgewise")
        assert process.stdout is not None

        (wrangler,) = (
            pid for pid, command in descendants(process.pid).items() if "bin/wrangler.js" in command
        )
        os.kill(wrangler, signal.SIGKILL)
        wait_for(process, "It starts again when a file of src or wrangler.toml changes.")
        assert not listens(address)

        os.utime(prepare.ROOT / "wrangler.toml")
        wait_for(process, "It serves again.")
        assert listens(address)


def wait_for(process: "subprocess.Popen[str]", line: str) -> None:
    """Read what it prints up to a line."""
    assert process.stdout is not None
    for printed in process.stdout:
        if printed.strip() == line:
            return
    pytest.fail(f"it ended without {line!r}")


def test_wrangler_that_does_not_start_says_why() -> None:
    wrangler = start_wrangler(port=0, ai_url="https://nowhere")

    wait_until(lambda: not wrangler.process.is_running())

    assert (
        "expected an address such as http://127.0.0.1:9999, got https://nowhere" in wrangler.stop()
    )
    assert not wrangler.address
