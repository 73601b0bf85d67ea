"""Workers with settings of their own, under the real `wrangler dev`."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.harness.processes import wait_until
from tests.harness.relay import relay
from tests.harness.servers import serve
from tests.harness.witness import CANARY, Witness
from tests.harness.workers import copy_worker, run_workerd, run_wrangler
from workers_ai_local import WorkersAi

# In place of the rate limits.
LIMITER = """\
import { WorkerEntrypoint } from "cloudflare:workers";
export default class extends WorkerEntrypoint {
  limit({ key }) {
    if (key === "failing") {
      throw new Error("out of order");
    }
    return key === "odd" ? undefined : { success: key !== "busy" };
  }
}
"""


@dataclass(frozen=True)
class Deployment:
    """
    A Worker with settings of its own.

    Attributes:
        address: Where it listens; the witness is before it.
        client: A client of it.
        ai: The Workers AI behind it.
        log: The lines that wrangler printed.
    """

    address: str
    client: httpx.Client
    ai: WorkersAi
    log: list[str]

    def records(self) -> list[dict[str, Any]]:
        """What the Worker has written down, one object a request."""
        return [json.loads(line) for line in [*self.log] if line.startswith('{"time":')]

    def record(self, name: str) -> dict[str, Any]:
        """Wait for what is written down of the request that has this id; there is one line."""
        found: list[dict[str, Any]] = []

        def is_there() -> bool:
            found[:] = [record for record in self.records() if record["id"] == name]
            return bool(found)

        wait_until(is_there, seconds=10)
        assert len(found) == 1
        return found[0]


def unlimited(config: str) -> str:
    """Have the rate limits of a wrangler.toml accept every request."""
    return re.sub(r"limit = \d+, period = \d+", "limit = 1000000, period = 60", config)


@contextmanager
def deploy(
    folder: Path,
    variables: Mapping[str, str],
    *,
    edit: Callable[[str], str] = unlimited,
    beside: str = "",
    before: Sequence[Path] = (),
    behind: Sequence[Path] = (),
) -> Iterator[Deployment]:
    """
    Run a copy of the Worker, and watch that it discloses neither keys nor prompts.

    Args:
        folder: For the copy.
        variables: For its .dev.vars.
        edit: What becomes of its wrangler.toml.
        beside: The source of a JavaScript Worker that runs beside it and is called so.
        before: The wrangler files of other Workers; the first of them is whom HTTP reaches.
        behind: Of further ones.
    """
    files = [*before, make_copy(folder, variables, edit), *behind]
    if beside:
        files.append(make_host(folder / "beside", "beside", beside, []))
    arguments = ["--env", "local"]
    if len(files) > 1:
        arguments += [argument for file in files for argument in ("--config", str(file))]
    ai, log = WorkersAi(), list[str]()
    keys = [entry.partition(":")[2] for entry in variables.get("API_KEYS", "").split()]
    witness = Witness(keys, [CANARY])

    def read(line: str) -> None:
        log.append(line)
        witness.read_line(line)

    with (
        serve(ai) as ai_url,
        run_wrangler(folder, ai_url, read, tuple(arguments)) as wrangler,
        relay(wrangler.address, witness.watch) as address,
        httpx.Client(verify=False, base_url=address, timeout=60) as client,
    ):
        yield Deployment(address, client, ai, log)
    assert witness.disclosures == []


@contextmanager
def deploy_alone(folder: Path, variables: Mapping[str, object]) -> Iterator[Deployment]:
    """
    Run the Worker as deploy does, but in a workerd without wrangler: it starts in a fifth of the
    time, and has neither pages nor rate limits.

    Args:
        folder: For its configuration.
        variables: More of them than in wrangler.toml, or others.
    """
    ai, log = WorkersAi(), list[str]()
    keys = [entry.partition(":")[2] for entry in str(variables.get("API_KEYS", "")).split()]
    witness = Witness(keys, [CANARY])

    def read(line: str) -> None:
        log.append(line)
        witness.read_line(line)

    with (
        serve(ai) as ai_url,
        run_workerd(folder, ai_url, variables, read) as alone,
        relay(alone.address, witness.watch) as address,
        httpx.Client(verify=False, base_url=address, timeout=60) as client,
    ):
        yield Deployment(address, client, ai, log)
    assert witness.disclosures == []


def make_copy(
    folder: Path, variables: Mapping[str, str], edit: Callable[[str], str] = unlimited
) -> Path:
    """
    Make a copy of the Worker with settings of its own, as deploy does.

    Returns:
        Its wrangler.toml.
    """
    copy_worker(folder)
    file = folder / "wrangler.toml"
    file.write_text(edit(file.read_text("utf-8")), "utf-8")
    lines = [f"{name}='{value}'\n" for name, value in variables.items()]
    (folder / ".dev.vars").write_text("".join(lines), "utf-8")
    return file


def make_host(
    folder: Path,
    name: str,
    source: str,
    services: Sequence[Mapping[str, object]],
    date: str = "2026-11-01",
) -> Path:
    """
    Make a JavaScript Worker.

    Args:
        services: Its bindings to others, as wrangler takes them.
        date: Its compatibility date.

    Returns:
        Its wrangler.json.
    """
    folder.mkdir()
    (folder / "index.js").write_text(source, "utf-8")
    local = {"name": name, "services": services}
    config = {"name": name, "main": "index.js", "compatibility_date": date, "env": {"local": local}}
    file = folder / "wrangler.json"
    file.write_text(json.dumps(config), "utf-8")
    return file


def named(name: str) -> Callable[[str], str]:
    """Have a wrangler.toml name its Worker so, besides being unlimited."""
    return lambda config: unlimited(config).replace('name = "edgewise"', f'name = "{name}"')


def name_of(config: str) -> str:
    """Find what service bindings call the Worker of a wrangler.toml under `--env local`."""
    told = tomllib.loads(config)
    name: str = told["env"]["local"].get("name", f"{told['name']}-local")
    return name


def limited_by_beside(config: str) -> str:
    """Put the Worker beside it into the place of its rate limits."""
    limit = r'\[\[env\.local\.ratelimits\]\]\nname = "(\w+)"\nnamespace_id = .*\nsimple = .*\n'
    service = r'[[env.local.services]]\nbinding = "\1"\nservice = "beside"\n'
    edited, count = re.subn(limit, service, config)
    assert count == 2
    return edited
