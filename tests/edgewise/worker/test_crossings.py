"""
How often a request crosses between Python and JavaScript, which is much of what it costs.

The counts are exact, and the same each time: no clock has a part in them.
"""

from collections.abc import Iterator, Mapping

import pytest

from tests.edgewise.worker.crossings import (
    KINDS,
    Kind,
    Worker,
    measure,
    read_table,
    run,
    sum_up,
    word_table,
)

# What tests/edgewise/worker/crossings.py measures: its PARTS tell what each column is.
NOTED = """\
                    calls  attributes  received  proxies  sent  lent  called  promises  turns  all
native                 24          16        45       20    13     3      17         5      2  405
native, stream         22          16        45       21    12     3      16         4      2  397
REST                   24          16        45       20    13     3      17         5      2  405
OpenAI                 24          16        45       20    13     3      17         5      2  405
OpenAI, stream         42          36       136       64    27     7      56         5      2 1200
refusal                11           5        30       10     4     4      13         1      3  221
RPC                    17          13        33       16     8     3      15         3      2  314
RPC, stream            14          12        32       15     7     3      14         2      2  286
native, each event      0           0         0        0     0     0       0         0      0    0
OpenAI, each event      1           1         5        3     1     0       1         0      0   47
"""


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """The Worker on a glue that counts."""
    with run(tmp_path_factory.mktemp("crossings")) as worker:
        yield worker


def test_crossings_are_those_that_are_noted(worker: Worker) -> None:
    table = word_table(measure(worker))

    changes = _compare(read_table(NOTED), read_table(table))
    assert not changes, (
        f"{'; '.join(changes)}.\nWhere that is wanted, or is fewer, note it:\n{table}"
    )


@pytest.mark.parametrize(
    ("socket", "changes"),
    [
        pytest.param("Reading", "+1 attributes, +1 received, +4 all", id="an attribute"),
        pytest.param(
            "Awaiting",
            "+2 calls, +1 attributes, +1 received, +1 proxies, +1 called, +1 promises, +18 all",
            id="an await",
        ),
        pytest.param(
            "Waiting",
            "+2 calls, +2 received, +2 proxies, +2 lent, +2 called, +40 all",
            id="an asyncio.Event, and the callback that sets it",
        ),
    ],
)
def test_one_more_is_noticed(worker: Worker, socket: str, changes: str) -> None:
    native = KINDS["native"]
    dearer = Kind(native.path, native.body, socket=socket)

    noted, counted = ({"native": sum_up(worker.count(kind))} for kind in (native, dearer))

    assert _compare(noted, counted) == [f"native: {changes}"]


def _compare(
    noted: Mapping[str, Mapping[str, int]], counted: Mapping[str, Mapping[str, int]]
) -> list[str]:
    """Word what is not as it is noted, by kind of request."""
    if noted.keys() != counted.keys():
        return [f"counted are {' / '.join(counted)}; noted {' / '.join(noted)}"]
    return [
        f"{kind}: {', '.join(changes)}"
        for kind in counted
        if (changes := _word_changes(noted[kind], counted[kind]))
    ]


def _word_changes(noted: Mapping[str, int], counted: Mapping[str, int]) -> list[str]:
    changes = ((part, count - noted[part]) for part, count in counted.items())
    return [f"{change:+d} {part}" for part, change in changes if change]
