"""The command `edgewise` as it is installed: in a terminal, in pipes, and as its page shows it."""

import json
import os
import pty
import re
import select
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from tests.harness.conversation import TEXT, asked
from tests.harness.processes import wait_until
from tests.harness.servers import endless
from tests.harness.shared import KEYS, Worker
from tools import prepare
from workers_ai_local import Reply, Scripted

PACKAGE = prepare.ROOT / "packages" / "edgewise-client"
PAGE = (PACKAGE / "README.md").read_text("utf-8")
PROGRAMS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
PATIENCE_S = 60


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built and installed offline: the folder of its command."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"),
            *("--no-build-isolation", "--no-cache-dir", "--target", folder, PACKAGE),
        ],
        cwd=folder,
        env=prepare.environment(),
        check=True,
    )
    return folder


@pytest.fixture
def environment(installed: Path, worker: Worker) -> dict[str, str]:
    """Where the command is found, and whom it asks."""
    return {
        "PATH": os.pathsep.join([str(installed / "bin"), os.environ["PATH"]]),
        "PYTHONPATH": str(installed),
        "EDGEWISE_URL": worker.address,
        "EDGEWISE_KEY": KEYS["shop"],
        "LC_ALL": "C",
        "TERM": "xterm",
    }


def run(
    environment: Mapping[str, str], *arguments: str, piped: bytes = b""
) -> "subprocess.CompletedProcess[bytes]":
    """Run it in pipes."""
    return subprocess.run(
        ["edgewise", *arguments],
        input=piped,
        capture_output=True,
        env=environment,
        timeout=PATIENCE_S,
    )


# Makes the terminal that its standard input is the one that Ctrl-C comes from.
TAKE = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0);"
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


