"""Whatever is sent to the real Worker, it answers at once, and lives on."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from time import perf_counter

import httpx
import pytest

from tests.edgewise.hostile import GETS, POSTS, Case, Malice, corpus, judge, query_corpus
from tests.harness.parts import count
from tests.harness.shared import Worker
from tests.harness.witness import CANARY
from workers_ai_local import Reply

CASES = count(1_000)
MOST_S = 1.0
_TRIES = 3  # what is slow by itself is slow each time; a machine that was busy is not
BODIES = corpus(1_048_576)  # bytes, the longest body that is read
QUERIES = query_corpus(16_384)  # characters; Cloudflare lets no longer URL through
ONE_OF_EACH = ["/run", *(path for path in POSTS if path.startswith("/v1/"))]
PATHS = [*(("POST", path) for path in POSTS), *(("GET", path) for path in GETS)]
# What Workers AI alone can tell: the model takes no LoRA, or JSON mode could not be met.
UPSTREAM = (5005, 5024)


@contextmanager
def living(client: httpx.Client, worker: Worker) -> Iterator[None]:
    """Check that nothing brings the Worker down, or makes it talk."""
    client.get("/health")  # the first request of all is slow
    processes, lines = worker.workerd(), len(worker.log)
    yield
    assert client.get("/health").json()["status"] == "ok"
    assert worker.workerd() == processes
    log = "\n".join(worker.log[lines:])
    assert CANARY not in log
    assert "Traceback" not in log


def ask(client: httpx.Client, cases: Iterable[Case], upstream: Sequence[int] = ()) -> int:
    """
    Ask one case after the other, and judge every answer.

    Args:
        upstream: As judge takes it.

    Returns:
        How many were answered well.
    """
    answered = 0
    for case in cases:
        query = f"?{case.query}" if case.query else ""
        took_s = MOST_S
        for _ in range(_TRIES):
            start = perf_counter()
            response = client.request(case.method, case.path + query, content=case.body)
            took_s = perf_counter() - start
            if took_s < MOST_S:
                break
        try:
            judge(case, response.status_code, response.headers, response.text, upstream)
        except AssertionError as error:
            raise AssertionError(str(case)) from error
        assert took_s < MOST_S, f"{took_s} s for {case}"
        answered += response.status_code == 200
    return answered


@pytest.mark.sampled(7)
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_hostile_body_is_answered_at_once_and_the_worker_lives_on(
    client: httpx.Client, worker: Worker, body: bytes
) -> None:
    # As it is: to look at such inputs takes the local Workers AI longer than the Worker.
    answer = '{"response":"Hi","usage":{"prompt_tokens":1,"completion_tokens":1}}'
    worker.ai.script(Reply(chunks=[answer], content_type="application/json", times="always"))

    with living(client, worker):
        ask(client, [Case("POST", path, body=body) for path in ONE_OF_EACH])


@pytest.mark.sampled(7)
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_hostile_query_is_answered_at_once_and_the_worker_lives_on(
    client: httpx.Client, worker: Worker, query: str
) -> None:
    with living(client, worker):
        ask(client, [Case("GET", "/run", query=query)])


def test_any_request_is_answered_at_once_and_the_worker_lives_on(
    client: httpx.Client, worker: Worker
) -> None:
    worker.ai.script(Reply(text='{"a": "b"}', times="always"))  # what JSON mode asks for, too
    endless = [Malice(seed=2).cases(method, path) for method, path in PATHS]
    cases = islice(chain.from_iterable(zip(*endless, strict=True)), CASES)

    with living(client, worker):
        answered = ask(client, cases, UPSTREAM)

    assert 0.1 * CASES < answered < 0.9 * CASES
