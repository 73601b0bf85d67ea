"""The real `wrangler dev`, with the Worker's local environment."""

import re
import threading
from collections.abc import Callable
from pathlib import Path

import prepare

from .process import Process

_READY = re.compile(r"Ready on (?P<address>http://\S+)")


class WranglerError(Exception):
    """wrangler did not start; the message is what it printed."""


def environment() -> dict[str, str]:
    """Have wrangler fetch nothing, report nothing and write nothing outside the checkout."""
    return prepare.environment() | {
        "MINIFLARE_WORKERD_PATH": str(prepare.WORKERD),
        "CLOUDFLARE_CF_FETCH_ENABLED": "false",
        "WRANGLER_SEND_METRICS": "false",
        "WRANGLER_HIDE_BANNER": "true",
        "WRANGLER_LOG_PATH": str(prepare.LOGS),
        "WRANGLER_REGISTRY_PATH": str(prepare.BUILD / "registry"),
        "FORCE_COLOR": "0",
    }


class Wrangler:
    """A running `wrangler dev`."""

    def __init__(
        self,
        *,
        port: int,
        ai_url: str,
        on_line: Callable[[str], None] = lambda _line: None,
        on_exit: Callable[[], None] = lambda: None,
        config: Path = prepare.ROOT / "wrangler.toml",
    ) -> None:
        """
        Start it.

        Args:
            port: On loopback; 0 for any that is free.
            ai_url: The Workers AI server behind env.AI.
            on_line: Called with each line that it prints once it is ready.
            on_exit: Called when it has ended.
        """
        self._on_line = on_line
        self._on_exit = on_exit
        self._settled = threading.Event()
        self._address = ""
        self._printed: list[str] = []
        self.process = Process(
            [
                *(str(prepare.node()), "node_modules/wrangler/bin/wrangler.js"),
                *("dev", "--config", str(config), "--env", "local"),
                *("--ip", "127.0.0.1", "--port", str(port), "--inspector-port", "0"),
                "--show-interactive-dev-session=false",
            ],
            self._read,
            self._end,
            cwd=prepare.ROOT,
            environment=environment() | {"AI_URL": ai_url},
        )

    def wait_until_ready(self) -> str:
        """
        Wait for it.

        Returns:
            Its address, such as `http://127.0.0.1:8787`.

        Raises:
            WranglerError: It ended instead, or was given up.
        """
        self._settled.wait()
        if not self._address:
            self.stop()
            raise WranglerError("\n".join(self._printed))
        return self._address

    def give_up(self) -> None:
        """Let wait_until_ready wait no longer."""
        self._settled.set()

    def stop(self) -> None:
        """End it, and workerd with it."""
        self.process.stop()

    def _read(self, line: str) -> None:
        if self._address:
            self._on_line(line)
            return
        self._printed.append(line)
        ready = _READY.search(line)
        if ready:
            self._address = ready["address"]
            self._settled.set()

    def _end(self) -> None:
        self._settled.set()
        self._on_exit()
