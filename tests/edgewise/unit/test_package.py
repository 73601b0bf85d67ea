"""Edgewise as a package, for Workers that mount it."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import msgspec
import pytest
from packaging.requirements import Requirement

from tests.harness.wheels import build, metadata
from tools import prepare


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout as it is."""
    return build(prepare.ROOT, tmp_path_factory.mktemp("wheel"))


def test_package_is_its_modules_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}

    source = prepare.ROOT / "src" / "edgewise"
    parts = [*source.rglob("*.py"), source / "py.typed"]
    assert len(parts) > 30
    assert files == {path.relative_to(source.parent).as_posix() for path in parts}


def test_package_asks_for_ranges_and_for_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        said = metadata(archive)

    asked = [Requirement(text) for text in said.get_all("Requires-Dist", [])]
    assert sorted((it.name, str(it.specifier)) for it in asked) == [
        ("msgspec", "<0.23,>=0.22"),
        ("workers-runtime-sdk", "<2,>=1.9.5"),
    ]
    assert said.get_payload() == (prepare.ROOT / "README.md").read_text("utf-8")


def test_package_installed_beside_msgspec_reads_prompts_on_cpython(
    wheel: Path, tmp_path: Path
) -> None:
    subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"),
            *("--target", tmp_path, wheel),
        ],
        env=prepare.environment(),
        check=True,
    )
    (tmp_path / "msgspec").symlink_to(msgspec.__path__[0])
    program = (
        "import sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "import edgewise, edgewise.asked.generation, edgewise.settings\n"
        "settings = edgewise.settings.read_settings('{}')\n"
        'told = edgewise.asked.generation.parse(b\'{"prompt":"Hello"}\', None, settings)\n'
        "print(edgewise.__file__, edgewise.VERSION, told.max_tokens)\n"
    )

    # Alone: neither the checkout nor what its environment has installed.
    said = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout

    version = wheel.name.split("-")[1]
    assert said.split() == [str(tmp_path / "edgewise" / "__init__.py"), version, "256"]


def test_package_has_the_version_and_the_license_of_the_checkout(wheel: Path) -> None:
    project = tomllib.loads((prepare.ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert wheel.name == f"edgewise-{project['version']}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/licenses/LICENSE"))
        assert archive.read(name) == (prepare.ROOT / "LICENSE").read_bytes()
