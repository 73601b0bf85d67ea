"""The real Worker under the real `wrangler dev`, with the real Ai class over local/workers_ai."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from runtime.wrangler import start_wrangler
from tests.worker.machinery import descendants, serve, wait_until
from workers_ai.service import WorkersAi


@dataclass(frozen=True)
class Worker:
    """
    The running Worker.

    Attributes:
        address: Where it listens.
        ai: The Workers AI behind it.
        ai_address: Where that listens.
        log: The lines that wrangler printed.
        pid: wrangler's.
    """

    address: str
    ai: WorkersAi
    ai_address: str
    log: list[str]
    pid: int

    def workerd(self) -> list[int]:
        """The ids of its workerd processes."""
        return [pid for pid, command in descendants(self.pid).items() if "workerd" in command]


@pytest.fixture(scope="session")
def _running() -> Iterator[Worker]:
    ai = WorkersAi()
    log: list[str] = []
    with serve(ai) as ai_url:
        wrangler = start_wrangler(port=0, ai_url=ai_url, on_line=log.append)
        try:
            wait_until(lambda: bool(wrangler.address) or not wrangler.process.is_running())
            assert wrangler.address, wrangler.stop()
            yield Worker(wrangler.address, ai, ai_url, log, wrangler.process.pid)
        finally:
            wrangler.stop()


@pytest.fixture
def worker(_running: Worker) -> Worker:
    """The Worker, over a Workers AI that has nothing scripted and has seen nothing yet."""
    _running.ai.reset()
    return _running


@pytest.fixture
def client(worker: Worker) -> Iterator[httpx.Client]:
    """A client of the Worker."""
    with httpx.Client(base_url=worker.address, timeout=60) as client:
        yield client
