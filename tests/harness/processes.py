"""A look at processes, and patience with them."""

import os
import subprocess
import time
from collections.abc import Callable

from tools.runtime.process import descendants

_PATIENCE_S = 60.0
_POLL_S = 0.01


def wait_until(is_so: Callable[[], bool], seconds: float = _PATIENCE_S) -> None:
    """
    Wait for something that another thread or process does.

    Raises:
        AssertionError: It was not so in time.
    """
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not so within {seconds} s"
        time.sleep(_POLL_S)


def workerd_of(wrangler: int) -> list[int]:
    """The ids of a wrangler's workerd processes."""
    return [pid for pid, command in descendants(wrangler).items() if "workerd" in command]


def is_running(pid: int) -> bool:
    """Whether a process lives."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def resident_bytes(pids: list[int]) -> int:
    """How much memory processes hold together."""
    listing = subprocess.run(
        ["ps", "-o", "rss=", "-p", ",".join(map(str, pids))],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return sum(int(kibibytes) for kibibytes in listing.split()) * 1024
