"""
Serves a model with llama.cpp's own HTTP server: `python llama_server.py MODEL.gguf CONTEXT`.

It says where it listens in one line, and runs until it gets SIGTERM or SIGINT.
"""

import os
import signal
import sys
from pathlib import Path

import xllamacpp


def main(model: Path, context: int) -> None:
    """Serve on a free port of loopback until told to stop."""
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before the server makes its threads
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.model_alias = {model.stem}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = 1
    params.n_ctx = context
    params.cpuparams.n_threads = 1
    params.cache_ram_mib = 0
    params.verbosity = 1
    server = xllamacpp.Server(params)  # returns once it listens
    print(f"Ready on {server.listening_address}", flush=True)
    signal.sigwait(ends)
    os._exit(0)  # letting go of the server would wait for the answers under way


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
