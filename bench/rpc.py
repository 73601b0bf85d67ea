"""
What a call over RPC costs beside the same call inside the Worker, in one workerd.

A JavaScript Worker calls Edgewise over a service binding; a Python Worker calls the same functions
of the package. Both are over the real Ai class and a model that answers at once, and take turns.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from bench.local_streams import cpu_seconds
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

JOBS = ("run", "stream", "generate")  # stream: until it is in hand
ROUNDS = 30
CALLS = 25  # one after another, of which a Worker can tell the time: its clock counts milliseconds
AT_ONCE = 16
CALLS_AT_ONCE = 10
ROUNDS_AT_ONCE = 6
MOST_ADDED_MS = 1.5

_SETTINGS = {"RATE_LIMIT_ON_FAILURE": "open"}  # there are no rate limits in workerd alone
_MODEL = "@cf/meta/llama-3.1-8b-instruct-fast"
_INPUTS = {
    "messages": [
        {"role": "system", "content": "Answer in one sentence."},
        {"role": "user", "content": "What is it that an edge network does for a web page? " * 4},
    ],
    "max_tokens": 256,
}
_UPSTREAM = """\
const usage = { prompt_tokens: 60, completion_tokens: 200, total_tokens: 260 };
const answer = JSON.stringify({ response: "word ".repeat(200), usage });
const event = new TextEncoder().encode('data: {"response":"word"}\\n\\n');
export default {
  async fetch(request) {
    const { inputs } = await request.json();
    if (!inputs.stream) {
      return new Response(answer, { headers: { "content-type": "application/json" } });
    }
    const pull = (controller) => controller.enqueue(event);
    const body = new ReadableStream({ pull });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  },
};
"""
_OVER_RPC = """\
const MODEL = %(model)s;
const INPUTS = %(inputs)s;
const JOBS = {
  run: (text) => text.run(MODEL, INPUTS),
  stream: (text) => text.run(MODEL, { ...INPUTS, stream: true }),
  generate: (text) => text.generate({ ...INPUTS, model: MODEL }),
};
export default {
  async fetch(request, env) {
    const [, job, calls] = new URL(request.url).pathname.split("/");
    const held = [await JOBS[job](env.TEXT)];
    const began = Date.now();
    for (let number = 0; number < Number(calls); number++) {
      held.push(await JOBS[job](env.TEXT));
    }
    const took = Date.now() - began;
    if (job === "stream") {
      await Promise.all(held.map((stream) => stream.cancel()));
    }
    return new Response(String(took));
  },
};
"""
_INSIDE = """\
import json
from js import Date, Response
from workers import WorkerEntrypoint

from edgewise.worker import generate, run

MODEL = json.loads(%(model)r)
INPUTS = json.loads(%(inputs)r)
SETTINGS = json.loads(%(settings)r)
JOBS = {
    "run": lambda: run(MODEL, INPUTS, settings=SETTINGS),
    "stream": lambda: run(MODEL, {**INPUTS, "stream": True}, settings=SETTINGS),
    "generate": lambda: generate({**INPUTS, "model": MODEL}, settings=SETTINGS),
}

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        _, job, calls = request.url.rsplit("/", 2)
        held = [await JOBS[job]()]
        began = Date.now()
        for _ in range(int(calls)):
            held.append(await JOBS[job]())
        took = Date.now() - began
        if job == "stream":
            for stream in held:
                await stream.cancel()
        return Response.new(str(took))
