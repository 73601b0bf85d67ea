"""A program run beside ours: started, listened to, and ended with all that it started."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PATIENCE_S = 5.0  # from asking a program to end to ending it


class Process:
    """A program in a process group of its own, so that a signal reaches all of it."""

    def __init__(
        self,
        command: Sequence[str],
        on_line: Callable[[str], None],
        on_exit: Callable[[], None] = lambda: None,
        *,
        cwd: Path,
        environment: Mapping[str, str],
        pass_fds: Sequence[int] = (),
    ) -> None:
        """
        Start it.

        Args:
            on_line: Called with each line that it prints, from another thread.
            on_exit: Called when it has ended, from another thread.
        """
        self._popen = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            pass_fds=pass_fds,
            start_new_session=True,
        )
        self._on_line = on_line
        self._on_exit = on_exit
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def pid(self) -> int:
        """The id of the program and of its group."""
        return self._popen.pid

    def is_running(self) -> bool:
        """Tell whether it has not ended yet."""
        return self._popen.poll() is None

    def stop(self) -> None:
        """End it and all that it started, and wait for the last that it printed."""
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(_PATIENCE_S)
        self._signal(signal.SIGKILL)
        self._popen.wait()
        self._reader.join()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def _read(self) -> None:
        assert self._popen.stdout is not None
        with self._popen.stdout as lines:
            for line in lines:
                self._on_line(line.rstrip("\n"))

    def _watch(self) -> None:
        # What it started may outlive it and keep its output open.
        self._popen.wait()
        self._on_exit()
