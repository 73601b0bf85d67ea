import os
import re
import subprocess
from pathlib import Path

import pytest

from tools import prepare
from tools.runtime.wrangler import environment

LIMIT_KIB = 350


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, set[str]]:
    """What `wrangler deploy` prints of production, and the files that it would upload."""
    folder = tmp_path_factory.mktemp("upload")
    without_account = {
        name: value for name, value in environment().items() if name != "CLOUDFLARE_API_TOKEN"
    }
    result = subprocess.run(
        [
            *(str(prepare.node()), str(prepare.NODE_MODULES / "wrangler" / "bin" / "wrangler.js")),
            *("deploy", "--env", "", "--dry-run", "--outdir", str(folder)),
        ],
        cwd=prepare.ROOT,
        env=without_account,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout, {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    }


def test_production_binds_the_real_workers_ai(uploaded: tuple[str, set[str]]) -> None:
    output, _ = uploaded

    (binding,) = re.findall(r"^env\.AI\b.*$", output, re.MULTILINE)
    assert re.fullmatch(r"env\.AI\s+AI\s*", binding)
    assert "unsafe" not in output
    assert "experimental" not in output


def test_upload_is_small(uploaded: tuple[str, set[str]]) -> None:
    output, _ = uploaded

    (kibibytes,) = re.findall(r"gzip: ([\d.]+) KiB", output)
    assert 50 < float(kibibytes) <= LIMIT_KIB


def test_upload_holds_the_worker_and_nothing_else_of_ours(
    uploaded: tuple[str, set[str]],
) -> None:
    _, files = uploaded

    ours = {file for file in files if not file.startswith("python_modules/")} - {"README.md"}
    source = prepare.ROOT / "src"
    assert ours == {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    packages = {file.split(os.sep)[1] for file in files - ours if "/" in file}
    assert {"msgspec", "workers"} <= packages
    assert not {file for file in files if file.endswith((".pyc", ".pyi"))}
    assert not {file for file in files if Path(file).name in ("pyvenv.cfg", ".edgewise-stamp")}
