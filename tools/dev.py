"""`make dev`: the Worker under the real `wrangler dev`, over the Workers AI of this machine."""

import contextlib
import os
import queue
import re
import signal
import socket
import sys
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools import prepare
from tools.runtime.process import Server
from tools.runtime.wrangler import LOCAL, start_wrangler

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_S = 0.3
_SOURCES = (".py", ".ts")
_AI_READY = re.compile(r"Workers AI on (?P<address>\S+) \((?P<source>.+)\)")
_OF_OUR_WORKERS_AI = ("AI_ENGINE", "AI_ENGINE_MODEL", "AI_REPLIES")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# What wrangler says at each reload: the modules in a box, and what it misses in the environment.
_NOISE = re.compile(r"[│┌├└]|Attaching additional modules|\s*$")


@dataclass(frozen=True)
class Served:
    """
    What is served.

    Attributes:
        title: What it is called beside its address.
        command: What people run to have it served.
        trial: A command to try it with, where `{address}` stands for its address.
        folder: The Worker's.
        arguments: Of `wrangler dev`.
        beside: The folders of Workers that run beside it.
        steps: Of the set-up.
        page: What a browser finds at the address, if anything.
    """

    title: str
    command: str
    trial: str
    folder: Path
    arguments: Sequence[str] = LOCAL
    beside: Sequence[Path] = ()
    steps: Sequence[str] = prepare.TO_RUN
    page: str = ""

    def changed_at(self) -> dict[str, int]:
        """When each file was changed that wrangler reads."""
        files: list[Path] = []
        for folder in (self.folder, *self.beside):
            files.append(folder / "wrangler.toml")
            files += [file for file in (folder / "src").rglob("*") if file.suffix in _SOURCES]
        return {str(file): file.stat().st_mtime_ns for file in files}


EDGEWISE = Served(
    title="Edgewise",
    command="make dev",
    trial=(
        "curl {address}/run -d"
        """ '{"messages":[{"role":"user","content":"Hello"}],"stream":true}'"""
    ),
    folder=prepare.ROOT,
    page="the playground",
)


class DevError(Exception):
    """Says what is wrong and what to do."""


class Stopped(Exception):
    """Somebody asked us to stop while we were starting."""


def read_port(text: str, command: str = EDGEWISE.command) -> int:
    """
    Read PORT.

    Args:
        command: What people run.

    Raises:
        DevError: It is not a port, or another program has it.
    """
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise DevError(f"PORT: expected a number from 0 to 65535, got {text!r}")
    port = int(text)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise DevError(f"PORT: this user may not listen on {port}; try PORT=8787") from error
        except OSError as error:
            raise port_taken(port, command) from error
    return port


def port_taken(port: int, command: str) -> DevError:
    """Word that another program has the port."""
    return DevError(
        f"PORT: another program listens on {port} already.\n"
        f"Stop it, or choose another port: {command} PORT={port % 65535 + 1}"
    )


def read_ai_url(text: str) -> str:
    """
    Read AI_URL, the address of another Workers AI server.

    Raises:
        DevError: It is not an address, or nothing listens there.
    """
    wrong = DevError(f"AI_URL: expected an address such as http://127.0.0.1:9999, got {text!r}")
    try:
        url = urllib.parse.urlsplit(text)
        port = url.port or 80
    except ValueError as error:
        raise wrong from error
    rest = url.path.removeprefix("/") + url.query + url.fragment
    if url.scheme != "http" or not url.hostname or rest:
        raise wrong
    try:
        socket.create_connection((url.hostname, port), timeout=5).close()
    except UnicodeError as error:
        raise wrong from error
    except OSError as error:
        raise DevError(
            f"AI_URL: nothing listens at {text}.\n"
            "Start the server there, or leave AI_URL out to use the Workers AI of this machine."
        ) from error
    return f"http://{url.netloc}"


def check_engine(variables: Mapping[str, str], ai_url: str | None) -> None:
    """
    Refuse what nobody would read.

    Raises:
        DevError: AI_URL leaves out the server that other variables are for.
    """
    for name in _OF_OUR_WORKERS_AI:
        if ai_url and variables.get(name):
            raise DevError(
                f"{name}: it is for the Workers AI of this machine, which AI_URL leaves out.\n"
                "Leave out one of the two."
            )


