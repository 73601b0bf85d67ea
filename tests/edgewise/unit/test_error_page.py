"""docs/errors.md says what the code does."""

import re
from pathlib import Path

from edgewise import errors
from edgewise.errors import MEANINGS, UNKNOWN, EdgewiseError, Meaning, Retry, UpstreamError

PAGE = (Path(__file__).parents[3] / "docs" / "errors.md").read_text("utf-8")
AGAIN = {
    Retry.NEVER: "no",
    Retry.SOON: f"after {errors.RETRY_AFTER_S} s",
    Retry.PERIOD: "after the period",
    Retry.TOMORROW: "after 00:00 UTC",
    Retry.MAYBE: "maybe",
}


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip(" `") for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def test_page_has_every_error_of_ours() -> None:
    ours = [kind for kind in EdgewiseError.__subclasses__() if kind is not UpstreamError]

    assert {tuple(row[:4]) for row in rows("Ours")} == {
        (str(kind.status), kind.code, str(kind.envelope_code), AGAIN[kind.retry]) for kind in ours
    }
    assert len(rows("Ours")) == len(ours)


def test_page_has_every_code_of_workers_ai() -> None:
    told = {
        int(code): (row[1:]) for row in rows("Workers AI's") for code in re.findall(r"\d+", row[0])
    }

    def worded(meaning: Meaning) -> list[str]:
        return [str(meaning.status), meaning.code, AGAIN[meaning.retry], meaning.message]

    assert told == {code: worded(meaning) for code, meaning in MEANINGS.items()}
    assert [row[1:] for row in rows("Workers AI's") if "other" in row[0]] == [worded(UNKNOWN)]


def test_page_says_which_headers_tell_whether_to_try_again() -> None:
    assert {row[0] for row in rows("Whether to try again")} == set(AGAIN.values())
