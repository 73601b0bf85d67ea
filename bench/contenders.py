"""The Workers that are measured side by side, each in its own workerd."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tools import prepare
from tools.runtime.config import (
    LOCAL_FLAGS,
    deployment,
    serving,
    source_modules,
    vendored_modules,
    word_ai,
    word_variables,
    word_worker,
)

FOLDER = Path(__file__).with_name("contenders")
MODEL = "@cf/meta/llama-3.1-8b-instruct-fast"
KEY = "bench-0123456789abcdef0123456789abcdef"
PYTHON_FLAGS = (*LOCAL_FLAGS, "disable_python_dedicated_snapshot")
HEADERS = {
    "authorization": f"Bearer {KEY}",
    "cf-connecting-ip": "203.0.113.7",
    "content-type": "application/json",
    "user-agent": "bench",
    "accept": "*/*",
}
# As deployed, but that streams of any length may be asked for.
SETTINGS = {
    "API_KEYS": " ".join([*(f"other-{n}:{n:032}" for n in range(7)), f"bench:{KEY}"]),
    "ALLOW_ANONYMOUS": "false",
    "MAX_TOKENS_CEILING": 120_000,
    "MAX_CHARACTERS": 2_000_000,
}
_AI = word_ai("upstream")
_LIMITS = [
    f'(name = "{name}", wrapped = (moduleName = "bench-internal:rate-limit"))'
    for name in ("RATE_LIMIT_CALLER", "RATE_LIMIT_ADDRESS")
]
_CONFIG = """\
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "upstream", worker = .upstream),
    (name = "worker", worker = .worker),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "worker"),
    (name = "upstream", address = "127.0.0.1:0", http = (), service = "upstream"),
  ],
  extensions = [(modules = [
    (name = "bench-internal:rate-limit", internal = true, esModule = embed "%(rate_limit)s"),
  ])],
);
"""


@dataclass(frozen=True, slots=True)
class Contender:
    """
    A Worker that is measured.

    Attributes:
        modules: Module name to file, the main one first.
        flags: Compatibility flags.
        bindings: As a configuration has them.
    """

    modules: Mapping[str, Path]
    flags: Sequence[str] = ()
    bindings: Sequence[str] = (_AI,)


def _javascript(name: str) -> Contender:
    return Contender({name: FOLDER / name})


def _python(
    name: str, packages: Mapping[str, Path] | None = None, bindings: Sequence[str] = (_AI,)
) -> Contender:
    """
    Make a contender of a Python module and of what we vendor but msgspec, which is the SDK.

    Args:
        packages: Module name to file, of what else it needs.
    """
    sdk = {
        module: path
        for module, path in vendored_modules().items()
        if not module.startswith("python_modules/msgspec")
    }
    return Contender({name: FOLDER / name} | sdk | dict(packages or {}), PYTHON_FLAGS, bindings)


def contenders() -> Mapping[str, Contender]:
    """Gather them, by name."""
    variables = {**deployment().variables, **SETTINGS}
    bindings = [_AI, *_LIMITS, *word_variables(variables)]
    return {
        "edgewise": Contender(source_modules() | vendored_modules(), PYTHON_FLAGS, bindings),
        "fastapi": _python("fastapi_worker.py", vendored_modules(prepare.BENCH_MODULES), bindings),
        "constant": _python("constant.py"),
        "minimal": _python("minimal.py"),
        "minimal-reading": _python("minimal_reading.py"),
        "javascript": _javascript("javascript.js"),
        "javascript-openai": _javascript("javascript_openai.js"),
    }


def write(contender: Contender, folder: Path) -> Path:
    """Write a contender's configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "config.capnp"
    file.write_text(
        _CONFIG % {"rate_limit": FOLDER / "rate_limit.js"}
        + word_worker("upstream", {"upstream.js": FOLDER / "upstream.js"}, (), [])
        + word_worker("worker", contender.modules, contender.flags, contender.bindings),
        "utf-8",
    )
    return file


@contextmanager
def run(contender: Contender, folder: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Run a contender: the id of its workerd, and its addresses, `http` and `upstream`."""
    with serving(write(contender, folder), sockets=2) as served:
        yield served
