"""The example under plain `wrangler dev`, with both packages as a user installs them."""

import json
import os
import re
import shutil
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.harness.processes import wait_until
from tools import prepare
from tools.runtime.process import Server
from tools.runtime.wrangler import environment

EXAMPLE = prepare.ROOT / "packages" / "workers-ai-local" / "example"
PLUGIN = prepare.ROOT / "packages" / "workers-ai-local" / "npm"
PLUGIN_NAME = "workers-ai-local"
OLD_NAME = "miniflare-workers-ai-local"  # of the plugin, when it was a package of its own
_NOT_INSTALLED = shutil.ignore_patterns("node_modules", ".wrangler", "package-lock.json")
_ACCOUNT = re.compile(r"account|log ?in\b|api[ _]token", re.IGNORECASE)

# Prints the address that the plugin gives to workerd, or why it gives none.
_ASK_PLUGIN = """
const [plugin, binding] = process.argv.slice(1);
const { plugins } = await import(plugin);
const options = { config: { env: { MODEL: JSON.parse(binding) } } };
try {
  const log = { warn() {} };
  const [service] = await plugins["workers-ai-local"].getServices({ options, log });
  console.log(service.external.address);
} catch (error) {
  console.log(error.message);
}
"""


@dataclass(frozen=True)
class Running:
    """
    The running example.

    Attributes:
        worker: A client of the Worker.
        workers_ai: A client of the server behind its env.AI.
    """

    worker: httpx.Client
    workers_ai: httpx.Client


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    """
    A copy of the example with its `node_modules`.

    The plugin is found from where miniflare lies, so wrangler and miniflare are copies too; what
    those need is linked.
    """
    with tempfile.TemporaryDirectory(prefix="workers-ai-local-") as name:
        folder = Path(name) / "project"
        shutil.copytree(EXAMPLE, folder, ignore=_NOT_INSTALLED)
        installed = folder / "node_modules"
        installed.mkdir()
        for package in prepare.NODE_MODULES.iterdir():
            if package.name in ("wrangler", "miniflare"):
                shutil.copytree(package, installed / package.name)
            elif package.name != PLUGIN_NAME:
                (installed / package.name).symlink_to(package)
        unpack_plugin(Path(name), installed / PLUGIN_NAME)
        shutil.copytree(installed / PLUGIN_NAME, installed / OLD_NAME)
        yield folder


