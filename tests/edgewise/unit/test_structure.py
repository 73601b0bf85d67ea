import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.asked.structure import MAX_DEPTH, is_too_deep

documents = st.recursive(
    st.integers() | st.text(alphabet='[]{}"\\a'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


def depth(value: object) -> int:
    """How deeply a value is nested."""
    if isinstance(value, list):
        return 1 + max((depth(inner) for inner in value), default=0)
    if isinstance(value, dict):
        return 1 + max((depth(inner) for inner in value.values()), default=0)
    return 0


@given(documents, st.integers(min_value=0, max_value=2 * MAX_DEPTH), st.booleans())
def test_depth_is_measured_as_it_is(inner: object, around: int, mixed: bool) -> None:
    value = inner
    for level in range(around):
        value = {"[": value, "x": []} if mixed and level % 2 else [value, "]"]

    assert is_too_deep(json.dumps(value).encode()) == (depth(value) > MAX_DEPTH)


@pytest.mark.parametrize(
    "document",
    [b"[" * 1000, b'{"a":' * 1000, b"]" * 1000 + b"[" * 1000, b'"' + b"a" * 99 + b'"' + b"[" * 999],
    ids=["arrays", "objects", "closed first", "behind a string"],
)
def test_unfinished_depth_is_too_deep(document: bytes) -> None:
    assert is_too_deep(document)


@pytest.mark.parametrize(
    "document",
    [b'"' + b"[" * 1000 + b'"', b'"\\"' + b"[" * 1000, b"[]" * 1000, b'["\\\\",' * 60 + b"]" * 60],
    ids=["in a string", "in a string without end", "side by side", "behind an escape"],
)
def test_brackets_that_do_not_nest_are_not_deep(document: bytes) -> None:
    assert not is_too_deep(document)


@pytest.mark.parametrize("around", [0, MAX_DEPTH - 2, MAX_DEPTH - 1])
@pytest.mark.parametrize("inner", ['"', '"[', '[""]', '\\"]', '"\\\\'], ids=repr)
def test_depth_of_long_documents_is_measured_as_it_is(inner: str, around: int) -> None:
    value: object = [f"{inner}{number}" for number in range(70_000)]
    for _ in range(around):
        value = [value, "]"]

    assert is_too_deep(json.dumps([value]).encode()) == (around + 2 > MAX_DEPTH)


@pytest.mark.parametrize(
    "document",
    [
        b'{"prompt":"' + b"\\n" * 500_000 + b'","x":[' + b"[]," * 100 + b"0]}",
        b'""' * 500_000 + b"[" * 100,
        b'"["[' * 250_000,
        b'"[[[["[[[[[' * 100_000,
    ],
    ids=["escapes", "empty strings", "brackets in strings and out", "more of them"],
)
def test_measuring_takes_no_memory_to_speak_of(document: bytes) -> None:
    tracemalloc.start()

    is_too_deep(document)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * len(document)
