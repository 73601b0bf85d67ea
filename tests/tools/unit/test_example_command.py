import os
import socket
import subprocess

import pytest

from tools import prepare
from tools.dev import EDGEWISE, DevError, read_port
from tools.example import examples

NAMES = [*examples()]


@pytest.mark.parametrize("name", ["", "nothing", "../packages", "../src", "python-binding x"])
def test_name_of_no_example_is_refused_with_those_that_there_are(name: str) -> None:
    result = subprocess.run(
        ["make", "--no-print-directory", "example", f"NAME={name}"],
        cwd=prepare.ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    assert result.returncode != 0
    assert result.stdout.startswith(
        "NAME: expected one of typescript, python-binding, python-mounted, python-in-browser,"
        f" got {name!r}\n"
        "Name one: make example NAME=typescript\n"
    )


@pytest.mark.parametrize("name", NAMES)
def test_example_is_a_folder_with_a_page_that_says_how_to_run_it(name: str) -> None:
    example = examples()[name]

    assert (example.folder / "wrangler.toml").exists()
    page = (example.folder / "README.md").read_text("utf-8")
    assert f"\n    {example.command}\n" in page
    assert name in prepare.STEPS


def test_change_of_the_example_and_of_edgewise_beside_it_is_seen() -> None:
    watched = {
        os.path.relpath(file, prepare.ROOT) for file in examples()["typescript"].changed_at()
    }

    assert {
        "examples/typescript/src/index.ts",
        "examples/typescript/wrangler.toml",
        "src/edgewise/app.py",
        "wrangler.toml",
    } <= watched
    assert {os.path.relpath(file, prepare.ROOT) for file in EDGEWISE.changed_at()} < watched


def test_port_that_is_taken_is_told_with_the_command_to_try() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(DevError, match=f"make example NAME=typescript PORT={port % 65535 + 1}"):
            read_port(str(port), examples()["typescript"].command)
