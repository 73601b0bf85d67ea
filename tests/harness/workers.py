"""Copies of the Worker, under the real `wrangler dev` or in a workerd alone."""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.harness.processes import wait_until
from tests.harness.relay import relay
from tests.harness.servers import serve
from tests.harness.witness import CANARY, Witness
from tools import prepare
from tools.runtime.config import (
    LOCAL_FLAGS,
    deployment,
    serving,
    source_modules,
    vendored_modules,
    write_config,
)
from tools.runtime.process import Server
from tools.runtime.wrangler import LOCAL, start_wrangler
from workers_ai_local import WorkersAi


@dataclass(frozen=True)
class Alone:
    """A workerd without wrangler."""

    address: str
    pid: int


def copy_worker(folder: Path) -> None:
    """Copy what wrangler runs the Worker from; what others made is linked."""
    shutil.copytree(prepare.ROOT / "src", folder / "src")
    shutil.copytree(prepare.ROOT / "public", folder / "public")
    shutil.copy(prepare.ROOT / "wrangler.toml", folder)
    for name in ("python_modules", "node_modules"):
        (folder / name).symlink_to(prepare.ROOT / name)


def raise_limits(folder: Path) -> None:
    """Let a copy of the Worker be asked as often as tests ask."""
    file = folder / "wrangler.toml"
    toml = re.sub(r"(simple\s*=\s*\{\s*limit\s*=\s*)\d+", r"\g<1>1000000", file.read_text("utf-8"))
    file.write_text(toml, "utf-8")


def store_keys(folder: Path, keys: Mapping[str, str]) -> None:
    """Let callers with these keys into a copy of the Worker; by the callers' names."""
    (folder / ".dev.vars").write_text(f'API_KEYS="{word_keys(keys)}"\n', "utf-8")


def word_keys(keys: Mapping[str, str]) -> str:
    """Word keys as API_KEYS has them."""
    return " ".join(f"{name}:{key}" for name, key in keys.items())


@contextmanager
def run_wrangler(
    folder: Path,
    ai_url: str,
    on_line: Callable[[str], None] = lambda _line: None,
    arguments: Sequence[str] = LOCAL,
) -> Iterator[Server]:
    """
    Run a copy of the Worker over a Workers AI that runs already.

    Args:
        on_line: Called with each line that wrangler prints.
        arguments: More of `wrangler dev`.
    """
    wrangler = start_wrangler(
        port=0, ai_url=ai_url, cwd=folder, on_line=on_line, arguments=arguments
    )
    try:
        wait_until(lambda: bool(wrangler.address) or not wrangler.process.is_running())
        assert wrangler.address, wrangler.stop()
        yield wrangler
    finally:
        wrangler.stop()


@contextmanager
def run_workerd(
    folder: Path,
    ai_url: str,
    variables: Mapping[str, object],
    on_line: Callable[[str], None] = lambda _line: None,
) -> Iterator[Alone]:
    """
    Run the Worker in a workerd without wrangler, so without rate limits and without pages.

    Args:
        folder: For its configuration.
        variables: More of them than in wrangler.toml, by name.
        on_line: Called with each line that it prints.
    """
    given = {**deployment().env["local"].variables, "RATE_LIMIT_ON_FAILURE": "open", **variables}
    config = folder / "config.capnp"
    write_config(
        config,
        source_modules() | vendored_modules(),
        [*LOCAL_FLAGS, "disable_python_dedicated_snapshot"],
        variables=given,
        ai_address=ai_url.removeprefix("http://"),
        serves=True,
    )
    with serving(config, on_line=on_line) as (pid, addresses):
        yield Alone(addresses["http"], pid)


@contextmanager
def run_worker(workers_ai: WorkersAi, folder: Path) -> Iterator[str]:
    """
    Run a copy of the Worker, and watch that it discloses no prompts.

    Yields:
        Its address.
    """
    witness = Witness([], [CANARY])
    with (
        serve(workers_ai) as ai_url,
        run_wrangler(folder, ai_url, witness.read_line) as wrangler,
        relay(wrangler.address, witness.watch) as address,
    ):
        yield address
    assert witness.disclosures == []
