"""The real `wrangler dev`, with the Worker's local environment."""

import re
from collections.abc import Callable

import prepare

from .process import Process

_READY = re.compile(r"Ready on (?P<address>http://\S+)")


def environment() -> dict[str, str]:
    """Have wrangler fetch nothing, report nothing and write nothing outside the checkout."""
    return prepare.environment() | {
        "MINIFLARE_WORKERD_PATH": str(prepare.WORKERD),
        "CLOUDFLARE_CF_FETCH_ENABLED": "false",
        "WRANGLER_SEND_METRICS": "false",
        "WRANGLER_HIDE_BANNER": "true",
        "WRANGLER_LOG_PATH": str(prepare.LOGS),
        "WRANGLER_REGISTRY_PATH": str(prepare.BUILD / "registry"),
        "XDG_CONFIG_HOME": str(prepare.BUILD / "config"),
        "FORCE_COLOR": "0",
    }


class Wrangler:
    """
    A running `wrangler dev`.

    Attributes:
        address: Such as `http://127.0.0.1:8787`; empty until it is ready.
        process: For whether it runs.
    """

    def __init__(
        self,
        *,
        port: int,
        ai_url: str,
        on_line: Callable[[str], None] = lambda _line: None,
        on_ready: Callable[[], None] = lambda: None,
        on_exit: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Start it. What it calls, it calls from other threads.

        Args:
            port: On loopback; 0 for any that is free.
            ai_url: The Workers AI server behind env.AI.
            on_line: Called with each line that it prints once it is ready.
            on_ready: Called when it is.
            on_exit: Called when it has ended.
        """
        self.address = ""
        self._on_line = on_line
        self._on_ready = on_ready
        self._printed: list[str] = []
        self.process = Process(
            [
                *(str(prepare.node()), "node_modules/wrangler/bin/wrangler.js"),
                *("dev", "--env", "local", "--ip", "127.0.0.1", "--port", str(port)),
                *("--inspector-port", "0", "--show-interactive-dev-session=false"),
            ],
            self._read,
            on_exit,
            cwd=prepare.ROOT,
            environment=environment() | {"AI_URL": ai_url},
        )

    def stop(self) -> str:
        """
        End it, and workerd with it.

        Returns:
            What it printed before it was ready.
        """
        self.process.stop()
        return "\n".join(self._printed)

    def _read(self, line: str) -> None:
        if self.address:
            self._on_line(line)
            return
        self._printed.append(line)
        ready = _READY.search(line)
        if ready:
            self.address = ready["address"]
            self._on_ready()
