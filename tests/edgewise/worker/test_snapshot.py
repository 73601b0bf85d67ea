"""
A deployed Worker starts from a snapshot of its memory, taken after its imports.

`workerd test` saves and loads one here as the upload does, with production's flags.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.servers import serve
from tools.runtime.config import (
    LOCAL_FLAGS,
    command_to_test,
    deployment,
    source_modules,
    vendored_modules,
    write_config,
)
from workers_ai_local import WorkersAi

pytestmark = pytest.mark.thorough

WRANGLER = deployment()
FLAGS = sorted({*WRANGLER.compatibility_flags, *LOCAL_FLAGS})
# There are no rate limits in workerd alone.
VARIABLES = WRANGLER.variables | {"ALLOW_ANONYMOUS": "true", "RATE_LIMIT_ON_FAILURE": "open"}
SNAPSHOT_WORKER = Path(__file__).with_name("snapshot_worker.py")

Test = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def workerd_test(tmp_path: Path) -> Test:
    """Runs `workerd test` on a main module, the Worker's modules beside it."""

    def run(main: Path, ai_address: str, option: str) -> "subprocess.CompletedProcess[str]":
        config = tmp_path / "worker.capnp"
        modules = {main.name: main, **source_modules(), **vendored_modules()}
        write_config(config, modules, FLAGS, variables=VARIABLES, ai_address=ai_address)
        return subprocess.run(
            command_to_test(config, f"--python-snapshot-dir={tmp_path}", option),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return run


def test_worker_answers_from_its_snapshot(workerd_test: Test, tmp_path: Path) -> None:
    with serve(WorkersAi()) as url:
        address = url.removeprefix("http://")
        saved = workerd_test(SNAPSHOT_WORKER, address, "--python-save-snapshot")
        assert saved.returncode == 0, saved.stdout
        assert (tmp_path / "snapshot.bin").stat().st_size > 10_000_000

        loaded = workerd_test(SNAPSHOT_WORKER, address, "--python-load-snapshot=snapshot.bin")

    assert loaded.returncode == 0, loaded.stdout
    assert "answered from the snapshot" in loaded.stdout


def test_worker_reads_its_settings_and_misses_its_binding(tmp_path: Path) -> None:
    main = Path(__file__).with_name("bare_worker.py")
    config = tmp_path / "worker.capnp"
    modules = {main.name: main, **source_modules(), **vendored_modules()}
    write_config(config, modules, FLAGS, variables=VARIABLES | {"MAX_BODY_BYTES": 20})

    result = subprocess.run(
        command_to_test(config), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )

    assert result.returncode == 0, result.stdout
    assert "refused as it should" in result.stdout


def test_javascript_object_in_a_global_cannot_be_saved(workerd_test: Test, tmp_path: Path) -> None:
    main = tmp_path / "snapshot_worker.py"
    source = SNAPSHOT_WORKER.read_text("utf-8")
    main.write_text(f"{source}\nimport js\nENCODER = js.TextEncoder.new()\n")

    saved = workerd_test(main, "127.0.0.1:9", "--python-save-snapshot")

    assert "Can't serialize top-level variable" in saved.stdout
    assert not (tmp_path / "snapshot.bin").exists()
