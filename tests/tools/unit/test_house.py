"""Rules of the house that no single room can keep by itself."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from edgewise import VERSION
from edgewise.gate.rates import BY_ADDRESS, BY_CALLER
from edgewise.settings import read_settings
from tests.harness.imports import (
    changes_imports,
    imported_files,
    imported_modules,
    imported_packages,
)
from tools.runtime.config import deployment

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src"
DOORS = {
    f"edgewise/ffi/{leaf}.py"
    for leaf in ("bindings", "builtins", "calls", "http", "isolate", "loop", "streams")
}
JAVASCRIPT = {"js", "pyodide", "_pyodide", "pyodide_js", "workers", "_pyodide_entrypoint_helper"}

WRANGLER = deployment()
with (ROOT / "pyproject.toml").open("rb") as file:
    PYPROJECT = tomllib.load(file)
RUN = PYPROJECT["dependency-groups"]["run"]
WITH_RUN, *TOOLS = PYPROJECT["dependency-groups"]["tools"]


def modules() -> list[str]:
    """Every module that ships, by its path below src."""
    return sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))


@pytest.mark.parametrize("module", modules())
def test_only_the_doors_know_javascript(module: str) -> None:
    known = imported_packages((SOURCE / module).read_text("utf-8")) & JAVASCRIPT

    assert bool(known) == (module in DOORS), f"{module} imports {known or 'no JavaScript'}"


@pytest.mark.parametrize(
    "source",
    [
        "import js",
        "import pyodide.ffi",
        "from workers import Response",
        "def f():\n    from js import fetch",
        "__import__('js')",
        "importlib.import_module('pyodide.ffi')",
        "from importlib import import_module\nimport_module('js')",
    ],
)
def test_javascript_is_found_however_it_is_imported(source: str) -> None:
    assert imported_packages(source) & JAVASCRIPT


@pytest.mark.parametrize("module", modules())
def test_only_what_workers_call_goes_through_the_door(module: str) -> None:
    source = (SOURCE / module).read_text("utf-8")

    # pyodide.ffi is another one, which only the door knows.
    assert bool(re.search(r"import.*\bffi\b|edgewise\.ffi|from \.ffi", source)) == (
        module in ("entry.py", "edgewise/worker.py")
    )


def reached(module: str) -> set[str]:
    """The modules that ship and that a module imports, directly or not."""
    found: set[str] = set()
    left = {module}
    while left:
        more = imported_files(SOURCE, left.pop()) - found
        found |= more
        left |= more
    return found


def test_only_one_module_changes_the_sdk_and_pyodide() -> None:
    changing = {module for module in modules() if changes_imports((SOURCE / module).read_text())}

    assert changing == {"edgewise/ffi/isolate.py"}


def test_only_the_entrypoint_imports_what_changes_them() -> None:
    changing = {"edgewise/ffi/isolate.py", "edgewise/ffi/loop.py"}

    assert {module for module in modules() if reached(module) & changing} == {
        "entry.py",
        "edgewise/ffi/isolate.py",
    }
    assert "edgewise/ffi/bindings.py" in reached("edgewise/worker.py")


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("import workers\nworkers.python_to_rpc = int", True),
        ("from js import Map\nMap.of().prototype.toJSON = int", True),
        ("from pyodide.webloop import WebLoop\ndef f():\n    WebLoop.call_soon = int", True),
        ("def f(loop):\n    setattr(loop, 'call_soon', int)", True),
        ("class Mine:\n    pass\nMine.answer = 1", False),
        ("from js import Error\nerror = Error.new()\nerror.name = 'Mine'", False),
    ],
)
def test_change_of_what_is_imported_is_found(source: str, changes: bool) -> None:
    assert changes_imports(source) == changes


def test_linter_forbids_javascript_outside_the_doors() -> None:
    ruff = str(ROOT / ".venv" / "bin" / "ruff")
    file = str(SOURCE / "edgewise" / "app.py")
    result = subprocess.run(
        [ruff, "check", "--select", "TID251", "--output-format", "json", "--stdin-filename", file],
        input="import js\nimport pyodide.ffi\nfrom workers import env\n",
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )

    assert [finding["code"] for finding in json.loads(result.stdout)] == ["TID251"] * 3


def test_production_has_the_real_binding_and_nothing_experimental() -> None:
    assert WRANGLER.ai == {"binding": "AI"}
    assert WRANGLER.compatibility_flags == ["python_workers"]
    assert WRANGLER.unsafe == {}


def test_local_running_lets_anybody_in_and_is_as_production_else() -> None:
    local = WRANGLER.env["local"]

    assert local.variables == WRANGLER.variables | {"ALLOW_ANONYMOUS": "true"}
    assert local.ratelimits == WRANGLER.ratelimits


def test_rate_limits_have_the_names_and_the_period_that_the_code_knows() -> None:
    period = read_settings(json.dumps(WRANGLER.variables)).rate_limit_period_s

    assert {limit["name"] for limit in WRANGLER.ratelimits} == {BY_CALLER, BY_ADDRESS}
    assert {limit["simple"]["period"] for limit in WRANGLER.ratelimits} == {period}
    assert len({limit["namespace_id"] for limit in WRANGLER.ratelimits}) == 2


def test_version_is_the_same_everywhere() -> None:
    package = json.loads((ROOT / "package.json").read_text("utf-8"))

    assert VERSION == PYPROJECT["project"]["version"] == package["version"]


def test_locks_hold_what_the_project_asks_for() -> None:
    asked = {
        "worker.txt": PYPROJECT["tool"]["uv"]["constraint-dependencies"],
        "run.txt": RUN,
        "tools.txt": [*RUN, *TOOLS],
        "engine.txt": PYPROJECT["dependency-groups"]["engine"],
        "clients.txt": PYPROJECT["dependency-groups"]["clients"],
        "bench.txt": PYPROJECT["dependency-groups"]["bench"],
    }

    for name, requirements in asked.items():
        lock = (ROOT / "requirements" / name).read_text("utf-8")
        for requirement in requirements:
            assert f"{requirement} \\\n" in lock, f"make lock: {requirement} is not in {name}"


def test_what_make_dev_runs_is_the_same_where_tests_run() -> None:
    def read_pins(name: str) -> set[str]:
        """Read each package with its hashes, and without the Pythons that it is for."""
        text = (ROOT / "requirements" / name).read_text("utf-8")
        return {*re.split(r"\n(?=\w)", re.sub(r" ;.*", r" \\", text).strip())}

    assert WITH_RUN == {"include-group": "run"}
    assert read_pins("run.txt") < read_pins("tools.txt")


def test_what_ships_is_what_the_package_asks_for() -> None:
    asked = [Requirement(text) for text in PYPROJECT["project"]["dependencies"]]
    pins = PYPROJECT["tool"]["uv"]["constraint-dependencies"]
    versions = dict(pin.split("==") for pin in pins)

    assert versions.keys() == {requirement.name for requirement in asked}
    for requirement in asked:
        assert versions[requirement.name] in requirement.specifier


def test_locks_hold_a_hash_of_everything_that_is_not_ours() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text("utf-8"))["packages"]
    ours = {"", "packages/workers-ai-local/npm", "node_modules/workers-ai-local"}

    assert {name for name, package in packages.items() if "integrity" not in package} == ours
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text("utf-8")
        assert all("--hash=sha256:" in entry for entry in re.split(r"\n(?=\w)", text.strip()))


@pytest.mark.parametrize("name", ["examples/typescript", "tests"])
def test_folder_gets_of_npm_what_its_lock_has_a_hash_of(name: str) -> None:
    folder = ROOT / name
    packages = json.loads((folder / "package-lock.json").read_text("utf-8"))["packages"]
    asked = json.loads((folder / "package.json").read_text("utf-8"))

    for package, version in (asked.get("dependencies", {}) | asked["devDependencies"]).items():
        assert packages[f"node_modules/{package}"]["version"] == version
    assert {name for name, package in packages.items() if "integrity" not in package} == {""}
    assert (folder / ".npmrc").read_text("utf-8") == (ROOT / ".npmrc").read_text("utf-8")


def test_example_has_the_sdk_that_ships() -> None:
    with (ROOT / "examples" / "python-binding" / "pyproject.toml").open("rb") as file:
        asked = tomllib.load(file)["project"]["dependencies"]

    assert {*asked} < {*PYPROJECT["tool"]["uv"]["constraint-dependencies"]}


def test_locks_name_no_host() -> None:
    for lock in [
        *ROOT.glob("requirements/*.txt"),
        *(ROOT / folder / "package-lock.json" for folder in ("", "examples/typescript", "tests")),
        ROOT / ".npmrc",
    ]:
        text = lock.read_text("utf-8")
        # npm notes beside some packages where their authors ask for donations.
        text = re.sub(r'"funding": \{[^}]*\}|"url": "[^"]*"', "", text)

        assert "://" not in text, lock


# Folder to the packages of this repository that its modules may import, and whether it may import
# what those packages do not export. `tests` stands for the tests beside it and the harness.
NEIGHBOURS = {
    "src": {"edgewise"},
    "packages/workers-ai-local": {"workers_ai_local"},
    "packages/edgewise-client": {"edgewise_client"},
    "tools": {"tools", "workers_ai_local"},
    "bench": {"bench", "tools"},
    "tests/edgewise": {"tests", "edgewise", "tools", "workers_ai_local"},
    "tests/workers_ai_local": {"tests", "workers_ai_local", "tools"},
    "tests/client": {"tests", "edgewise_client", "tools", "workers_ai_local"},
    "tests/playground": {"tests", "tools", "workers_ai_local"},
    "tests/harness": {"tests", "tools", "workers_ai_local"},
    "tests/tools": {"tests", "tools", "bench", "edgewise", "workers_ai_local"},
}
PRODUCTS = {
    "edgewise": ("src", "tests/edgewise", "tests/tools"),
    "workers_ai_local": ("packages/workers-ai-local", "tests/workers_ai_local"),
    "edgewise_client": ("packages/edgewise-client", "tests/client"),
}
OURS = {"edgewise", "edgewise_client", "workers_ai_local", "tools", "bench", "tests"}


@pytest.mark.parametrize("folder", NEIGHBOURS)
def test_product_imports_no_other_s_modules(folder: str) -> None:
    for file in (ROOT / folder).rglob("*.py"):
        imported = imported_modules(file.read_text("utf-8"))
        ours = {module for module in imported if module.partition(".")[0] in OURS}

        assert {module.partition(".")[0] for module in ours} <= NEIGHBOURS[folder], file
        for product, inside in PRODUCTS.items():
            if folder not in inside:
                assert not {module for module in ours if module.startswith(f"{product}.")}, file
        if folder.startswith("tests/"):
            of_tests = {module for module in ours if module.startswith("tests.")}
            mine = (folder.replace("/", "."), "tests.harness")
            assert all(module.startswith(mine) for module in of_tests), file


def pages() -> list[str]:
    """The pages that git knows, by their paths."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return [page for page in listed.splitlines() if (ROOT / page).exists()]


@pytest.mark.parametrize("page", pages())
def test_links_of_a_page_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)

    broken = [
        link
        for link in links
        if "://" not in link and not (ROOT / page).parent.joinpath(link).exists()
    ]

    assert broken == []
