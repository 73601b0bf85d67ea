"""docs/configuration.md says what the code does."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from edgewise.app import Platform
from edgewise.gate.rates import BY_ADDRESS, BY_CALLER
from edgewise.records import Record, word_point
from edgewise.settings import NAMES, Variables, read_settings
from tests.edgewise.unit.scripted import FAST, Corridor, completion
from tools.runtime.wrangler import HOSTS

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "configuration.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the tables below a heading, without their first rows."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def test_page_has_every_variable_with_its_default() -> None:
    defaults = {
        field.name: told(field.default)
        for field in msgspec.structs.fields(Variables)
        if field.name != "MODELS"
    } | {"MODELS": "those of `wrangler.toml"}

    assert {name.strip("`"): default.strip("`") for name, _, default in rows(VARIABLES)} == defaults
    assert [name.strip("`") for name, *_ in rows(VARIABLES)] != []


VARIABLES = "Variables and secrets"


def told(default: object) -> str:
    """How the page tells a default."""
    if default == "":
        return "none"
    return json.dumps(json.dumps(default) if isinstance(default, bool) else default)


def test_readme_leads_to_the_page_and_keeps_no_table_of_its_own() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")

    assert "(docs/configuration.md)" in readme
    assert not [name for name in NAMES if f"| `{name}` |" in readme]


def test_example_of_dev_vars_is_one() -> None:
    [example] = re.findall(r"when `make dev`\nstarts:\n\n((?:    .*\n)+)", PAGE)
    given = dict(re.findall(r'^    (\w+)="(.*)"$', example, re.MULTILINE))

    settings = read_settings(json.dumps({"MODELS": [{"id": "a"}], **given}))

    assert [key.caller for key in settings.keys] == ["shop", "desk"]
    assert (settings.allows_anonymous, settings.max_messages) == (False, 20)


def test_page_tells_the_hosts_that_make_dev_serves() -> None:
    assert f"`{HOSTS}`" in PAGE


def test_page_has_every_binding() -> None:
    source = (ROOT / "src" / "edgewise" / "ffi" / "bindings.py").read_text("utf-8")
    looked_up = set(re.findall(r'find_binding\("(\w+)"', source)) | {
        BY_CALLER,
        BY_ADDRESS,
    }

    assert {row[0].strip("`") for row in rows("Bindings")} == looked_up
    assert Platform.__struct_fields__ == ("ai", "limits", "web", "clock")


def test_page_has_every_field_of_a_line() -> None:
    [line] = re.findall(r'^    (\{"time".*\})$', PAGE, re.MULTILINE)
    fields = [field.name for field in msgspec.structs.fields(Record)]

    msgspec.json.decode(line, type=Record)
    names = [name for row in rows("Logs") for name in re.findall(r"`(\w+)`", row[0])]
    assert names[: len(fields)] == fields
    assert [*json.loads(line)] == fields[:-1]


@pytest.mark.parametrize("place", ["index", "blob", "double"])
def test_page_tells_where_the_figures_of_a_data_point_are(corridor: Corridor, place: str) -> None:
    corridor.ai.answers = [completion(response="Hi")]
    corridor.run({"prompt": "Hello"})
    point = json.loads(word_point(corridor.records[-1]))

    [told_of] = [row for row in rows("Logs") if row[0].startswith(f"`{place}1`")]
    last = re.findall(rf"`{place}(\d+)`", told_of[0])[-1]
    assert len(point["indexes" if place == "index" else f"{place}s"]) == int(last)
    assert point["blobs"][:2] == ["POST /run", FAST]
