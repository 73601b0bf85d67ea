import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def make_key(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run `make key`."""
    environment = {name: value for name, value in os.environ.items() if name != "NAME"}
    return subprocess.run(
        ["make", "--no-print-directory", "key", f"PYTHON={sys.executable}", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )


def entries(printed: str) -> list[str]:
    """The entries name:key in what is printed."""
    return re.findall(r"[\w.-]+:ew_[\w-]{43}(?![\w-])", printed)


@pytest.mark.parametrize("name", ["shop", "Shop_2.eu-west", "x" * 64])
def test_key_is_printed_with_its_name(name: str) -> None:
    result = make_key(f"NAME={name}")

    assert (result.returncode, result.stderr) == (0, "")
    entry, again = entries(result.stdout)
    assert entry == again
    key = entry.removeprefix(f"{name}:")
    assert f"\n  {entry}\n" in result.stdout
    assert f'\n  API_KEYS="{entry}"\n' in result.stdout
    assert f"-H 'authorization: Bearer {key}'" in result.stdout
    assert "\n  tools/wrangler secret put API_KEYS" in result.stdout


def test_each_key_differs() -> None:
    keys = {entries(make_key("NAME=shop").stdout)[0] for _ in range(3)}

    assert len(keys) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected who the key is for, such as make key NAME=shop"),
        (["NAME="], "expected who the key is for, such as make key NAME=shop"),
        (["NAME=the shop"], "expected 1 to 64 letters, digits, dots, hyphens or underscores"),
        (["NAME=shop:eu"], "got 'shop:eu'"),
        (["NAME=access:shop"], "got 'access:shop'"),
        (["NAME=größe"], "got 'größe'"),
        (["NAME='; echo"], 'got "\'; echo"'),
        ([f"NAME={'x' * 65}"], f"got '{'x' * 65}'"),
        (["NAME=anonymous"], "anonymous is who calls without a key; choose another"),
    ],
)
def test_bad_name_is_refused(arguments: list[str], message: str) -> None:
    result = make_key(*arguments)

    assert result.returncode != 0
    assert result.stdout == ""
    assert result.stderr.startswith("NAME: ")
    assert message in result.stderr.splitlines()[0]


def test_nothing_is_written() -> None:
    def files() -> dict[Path, int]:
        places = [ROOT, ROOT / "tools"]
        return {
            file: file.stat().st_mtime_ns
            for place in places
            for file in place.iterdir()
            if file.is_file()
        }

    before = files()
    make_key("NAME=shop")

    assert files() == before