class Dev:
    """Everything that `make dev` starts, or `make example`."""

    def __init__(self, served: Served) -> None:
        self._served = served
        # Only this may be put to from a signal handler: an Event's lock is not reentrant.
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._asked_to_stop = False
        self._ai: Server | None = None
        self._wrangler: Server | None = None

    def ask_to_stop(self, *_signal: object) -> None:
        """End soon; may be called at any time, by a signal too."""
        self._asked_to_stop = True
        self._news.put(None)

    def run(self, port: int, ai_url: str | None) -> None:
        """
        Start, print where, and stay until asked to stop.

        Raises:
            DevError: Something did not start, or ended by itself.
        """
        try:
            print("Starting Workers AI and wrangler dev ...", flush=True)
            source = "AI_URL"
            if ai_url is None:
                ai_url, source = self._start_ai()
            wrangler = self._start_wrangler(port, ai_url)
            self._check_ai()
            address = wrangler.address.replace("127.0.0.1", "localhost")
            page = self._served.page and f" (in a browser: {self._served.page})"
            print(
                f"\n{self._served.title:<14}{address}{page}\n"
                f"Workers AI    {ai_url} ({source})\n"
                f"\nTry it:\n  {self._served.trial.replace('{address}', address)}\n"
                "\nCtrl-C ends both.\n",
                flush=True,
            )
            while not self._asked_to_stop:
                self._news.get()
                self._check_ai()
                if not wrangler.process.is_running() and not self._asked_to_stop:
                    wrangler = self._start_again(int(address.rpartition(":")[2]), ai_url)
        except Stopped:
            pass
        finally:
            # A second Ctrl-C must not leave anything behind.
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            with contextlib.ExitStack() as stack:
                for part in (self._ai, self._wrangler):
                    if part is not None:
                        stack.callback(part.stop)

    def _start_ai(self) -> tuple[str, str]:
        self._ai = Server(
            [str(prepare.VENV / "bin" / "workers-ai-local"), "--port", "0"],
            _AI_READY,
            environment=prepare.environment(),
            cwd=prepare.ROOT,
            on_line=self._print,
            on_ready=self._tell,
            on_exit=self._tell,
        )
        if not self._wait_for(self._ai):
            raise DevError(self._ai.stop().removeprefix("workers-ai-local: "))
        assert self._ai.ready is not None
        return self._ai.address, self._ai.ready["source"]

    def _start_wrangler(self, port: int, ai_url: str) -> Server:
        wrangler = self._wrangler = start_wrangler(
            port=port,
            ai_url=ai_url,
            on_line=self._print,
            on_ready=self._tell,
            on_exit=self._tell,
            arguments=self._served.arguments,
            cwd=self._served.folder,
        )
        if not self._wait_for(wrangler):
            said = _COLOUR.sub("", wrangler.stop())
            if "Address already in use" in said:
                raise port_taken(port, self._served.command)
            raise DevError(f"wrangler dev did not start. It said:\n{said}")
        return wrangler

    def _wait_for(self, server: Server) -> bool:
        """Wait until it is ready; False when it ended before."""
        while not server.ready:
            self._news.get()
            if self._asked_to_stop:
                raise Stopped
            if not server.process.is_running():
                return False
        return True

    def _start_again(self, port: int, ai_url: str) -> Server:
        """Start wrangler again once its source has changed: it ends when that cannot be loaded."""
        assert self._wrangler is not None
        self._wrangler.stop()
        seen = self._served.changed_at()
        print(
            "\nwrangler dev ended by itself; the reason is above.\n"
            "It starts again when a file of src or wrangler.toml changes.\n",
            flush=True,
        )
        while True:
            seen = self._wait_for_a_change(seen)
            print("Starting wrangler dev again ...", flush=True)
            try:
                wrangler = self._start_wrangler(port, ai_url)
            except DevError as error:
                print(f"\n{error}\n", flush=True)
            else:
                print("It serves again.\n", flush=True)
                return wrangler

    def _wait_for_a_change(self, seen: dict[str, int]) -> dict[str, int]:
        while (now := self._served.changed_at()) == seen:
            with contextlib.suppress(queue.Empty):
                self._news.get(timeout=_POLL_S)
            if self._asked_to_stop:
                raise Stopped
        return now

    def _check_ai(self) -> None:
        if self._asked_to_stop or self._ai is None:
            return
        if not self._ai.process.is_running():
            raise DevError("The local Workers AI ended by itself; what it said is above.")

    def _tell(self) -> None:
        self._news.put(None)

    def _print(self, line: str) -> None:
        # What they say to being ended is no news.
        if self._asked_to_stop or _NOISE.match(_COLOUR.sub("", line)):
            return
        try:
            print(line if sys.stdout.isatty() else _COLOUR.sub("", line), flush=True)
        except BrokenPipeError:
            self.ask_to_stop()  # nobody reads us any longer


def _interrupt(*_signal: object) -> None:
    raise KeyboardInterrupt


def serve(served: Served) -> int:
    """Set up, serve, and stay until asked to stop; or say what is wrong."""
    for number in _SIGNALS:
        signal.signal(number, _interrupt)
    given = os.environ.get("AI_URL")
    try:
        port = read_port(os.environ.get("PORT") or "8787", served.command)
        ai_url = read_ai_url(given) if given else None
        check_engine(os.environ, ai_url)
        prepare.set_up(served.steps)
        dev = Dev(served)
        for number in _SIGNALS:
            signal.signal(number, dev.ask_to_stop)
        dev.run(port, ai_url)
    except (DevError, prepare.PrepareError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(serve(EDGEWISE))
