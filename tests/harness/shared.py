"""What every test shares that needs no other: one real Worker under `wrangler dev`, one browser."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.harness.examples import Example, run_example
from tests.harness.processes import workerd_of
from tests.harness.relay import relay
from tests.harness.servers import serve
from tests.harness.witness import CANARY, Witness
from tests.harness.workers import copy_worker, raise_limits, run_wrangler, store_keys
from workers_ai_local import WorkersAi

if TYPE_CHECKING:  # modules of tests that need it are skipped where Playwright is missing
    from tests.harness.watched import Browser

# What callers show, by their names. No answer and no line of a log may hold one.
KEYS = {"shop": "ew_k3y0fsh0p-Qm9v1Zt7xLw2", "desk": "ew_k3y0fd3sk-Hc4n8Rb6yTj5"}
WRONG_KEY = "ew_k3y0fn0b0dy-Ps3d0Vf9uGk"


@dataclass(frozen=True)
class Worker:
    """
    The running Worker.

    Attributes:
        address: Where it listens; the witness is before it.
        ai: The Workers AI behind it.
        ai_address: Where that listens.
        log: The lines that wrangler printed.
        pid: wrangler's.
        witness: Who sees all that it answers and logs.
    """

    address: str
    ai: WorkersAi
    ai_address: str
    log: list[str]
    pid: int
    witness: Witness

    def workerd(self) -> list[int]:
        """The ids of its workerd processes."""
        return workerd_of(self.pid)


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("shared")
    copy_worker(folder)
    raise_limits(folder)
    store_keys(folder, KEYS)
    ai = WorkersAi()
    log: list[str] = []
    witness = Witness([*KEYS.values(), WRONG_KEY], [CANARY])

    def read(line: str) -> None:
        log.append(line)
        witness.read_line(line)

    with (
        serve(ai) as ai_url,
        run_wrangler(folder, ai_url, read) as wrangler,
        relay(wrangler.address, witness.watch) as address,
    ):
        yield Worker(address, ai, ai_url, log, wrangler.process.pid, witness)
    assert witness.disclosures == [], "in lines that came after the last test"


@pytest.fixture
def worker(_running: Worker) -> Worker:
    """The Worker, over a Workers AI that has nothing scripted and has seen nothing yet."""
    _running.ai.reset()
    return _running


@pytest.fixture
def client(worker: Worker) -> Iterator[httpx.Client]:
    """A client of the Worker that shows a key."""
    headers = {"authorization": f"Bearer {KEYS['shop']}"}
    with httpx.Client(verify=False, base_url=worker.address, headers=headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def _example(request: pytest.FixtureRequest) -> Iterator[Example]:
    with run_example(request.module.EXAMPLE) as example:
        yield example


@pytest.fixture
def example(_example: Example) -> Example:
    """The example that a module names, over a Workers AI that has seen nothing yet."""
    _example.ai.reset()
    return _example


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """One browser for all tests."""
    from tests.harness.watched import launch

    with launch() as browser:
        yield browser


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """
    Put last what looks back at the whole tier, and before it the modules that use the browser.

    Playwright keeps an event loop running until the browser is closed, so nothing after that could
    run one of its own.
    """
    with_browser = {item.path for item in items if "chromium" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: (item.path.name == "test_disclosure.py", item.path in with_browser))
