"""The product's page says what its server does."""

import os
import re
import shlex
import subprocess
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness.pages import commands_of, is_as_shown
from tests.harness.processes import wait_until
from tools import prepare
from tools.runtime.process import Server
from workers_ai_local import Reply

PAGE = (prepare.WORKERS_AI.parent / "README.md").read_text("utf-8")
COMMAND = str(prepare.VENV / "bin" / "workers-ai-local")


@pytest.mark.parametrize("field", Reply.__struct_fields__)
def test_page_explains_each_field_of_a_reply(field: str) -> None:
    assert re.search(rf"^\| `{field}` \| ", PAGE, re.MULTILINE)


def test_page_shows_what_the_commands_answer(servers: ExitStack, tmp_path: Path) -> None:
    (tmp_path / "replies.toml").write_text(textwrap.dedent(block_with("[[reply]]")), "utf-8")
    (tmp_path / "bad.toml").write_text('[[reply]]\ntext = "Hello"\ntimes = 0\n', "utf-8")
    address = ""

    for command, shown in commands_of(PAGE):
        words = shlex.split(command)
        if command == "workers-ai-local" or "11434" in command:
            continue  # what it says depends on the machine
        if words[0] == "curl":
            words = [word.replace("http://127.0.0.1:8789", address) for word in words]
            said = run(tmp_path, "curl", "--silent", *words[1:])
        elif not shown or "Workers AI on http" in shown:
            address = serve(servers, tmp_path, words[1:])
            continue
        else:
            said = run(tmp_path, COMMAND, *words[1:])

        assert is_as_shown(said, shown), f"{command}\n{said}"


@pytest.fixture
def servers() -> Iterator[ExitStack]:
    """Ends what is started."""
    with ExitStack() as stack:
        yield stack


def block_with(text: str) -> str:
    """The code block of the page that holds a text."""
    (block,) = (
        block for block in re.findall(r"^(?:    .*\n|\n)+", PAGE, re.MULTILINE) if text in block
    )
    return str(block).partition("    $ ")[0]


def serve(servers: ExitStack, folder: Path, options: list[str]) -> str:
    """Start the server that a command starts, on any free port; its address."""
    server = Server(
        [COMMAND, "--engine", "off", *options, "--port", "0", "--tokens-per-second", "0"],
        re.compile(r"Workers AI on (?P<address>\S+)"),
        environment=os.environ | {"AI_REPLIES": ""},
        cwd=folder,
    )
    servers.callback(server.stop)
    wait_until(lambda: bool(server.address) or not server.process.is_running())
    assert server.address, server.stop()
    return server.address


def run(folder: Path, *command: str) -> str:
    """What a command prints, whether it fails or not."""
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"COLUMNS": "80"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ).stdout
