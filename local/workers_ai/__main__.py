"""Serves Workers AI on a socket that the caller has bound: `python -m workers_ai --fd 3`."""

import argparse
import socket

import uvicorn

from .app import WorkersAi, create_app

_SECONDS_PER_TOKEN = 0.01  # about as fast as the model that it stands in for


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m workers_ai", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="a listening socket")
    listener = socket.socket(fileno=parser.parse_args().fd)
    app = create_app(WorkersAi(seconds_per_token=_SECONDS_PER_TOKEN))
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
