import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import prepare
from tools.prepare import PrepareError, Shell, Step, check_versions, run_steps


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell in its own folder."""
    return Shell(tmp_path / "step.log", tmp_path)


def node_modules(folder: Path, *, workerd: str = "1.1", pyodide: str = "314.0.6") -> Path:
    """Packages as npm installs them; the program workerd runs pyodide 314.0.6."""
    packages: dict[str, dict[str, object]] = {
        "wrangler": {"version": "4.1", "dependencies": {"workerd": "1.1"}},
        "workerd": {"version": workerd},
        "pyodide": {"version": pyodide},
    }
    for name, content in packages.items():
        (folder / name).mkdir()
        (folder / name / "package.json").write_text(json.dumps(content))
    (folder / "program").write_bytes(b"\0V314_0_6: '314.0.6',\0")
    return folder


def test_versions_that_belong_together_pass(tmp_path: Path) -> None:
    check_versions(node_modules(tmp_path), tmp_path / "program")


def test_workerd_of_another_wrangler_is_refused(tmp_path: Path) -> None:
    node_modules(tmp_path, workerd="1.2")

    with pytest.raises(PrepareError) as caught:
        check_versions(tmp_path, tmp_path / "program")

    assert str(caught.value).startswith(
        "wrangler 4.1 belongs to workerd 1.1, but workerd 1.2 is installed.\n"
    )
    assert "change them together" in str(caught.value)


def test_pyodide_that_workerd_does_not_run_is_refused(tmp_path: Path) -> None:
    node_modules(tmp_path, pyodide="314.0.7")

    with pytest.raises(PrepareError, match="^workerd 1.1 does not run pyodide 314.0.7.\n"):
        check_versions(tmp_path, tmp_path / "program")


def test_registry_that_cannot_be_reached_is_told_as_that(shell: Shell, tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        index = f"http://127.0.0.1:{closed.getsockname()[1]}/simple"

        with pytest.raises(PrepareError) as caught:
            shell(
                *(sys.executable, "-m", "pip", "download", "--isolated", "--retries", "0"),
                *("--index-url", index, "--dest", tmp_path, "msgspec==0.22.0"),
            )

    assert "A package registry could not be reached." in str(caught.value)
    assert "PIP_INDEX_URL" in str(caught.value)
    assert "All of it: step.log" in str(caught.value)


def test_npm_registry_that_cannot_be_reached_is_told_as_that(shell: Shell) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        registry = f"http://127.0.0.1:{closed.getsockname()[1]}"

        with pytest.raises(PrepareError, match="A package registry could not be reached."):
            shell(
                *(prepare.VENV / "bin" / "npm", "install", "--registry", registry),
                *("--fetch-retries", "0", "--no-save", "is-number@7.0.0"),
            )


def test_command_that_fails_is_told_with_its_last_lines(shell: Shell) -> None:
    with pytest.raises(PrepareError) as caught:
        shell("sh", "-c", "seq 100; echo the reason; exit 3")

    assert "sh failed and said at its end:" in str(caught.value)
    assert "the reason" in str(caught.value)
    assert " 50\n" not in str(caught.value)
    assert "50\n" in shell.log.read_text()


def test_python_without_venv_is_told_what_to_install(shell: Shell) -> None:
    with pytest.raises(PrepareError, match="apt install python3-venv"):
        shell("sh", "-c", "echo ensurepip is not available; exit 1")


def test_step_runs_again_only_when_an_input_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = []

    def make(_run: Shell) -> None:
        runs.append(1)
        (tmp_path / "output").mkdir()

    step = Step("the output", tmp_path / "output", [tmp_path / "input"], make)
    (tmp_path / "input").write_text("one")
    for _ in range(2):
        run_steps({"step": step}, tmp_path / "build")
    (tmp_path / "input").write_text("two")
    run_steps({"step": step}, tmp_path / "build")

    assert len(runs) == 2
    assert capsys.readouterr().out.count("the output ... 0 s") == 2


def test_step_within_another_s_output_runs_again_with_it(tmp_path: Path) -> None:
    runs = []
    outer, inner = tmp_path / "outer", tmp_path / "outer" / "inner"

    def make(folder: Path) -> None:
        runs.append(folder.name)
        folder.mkdir()

    steps = {
        "outer": Step("", outer, [tmp_path / "input"], lambda _run: make(outer)),
        "inner": Step("", inner, [], lambda _run: make(inner)),
    }
    for text in ("one", "one", "two"):
        (tmp_path / "input").write_text(text)
        run_steps(steps, tmp_path / "build")

    assert runs == ["outer", "inner"] * 2


@contextlib.contextmanager
def terminal() -> Iterator[int]:
    """Make a terminal our standard output; what it shows is read from the descriptor."""
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as output, contextlib.redirect_stdout(output):
        yield ours
    os.close(ours)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(None, "[12] s"), (PrepareError("no"), "failed"), (KeyboardInterrupt(), "interrupted")],
    ids=["ended", "failed", "interrupted"],
)
def test_terminal_shows_the_seconds_while_a_step_runs(
    tmp_path: Path, error: BaseException | None, outcome: str
) -> None:
    shown, before = b"", {*threading.enumerate()}

    def make(_run: Shell) -> None:
        nonlocal shown
        while b"... 1 s" not in shown:
            shown += os.read(screen, 1000)
        (tmp_path / "output").mkdir()
        if error:
            raise error

    step = Step("the output", tmp_path / "output", [], make)
    with terminal() as screen:
        with pytest.raises(type(error)) if error else contextlib.nullcontext():
            run_steps({"step": step}, tmp_path / "build")
        shown += os.read(screen, 1000)

    lines = shown.decode().splitlines()
    assert lines[1] == "  the output ... "
    assert re.fullmatch(rf"  the output \.\.\. {outcome}", lines[-1])
    assert {*threading.enumerate()} <= before


@pytest.mark.parametrize("error", [PrepareError("no"), KeyboardInterrupt()], ids=repr)
def test_step_that_did_not_end_runs_again(tmp_path: Path, error: BaseException) -> None:
    runs = []

    def fail(_run: Shell) -> None:
        runs.append(1)
        (tmp_path / "output").mkdir()
        raise error

    step = Step("the output", tmp_path / "output", [], fail)
    for _ in range(2):
        with pytest.raises(type(error)):
            run_steps({"step": step}, tmp_path / "build")

    assert len(runs) == 2


def test_command_that_is_interrupted_ends_with_all_it_started(shell: Shell, tmp_path: Path) -> None:
    started = tmp_path / "started"
    # As .venv/bin/npm does it: a program around the one that works.
    script = f"sh -c 'echo $$ > {started}; exec sleep 1000' & wait"

    def interrupt_once_started() -> None:
        while not (started.exists() and started.read_text().strip()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    interrupt = threading.Thread(target=interrupt_once_started)
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        shell("sh", "-c", script)
    interrupt.join()

    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", started.read_text().strip()],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert state.stdout.strip()[:1] in ("", "Z")


def test_command_that_is_interrupted_while_it_starts_ends_too(shell: Shell, tmp_path: Path) -> None:
    started = tmp_path / "started"

    with pytest.raises(KeyboardInterrupt):
        shell("sh", "-c", f"echo $$ > {started}; kill -INT {os.getpid()}; exec sleep 1000")

    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", started.read_text().strip()],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert state.stdout.strip()[:1] in ("", "Z")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_program_that_is_not_there_is_told(shell: Shell) -> None:
    with pytest.raises(PrepareError, match="nobodys-program could not be started: No such file"):
        shell("nobodys-program")


def test_page_gets_what_the_client_asks_for_in_one() -> None:
    with (prepare.PYTHON_CLIENT / "pyproject.toml").open("rb") as file:
        asked = tomllib.load(file)["project"]["optional-dependencies"]["browser"]
    lock = (prepare.ROOT / "requirements" / "browser.txt").read_text("utf-8")

    assert [entry.partition(" ")[0] for entry in re.findall(r"^\S.*", lock, re.MULTILINE)] == asked
    assert "--hash=sha256:" in lock
