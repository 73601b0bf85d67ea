"""docs/embedding.md says what the code does."""

import re
from pathlib import Path

from edgewise import errors
from edgewise.errors import MEANINGS, UNKNOWN, EdgewiseError, UpstreamError
from edgewise.exchange import Method

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "embedding.md").read_text("utf-8")
# What only a request can meet: it has credentials, an origin, a host, a path, a method.
OF_HTTP = {
    *("Unauthorized", "Closed", "ForeignOrigin", "ForeignHost", "AccessUnavailable"),
    *("NotFound", "MethodNotAllowed"),
}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    section = re.split(rf"\n###? {heading}\n", PAGE)[1].partition("\n#")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def words(cell: str) -> list[str]:
    """What is code in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def test_page_has_every_method() -> None:
    methods = [words(method)[0].partition("(")[0] for method, _ in rows("A binding like env.AI")]

    assert methods == [method.value for method in Method]


def test_page_has_every_error_that_a_call_can_meet() -> None:
    told = {words(name)[0]: words(codes) for name, codes in rows("Errors")}
    of_workers_ai = told.pop(UpstreamError.__name__)
    kinds = {kind.__name__: kind for kind in EdgewiseError.__subclasses__()}

    assert told.keys() == kinds.keys() - OF_HTTP - {UpstreamError.__name__}
    assert all(codes == [kinds[name].code] for name, codes in told.items())
    assert set(of_workers_ai) <= {meaning.code for meaning in [*MEANINGS.values(), UNKNOWN]}
    assert {getattr(errors, name) for name in OF_HTTP} <= set(kinds.values())


def test_page_has_every_example() -> None:
    examples = {folder.name for folder in (ROOT / "examples").iterdir()}

    assert {words(command)[0] for *_, command in rows("Examples")} == {
        f"make example NAME={name}" for name in examples
    }


def test_page_leads_to_what_is_there() -> None:
    pages = [ROOT / "docs" / link for link in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", PAGE)]

    assert pages
    assert all(page.exists() for page in pages)