def unpack_plugin(scratch: Path, target: Path) -> None:
    """Pack the plugin and unpack it where an installed one lies."""
    subprocess.run(
        [prepare.VENV / "bin" / "npm", "pack", PLUGIN, "--pack-destination", scratch],
        cwd=scratch,
        env=prepare.environment() | {"npm_config_cache": str(scratch / "npm")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    (packed,) = scratch.glob("*.tgz")
    with tarfile.open(packed) as archive:
        archive.extractall(scratch, filter="data")
    (scratch / "package").rename(target)


def start_workers_ai(folder: Path) -> Server:
    """Start the command as people start it, on any free port."""
    return Server(
        [str(prepare.VENV / "bin" / "workers-ai-local"), "--port", "0", "--engine", "off"],
        re.compile(r"Workers AI on (?P<address>\S+)"),
        environment=os.environ | {"AI_REPLIES": ""},
        cwd=folder,
    )


def start_worker(folder: Path, ai_url: str) -> Server:
    """Start plain `wrangler dev`: the workerd that it brings, no account, settings of its own."""
    mine = {name: str(folder / ".wrangler" / name.lower()) for name in _FOLDERS}
    return Server(
        [
            *(str(prepare.node()), "node_modules/wrangler/bin/wrangler.js", "dev"),
            *("--env", "local", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0"),
            "--show-interactive-dev-session=false",
        ],
        re.compile(r"Ready on (?P<address>http://\S+)"),
        environment=without_account(environment()) | mine | {"AI_URL": ai_url},
        cwd=folder,
    )


_FOLDERS = ("WRANGLER_LOG_PATH", "WRANGLER_REGISTRY_PATH", "XDG_CONFIG_HOME")


def without_account(variables: Mapping[str, str]) -> dict[str, str]:
    """Leave out what names an account, and Edgewise's own workerd."""
    return {
        name: value
        for name, value in variables.items()
        if name == "CLOUDFLARE_CF_FETCH_ENABLED"
        or not name.startswith(("CLOUDFLARE_", "CF_", "MINIFLARE_"))
    }


def wait_for(server: Server) -> None:
    """Wait until a server listens."""
    wait_until(lambda: bool(server.address) or not server.process.is_running())
    assert server.address, server.stop()


@pytest.fixture(scope="module")
def _running(project: Path) -> Iterator[Running]:
    workers_ai = start_workers_ai(project)
    try:
        wait_for(workers_ai)
        worker = start_worker(project, workers_ai.address)
        try:
            wait_for(worker)
            with (
                httpx.Client(verify=False, base_url=worker.address, timeout=60) as to_worker,
                httpx.Client(
                    verify=False, base_url=workers_ai.address, timeout=60
                ) as to_workers_ai,
            ):
                yield Running(to_worker, to_workers_ai)
        finally:
            worker.stop()
    finally:
        workers_ai.stop()


@pytest.fixture
def running(_running: Running) -> Running:
    """The running example, with nothing scripted."""
    _running.workers_ai.delete("/_local").raise_for_status()
    return _running


def test_example_answers(running: Running) -> None:
    answer = running.worker.get("/", params={"ask": "Are you there?"})

    assert answer.status_code == 200
    assert "“Are you there?”" in answer.json()["response"]
    (received,) = running.workers_ai.get("/_local/requests").json()
    assert received["surface"] == "binding"
    assert received["headers"]["cf-consn-sdk-version"]


def test_example_streams(running: Running) -> None:
    answer = running.worker.get("/", params={"stream": "", "ask": "Hi"})

    assert answer.headers["content-type"] == "text/event-stream"
    frames = answer.text.split("\n\n")
    assert json.loads(frames[0].removeprefix("data: "))["response"] == "I"
    assert frames[-2:] == ["data: [DONE]", ""]
    assert running.workers_ai.get("/_local/streams").json()["finished"] == 1


def test_example_tells_an_error_of_workers_ai(running: Running) -> None:
    answer = running.worker.get("/", params={"model": "@cf/meta/llama-3.1-8b-instruct"})

    assert answer.status_code == 502
    assert answer.text == (
        "AiError: 5028: This model was deprecated on 2026-05-30. Please use an alternative model\n"
    )


def test_example_gets_what_is_scripted_over_http(running: Running) -> None:
    replies = [{"text": "Hello from a script."}, {"error": 3040}]
    running.workers_ai.post("/_local/replies", json=replies).raise_for_status()

    first, second = running.worker.get("/"), running.worker.get("/")

    assert first.json()["response"] == "Hello from a script."
    assert second.text == "AiError: 3040: Capacity temporarily exceeded, please try again.\n"


@pytest.mark.thorough
def test_without_a_server_wrangler_starts_and_warns(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    worker = start_worker(project, f"http://127.0.0.1:{port}")
    try:
        wait_for(worker)
        answer = httpx.get(worker.address, timeout=60, verify=False)
    finally:
        printed = worker.stop()

    assert (
        f"env.AI: nothing listens at http://127.0.0.1:{port}, so each call fails until you start"
        f" the server: workers-ai-local --port {port}"
    ) in printed
    assert answer.status_code == 502
    assert not _ACCOUNT.search(printed)


@pytest.mark.parametrize(
    ("options", "ai_url", "answer"),
    [
        (None, "", "127.0.0.1:8789"),
        ({}, "", "127.0.0.1:8789"),
        ({"url": "http://localhost:9"}, "", "localhost:9"),
        ({"url": "http://[::1]"}, "", "[::1]:80"),
        ({"url": "http://localhost:9"}, "http://127.0.0.1:10", "127.0.0.1:10"),
        ({"url": "https://x"}, "", "options.url: expected an address such as {}, got https://x"),
        ({"url": 8789}, "", "options.url: expected an address such as {}, got 8789"),
        ({"url": "http://x/y"}, "", "options.url: expected an address such as {}, got http://x/y"),
        ({}, "nowhere", "AI_URL: expected an address such as {}, got nowhere"),
        ({"uri": "x"}, "", "unknown option uri; expected url"),
    ],
    ids=[
        *("no options", "empty options", "option", "IPv6", "AI_URL wins"),
        *("https", "not text", "path", "AI_URL is wrong", "unknown option"),
    ],
)
def test_plugin_finds_the_server(
    project: Path, options: dict[str, object] | None, ai_url: str, answer: str
) -> None:
    plugin = project / "node_modules" / PLUGIN_NAME / "plugin.mjs"
    binding: dict[str, object] = {
        "plugin": {"package": f"{PLUGIN_NAME}/plugin", "name": "workers-ai-local"}
    }
    if options is not None:
        binding["options"] = options

    printed = subprocess.run(
        [
            *(prepare.node(), "--input-type=module", "--eval", _ASK_PLUGIN),
            *(plugin.as_uri(), json.dumps({"dev": binding})),
        ],
        env=os.environ | {"AI_URL": ai_url},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()

    is_address = re.fullmatch(r"\S+:\d+", answer)
    said = answer.format("http://127.0.0.1:9999")
    assert printed == (said if is_address else f"workers-ai-local: binding MODEL: {said}")


@pytest.mark.parametrize("package", [f"{PLUGIN_NAME}/plugin", PLUGIN_NAME, OLD_NAME])
def test_plugin_is_loaded_by_its_name_and_by_its_old_one(project: Path, package: str) -> None:
    printed = subprocess.run(
        [prepare.node(), "--print", f"Object.keys(require({json.dumps(package)}).plugins)"],
        cwd=project,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout

    assert printed.strip() == "[ 'workers-ai-local' ]"
