"""A program run beside ours: started, listened to, and ended with all that it started."""

import contextlib
import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PATIENCE_S = 5.0  # from asking a program to end to ending it


class Process:
    """A program in its own process group, so that a signal reaches all of it."""

    def __init__(
        self,
        command: Sequence[str],
        on_line: Callable[[str], None],
        on_exit: Callable[[], None] = lambda: None,
        *,
        cwd: Path,
        environment: Mapping[str, str],
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
        """Check whether it has not ended yet."""
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


class Server:
    """
    A program that says where it listens.

    Attributes:
        ready: The line that said so; None until then.
        process: For whether it runs.
    """

    def __init__(
        self,
        command: Sequence[str],
        ready: re.Pattern[str],
        *,
        environment: Mapping[str, str],
        cwd: Path,
        on_line: Callable[[str], None] = lambda _line: None,
        on_ready: Callable[[], None] = lambda: None,
        on_exit: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Start it. What it calls, it calls from other threads.

        Args:
            ready: Matches the line, with the group `address`.
            on_line: Called with each line that it prints from then on.
            on_ready: Called when it is.
            on_exit: Called when it has ended.
        """
        self.ready: re.Match[str] | None = None
        self._pattern = ready
        self._on_line = on_line
        self._on_ready = on_ready
        self._printed: list[str] = []
        self.process = Process(command, self._read, on_exit, cwd=cwd, environment=environment)

    @property
    def address(self) -> str:
        """Such as `http://127.0.0.1:8787`; empty until it is ready."""
        return self.ready["address"] if self.ready else ""

    def stop(self) -> str:
        """
        End it, and all that it started.

        Returns:
            What it printed before it was ready.
        """
        self.process.stop()
        return "\n".join(self._printed)

    def _read(self, line: str) -> None:
        if self.ready:
            self._on_line(line)
            return
        self._printed.append(line)
        self.ready = self._pattern.search(line)
        if self.ready:
            self._on_ready()


def descendants(pid: int) -> dict[int, str]:
    """The processes that a process has started, and those that they have: id to command."""
    listing = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,command="],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    processes = [line.split(maxsplit=2) for line in listing.splitlines()]
    found = {pid: ""}
    for _ in processes:
        children = {
            int(own): " ".join(command)
            for own, parent, *command in processes
            if int(parent) in found and int(own) not in found
        }
        if not children:
            break
        found |= children
    del found[pid]
    return found
