"""The playground's modules, as TypeScript's compiler reads their JSDoc."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.harness.typescript import COMPILER, needs_typescript
from tests.playground.browser.conftest import MODULES
from tools import prepare

OPTIONS = {
    "allowJs": True,
    "checkJs": True,
    "exactOptionalPropertyTypes": True,
    "lib": ["esnext", "dom", "dom.iterable", "dom.asynciterable"],
    "module": "esnext",
    "moduleResolution": "bundler",
    "noEmit": True,
    "noImplicitReturns": True,
    "noUncheckedIndexedAccess": True,
    "noUnusedLocals": True,
    "noUnusedParameters": True,
    "strict": True,
    "target": "esnext",
    "types": [],
}


def check(folder: Path, *files: Path) -> list[str]:
    """List what the compiler refuses."""
    config = folder / "tsconfig.json"
    config.write_text(json.dumps({"compilerOptions": OPTIONS, "files": [*map(str, files)]}))
    command = [str(prepare.node()), str(COMPILER), "--project", str(config), "--pretty", "false"]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    return result.stdout.splitlines()


@needs_typescript
@pytest.mark.thorough
def test_modules_are_typed(tmp_path: Path) -> None:
    assert check(tmp_path, *sorted(MODULES.glob("*.js"))) == []


@needs_typescript
@pytest.mark.thorough
def test_compiler_sees_what_is_wrong_in_a_module(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.js"
    wrong.write_text(f'import {{ shell }} from "{MODULES}/literals.js";\nshell(5);\n')

    [found] = check(tmp_path, wrong)

    assert "TS2345" in found


def test_modules_reach_the_page_as_text_alone() -> None:
    source = "".join(file.read_text("utf-8") for file in sorted(MODULES.glob("*.js")))

    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", source)
    assert "http://" not in source


def test_page_fetches_every_module_at_once() -> None:
    page = (MODULES.parent / "index.html").read_text("utf-8")
    fetched = re.findall(r'(?:modulepreload" href|module" src)="playground/(\w+\.js)"', page)

    assert sorted(fetched) == sorted(file.name for file in MODULES.glob("*.js"))
