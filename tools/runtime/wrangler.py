"""The real `wrangler dev`, without an account or a network."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from tools import prepare

from .process import Server

# Whatever a name leads to: a page elsewhere must not reach what runs here (DNS rebinding).
HOSTS = "localhost 127.0.0.1 [::1]"
LOCAL = ("--env", "local")
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


def start_wrangler(
    *,
    port: int,
    ai_url: str,
    on_line: Callable[[str], None] = lambda _line: None,
    on_ready: Callable[[], None] = lambda: None,
    on_exit: Callable[[], None] = lambda: None,
    arguments: Sequence[str] = LOCAL,
    cwd: Path = prepare.ROOT,
) -> Server:
    """
    Start `wrangler dev`.

    Args:
        port: On loopback; 0 for any that is free.
        ai_url: The Workers AI server behind env.AI.
        arguments: More of `wrangler dev`.
        cwd: The folder of the Worker.
    """
    if arguments == LOCAL and not _sets_hosts(cwd):
        arguments = (*LOCAL, "--var", f"ALLOWED_HOSTS:{HOSTS}")
    return Server(
        [
            *(str(prepare.node()), str(prepare.NODE_MODULES / "wrangler/bin/wrangler.js"), "dev"),
            *("--ip", "127.0.0.1", "--port", str(port), *arguments),
            *("--inspector-port", "0", "--show-interactive-dev-session=false"),
        ],
        _READY,
        environment=environment() | {"AI_URL": ai_url},
        cwd=cwd,
        on_line=on_line,
        on_ready=on_ready,
        on_exit=on_exit,
    )


def _sets_hosts(folder: Path) -> bool:
    """Check whether somebody wants other hosts: what .dev.vars says would not count otherwise."""
    file = folder / ".dev.vars"
    return file.exists() and "ALLOWED_HOSTS" in file.read_text("utf-8")
