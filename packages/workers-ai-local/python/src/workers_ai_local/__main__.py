"""Workers AI on this machine, behind env.AI under `wrangler dev` and behind its REST API."""

import argparse
import asyncio
import contextlib
import ipaddress
import logging
import os
import socket
import sys
from collections.abc import Sequence
from errno import EADDRINUSE
from pathlib import Path

import uvicorn

from .app import KEEP_ALIVE_S, create_app
from .catalogue import MODELS, Model
from .discovery import EngineError, find_engine
from .reply_file import ReplyFileError, read_replies
from .service import WorkersAi
from .speech import BrokeOff, Pace

DEFAULT_PORT = 8789
_NO_NEWS = ("Unsupported upgrade request", "No supported WebSocket library", "Cancel ")
_TOKENS_PER_SECOND = 100.0  # about as fast as the models that it stands in for


class UsageError(Exception):
    """Says what is wrong with how the server was started."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop."""
    options = _parser().parse_args(arguments)
    try:
        workers_ai = _workers_ai(options)
        listener = listen(options.host, options.port)
    except (UsageError, EngineError, ReplyFileError) as error:
        print(f"workers-ai-local: {error}", file=sys.stderr)
        return 2
    host, port = listener.getsockname()[:2]
    only_local = ipaddress.ip_address(host).is_loopback
    app = create_app(workers_ai, token=options.token, only_local=only_local)
    config = uvicorn.Config(
        app,
        log_level="warning",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=KEEP_ALIVE_S,
        ws="none",
        lifespan="off",
    )
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    if not only_local:
        print(
            f"Listening beyond this machine, at {host}: whoever reaches this port can use it and"
            " read every request. Host is not checked.",
            file=sys.stderr,
        )
    address = f"[{host}]" if ":" in host else host
    print(f"Workers AI on http://{address}:{port} ({_describe(workers_ai)})", flush=True)
    # uvicorn raises it once more when it has ended.
    with listener, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="workers-ai-local",
        description=f"{__doc__} Made-up text unless there is an engine.",
        epilog="The control API is below /_local.",
    )
    add = parser.add_argument
    add("--port", type=int, default=DEFAULT_PORT, help="0 for any free one (default: %(default)s)")
    add(
        "--host",
        default="127.0.0.1",
        help="where to listen (default: %(default)s); beyond loopback, others can use it too",
    )
    add(
        "--engine",
        metavar="URL",
        default=os.environ.get("AI_ENGINE") or "auto",
        help="an OpenAI-compatible server that generates the text, such as"
        " http://127.0.0.1:11434/v1; off for none; auto, the default, for an Ollama on this machine"
        " that has a Llama 3.1 (or AI_ENGINE; a key for it in AI_ENGINE_KEY)",
    )
    add(
        "--engine-model",
        metavar="NAME",
        default=os.environ.get("AI_ENGINE_MODEL") or None,
        help="its model, such as llama3.1:8b; a Llama 3.1 by default (or AI_ENGINE_MODEL)",
    )
    add(
        "--replies",
        metavar="FILE",
        default=os.environ.get("AI_REPLIES", ""),
        help="a replies.toml: what which requests get (or AI_REPLIES)",
    )
    add("--token", help="what callers of the REST API have to show; by default anything does")
    add(
        "--plan",
        choices=("free", "paid"),
        default="free",
        help="paid runs the models that need Workers Paid (default: %(default)s)",
    )
    add(
        "--model",
        metavar="ID",
        action="append",
        default=[],
        help="a model that the catalogue lacks; may be given again",
    )
    add(
        "--tokens-per-second",
        metavar="N",
        type=float,
        default=_TOKENS_PER_SECOND,
        help="the pace of streams without an engine; 0 for all at once (default: %(default)g)",
    )
    return parser


def _workers_ai(options: argparse.Namespace) -> WorkersAi:
    pace = options.tokens_per_second
    if not 0 <= pace <= 1_000_000:
        raise UsageError(f"--tokens-per-second: expected a number from 0 to 1000000, got {pace:g}")
    for model in options.model:
        if model in MODELS or not model:
            raise UsageError(f"--model: expected a model that the catalogue lacks, got {model!r}")
    workers_ai = WorkersAi(
        pace=Pace(tokens_per_second=pace or None),
        is_paid_plan=options.plan == "paid",
        models={**MODELS, **{model: Model() for model in options.model}},
    )
    for reply in read_replies(Path(options.replies)) if options.replies else ():
        workers_ai.scripts.add(reply, is_standing=True)
    key = os.environ.get("AI_ENGINE_KEY") or None
    workers_ai.engine = find_engine(options.engine, options.engine_model, key)
    return workers_ai


def listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65535:
        raise UsageError(f"--port: expected a number from 0 to 65535, got {port}")
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        advice = f" Another port: --port {port % 65535 + 1}" if error.errno == EADDRINUSE else ""
        raise UsageError(
            f"--host, --port: cannot listen on {host}:{port}: {error.strerror}.{advice}"
        ) from error
    except UnicodeError as error:
        raise UsageError(f"--host: expected a name or an address, got {host!r}") from error
    # Else each answer on a kept connection waits 40 ms for the acknowledgement of the one before.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _describe(workers_ai: WorkersAi) -> str:
    engine = workers_ai.engine
    return "made-up text, not a model" if engine is None else f"{engine.model} at {engine.url}"


def _is_news(record: logging.LogRecord) -> bool:
    """Keep what a script or Ctrl-C ended out of the log, and bring what an engine did to a line."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, BrokeOff):
        record.msg, record.args, record.exc_info = str(error), (), None
    return bool(record.msg) and not (
        isinstance(error, asyncio.CancelledError) or record.getMessage().startswith(_NO_NEWS)
    )


if __name__ == "__main__":
    sys.exit(main())
