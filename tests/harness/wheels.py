"""Wheels, built offline as they would be released."""

import email
import subprocess
import sys
import zipfile
from email.message import Message
from pathlib import Path

from tools import prepare


def build(source: Path, folder: Path) -> Path:
    """Build a wheel offline."""
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-cache-dir"),
            *("--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source),
        ],
        cwd=folder,
        env=prepare.environment(),
        check=True,
    )
    (built,) = folder.glob("*.whl")
    return built


def metadata(wheel: zipfile.ZipFile) -> Message:
    """What the wheel says about itself; its payload is the description."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    return email.message_from_string(wheel.read(name).decode())
