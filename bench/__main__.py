"""Runs a bench: `python -m bench PROGRAM`."""

import importlib
import os
import signal
import sys

PROGRAMS = ("local_streams", "rpc", "performance")


def main() -> int:
    """Run the program that is named."""
    # What is imported from here on takes a second, in which an interrupt may come too.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    from bench.interrupts import ended_by_interrupts

    name = " ".join(sys.argv[1:])
    if name not in PROGRAMS:
        print(f"PROGRAM: expected one of {', '.join(PROGRAMS)}, got {name!r}", file=sys.stderr)
        return 1
    with ended_by_interrupts():
        code = importlib.import_module(f"bench.{name}").main()
    assert isinstance(code, int)
    return code


if __name__ == "__main__":
    sys.exit(main())
