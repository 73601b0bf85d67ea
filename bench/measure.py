"""Rounds: in each, every entrant of a case is measured in turn, and who goes first changes."""

import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.cases import ENTRANTS, WARM_UP, BenchError, Case, check, word
from bench.cold_start import STARTS, Imports, Starts
from bench.contenders import Contender, run
from bench.load import Load, ask, cpu_seconds
from bench.results import Figures

# How many rounds who is started in; FastAPI takes its time.
COLD_ROUNDS = {"edgewise": 6, "constant": 6, "javascript": 5, "fastapi": 3}
# How often in a round: a short start differs more from one time to the next.
COLD_TIMES = {"nothing": 1, "baseline": 1, "dedicated": 3}
IMPORT_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Running:
    """A workerd with a contender."""

    pid: int
    address: str


class Notes:
    """
    Where figures are put as they are taken.

    Attributes:
        python: The version of the Workers' Python, once one of them has told it.
    """

    def __init__(self) -> None:
        self.figures: Figures = {}
        self.python = ""

    def add(self, case: str, entrant: str, told: Mapping[str, float]) -> None:
        """Add the figures of a round."""
        quantities = self.figures.setdefault(case, {}).setdefault(entrant, {})
        for quantity, figure in told.items():
            # More digits than it is worth.
            quantities.setdefault(quantity, []).append(round(figure, 4))


def in_turn(names: Sequence[str], number: int) -> Sequence[str]:
    """Order names for a round: who goes after whom matters to the processor's caches and clock."""
    first = number % len(names)
    return [*names[first:], *names[:first]]


def measure_load(
    notes: Notes, contenders: Mapping[str, Contender], cases: Sequence[Case], folder: Path
) -> Iterator[str]:
    """Run the contenders side by side and ask them every case; tell what is done."""
    with ExitStack() as stack:
        running = {}
        for name, contender in contenders.items():
            pid, addresses = stack.enter_context(run(contender, folder / name))
            running[name] = Running(pid, addresses["http"])
            measure(cases[0], name, running[name], count=1)
            notes.add("memory", name, read_memory(pid, "at_rest"))
        yield f"{len(running)} Workers run"
        for number in range(-1, max(case.rounds for case in cases)):
            for case in cases:
                if number < case.rounds if number >= 0 else case.name in WARM_UP:
                    for name in in_turn(case.entrants, number):
                        process = running[ENTRANTS[name].worker]
                        if number < 0:
                            measure(case, name, process, case.count * WARM_UP[case.name])
                        else:
                            notes.add(case.name, name, measure(case, name, process))
            yield f"round {number + 1}" if number >= 0 else "warm"
        for name, process in running.items():
            notes.add("memory", name, read_memory(process.pid, "after_load"))


def measure(case: Case, name: str, process: Running, count: int = 0) -> Mapping[str, float]:
    """
    Ask an entrant a case's request, as often as the case says.

    Args:
        count: Instead of that.

    Raises:
        BenchError: An answer was wrong.
    """
    entrant = ENTRANTS[name]
    count = count or case.count * (1 if case.events else entrant.pace)
    before = cpu_seconds(process.pid)
    try:
        load = ask(process.address, word(case, entrant), count=count, at_once=case.at_once)
    except (OSError, TimeoutError) as error:
        raise BenchError(f"{case.name} of {name}: {error!r}") from error
    cpu_s = cpu_seconds(process.pid) - before
    for answer in load.answers:
        check(answer, case, name)
    return sum_up(load, cpu_s)


def sum_up(load: Load, cpu_s: float) -> Mapping[str, float]:
    """Reduce a load to figures: per request, but for how many there were a second."""
    answers = load.answers
    return {
        "cpu_ms": cpu_s / len(answers) * 1000,
        "per_second": len(answers) / load.seconds,
        "took_ms": statistics.median(answer.took_s for answer in answers) * 1000,
        "first_byte_ms": statistics.median(answer.first_byte_s for answer in answers) * 1000,
    }


def read_memory(pid: int, when: str) -> Mapping[str, float]:
    """Read how much memory a process has, and how much of it no other process has."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    told = {name: int(kib) / 1024 for name, kib in re.findall(r"^(\w+): +(\d+) kB", text, re.M)}
    own = told["Private_Clean"] + told["Private_Dirty"]
    return {f"{when}_mib": told["Rss"], f"{when}_own_mib": own}


def measure_cold_starts(
    notes: Notes, contenders: Mapping[str, Contender], folder: Path
) -> Iterator[str]:
    """Start the contenders anew, again and again; tell what is done."""
    starts = {name: Starts(name, contenders[name], folder / name) for name in COLD_ROUNDS}
    imports = {
        name: Imports(contenders[name], folder / f"{name}-imports")
        for name, start in starts.items()
        if start.kinds == STARTS
    }
    yield "snapshots saved"
    for number in range(max(COLD_ROUNDS.values())):
        names = [name for name in COLD_ROUNDS if number < COLD_ROUNDS[name]]
        for kind in STARTS:
            for _ in range(COLD_TIMES[kind]):
                for name in in_turn(names, number):  # one after the other, as the pace changes
                    if kind in starts[name].kinds:
                        notes.add(f"cold-{kind}", name, starts[name].measure(kind))
        if number < IMPORT_ROUNDS:
            for name in in_turn([*imports], number):
                notes.add("imports", name, imports[name].measure())
        yield f"cold starts, round {number + 1}"
    notes.python = imports["edgewise"].python
