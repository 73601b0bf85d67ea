"""
Which part of the tests runs.

`--part quick` is what `make test` runs, `--part rest` what `make test-all` runs as well; without
the option, everything runs.

A test belongs to the quick part unless it is marked:

- `thorough`: it is left to the rest.
- `sampled(n)`: the quick part has every n-th of its parameters, the rest has the others. Where
  several parameters are crossed, n divides none of their numbers.

Tests of generated cases, those of Hypothesis and those that ask `count` how many to try, belong to
both: the quick part takes one case in ten, the rest all of them.
"""

from collections import Counter

import pytest
from hypothesis import settings

_ONE_IN = 10
_SAMPLE, _FULL = "sample", "full"
# The same cases every time: a failure is the change's, never the day's.
settings.register_profile(_FULL, derandomize=True, deadline=None)
settings.register_profile(_SAMPLE, settings.get_profile(_FULL), max_examples=100 // _ONE_IN)


def count(full: int) -> int:
    """Say how many generated cases to try where the whole of the tests tries so many."""
    return full if settings.get_current_profile_name() == _FULL else -(-full // _ONE_IN)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(
        "--part", choices=["quick", "rest", "all"], default="all", help="see tests/harness/parts.py"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say how many cases are generated, before the tests are imported."""
    settings.load_profile(_SAMPLE if config.getoption("part") == "quick" else _FULL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what belongs to the other part."""
    part = config.getoption("part")
    if part == "all":
        return
    seen: Counter[str] = Counter()
    kept: list[pytest.Item] = []
    others: list[pytest.Item] = []
    for item in items:
        is_quick = _is_quick(item, seen)
        is_wanted = is_quick if part == "quick" else not is_quick or _is_generated(item)
        (kept if is_wanted else others).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=others)


def _is_quick(item: pytest.Item, seen: Counter[str]) -> bool:
    sampled = item.get_closest_marker("sampled")
    function = item.nodeid.partition("[")[0]
    number = seen[function]
    seen[function] += 1
    if item.get_closest_marker("thorough"):
        return False
    return sampled is None or number % sampled.args[0] == 0


def _is_generated(item: pytest.Item) -> bool:
    if item.get_closest_marker("thorough"):
        return True
    is_hypothesis_s = getattr(getattr(item, "function", None), "is_hypothesis_test", False)
    return is_hypothesis_s or count in vars(getattr(item, "module", object)).values()
