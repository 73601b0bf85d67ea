"""Streams in OpenAI's words, and those for an EventSource, in the real workerd."""

import asyncio
import itertools
import json
import random
import shutil
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.harness.processes import resident_bytes, wait_until
from tests.harness.servers import endless
from tests.harness.shared import Worker
from tests.harness.workers import copy_worker, run_worker
from workers_ai_local import Reply, Scripted, WorkersAi

FAST = "@cf/meta/llama-3.1-8b-instruct-fast"
CHAT = "/v1/chat/completions"
ASKED = {"model": FAST, "messages": [{"role": "user", "content": "Hello"}], "stream": True}
EVENT = b'data: {"response":"Hello"}\n\n'
DONE = b"data: [DONE]\n\n"
MEBIBYTE = 1_048_576


def events(body: str) -> list[str]:
    """The data of each event."""
    *blocks, end = body.split("\n\n")
    assert end == ""
    return [block.removeprefix("data: ") for block in blocks]


def text_of(told: list[str]) -> str:
    """The text of a stream that ended well."""
    assert told[-1] == "[DONE]"
    deltas = [json.loads(data)["choices"][0]["delta"] for data in told[:-1]]
    return "".join(delta.get("content", "") for delta in deltas)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [1, 2])
def test_text_of_twenty_thousand_events_cut_anywhere_arrives_whole(
    client: httpx.Client, worker: Worker, seed: int
) -> None:
    chance = random.Random(seed)
    texts = ["".join(chance.choices('aé€😀\u2028 \\"', k=5)) for _ in range(20_000)]
    sent = b"".join(
        b"data: " + json.dumps({"response": text}, ensure_ascii=False).encode() + b"\r\n\r\n"
        for text in texts
    )
    sent += DONE
    cuts = sorted(chance.sample(range(1, len(sent)), 5_000))
    pieces = [sent[start:end] for start, end in itertools.pairwise([0, *cuts, len(sent)])]
    worker.ai.script(Scripted(pieces), model=FAST)

    response = client.post(CHAT, json=ASKED)

    assert response.headers["content-type"] == "text/event-stream"
    assert text_of(events(response.text)) == "".join(texts)


def test_event_is_rewritten_before_the_next_is_made(client: httpx.Client, worker: Worker) -> None:
    arrived = threading.Event()

    async def one_by_one() -> AsyncIterator[bytes]:
        yield EVENT
        await asyncio.to_thread(arrived.wait)
        yield DONE

    worker.ai.script(Scripted(one_by_one()), model=FAST)

    with client.stream("POST", CHAT, json=ASKED) as response:
        lines = response.iter_lines()
        try:
            assert '"role":"assistant"' in next(lines)
            next(lines)
            assert '"content":"Hello"' in next(lines)
        finally:
            arrived.set()

        assert list(lines)[-2:] == ["data: [DONE]", ""]


@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
@pytest.mark.parametrize(
    "break_off", [True, False], ids=["the connection breaks", "it ends without an end"]
)
def test_stream_that_breaks_ends_with_an_error(
    client: httpx.Client, worker: Worker, path: str, break_off: bool
) -> None:
    def breaking() -> Iterator[bytes]:
        yield EVENT * 100 + b'data: {"respon'
        if break_off:
            raise ConnectionError

    worker.ai.script(Scripted(breaking()), model=FAST)
    asked = ASKED if path == CHAT else {"model": FAST, "prompt": "Hello", "stream": True}

    response = client.post(path, json=asked)

    told = events(response.text)
    assert json.loads(told[-1])["error"]["code"] == "upstream_error"
    assert response.text.count("Hello") == 100
    assert "[DONE]" not in response.text
    assert all('"finish_reason":null' in data for data in told[:-1])


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", CHAT, ASKED), ("GET", "/run?prompt=Hello", None)],
    ids=["OpenAI", "EventSource"],
)
def test_client_that_goes_away_is_seen_by_workers_ai_within_a_second(
    client: httpx.Client, worker: Worker, method: str, path: str, body: object
) -> None:
    worker.ai.script(Scripted(endless(EVENT)), model=FAST)
    with client.stream(method, path, json=body) as response:
        next(response.iter_raw())
        wait_until(lambda: worker.ai.streams.open == 1)

    wait_until(lambda: worker.ai.streams.cancelled == 1, seconds=1)
    assert worker.ai.streams.open == 0


def test_stop_text_stops_the_generation(client: httpx.Client, worker: Worker) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for number in itertools.count():
            yield b'data: {"response":"%d "}\n\n' % number
            await asyncio.sleep(0.001)

    worker.ai.script(Scripted(endless()), model=FAST)

    response = client.post(CHAT, json=ASKED | {"stop": ["12", "99"]})

    assert text_of(events(response.text)) == " ".join(map(str, range(12))) + " "
    wait_until(lambda: worker.ai.streams.cancelled == 1, seconds=1)