class Terminal:
    """
    A terminal in which it runs.

    Attributes:
        shown: What was written to it so far.
    """

    def __init__(self, environment: Mapping[str, str], *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        self.shown = b""
        self._process = subprocess.Popen(
            [sys.executable, "-c", TAKE, "edgewise", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            start_new_session=True,
        )
        os.close(theirs)

    def read(self) -> bool:
        """
        Wait for more.

        Returns:
            Whether there was more.
        """
        ready, _, _ = select.select([self._ours], [], [], PATIENCE_S)
        assert ready, self.shown
        try:
            more = os.read(self._ours, 65_536)
        except OSError:  # so Linux says that nobody writes any more
            more = b""
        self.shown += more
        return bool(more)

    def type(self, keys: bytes) -> None:
        """Press some keys."""
        os.write(self._ours, keys)

    def end(self) -> tuple[str, int]:
        """Wait for the end: what was shown, and the exit status."""
        while self.read():
            pass
        return self.shown.decode().replace("\r\n", "\n"), self._process.wait(PATIENCE_S)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)


def script(worker: Worker, **reply: object) -> None:
    """Have the next request answered in this way."""
    worker.ai.script(msgspec.convert(reply, Reply))


def test_package_is_its_modules_and_the_command(installed: Path) -> None:
    source = PACKAGE / "src"
    there = {path.relative_to(installed) for path in (installed / "edgewise_client").iterdir()}

    assert there - {Path("edgewise_client/__pycache__")} == {
        path.relative_to(source)
        for path in (source / "edgewise_client").iterdir()
        if path.suffix == ".py" or path.name == "py.typed"
    }
    assert [path.name for path in (installed / "bin").iterdir()] == ["edgewise"]


def test_text_goes_through_a_pipe_as_it_is_in_utf_8(
    environment: dict[str, str], worker: Worker
) -> None:
    script(worker, text=TEXT + "\x1b[31m")

    ended = run(environment, "Grüezi", "-s", "Brief.", "--max-tokens", "100")

    assert (ended.stdout.decode(), ended.stderr, ended.returncode) == (TEXT + "\x1b[31m", b"", 0)
    [inputs] = asked(worker)
    assert inputs["messages"] == [
        {"role": "system", "content": "Brief."},
        {"role": "user", "content": "Grüezi"},
    ]


def test_prompt_and_what_is_piped_in_are_put_together(
    environment: dict[str, str], worker: Worker
) -> None:
    run(environment, "Sum up:", piped="Zürich\n".encode())

    assert asked(worker)[0]["prompt"] == "Sum up:\n\nZürich\n"


def test_raw_prompt_is_read_as_it_is(environment: dict[str, str], worker: Worker) -> None:
    run(environment, "--raw", piped=b"<|begin_of_text|>Hello")

    assert (asked(worker)[0]["prompt"], asked(worker)[0]["raw"]) == ("<|begin_of_text|>Hello", True)


def test_json_is_one_object(environment: dict[str, str], worker: Worker) -> None:
    script(worker, text=TEXT)

    told = json.loads(run(environment, "Hello", "--json", "--max-tokens", "5").stdout)

    assert (told["truncated"], told["finish_reason"], told["max_tokens"]) == (True, "length", 5)
    assert told["usage"]["completion_tokens"] == 5


def test_cut_answer_is_noted_beside_it(environment: dict[str, str]) -> None:
    ended = run(environment, "Hello", "--max-tokens", "5")

    assert ended.stderr == b"edgewise: cut at max_tokens (5)\n"


def test_refusal_is_told_and_ends_with_1(environment: dict[str, str], worker: Worker) -> None:
    for _ in range(3):  # all that serve the first model
        script(worker, error=3040)

    ended = run(environment, "Hello")

    assert ended.stderr.startswith(b"edgewise: 429 no_capacity: ")
    assert ended.stderr.endswith(b"(try again in 2 s)\n")
    assert (ended.stdout, ended.returncode) == (b"", 1)


def test_stream_that_breaks_off_is_told_and_ends_with_1(
    environment: dict[str, str], worker: Worker
) -> None:
    script(worker, text="One two three", break_after=1)

    ended = run(environment, "Hello")

    assert (ended.stdout, ended.returncode) == (b"One", 1)
    assert ended.stderr.startswith(b"edgewise: the stream broke: ")


def test_wrong_use_ends_with_2(environment: dict[str, str], worker: Worker) -> None:
    ended = run(environment, "Hello", "--temperature", "nan")

    assert ended.returncode == 2
    assert asked(worker) == []


def test_reader_that_goes_away_ends_it_quietly_and_stops_the_generation(
    environment: dict[str, str], worker: Worker
) -> None:
    worker.ai.script(Scripted(endless(b'data: {"response":"Hello\\n"}\n\n')))
    command = "edgewise Hello </dev/null | head -1"

    ended = subprocess.run(
        ["sh", "-c", command], capture_output=True, env=environment, timeout=PATIENCE_S
    )

    assert (ended.stdout, ended.stderr) == (b"Hello\n", b"")
    wait_until(lambda: worker.ai.streams.cancelled == 1, seconds=1)


def test_terminal_is_shown_text_as_it_comes(environment: dict[str, str], worker: Worker) -> None:
    worker.ai.script(Scripted(endless(b'data: {"response":"Hello "}\n\n')))

    with Terminal(environment, "Hello") as terminal:
        while b"Hello Hello " not in terminal.shown:
            assert terminal.read()


def test_terminal_is_not_obeyed_by_control_characters(
    environment: dict[str, str], worker: Worker
) -> None:
    script(worker, text="Grüezi \x1b]0;owned\x07\x1b[2J")

    with Terminal(environment, "Hello") as terminal:
        assert terminal.end() == ("Grüezi ␛]0;owned␇␛[2J\n", 0)


def test_prompt_may_be_typed(environment: dict[str, str], worker: Worker) -> None:
    script(worker, text="Grüezi")

    with Terminal(environment, "-") as terminal:
        terminal.type(b"Hello\n\x04")
        shown, status = terminal.end()

    assert (shown.endswith("Grüezi\n"), status) == (True, 0)
    assert asked(worker)[0]["prompt"] == "Hello\n"


def test_terminal_without_a_prompt_is_wrong_use(environment: dict[str, str]) -> None:
    with Terminal(environment) as terminal:
        shown, status = terminal.end()

    assert "edgewise: error: no prompt: give one, or pipe it in" in shown
    assert status == 2


def test_ctrl_c_ends_it_quietly_and_stops_the_generation_within_a_second(
    environment: dict[str, str], worker: Worker
) -> None:
    worker.ai.script(Scripted(endless(b'data: {"response":"Hello "}\n\n')))

    with Terminal(environment, "Hello") as terminal:
        while b"Hello " not in terminal.shown:
            assert terminal.read()
        terminal.type(b"\x03")
        wait_until(lambda: worker.ai.streams.cancelled == 1, seconds=1)
        shown, status = terminal.end()

    assert status == 130
    assert "Traceback" not in shown
    assert re.fullmatch(r"(Hello )+\^C(Hello )*\n", shown), shown[-200:]


def test_page_shows_programs_and_commands() -> None:
    assert (len(PROGRAMS), len(COMMANDS)) == (4, 5)


def test_programs_of_the_page_run_one_after_the_other(
    environment: dict[str, str], worker: Worker
) -> None:
    program = "\n".join(PROGRAMS).replace("http://localhost:8787", worker.address)
    program = program.replace("key=None", f"key={KEYS['shop']!r}")

    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        env=environment,
        timeout=PATIENCE_S,
    )

    lines = ended.stdout.decode().splitlines()
    assert ended.stderr == b""
    assert lines[0].endswith(" True")
    assert "completion_tokens=64" in lines[0]
    assert "length Usage(" in lines[-2]
    assert lines[-1].startswith("400 invalid_request temperature temperature: expected ")


def test_five_lines_of_the_readme_print_the_answer(
    environment: dict[str, str], worker: Worker
) -> None:
    readme = (prepare.ROOT / "README.md").read_text("utf-8")
    [shown] = re.findall(r"^    from edgewise_client .*\n(?:    .*\n|\n(?=    ))+", readme, re.M)
    program = textwrap.dedent(shown).replace("http://localhost:8787", worker.address)
    worker.ai.script(Reply(text="Hello to you."))

    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program.replace("None", repr(KEYS["shop"]))],
        capture_output=True,
        env=environment,
        timeout=PATIENCE_S,
    )

    assert (ended.stdout, ended.stderr) == (b"Hello to you.", b"")


@pytest.mark.parametrize("command", COMMANDS)
def test_command_of_the_page_runs(
    environment: dict[str, str], tmp_path: Path, command: str
) -> None:
    (tmp_path / "notes.txt").write_text("Edges are thin.\n", "utf-8")

    ended = subprocess.run(
        ["sh", "-c", command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=tmp_path,
        env=environment,
        timeout=PATIENCE_S,
    )

    assert ended.stdout
    assert ended.returncode == 0, ended.stderr