"""
_CONFIG = """\
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "upstream", worker = .upstream),
    (name = "edgewise", worker = .edgewise),
    (name = "inside", worker = .inside),
    (name = "over RPC", worker = .overRpc),
  ],
  sockets = [
    (name = "inside", address = "127.0.0.1:0", http = (), service = "inside"),
    (name = "over RPC", address = "127.0.0.1:0", http = (), service = "over RPC"),
  ],
);
"""
_AI = word_ai("upstream")


def main() -> int:
    """Measure, and print a table."""
    with (
        tempfile.TemporaryDirectory() as name,
        serving(write_config(Path(name)), sockets=2) as (pid, addresses),
    ):
        with httpx.Client(timeout=60) as client, ThreadPoolExecutor(AT_ONCE) as pool:
            alone = measure_alone(client, addresses)
            rates, costs = measure_at_once(client, addresses, pid, pool)
    print(f"milliseconds a call, {ROUNDS} rounds of {CALLS} calls one after another:")
    print(f"{'':10}{'inside':>18}{'over RPC':>18}{'RPC adds':>18}")
    for job in JOBS:
        inside, over = (alone[job, name] for name in addresses)
        added = [ours - theirs for ours, theirs in zip(over, inside, strict=True)]
        print(f"{job:10}" + "".join(f"{word(figures):>18}" for figures in (inside, over, added)))
    print(f"\ncalls a second, {AT_ONCE} at once, and processor milliseconds a call:")
    for job in JOBS:
        told = [
            f"{statistics.median(rates[job, name]):.0f}/s"
            f" {statistics.median(costs[job, name]):.2f} ms"
            for name in addresses
        ]
        print(f"{job:10}" + "".join(f"{text:>18}" for text in told))
    print(f"\nmedian, and the middle half of the rounds; RPC is to add {MOST_ADDED_MS} ms at most")
    return 0


def measure_alone(
    client: httpx.Client, addresses: Mapping[str, str]
) -> Mapping[tuple[str, str], Sequence[float]]:
    """Call one after another: milliseconds a call, by job and by who calls, a figure a round."""
    figures: dict[tuple[str, str], list[float]] = {}
    for number in range(-2, ROUNDS):  # the first ones warm up
        for job in JOBS:
            # Who goes second finds the processor warmer, or the machine busier.
            for name, address in sorted(addresses.items(), reverse=number % 2 == 1):
                took = ask(client, address, job, CALLS)
                if number >= 0:
                    figures.setdefault((job, name), []).append(took / CALLS)
    return figures


def measure_at_once(
    client: httpx.Client, addresses: Mapping[str, str], pid: int, pool: ThreadPoolExecutor
) -> tuple[Mapping[tuple[str, str], list[float]], Mapping[tuple[str, str], list[float]]]:
    """
    Call many at once.

    Returns:
        Calls a second, and processor milliseconds a call; by job and by who calls.
    """
    rates: dict[tuple[str, str], list[float]] = {}
    costs: dict[tuple[str, str], list[float]] = {}
    calls = AT_ONCE * (CALLS_AT_ONCE + 1)  # before the clock of a request starts, there is one
    for _ in range(ROUNDS_AT_ONCE):
        for job in JOBS:
            for name, address in addresses.items():
                before, began = cpu_seconds(pid), time.perf_counter()
                asked = [(client, address, job, CALLS_AT_ONCE)] * AT_ONCE
                list(pool.map(ask, *zip(*asked, strict=True)))
                took = time.perf_counter() - began
                rates.setdefault((job, name), []).append(calls / took)
                cost = (cpu_seconds(pid) - before) / calls * 1000
                costs.setdefault((job, name), []).append(cost)
    return rates, costs


def ask(client: httpx.Client, address: str, job: str, calls: int) -> float:
    """Have a Worker make calls; the milliseconds that they took it."""
    answer = client.get(f"{address}/{job}/{calls}")
    assert answer.status_code == 200, answer.text
    return float(answer.text)


def word(figures: Sequence[float]) -> str:
    """Word a median and what is around it."""
    low, middle, high = statistics.quantiles(figures, n=4)
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def write_config(folder: Path) -> Path:
    """Write the configuration for workerd and the modules that are only here."""
    told = {"model": _MODEL, "inputs": _INPUTS, "settings": _SETTINGS}
    words = {name: json.dumps(value) for name, value in told.items()}
    written = {
        "upstream.js": _UPSTREAM,
        "over_rpc.js": _OVER_RPC % words,
        "host.py": _INSIDE % words,
    }
    for name, source in written.items():
        (folder / name).write_text(source, "utf-8")
    ours = source_modules()
    package = {name: path for name, path in ours.items() if name != "entry.py"}
    python = (*LOCAL_FLAGS, "disable_python_dedicated_snapshot")
    variables = {**deployment().variables, **_SETTINGS}
    bindings = word_variables(variables)
    vendored = vendored_modules()
    host = {"host.py": folder / "host.py", **package, **vendored}
    workers = [
        word_worker("upstream", {"upstream.js": folder / "upstream.js"}, (), []),
        word_worker("edgewise", ours | vendored, python, [_AI, *bindings]),
        word_worker("inside", host, python, [_AI]),
        word_worker(
            "overRpc",
            {"over_rpc.js": folder / "over_rpc.js"},
            (),
            ['(name = "TEXT", service = "edgewise")'],
        ),
    ]
    config = folder / "config.capnp"
    config.write_text(_CONFIG + "".join(workers), "utf-8")
    return config
