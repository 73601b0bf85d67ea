import asyncio
import hashlib
import itertools
import json
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.harness.processes import resident_bytes, wait_until
from tests.harness.servers import endless
from tests.harness.shared import Worker
from workers_ai_local import Scripted

FAST = "@cf/meta/llama-3.1-8b-instruct-fast"
STREAMED = {"prompt": "Hello", "stream": True}
MEBIBYTE = 1_048_576
EVENT = b'data: {"response":"Hello"}\n\n'


def events(count: int, seed: int) -> bytes:
    """Events of every length and of characters of one to four bytes."""
    chance = random.Random(seed)
    alphabet = 'aé€😀\u2028 \\"'
    return b"".join(
        b"data: "
        + json.dumps(
            {"response": "".join(chance.choices(alphabet, k=chance.randint(0, 20))), "n": number},
            ensure_ascii=False,
        ).encode()
        + b"\n\n"
        for number in range(count)
    )


def cut(document: bytes, seed: int) -> Iterator[bytes]:
    """A document in pieces of 1 byte to 4 KiB, short ones more often."""
    chance = random.Random(seed)
    start = 0
    while start < len(document):
        size = int(2 ** chance.uniform(0, 12))
        yield document[start : start + size]
        start += size


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [1, 2])
def test_hundred_thousand_events_cut_anywhere_arrive_byte_for_byte(
    client: httpx.Client, worker: Worker, seed: int
) -> None:
    sent = events(100_000, seed)
    pieces = list(cut(sent, seed))
    assert any(piece[0] & 0b1100_0000 == 0b1000_0000 for piece in pieces), "cut in a character"
    worker.ai.script(Scripted(pieces), model=FAST)

    received = hashlib.sha256()
    with client.stream("POST", f"/run/{FAST}", json=STREAMED) as response:
        for chunk in response.iter_raw():
            received.update(chunk)

    assert "content-encoding" not in response.headers
    assert received.hexdigest() == hashlib.sha256(sent).hexdigest()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(EVENT[:-1], id="without end"),
        pytest.param(b"\xff\xfe\0", id="no text at all"),
        pytest.param(EVENT.replace(b"\n", b"\r\n"), id="CRLF"),
    ],
)
def test_stream_is_passed_on_whatever_it_holds(
    client: httpx.Client, worker: Worker, body: bytes
) -> None:
    worker.ai.script(Scripted([body]), model=FAST)

    assert client.post(f"/run/{FAST}", json=STREAMED).content == body


@pytest.mark.parametrize(
    "content_type", ["text/event-stream; charset=utf-8", "Text/Event-Stream ;"]
)
def test_stream_is_known_however_its_type_is_written(
    client: httpx.Client, worker: Worker, content_type: str
) -> None:
    worker.ai.script(Scripted([EVENT], content_type), model=FAST)

    response = client.post(f"/run/{FAST}", json=STREAMED)

    assert (response.headers["content-type"], response.content) == ("text/event-stream", EVENT)


def test_event_arrives_before_the_next_is_made(client: httpx.Client, worker: Worker) -> None:
    arrived = threading.Event()

    async def one_by_one() -> AsyncIterator[bytes]:
        yield EVENT
        await asyncio.to_thread(arrived.wait)
        yield b"data: [DONE]\n\n"

    worker.ai.script(Scripted(one_by_one()), model=FAST)

    with client.stream("POST", f"/run/{FAST}", json=STREAMED) as response:
        chunks = response.iter_raw()
        try:
            assert next(chunks) == EVENT
        finally:
            arrived.set()

        assert b"".join(chunks) == b"data: [DONE]\n\n"


def test_stream_that_breaks_does_not_end_cleanly(client: httpx.Client, worker: Worker) -> None:
    def breaking() -> Iterator[bytes]:
        yield EVENT * 1000
        raise ConnectionError

    worker.ai.script(Scripted(breaking()), model=FAST)

    with (
        pytest.raises(httpx.RemoteProtocolError),
        client.stream("POST", f"/run/{FAST}", json=STREAMED) as response,
    ):
        for _ in response.iter_raw():
            pass


def test_client_that_goes_away_is_seen_by_workers_ai_within_a_second(
    client: httpx.Client, worker: Worker
) -> None:
    worker.ai.script(Scripted(endless(EVENT)), model=FAST)
    with client.stream("POST", f"/run/{FAST}", json=STREAMED) as response:
        next(response.iter_raw())
        assert worker.ai.streams.open == 1

    wait_until(lambda: worker.ai.streams.cancelled == 1, seconds=1)
    counted = httpx.get(f"{worker.ai_address}/_local/streams", verify=False).json()
    assert counted == {"open": 0, "finished": 0, "cancelled": 1, "broken": 0}


@pytest.mark.thorough
def test_slow_reader_holds_the_upstream_back(client: httpx.Client, worker: Worker) -> None:
    piece = EVENT * 2048
    pieces = 200 * MEBIBYTE // len(piece)
    made = itertools.count()
    last_made = 0

    def long() -> Iterator[bytes]:
        nonlocal last_made
        for _ in range(pieces):
            last_made = next(made)
            yield piece

    # What workerd takes to run at all is not what this answer takes.
    worker.ai.script(Scripted([piece] * (20 * MEBIBYTE // len(piece))), model=FAST)
    client.post(f"/run/{FAST}", json=STREAMED)
    processes = worker.workerd()
    before = most = resident_bytes(processes)
    worker.ai.script(Scripted(long()), model=FAST)

    read = 0
    with client.stream("POST", f"/run/{FAST}", json=STREAMED) as response:
        chunks = response.iter_raw(MEBIBYTE)
        read += len(next(chunks))
        # The reader does not read: the upstream stands still well before its end.
        stood = -1
        while stood != last_made:
            stood = last_made
            time.sleep(0.3)
        ahead = stood * len(piece) - read
        for chunk in chunks:
            read += len(chunk)
            most = max(most, resident_bytes(processes))

    assert read == pieces * len(piece) > 199 * MEBIBYTE
    assert 0 < ahead < 100 * MEBIBYTE, "the rest is in the sockets' buffers, four of them"
    assert most - before < 32 * MEBIBYTE
    wait_until(lambda: worker.ai.streams.finished == 2)


@pytest.mark.thorough
def test_requests_at_once_of_two_kinds_never_swap_results(
    client: httpx.Client, worker: Worker
) -> None:
    def ask(number: int) -> None:
        stream = number % 2 == 0
        response = client.post("/run", json={"prompt": f"Number {number}", "stream": stream})

        kind = "text/event-stream" if stream else "application/json"
        assert response.headers["content-type"] == kind
        if stream:
            blocks = response.text.split("\n\n")
            assert blocks[-2:] == ["data: [DONE]", ""]
            text = "".join(json.loads(block[6:])["response"] for block in blocks[:-2])
        else:
            text = response.json()["response"]
        assert f"“Number {number}”" in text

    with ThreadPoolExecutor(32) as pool:
        assert len(list(pool.map(ask, range(400)))) == 400

    wait_until(lambda: worker.ai.streams.finished == 200)
