"""
Many requests of every kind at once: each gets its own answer, and they leave nothing behind.

`make test` runs it briefly, `make soak` for long.
"""

import json
import os
import re
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.edgewise.worker.soak import ABANDONED, KINDS, Soak, replies
from tests.harness.processes import resident_bytes, wait_until, workerd_of
from tests.harness.shared import KEYS, WRONG_KEY
from tests.harness.workers import (
    copy_worker,
    raise_limits,
    run_workerd,
    run_wrangler,
    store_keys,
    word_keys,
)
from tools import prepare
from tools.runtime.process import Server

pytestmark = pytest.mark.thorough

REQUESTS = int(os.environ.get("SOAK_REQUESTS", "450"))
LEAST_S = float(os.environ.get("SOAK_SECONDS", "0"))
STEPS = max(3, REQUESTS // 1000)
WARM_STEPS = STEPS // 3  # of them
MEBIBYTE = 1_048_576
READY = re.compile(r"Workers AI on (?P<address>\S+)")


class Held(msgspec.Struct):
    """What the Worker holds, as soak_worker.py tells."""

    objects: int
    references: int
    wasm_bytes: int


@dataclass(frozen=True)
class Soaked:
    """
    What came of a load.

    Attributes:
        warm: What the Worker held once it was warm.
        held: And in the end.
        records: What it wrote down of each request, by id.
        streams: What became of Workers AI's streams.
        processes: workerd's, before and after.
    """

    soak: Soak
    warm: Held
    held: Held
    records: dict[str, list[dict[str, object]]]
    streams: dict[str, int]
    processes: tuple[list[int], list[int]]


@contextmanager
def workers_ai(folder: Path) -> Iterator[str]:
    """
    Run Workers AI as a process of its own, with what the load wants of it.

    Yields:
        Its address.
    """
    command = prepare.VENV / "bin" / "workers-ai-local"
    server = Server(
        [str(command), "--port", "0", "--engine", "off", "--tokens-per-second", "0"],
        READY,
        environment=os.environ | {"AI_REPLIES": ""},
        cwd=folder,
    )
    try:
        wait_until(lambda: bool(server.address) or not server.process.is_running())
        assert server.address, server.stop()
        httpx.post(
            f"{server.address}/_local/replies", json=replies(), verify=False
        ).raise_for_status()
        yield server.address
    finally:
        server.stop()


def make_worker(folder: Path) -> None:
    """Make a copy of the Worker that says what it holds."""
    copy_worker(folder)
    raise_limits(folder)
    store_keys(folder, KEYS)
    (folder / "src/entry.py").rename(folder / "src/deployed.py")
    shutil.copy(Path(__file__).with_name("soak_worker.py"), folder / "src/entry.py")


@pytest.fixture(scope="module")
def soaked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Soaked]:
    """A Worker that has been through it."""
    folder = tmp_path_factory.mktemp("soak")
    make_worker(folder)
    log: list[str] = []
    with pytest.MonkeyPatch.context() as environment, workers_ai(folder) as ai_url:
        environment.setenv("MINIFLARE_WORKERD_V8_FLAGS", "--expose-gc")
        with run_wrangler(folder, ai_url, log.append) as wrangler:
            soak = Soak(wrangler.address)
            processes = workerd_of(wrangler.process.pid)

            def streams() -> dict[str, int]:
                counted: dict[str, int] = httpx.get(f"{ai_url}/_local/streams", verify=False).json()
                return counted

            def settled() -> Held:
                wait_until(lambda: streams()["open"] == 0, seconds=10)
                told = httpx.get(f"{wrangler.address}/alive", timeout=60, verify=False)
                return msgspec.json.decode(told.content, type=Held)

            held = []
            for step in range(STEPS):
                start = time.monotonic()
                soak.run(REQUESTS // STEPS, least_s=LEAST_S / STEPS)
                took_s = time.monotonic() - start
                held.append(settled())
                sizes = [resident_bytes([pid]) // MEBIBYTE for pid in processes]
                print(
                    f"{(step + 1) * REQUESTS // STEPS} requests,"
                    f" {REQUESTS / STEPS / took_s:.0f} a second; {held[-1]};"
                    f" workerd's processes {sizes} MiB",
                    flush=True,
                )
            soak.run(REQUESTS // 10, {**KINDS, **ABANDONED})
            settled()
            after = workerd_of(wrangler.process.pid)
            counted = streams()
    records: dict[str, list[dict[str, object]]] = defaultdict(list)
    for line in log:
        assert not any(key in line for key in (*KEYS.values(), WRONG_KEY))
        if line.startswith("{"):
            record = json.loads(line)
            records[record["id"]].append(record)
    yield Soaked(soak, held[WARM_STEPS - 1], held[-1], records, counted, (processes, after))


def test_every_answer_is_the_one_that_was_asked_for(soaked: Soaked) -> None:
    assert soaked.soak.wrong == []
    assert len(soaked.soak.asked) >= REQUESTS


def test_no_stream_stays_open_and_each_ends_as_its_reader_had_it(soaked: Soaked) -> None:
    ends = Counter(
        asked.kind.ends for asked in soaked.soak.asked.values() if "stream" in asked.kind.asked
    )

    assert soaked.streams["open"] == 0
    assert soaked.streams["broken"] == ends["broken"]
    assert soaked.streams["cancelled"] >= ends["left amid"]


def test_each_request_is_written_down_once(soaked: Soaked) -> None:
    for id, asked in soaked.soak.asked.items():
        records = soaked.records.get(id, [])
        if asked.kind.ends == "left before":  # perhaps before it came to the Worker
            assert len(records) <= 1
            continue
        [record] = records
        assert record["status"] == asked.status, record
        assert asked.caller in (None, record["caller"]), record
    assert set(soaked.records) <= set(soaked.soak.asked)


def test_worker_lives_on(soaked: Soaked) -> None:
    before, after = soaked.processes

    assert before == after


def test_nothing_of_a_request_stays_in_memory(soaked: Soaked) -> None:
    asked = REQUESTS - REQUESTS * WARM_STEPS // STEPS

    # What callers who left were to get may wait for V8, some dozens of requests at a time.
    assert soaked.held.objects - soaked.warm.objects < 1500 + asked / 20
    assert soaked.held.references - soaked.warm.references < 600 + asked / 50
    assert soaked.held.wasm_bytes <= soaked.warm.wasm_bytes * 1.1


if LEAST_S:  # what a process has of the machine grows for minutes before it stands still

    def test_memory_of_the_process_stands_still_without_wrangler(tmp_path: Path) -> None:
        """Under `wrangler dev` both of its workerd processes grow, its own Worker's as ours."""
        sizes = []
        keys = {"API_KEYS": word_keys(KEYS)}
        with (
            workers_ai(tmp_path) as ai_url,
            run_workerd(tmp_path, ai_url, keys) as workerd,
        ):
            soak = Soak(workerd.address)
            for _ in range(STEPS):
                soak.run(REQUESTS // STEPS, least_s=LEAST_S / STEPS)
                sizes.append(resident_bytes([workerd.pid]))
                print(f"{len(soak.asked)} requests; {sizes[-1] // MEBIBYTE} MiB", flush=True)

        assert soak.wrong == []
        assert sizes[-1] <= sizes[WARM_STEPS - 1] * 1.1
