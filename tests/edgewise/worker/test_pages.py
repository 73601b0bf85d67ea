"""What the pages show is what the Worker answers."""

import shlex
import subprocess

import pytest

from tests.harness.pages import commands_of, is_as_shown
from tests.harness.shared import Worker
from tools import prepare

COMMANDS = [
    pytest.param(command, shown, id=f"{page}: {command[:60]}")
    for page in ("README.md", "docs/api.md")
    for command, shown in commands_of((prepare.ROOT / page).read_text("utf-8"))
    if command.startswith("curl ") and shown
]


def test_pages_show_commands() -> None:
    assert len(COMMANDS) > 10


@pytest.mark.parametrize(("command", "shown"), COMMANDS)
def test_command_answers_what_the_page_shows(worker: Worker, command: str, shown: str) -> None:
    if "no_capacity" in shown:  # of the command before, which the page shows too
        subprocess.run(
            ["curl", "--silent", f"{worker.ai_address}/_local/replies", "-d", '{"error":3040}'],
            stdout=subprocess.DEVNULL,
            check=True,
        )
    words = [
        word.replace("http://localhost:8787", worker.address).replace(
            "http://127.0.0.1:45711", worker.ai_address
        )
        for word in shlex.split(command)
    ]

    said = subprocess.run(
        [words[0], "--silent", *words[1:]], stdout=subprocess.PIPE, text=True, check=True
    ).stdout

    assert is_as_shown(said, shown), said
