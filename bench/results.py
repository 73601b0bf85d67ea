"""What was measured, on what, as it is kept in a file."""

import os
import platform
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.cases import Case
from tools import prepare

_NPM = ("workerd", "pyodide")
_PYPI = ("msgspec", "workers-runtime-sdk", "fastapi", "pydantic")

# By case, entrant and quantity: a figure a round. A quantity's name ends in its unit.
Figures = dict[str, dict[str, dict[str, list[float]]]]


class Results(msgspec.Struct):
    """
    A run.

    Attributes:
        taken: The day.
        machine, versions: Of what, and what it is.
        cases: By name.
    """

    taken: str
    machine: dict[str, str]
    versions: dict[str, str]
    cases: dict[str, Case]
    figures: Figures

    def of(self, case: str, entrant: str, quantity: str) -> Sequence[float]:
        """Find the figures of the rounds, as they were taken."""
        return self.figures[case][entrant][quantity]

    def median(self, case: str, entrant: str, quantity: str) -> float:
        """Find the middle of them."""
        return statistics.median(self.of(case, entrant, quantity))


def keep(results: Results, file: Path) -> None:
    """Write results, the rounds of a quantity on one line."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = msgspec.json.format(msgspec.json.encode(results), indent=1).decode()
    text = re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    file.write_text(text + "\n", "utf-8")


def recall(file: Path) -> Results:
    """Read results."""
    return msgspec.json.decode(file.read_bytes(), type=Results)


def machine() -> dict[str, str]:
    """Describe this machine, but not whose it is."""
    told = Path("/proc/cpuinfo").read_text()
    found = re.search(r"^model name\s*: (.*)$", told, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "processor": found[1] if found else platform.machine(),
        "cores": str(os.cpu_count()),
        "memory": f"{memory / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions(python: str) -> dict[str, str]:
    """
    Read from the locks what was measured.

    Args:
        python: The Worker's, as it told it.
    """
    lock = msgspec.json.decode((prepare.ROOT / "package-lock.json").read_bytes())
    told = {name: lock["packages"][f"node_modules/{name}"]["version"] for name in _NPM}
    for file in ("worker.txt", "bench.txt"):
        pins = re.findall(r"^([\w-]+)==(\S+)", _lock(file), re.MULTILINE)
        told |= {name: version for name, version in pins if name in _PYPI}
    return told | {"Python of the Workers": python}


def _lock(name: str) -> str:
    file = prepare.ROOT / "requirements" / name
    return file.read_text("utf-8") if file.exists() else ""
