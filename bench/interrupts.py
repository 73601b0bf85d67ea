"""
What Ctrl-C does to a bench: it ends the bench and all that it started, and says no more.

No exception is raised: during the start of a program it would leave that program behind, and in
threads, event loops and destructors it would be printed, or lost.
"""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from types import FrameType

from tools.runtime.process import descendants

_EXIT_CODE = 130
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ended_by_interrupts() -> Iterator[None]:
    """Have an interrupt end this process, its programs and its temporary files."""
    folders: list[str] = []

    def end(_number: int, _frame: FrameType | None) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        for pid in descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.wait()
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
        os.write(2, b"\nInterrupted.\n")  # print may be what was interrupted
        os._exit(_EXIT_CODE)

    for number in _SIGNALS:
        signal.signal(number, end)
    folders.append(tempfile.mkdtemp(prefix="edgewise-bench-"))
    tempfile.tempdir = os.environ["TMPDIR"] = folders[0]
    try:
        yield
    finally:
        shutil.rmtree(folders[0], ignore_errors=True)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Put interrupts off until the end: half of what is written here would look like all of it."""
    came: list[int] = []
    handlers = {
        number: signal.signal(number, lambda number, _frame: came.append(number))
        for number in _SIGNALS
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
