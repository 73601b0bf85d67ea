"""`make example NAME=...`: an example under the real `wrangler dev`, the way of `make dev`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tools import prepare
from tools.dev import Served, serve
from tools.runtime.wrangler import LOCAL

_GENERATE = "curl {address}/generate -d 'Hello'"
_RUN = (
    "curl {address}/ai/run -H 'X-Api-Key: only-for-this-machine'"
    """ -d '{"prompt":"Hello","stream":true}'"""
)
_ASK = """curl {address}/run -d '{"prompt":"Hello"}'"""


def examples() -> dict[str, Served]:
    """Name the examples that can be served."""
    return {
        example.folder.name: example
        for example in (
            _word("typescript", _GENERATE, beside=[prepare.ROOT]),
            _word("python-binding", _GENERATE, beside=[prepare.ROOT]),
            _word("python-mounted", _RUN),
            _word("python-in-browser", _ASK, beside=[prepare.ROOT], page="Python"),
        )
    }


def _word(name: str, trial: str, beside: Sequence[Path] = (), page: str = "") -> Served:
    folder = prepare.EXAMPLES / name
    arguments = [*LOCAL]
    for each in (folder, *beside):  # the first Worker is the one that listens
        arguments += ["--config", str(each / "wrangler.toml")]
    return Served(
        title="The example",
        command=f"make example NAME={name}",
        trial=trial,
        folder=folder,
        arguments=arguments,
        beside=beside,
        steps=[*prepare.TO_RUN, name],
        page=page,
    )


def main() -> int:
    """Run `make example`."""
    name = " ".join(sys.argv[1:])
    known = examples()
    if name not in known:
        print(
            f"NAME: expected one of {', '.join(known)}, got {name!r}\n"
            f"Name one: {known['typescript'].command}",
            file=sys.stderr,
        )
        return 1
    return serve(known[name])


if __name__ == "__main__":
    sys.exit(main())
