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

from tests.harness.processes import is_running, wait_until
from tests.harness.servers import ollama, serve
from tools import prepare
from tools.runtime.process import descendants
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


def assert_ends(
    process: "subprocess.Popen[str]",
    printed: list[str],
    send: Callable[[int, int], None],
    number: signal.Signals,
) -> str:
    """
    Check that a signal ends it and all that it started.

    Returns:
        What it printed last.
    """
    started = descendants(process.pid)
    assert {"workerd", "wrangler"} <= set(
        re.findall("workerd|wrangler", " ".join(started.values()))
    )
    send(process.pid, number)
    rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Traceback" not in rest
    wait_until(lambda: not any(is_running(pid) for pid in started))
    assert not listens(found(printed, "Edgewise"))
    return rest


def test_dev_streams_tokens_on_loopback_only_and_ends_on_ctrl_c() -> None:
    with dev() as (process, printed):
        (command,) = re.findall(r"^  (curl .*)$", "".join(printed), re.MULTILINE)
        answer = subprocess.run(
            [*shlex.split(command), "--silent", "--no-buffer"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        edgewise, workers_ai = found(printed, "Edgewise"), found(printed, "Workers AI")
        reached = [
            f"http://{host}:{address.rpartition(':')[2]}"
            for address in (edgewise, workers_ai)
            for host in other_addresses()
        ]
        reachable = [address for address in [edgewise, workers_ai, *reached] if listens(address)]

        # To its process group, as a terminal does.
        rest = assert_ends(process, printed, os.killpg, signal.SIGINT)

    assert "(in a browser: the playground)" in "".join(printed)
    assert answer.startswith('data: {"response":"I",')
    assert answer.endswith("data: [DONE]\n\n")
    assert reachable == [edgewise, workers_ai]
    assert "POST /run 200 OK" in rest
    assert not listens(workers_ai)


def test_dev_that_is_interrupted_while_it_starts_leaves_nothing() -> None:
    process = start()
    wait_until(lambda: "wrangler.js" in " ".join(descendants(process.pid).values()))
    started = descendants(process.pid)

    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=30)

    assert process.returncode == 0
    assert "Edgewise" not in printed
    wait_until(lambda: not any(is_running(pid) for pid in started))


def other_addresses() -> list[str]:
    """Addresses of this machine that are not the one address of loopback that we listen on."""
    found = ["127.0.0.2"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # No packet is sent to find our address; without a network there is none.
        with contextlib.suppress(OSError):
            probe.connect(("192.0.2.1", 9))
            found.append(probe.getsockname()[0])
    return found


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


@pytest.mark.thorough
def test_dev_uses_the_workers_ai_that_it_is_given_and_is_502_when_that_is_gone() -> None:
    other = WorkersAi()
    with contextlib.ExitStack() as stack:
        with serve(other) as url:
            process, printed = stack.enter_context(dev(AI_URL=url))
            there = json.loads(asked(printed))
        gone = json.loads(asked(printed))

        assert_ends(process, printed, os.kill, signal.SIGHUP)

    assert found(printed, "Workers AI") == url
    assert len(other.received) == 1
    assert there["response"]
    assert gone["error"] == {
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


def test_dev_names_its_model_and_starts_a_lost_wrangler_again_after_a_change() -> None:
    with ollama("llama3.1:8b") as host, dev(OLLAMA_HOST=host) as (process, printed):
        address = found(printed, "Edgewise")
        before = json.loads(asked(printed))
        (wrangler,) = (
            pid for pid, command in descendants(process.pid).items() if "bin/wrangler.js" in command
        )
        os.kill(wrangler, signal.SIGKILL)
        wait_for(process, "It starts again when a file of src or wrangler.toml changes.")
        assert not listens(address)

        os.utime(prepare.ROOT / "wrangler.toml")
        wait_for(process, "It serves again.")
        after = json.loads(asked(printed))

        assert_ends(process, printed, os.kill, signal.SIGTERM)

    assert f"(llama3.1:8b at http://{host}/v1)" in "".join(printed)
    assert before["response"] == after["response"] == "Ollama"


def wait_for(process: "subprocess.Popen[str]", line: str) -> None:
    """Read what it prints up to a line."""
    assert process.stdout is not None
    for printed in process.stdout:
        if printed.strip() == line:
            return
    pytest.fail(f"it ended without {line!r}")


@pytest.mark.thorough
def test_wrangler_that_does_not_start_says_why() -> None:
    wrangler = start_wrangler(port=0, ai_url="https://nowhere")

    wait_until(lambda: not wrangler.process.is_running())

    assert (
        "expected an address such as http://127.0.0.1:9999, got https://nowhere" in wrangler.stop()
    )
    assert not wrangler.address
