import json
import shutil
import subprocess
from pathlib import Path

from tools import prepare
from tools.runtime.wrangler import environment

SCRIPT = prepare.ROOT / "tools" / "wrangler"


def run(script: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Ask for the version, from a folder that is not ours."""
    return subprocess.run(
        [str(script), "--version"], cwd=folder, env=environment(), capture_output=True, text=True
    )


def test_script_runs_the_wrangler_that_is_pinned(tmp_path: Path) -> None:
    packages = json.loads((prepare.ROOT / "package.json").read_text("utf-8"))["devDependencies"]

    result = run(SCRIPT, tmp_path)

    assert (result.returncode, result.stdout.strip()) == (0, packages["wrangler"])


def test_script_in_a_checkout_that_is_not_set_up_says_what_to_do(tmp_path: Path) -> None:
    checkout = tmp_path / "my checkout"
    (checkout / "tools").mkdir(parents=True)
    script = Path(shutil.copy(SCRIPT, checkout / "tools"))

    result = run(script, tmp_path)

    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"wrangler is not set up in {checkout}: run make deploy or make dev there once first.\n"
    )
