"""What the client's package promises of itself."""

import sys
import tomllib
from pathlib import Path

import pytest

from tests.harness.imports import imported_packages

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "packages" / "edgewise-client"
MODULES = sorted((PACKAGE / "src" / "edgewise_client").glob("*.py"))
OF_PAGES = {"js", "pyodide", "pyodide_http"}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_standard_library_is_all_it_needs(module: Path) -> None:
    others = imported_packages(module.read_text("utf-8")) - sys.stdlib_module_names

    assert others == (OF_PAGES if module.stem == "browser" else set())


def test_client_has_the_version_the_licence_and_the_builder_of_edgewise() -> None:
    ours = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    its = tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))

    for name in ("version", "requires-python", "license"):
        assert its["project"][name] == ours["project"][name]
    assert its["build-system"] == ours["build-system"]
    assert its["project"]["dependencies"] == []
    assert (PACKAGE / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
