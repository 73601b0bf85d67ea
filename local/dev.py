"""`make dev`: the Worker under the real `wrangler dev`, over the Workers AI of this machine."""

import os
import signal
import socket
import sys
import threading
import urllib.parse

import prepare
from runtime.process import Process
from runtime.wrangler import Wrangler, WranglerError

_CURL = (
    "curl {address}/run -d"
    """ '{{"messages":[{{"role":"user","content":"Hello"}}],"stream":true}}'"""
)


class DevError(Exception):
    """Says what is wrong and what to do."""


class Stopped(Exception):
    """Somebody asked us to stop while we were starting."""


def read_port(text: str) -> int:
    """
    Read PORT.

    Raises:
        DevError: It is not a port, or another program has it.
    """
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise DevError(f"PORT: expected a number from 0 to 65535, got {text!r}")
    port = int(text)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError as error:
            raise DevError(f"PORT: this user may not listen on {port}; try PORT=8787") from error
        except OSError as error:
            raise DevError(
                f"PORT: another program listens on {port} already.\n"
                f"Stop it, or choose another port: make dev PORT={port % 65535 + 1}"
            ) from error
    return port


def read_ai_url(text: str) -> str:
    """
    Read AI_URL, the address of another Workers AI server.

    Raises:
        DevError: It is not an address, or nothing listens there.
    """
    url = urllib.parse.urlsplit(text)
    try:
        port = url.port or 80
    except ValueError:
        port = 0
    if url.scheme != "http" or not url.hostname or url.path not in ("", "/") or not port:
        raise DevError(f"AI_URL: expected an address such as http://127.0.0.1:9999, got {text!r}")
    try:
        socket.create_connection((url.hostname, port), timeout=5).close()
    except OSError as error:
        raise DevError(
            f"AI_URL: nothing listens at {text}.\n"
            "Start the server there, or leave AI_URL out to use the Workers AI of this machine."
        ) from error
    return f"http://{url.netloc}"


class Dev:
    """Everything that `make dev` starts."""

    def __init__(self) -> None:
        self._changed = threading.Event()
        self._asked_to_stop = False
        self._ai: Process | None = None
        self._wrangler: Wrangler | None = None

    def ask_to_stop(self, *_signal: object) -> None:
        """End soon; may be called at any time."""
        self._asked_to_stop = True
        self._changed.set()
        if self._wrangler is not None:
            self._wrangler.give_up()

    def run(self, port: int, ai_url: str | None) -> None:
        """
        Start, print where, and stay until asked to stop.

        Raises:
            DevError: Something did not start, or ended by itself.
        """
        try:
            print("Starting Workers AI and wrangler dev ...", flush=True)
            source = "AI_URL" if ai_url else "local stand-in, not a model"
            ai_url = ai_url or self._start_ai()
            address = self._start_wrangler(port, ai_url)
            self._check_alive()
            print(
                f"\nEdgewise      {address}\n"
                f"Workers AI    {ai_url} ({source})\n"
                f"\nTry it:\n  {_CURL.format(address=address)}\n"
                "\nCtrl-C ends both.\n",
                flush=True,
            )
            while not self._asked_to_stop:
                self._changed.wait()
                self._changed.clear()
                self._check_alive()
        except Stopped:
            pass
        finally:
            # A second Ctrl-C must not leave anything behind.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            for part in (self._wrangler, self._ai):
                if part is not None:
                    part.stop()

    def _print(self, line: str) -> None:
        # What they say to being ended is no news.
        if not self._asked_to_stop:
            print(line, flush=True)

    def _start_ai(self) -> str:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            self._ai = Process(
                [sys.executable, "-m", "workers_ai", "--fd", str(listener.fileno())],
                self._print,
                self._changed.set,
                cwd=prepare.ROOT,
                environment=prepare.environment(),
                pass_fds=[listener.fileno()],
            )
        return address

    def _start_wrangler(self, port: int, ai_url: str) -> str:
        self._wrangler = Wrangler(
            port=port, ai_url=ai_url, on_line=self._print, on_exit=self._changed.set
        )
        if self._asked_to_stop:
            raise Stopped
        try:
            address = self._wrangler.wait_until_ready()
        except WranglerError as error:
            if self._asked_to_stop:
                raise Stopped from error
            raise DevError(f"wrangler dev did not start. It said:\n{error}") from error
        return address.replace("127.0.0.1", "localhost")

    def _check_alive(self) -> None:
        wrangler = self._wrangler.process if self._wrangler else None
        for name, process in (("The local Workers AI", self._ai), ("wrangler dev", wrangler)):
            if process is not None and not process.is_running() and not self._asked_to_stop:
                raise DevError(f"{name} ended by itself; what it said stands above.")


def main() -> int:
    """Run `make dev`."""
    dev = Dev()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, dev.ask_to_stop)
    given = os.environ.get("AI_URL")
    try:
        dev.run(read_port(os.environ.get("PORT") or "8787"), read_ai_url(given) if given else None)
    except DevError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
