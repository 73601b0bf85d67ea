"""
Cold starts: from the start of workerd to the first answer whole, from nothing and from snapshots.

A deployed Worker starts from a snapshot of its own, taken after its imports: "dedicated". Before
that there is Python's, which is the same for every Worker: "baseline".
"""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from bench.cases import ENTRANTS, BenchError, Case, check, word
from bench.contenders import PYTHON_FLAGS, Contender, write
from bench.load import Answer, ask, cpu_seconds, word_request
from tools import prepare
from tools.runtime.config import LOCAL_FLAGS, command_to_serve, serving

STARTS = ("nothing", "baseline", "dedicated")
_FIRST = Case("first answer", (), count=1)
_SNAPSHOT = "snapshot.bin"
# In a request, where the clock does not stand still as it does while a Worker is loaded.
_IMPORTS = """\
import json
import platform
import time

from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        began = time.perf_counter()
        import %s
        took = (time.perf_counter() - began) * 1000
        return Response(json.dumps([took, platform.python_version()]))
"""


class Starts:
    """What a contender needs to be started from each of the three, written once."""

    def __init__(self, name: str, contender: Contender, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self._config = write(contender, folder)
        self._own = folder / "dedicated"
        self.kinds: Sequence[str] = ("nothing",)
        if contender.flags == PYTHON_FLAGS:
            self.kinds = STARTS
            flags = (*LOCAL_FLAGS, "python_dedicated_snapshot")
            write(replace(contender, flags=flags), self._own)
            options = (f"--python-snapshot-dir={self._own}", "--python-save-snapshot")
            # It is there once workerd listens.
            with _start(self._own / "config.capnp", options):
                if not (self._own / _SNAPSHOT).exists():
                    raise BenchError(f"workerd saved no snapshot of {name}")

    def measure(self, kind: str) -> Mapping[str, float]:
        """Start it once and have one answer: milliseconds that passed, and of the processor."""
        options: Sequence[str] = ()
        config = self._config
        if kind != "nothing":
            folder = prepare.RUNTIME if kind == "baseline" else self._own
            options = (f"--python-snapshot-dir={folder}", f"--python-load-snapshot={_SNAPSHOT}")
        if kind == "dedicated":
            config = self._own / "config.capnp"
        began = time.perf_counter()
        with _start(config, options) as (pid, address):
            answer = _ask_once(address, word(_FIRST, ENTRANTS[self._name]))
            took, cpu = time.perf_counter() - began, cpu_seconds(pid)
        check(answer, _FIRST, self._name)
        return {"took_ms": took * 1000, "cpu_ms": cpu * 1000}


class Imports:
    """What a contender's imports alone take, the SDK's apart."""

    def __init__(self, contender: Contender, folder: Path) -> None:
        folder.mkdir(parents=True)
        main = folder / "imports.py"
        main.write_text(_IMPORTS % Path(next(iter(contender.modules))).stem, "utf-8")
        self._config = write(
            replace(contender, modules={main.name: main, **contender.modules}), folder
        )
        self.python = ""

    def measure(self) -> Mapping[str, float]:
        """Import it once, in a new workerd that starts from Python's snapshot."""
        options = (
            f"--python-snapshot-dir={prepare.RUNTIME}",
            f"--python-load-snapshot={_SNAPSHOT}",
        )
        with _start(self._config, options) as (_, address):
            answer = _ask_once(address, word_request("/", {}, b""))
        if answer.status != 200:
            raise BenchError(f"imports: HTTP {answer.status}: {answer.body!r}")
        took, self.python = json.loads(answer.body)
        return {"took_ms": took}


def _ask_once(address: str, request: bytes) -> Answer:
    (answer,) = ask(address, request, count=1, at_once=1).answers
    return answer


@cache
def _workerd() -> str:
    """Find workerd itself: the launcher of `make dev` always starts from a snapshot."""
    command = [str(prepare.node()), "-p", 'require("workerd").default']
    return subprocess.check_output(command, cwd=prepare.ROOT, text=True).strip()


@contextmanager
def _start(config: Path, options: Sequence[str]) -> Iterator[tuple[int, str]]:
    """
    Start workerd.

    Yields:
        Its id, and the address of the Worker, once it listens.
    """

    python = f"--pyodide-bundle-disk-cache-dir={prepare.RUNTIME}"

    def command(file: Path, control: int) -> list[str]:
        return [_workerd(), *command_to_serve(file, control)[1:], python, *options]

    with serving(config, 2, command) as (pid, addresses):
        yield pid, addresses["http"]
