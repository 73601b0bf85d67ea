"""Whatever is sent, the answer is one that its sender can act on, and comes at once."""

import asyncio
import json
from collections.abc import Iterable
from itertools import islice
from time import perf_counter, process_time
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.app import Platform, handle
from tests.edgewise.hostile import (
    GETS,
    KNOWN,
    MODEL,
    POSTS,
    Case,
    Malice,
    corpus,
    judge,
    query_corpus,
)
from tests.edgewise.unit.scripted import (
    ScriptedAi,
    ScriptedLimits,
    ScriptedWeb,
    completion,
    request_of,
)
from tests.harness.parts import count

PATHS = [*(("POST", path) for path in POSTS), *(("GET", path) for path in GETS)]
IDS = [f"{method} {path}" for method, path in PATHS]
CASES = count(100_000)
MOST_S = 1.0
VARIABLES = json.dumps(
    {"MODELS": [{"id": MODEL, "context_window": 32_000}], "ALLOW_ANONYMOUS": True}
)
LIMIT = 1_048_576  # bytes of a body; the default
BODIES = corpus(LIMIT)
QUERIES = query_corpus(16_384)  # the longest URL that Cloudflare lets through
ANSWER = completion(response="Hi", usage={"prompt_tokens": 1, "completion_tokens": 1})

texts = st.text(st.characters(codec="utf-8"), max_size=20)
names = st.sampled_from(sorted(KNOWN)) | texts
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(names, values, max_size=5)
bodies = st.binary() | (values | objects).map(lambda value: json.dumps(value).encode())
pairs = st.tuples(names, texts)


def ask(cases: Iterable[Case]) -> int:
    """
    Ask one case after the other, and judge every answer.

    Returns:
        How many were answered well.
    """
    return asyncio.run(_ask(cases))


async def _ask(cases: Iterable[Case]) -> int:
    answered = 0
    for case in cases:
        request = request_of(case)
        platform = Platform(ScriptedAi([ANSWER]), ScriptedLimits(), ScriptedWeb(), perf_counter)
        # Nothing is waited for, and what other processes take is not the Worker's.
        start = process_time()
        reply, _ = await handle(request, VARIABLES, platform)
        took_s = process_time() - start

        assert took_s < MOST_S, f"{took_s} s for {case}"
        assert isinstance(reply.body, str), case
        try:
            judge(case, reply.status, reply.headers, reply.body)
        except AssertionError as error:
            raise AssertionError(str(case)) from error
        answered += reply.status == 200
    return answered


@pytest.mark.parametrize(("method", "path"), PATHS, ids=IDS)
def test_any_request_is_answered_or_told_where_it_is_wrong(method: str, path: str) -> None:
    count = CASES // len(PATHS) + 1
    answered = ask(islice(Malice(seed=1).cases(method, path), count))

    assert 0.05 * count < answered < 0.95 * count


@pytest.mark.sampled(7)
@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("document", BODIES.values(), ids=BODIES.keys())
def test_hostile_body_is_answered_or_told_where_it_is_wrong(document: bytes, path: str) -> None:
    ask([Case("POST", path, body=document)])


@pytest.mark.parametrize("path", GETS)
@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_hostile_query_is_answered_or_told_where_it_is_wrong(query: str, path: str) -> None:
    ask([Case("GET", path, query=query)])


@pytest.mark.parametrize("path", POSTS)
@settings(max_examples=count(150))
@given(body=bodies)
def test_any_json_and_any_bytes_are_answered_or_told_where_they_are_wrong(
    path: str, body: bytes
) -> None:
    ask([Case("POST", path, body=body)])


@pytest.mark.parametrize("path", GETS)
@settings(max_examples=count(150))
@given(query=st.text("mport=&%+;09afAF\x00 ") | st.lists(pairs).map(urlencode))
def test_any_query_is_answered_or_told_where_it_is_wrong(path: str, query: str) -> None:
    ask([Case("GET", path, query=query)])
