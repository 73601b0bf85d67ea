"""The product's two packages, as they are built."""

import json
import re
import shutil
import subprocess
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.harness.wheels import build, metadata
from tools import prepare

PLUGIN = prepare.WORKERS_AI.parent / "npm"


@pytest.fixture(scope="module")
def wheel() -> Iterator[zipfile.ZipFile]:
    """The wheel of workers-ai-local, built from a copy of its folder."""
    with tempfile.TemporaryDirectory() as name:
        source = Path(name) / "source"
        shutil.copytree(prepare.WORKERS_AI, source, ignore=shutil.ignore_patterns("__pycache__"))
        with zipfile.ZipFile(build(source, Path(name))) as archive:
            yield archive


def test_wheel_holds_the_modules_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    files = {name for name in wheel.namelist() if ".dist-info/" not in name}

    source = prepare.WORKERS_AI / "src"
    assert files == {
        path.relative_to(source).as_posix()
        for path in (source / "workers_ai_local").iterdir()
        if path.name != "__pycache__"
    }


def test_wheel_has_the_command(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/entry_points.txt"))

    assert wheel.read(name).decode().split("\n") == [
        "[console_scripts]",
        "workers-ai-local = workers_ai_local.__main__:main",
        "",
    ]


def test_readme_is_the_wheel_s_description(wheel: zipfile.ZipFile) -> None:
    said = metadata(wheel)

    assert said["Description-Content-Type"] == "text/markdown"
    assert said.get_payload() == (prepare.WORKERS_AI / "README.md").read_text("utf-8")


def test_packages_have_one_name_and_one_version(wheel: zipfile.ZipFile) -> None:
    plugin = json.loads((PLUGIN / "package.json").read_text("utf-8"))
    python = metadata(wheel)

    assert (python["Name"], python["Version"]) == (plugin["name"], plugin["version"])


def test_what_the_server_needs_is_pinned_for_make_dev() -> None:
    project = tomllib.loads((prepare.WORKERS_AI / "pyproject.toml").read_text("utf-8"))
    pinned = dict(
        re.findall(
            r"^([\w.-]+)==(\S+)",
            (prepare.ROOT / "requirements" / "run.txt").read_text("utf-8"),
            re.MULTILINE,
        )
    )
    needed = project["project"]["dependencies"] + project["build-system"]["requires"]

    unmet = [
        text
        for text in needed
        if (it := Requirement(text)).name not in pinned or pinned[it.name] not in it.specifier
    ]

    assert needed
    assert unmet == []


def test_plugin_s_package_holds_what_it_needs_and_nothing_else() -> None:
    with tempfile.TemporaryDirectory() as name:
        printed = subprocess.run(
            [prepare.VENV / "bin" / "npm", "pack", PLUGIN, "--dry-run", "--json"],
            cwd=name,
            env=prepare.environment() | {"npm_config_cache": name},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            check=True,
        ).stdout

    (package,) = json.loads(printed)
    assert {file["path"] for file in package["files"]} == {
        *("LICENSE", "README.md", "plugin.mjs", "package.json"),
    }


def test_license_goes_with_each_package(wheel: zipfile.ZipFile) -> None:
    license_text = (prepare.ROOT / "LICENSE").read_bytes()

    assert (PLUGIN / "LICENSE").read_bytes() == license_text
    (name,) = (name for name in wheel.namelist() if name.endswith("/licenses/LICENSE"))
    assert wheel.read(name) == license_text
