import re
import subprocess
from pathlib import Path

import pytest

from tools import prepare

ROOT = Path(__file__).resolve().parents[3]


def make_with(python: object) -> "subprocess.CompletedProcess[str]":
    """Run the check that runs before every command of the Makefile."""
    return subprocess.run(
        ["make", "--no-print-directory", "python", f"PYTHON={python}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def python_of(version: str, folder: Path) -> Path:
    """A Python that takes itself for another version."""
    program = folder / "python"
    program.write_text(
        "#!/bin/sh\n"
        f"exec '{ROOT}/.venv/bin/python' -c "
        f'"import sys; sys.version_info = ({version}); exec(sys.argv[1])" "$2"\n'
    )
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("version", ["3, 11, 0", "3, 14, 2", "4, 0, 0"])
def test_python_that_is_new_enough_is_taken(version: str, tmp_path: Path) -> None:
    result = make_with(python_of(version, tmp_path))

    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("version", ["2, 7, 18", "3, 8, 10", "3, 10, 13"])
def test_python_that_is_too_old_is_told_with_what_to_do(version: str, tmp_path: Path) -> None:
    result = make_with(python_of(version, tmp_path))

    assert result.returncode != 0
    number = ".".join(version.split(", ")[:2])
    assert f"Edgewise needs Python 3.11 or newer; {tmp_path}/python is {number}.\n" in result.stdout
    assert "PYTHON=python3.12" in result.stdout


def test_python_that_is_not_there_is_told() -> None:
    result = make_with("python-of-nobody")

    assert result.returncode != 0
    assert "Edgewise needs Python 3.11 or newer, and there is no python-of-nobody." in result.stdout


def set_up_by(target: str) -> list[list[str]]:
    """The steps that each call of the set-up for a target names."""
    result = subprocess.run(
        ["make", "--dry-run", target], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    calls = re.findall(r"-m tools\.prepare(.*)", result.stdout.replace("\\\n", " "))
    return [call.split() or [*prepare.TO_RUN] for call in calls]


@pytest.mark.parametrize("target", ["dev", "test", "check", "deploy", "bench"])
def test_what_is_measured_beside_ours_is_set_up_for_bench_alone(target: str) -> None:
    assert any("bench" in steps for steps in set_up_by(target)) == (target == "bench")
    assert "bench" not in prepare.TO_RUN


@pytest.mark.parametrize(
    ("target", "tests"),
    [
        *((target, True) for target in ("check", "format", "access", "soak")),
        *((f"test-{tier}", True) for tier in ("unit", "worker", "browser", "clients", "rest")),
        *((target, False) for target in ("prepare", "deploy", "bench")),
    ],
)
def test_what_checks_and_tests_need_is_set_up_for_them_alone(target: str, tests: bool) -> None:
    calls = set_up_by(target)

    assert calls
    for steps in calls:
        assert "venv" in steps
        assert ("tools" in steps) == tests
        assert prepare.STEPS.keys() >= {*steps}
