"""The commands of docs/deploy.md are wrangler's, and what it has one configure is taken."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.harness.workers import copy_worker
from tools import prepare
from tools.runtime.wrangler import environment

pytestmark = pytest.mark.thorough

DEPLOY = (prepare.ROOT / "docs" / "deploy.md").read_text("utf-8")
CONFIGURATION = (prepare.ROOT / "docs" / "configuration.md").read_text("utf-8")
COMMANDS = sorted(
    {
        command.partition(" <")[0]
        for command in re.findall(
            r"^    tools/(wrangler .+)$", DEPLOY + CONFIGURATION, re.MULTILINE
        )
    }
)
MADE = sorted(set(re.findall(r"(?:^    |`)make (\w+)", DEPLOY + CONFIGURATION, re.MULTILINE)))


def run(*arguments: str, folder: Path = prepare.ROOT) -> "subprocess.CompletedProcess[str]":
    """Run wrangler as the page does, without an account."""
    without_account = {
        name: value for name, value in environment().items() if not name.startswith("CLOUDFLARE_A")
    }
    return subprocess.run(
        [str(prepare.ROOT / "tools" / "wrangler"), *arguments],
        cwd=folder,
        env=without_account,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_page_has_commands() -> None:
    assert len(COMMANDS) > 6
    assert {"dev", "deploy", "key", "access"} <= {*MADE}


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_one_of_wranglers_with_its_options(command: str) -> None:
    words = shlex.split(command)[1:]
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    names = [word for word in words if word.islower() and not word.startswith("--")]

    help_text = run(*names, "--help")

    assert help_text.returncode == 0
    assert re.search(rf"^wrangler {' '.join(names)}\b", help_text.stdout, re.MULTILINE)
    for option in options:
        assert re.search(rf"{option}\b", help_text.stdout), option


@pytest.mark.parametrize("target", MADE)
def test_target_of_make_is_one(target: str) -> None:
    makefile = (prepare.ROOT / "Makefile").read_text("utf-8")

    assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_dry_run_asks_for_no_account_and_prints_what_the_page_says() -> None:
    result = run("deploy", "--dry-run", "--env=")

    assert result.returncode == 0, result.stdout
    for name in ("env.AI", "env.RATE_LIMIT_CALLER", "env.RATE_LIMIT_ADDRESS", "env.MODELS"):
        assert name in result.stdout
    assert "ALLOW_ANONYMOUS" not in result.stdout
    assert "warning" not in result.stdout.lower()


def test_what_the_pages_have_one_write_is_taken(tmp_path: Path) -> None:
    copy_worker(tmp_path)
    file = tmp_path / "wrangler.toml"
    toml = file.read_text("utf-8")
    [address] = re.findall(r"^    workers_dev = false\n    (routes = .+)$", DEPLOY, re.MULTILINE)
    [team, tag] = re.findall(r"^    (ACCESS_\w+ = .+)$", DEPLOY, re.MULTILINE)
    tables = re.findall(
        r"^    (\[\[analytics.+\]\])\n    (.+)\n    (.+)$", CONFIGURATION, re.MULTILINE
    )
    assert len(tables) == 1
    toml = re.sub(r"^workers_dev = true.*$", f"workers_dev = false\n{address}", toml, flags=re.M)
    variables = f"[vars]\n{team}\n{tag}\n\n[[vars.MODELS]]"
    file.write_text(
        toml.replace("[[vars.MODELS]]", variables, 1) + "\n" + "\n".join(tables[0]) + "\n", "utf-8"
    )

    result = run("deploy", "--dry-run", "--env=", folder=tmp_path)

    assert result.returncode == 0, result.stdout
    for name in ("env.ACCESS_TEAM", "env.ACCESS_AUD", "env.ANALYTICS"):
        assert name in result.stdout
    assert "warning" not in result.stdout.lower()
