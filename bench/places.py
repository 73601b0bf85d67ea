"""Where results are written: into .build, or into docs when they are to be published."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools import prepare


@dataclass(frozen=True, slots=True)
class Place:
    """
    A page, and beside it a folder of the same name.

    Attributes:
        page: Markdown.
    """

    page: Path

    @property
    def folder(self) -> Path:
        """The plots and the results."""
        return self.page.with_suffix("")

    @property
    def results(self) -> Path:
        """All figures, as JSON."""
        return self.folder / "results.json"

    def describe(self) -> str:
        """Say for a terminal what is where."""
        page, folder = (os.path.relpath(path, prepare.ROOT) for path in (self.page, self.folder))
        return f"Written: {page}, and {folder}/ with its plots and {self.results.name}"


OWN = Place(prepare.BUILD / "bench" / "performance.md")
PUBLISHED = Place(prepare.ROOT / "docs" / "performance.md")


def read_place(variables: Mapping[str, str]) -> Place:
    """Read from the variable PUBLISH, as make sets it, where results are to be written."""
    return PUBLISHED if variables.get("PUBLISH", "") not in ("", "0") else OWN
