"""Ctrl-C during a bench."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.harness.processes import is_running, wait_until
from tools import prepare
from tools.runtime.process import descendants

pytestmark = pytest.mark.linux  # as the bench itself


@pytest.mark.parametrize(
    ("program", "started"),
    [
        ("performance", "workerd"),
        ("rpc", "workerd"),
        ("local_streams", "workers-ai-local"),
    ],
)
def test_bench_that_is_interrupted_ends_with_all_it_started(
    program: str, started: str, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [prepare.VENV / "bin" / "python", "-m", "bench", program],
        cwd=prepare.ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        wait_until(lambda: any(started in name for name in descendants(process.pid).values()))
        children = descendants(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        printed, _ = process.communicate(timeout=30)

    assert process.returncode == 130
    assert printed.endswith("\nInterrupted.\n")
    assert "Traceback" not in printed
    wait_until(lambda: not any(is_running(pid) for pid in children))
    assert not list(tmp_path.iterdir())