@pytest.mark.thorough
def test_slow_reader_holds_the_rewriting_back(client: httpx.Client, worker: Worker) -> None:
    # One long text an event, so that what is rewritten is about as long as what was read.
    piece = b'data: {"response":"' + b"x" * 65_000 + b'"}\n\n'
    pieces = 64 * MEBIBYTE // len(piece)
    last_made = 0

    def long() -> Iterator[bytes]:
        nonlocal last_made
        for number in range(pieces):
            last_made = number
            yield piece
        yield DONE

    worker.ai.script(Scripted([piece] * 100 + [DONE]), model=FAST)
    client.post(CHAT, json=ASKED)
    processes = worker.workerd()
    before = most = resident_bytes(processes)
    worker.ai.script(Scripted(long()), model=FAST)

    read = 0
    with client.stream("POST", CHAT, json=ASKED) as response:
        chunks = response.iter_raw(MEBIBYTE)
        read += len(next(chunks))
        stood = -1
        while stood != last_made:
            stood = last_made
            time.sleep(0.3)
        assert stood < pieces - 1, "it stands still well before its end"
        for chunk in chunks:
            read += len(chunk)
            most = max(most, resident_bytes(processes))

    assert read > pieces * 65_000
    assert most - before < 64 * MEBIBYTE


def test_streams_at_once_are_rewritten_each_for_its_own_reader(
    client: httpx.Client, worker: Worker
) -> None:
    """Half of them are read to their end, half are left after the first bytes."""
    for number in range(100):
        text = f"number {number} " * 50
        worker.ai.script(Reply(contains=f"<{number}>", text=text, tokens_per_second=1000))

    def read(number: int) -> None:
        turn = {"role": "user", "content": f"<{number}>"}
        body = ASKED | {"messages": [turn], "max_tokens": 1000}
        with client.stream("POST", CHAT, json=body) as response:
            if number % 2:
                told = events("".join(response.iter_text()))
                assert text_of(told) == f"number {number} " * 50
            else:
                next(response.iter_raw())

    with ThreadPoolExecutor(32) as pool:
        assert len(list(pool.map(read, range(100)))) == 100

    wait_until(lambda: worker.ai.streams.open == 0)
    assert worker.ai.streams.finished + worker.ai.streams.cancelled == 100


@pytest.mark.thorough
def test_nothing_is_left_of_a_rewriting_however_it_ends(tmp_path: Path) -> None:
    copy_worker(tmp_path)
    (tmp_path / "src/entry.py").rename(tmp_path / "src/deployed.py")
    shutil.copy(Path(__file__).with_name("counting_worker.py"), tmp_path / "src/entry.py")
    ai = WorkersAi()
    ai.script(Reply(contains="whole", text="word " * 9, times="always"))
    ai.script(Reply(contains="broken", text="word " * 9, break_after=3, times="always"))
    ai.script(Reply(text="word " * 2000, tokens_per_second=200, times="always"))

    with (
        run_worker(ai, tmp_path) as address,
        httpx.Client(verify=False, base_url=address) as client,
    ):
        for how in ("whole", "broken", "stopped", "left") * 5:
            body = ASKED | {"messages": [{"role": "user", "content": how}]}
            body |= {"stop": "word word"} if how == "stopped" else {}
            with client.stream("POST", CHAT, json=body) as response:
                chunks = response.iter_raw()
                next(chunks)
                rest = () if how == "left" else chunks
                assert [chunk for chunk in rest if not chunk] == []

        wait_until(lambda: ai.streams.open == 0)
        wait_until(lambda: client.get("/alive").text == "0", seconds=5)
    assert (ai.streams.cancelled, ai.streams.broken, ai.streams.finished) == (10, 5, 5)


def test_event_source_gets_an_id_and_then_workers_ais_own_bytes(
    client: httpx.Client, worker: Worker
) -> None:
    body = EVENT * 1000 + DONE
    worker.ai.script(Scripted([body]), model=FAST)

    response = client.get("/run", params={"prompt": "Hello"})

    opening, end, rest = response.content.partition(b"\n\n")
    assert opening.startswith(b"id: ")
    assert (len(opening), end, rest) == (40, b"\n\n", body)
    assert response.headers["content-type"] == "text/event-stream"


def test_event_source_that_comes_back_is_sent_away(client: httpx.Client, worker: Worker) -> None:
    response = client.get("/run", params={"prompt": "Hello"}, headers={"last-event-id": "x"})

    assert (response.status_code, response.content) == (204, b"")
    assert not worker.ai.received


def test_stream_for_an_event_source_that_breaks_does_not_end_cleanly(
    client: httpx.Client, worker: Worker
) -> None:
    worker.ai.script(Reply(text="a b c d e f", break_after=3), model=FAST)

    with (
        pytest.raises(httpx.RemoteProtocolError),
        client.stream("GET", "/run", params={"prompt": "Hello"}) as response,
    ):
        for _ in response.iter_raw():
            pass


def test_caller_may_refuse_to_wait_for_capacity(client: httpx.Client, worker: Worker) -> None:
    worker.ai.script(Reply(text="late", busy_ms=60_000), model=FAST)
    body = {"prompt": "Hello", "options": {"rejectIfBusy": True}}

    response = client.post(f"/client/v4/accounts/abc/ai/run/{FAST}", json=body)

    assert response.status_code == 429
    assert response.headers["retry-after"] == "2"
    assert response.json()["errors"][0]["code"] == 3040
