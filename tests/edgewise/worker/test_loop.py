"""
The deployed Worker's event loop does what asyncio's own does.

Each program of loop_cases.py runs on both, by promises of JavaScript there and by futures here.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.edgewise.worker import loop_cases
from tests.edgewise.worker.loop_cases import CASES, Trace
from tools import prepare
from tools.runtime.config import (
    LOCAL_FLAGS,
    serving,
    source_modules,
    vendored_modules,
    write_config,
)

AT_ONCE = 8
MOST_S = 20


class Promises:
    """Futures that stand in for JavaScript's promises."""

    async def resolved(self, value: str) -> str:
        await asyncio.sleep(0)
        return value

    async def rejected(self) -> str:
        await asyncio.sleep(0)
        raise OSError("no")

    async def later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def fetched(self) -> None:
        await asyncio.sleep(0.001)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of the Worker that runs the programs."""
    main = Path(__file__).with_name("loop_worker.py")
    cases = Path(loop_cases.__file__)
    modules = {
        main.name: main,
        cases.relative_to(prepare.ROOT).as_posix(): cases,
        **source_modules(),
        **vendored_modules(),
    }
    config = tmp_path_factory.mktemp("loop") / "config.capnp"
    flags = [*LOCAL_FLAGS, "disable_python_dedicated_snapshot"]
    write_config(config, modules, flags, serves=True)
    with (
        serving(config) as (_, addresses),
        httpx.Client(base_url=addresses["http"], verify=False, timeout=MOST_S) as client,
    ):
        yield client


def run_here(name: str) -> Trace:
    """Run a program on asyncio's own loop."""
    return asyncio.run(asyncio.wait_for(CASES[name](Promises()), MOST_S))


def run_there(worker: httpx.Client, name: str) -> Trace:
    """Run a program in the Worker."""
    response = worker.get(f"/{name}")
    assert response.status_code == 200, response.text
    trace: Trace = response.json()
    return trace


@pytest.mark.parametrize("name", CASES)
def test_what_happens_is_what_asyncio_does(worker: httpx.Client, name: str) -> None:
    assert run_there(worker, name) == run_here(name)


def test_task_begins_at_once_where_that_is_asked_for(worker: httpx.Client) -> None:
    trace = run_there(worker, "begin_as_asked")

    assert trace == ["now begun", "factory's begun", "created", "later begun"]


@pytest.mark.thorough
def test_what_happens_is_the_same_in_many_requests_at_once(worker: httpx.Client) -> None:
    names = [name for name in CASES for _ in range(2)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        traces = [*pool.map(lambda name: run_there(worker, name), names)]

    assert traces == [*map(run_here, names)]
