"""
Measures Edgewise beside other Workers: `python -m bench performance`, some minutes on two cores.

It writes a page with the figures into .build/bench or, with PUBLISH=1, docs/performance.md.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from bench import report
from bench.cases import CASES, BenchError
from bench.contenders import contenders
from bench.interrupts import uninterrupted
from bench.measure import Notes, measure_cold_starts, measure_load
from bench.places import read_place
from bench.results import Results, keep, machine, versions
from tools import prepare
from tools.runtime.wrangler import environment


def main() -> int:
    """Measure, and write it down."""
    place = read_place(os.environ)
    began = time.monotonic()
    notes = Notes()
    try:
        with tempfile.TemporaryDirectory() as folder:
            for done in measure_all(notes, Path(folder)):
                print(f"{time.monotonic() - began:5.0f} s  {done}", flush=True)
    except BenchError as error:
        print(f"The bench stopped. {error}", file=sys.stderr)
        return 1
    results = Results(
        taken=date.today().isoformat(),
        machine=machine(),
        versions=versions(notes.python),
        cases={case.name: case for case in CASES},
        figures=notes.figures,
    )
    with uninterrupted():
        keep(results, place.results)
        report.write(results, place)
        print(f"\n{report.word_targets(results)}\n\n{place.describe()}", flush=True)
    return 0


def measure_all(notes: Notes, folder: Path) -> Iterator[str]:
    """Measure everything; tell what is done."""
    measured = contenders()
    yield from measure_load(notes, measured, CASES, folder / "load")
    yield from measure_cold_starts(notes, measured, folder / "cold")
    notes.add("upload", "edgewise", {"gzip_kib": read_upload(folder / "upload")})
    yield "upload weighed"


def read_upload(folder: Path) -> float:
    """Have wrangler say what it would upload: KiB, compressed."""
    command = [
        *(str(prepare.node()), str(prepare.NODE_MODULES / "wrangler" / "bin" / "wrangler.js")),
        *("deploy", "--env", "", "--dry-run", "--outdir", str(folder)),
    ]
    without_account = {k: v for k, v in environment().items() if k != "CLOUDFLARE_API_TOKEN"}
    told = subprocess.run(
        command,
        cwd=prepare.ROOT,
        env=without_account,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ).stdout
    found = re.search(r"gzip: ([\d.]+) KiB", told)
    if not found:
        raise BenchError(f"wrangler told no size of the upload:\n{told}")
    return float(found[1])
