"""
Takes the snapshot that `make dev` starts from: Python as it is before a Worker is loaded.

It saves the seconds that Python takes to start, at every start and after every edit.
"""

import subprocess
import sys
from pathlib import Path

from .config import LOCAL_FLAGS, command_to_test, write_config

_WORKER = """\
from workers import WorkerEntrypoint


class Default(WorkerEntrypoint):
    def test(self):
        pass
"""


def save(folder: Path) -> int:
    """
    Write snapshot.bin.

    Args:
        folder: Where it goes.

    Returns:
        The exit code of workerd.
    """
    worker = folder / "baseline_worker.py"
    worker.write_text(_WORKER)
    config = folder / "baseline.capnp"
    # The Worker's own SDK is not part of the snapshot, so that workerd's serves here.
    flags = [*LOCAL_FLAGS, "disable_python_dedicated_snapshot", "disable_python_external_sdk"]
    write_config(config, {worker.name: worker}, flags)
    options = [f"--python-snapshot-dir={folder}", "--python-save-baseline-snapshot"]
    return subprocess.run(command_to_test(config, *options)).returncode


if __name__ == "__main__":
    sys.exit(save(Path(sys.argv[1])))
