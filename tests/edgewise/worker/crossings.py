"""
Counts how often a request crosses the border between Python and JavaScript: calls, values, awaits.

workerd runs the real Worker on its own bundle, in which each function of Pyodide's glue counts
its calls. No clock has a part in it, so the counts are the same every time.

`.venv/bin/python -m tests.edgewise.worker.crossings` prints them, and those of each function.
"""

import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from tools import prepare
from tools.runtime import bundle
from tools.runtime.config import (
    LOCAL_FLAGS,
    command_to_serve,
    deployment,
    serving,
    source_modules,
    vendored_modules,
    word_ai,
    word_variables,
    word_worker,
)

# What crosses, by the functions of Pyodide's glue that do it.
# Source: pyodide/src/core, the files of these prefixes.
PARTS: Mapping[str, re.Pattern[str]] = {
    # Python calls a function, a method or a constructor of JavaScript.
    "calls": re.compile(
        r"JsvFunction_(CallBound|Call_OneArg|Construct)|JsvObject_CallMethod\w*|raw_call_js"
    ),
    # Python looks at an attribute or an item, sets or deletes it, or takes the next one.
    "attributes": re.compile(
        r"JsProxy_((Get|Set|Del)Attr|Get(Async)?Iter|subscript|Bool)_js|JsObjMap_\w+_js"
        r"|handle_next_result_js"
    ),
    # A value of JavaScript's becomes one of Python's.
    "received": re.compile(r"js2python_(js|convert|immutable_js)|JsvBuffer_assignToPtr"),
    # Python makes a JsProxy for an object of JavaScript's.
    "proxies": re.compile(r"JsProxy_compute_typeflags"),
    # A value of Python's becomes one of JavaScript's.
    "sent": re.compile(
        r"_python2js_(ascii|ucs\d|buffer_inner)|JsvBuffer_assignFromPtr|Jsv(Num|BigInt)_from\w+"
    ),
    # JavaScript is given a PyProxy of an object of Python's, or what calls one once.
    "lent": re.compile(r"pyproxy_new(_ex)?|create_once_callable"),
    # JavaScript calls Python, or looks at an attribute there.
    "called": re.compile(
        r"callPyObjectKwargs(Promising)?|create_promise_handles_result_helper"
        r"|_pyproxy_((get|has|set)attr|ensure_future|iter_next)|_pyproxyGen_\w+"
    ),
    # Python awaits a promise.
    "promises": re.compile(r"create_promise_handles"),
    # A callback of Pyodide's event loop waits for a turn of JavaScript's.
    "turns": re.compile(r"scheduleCallback"),
}
COLUMNS = (*PARTS, "all")

_EVENTS = 10
_MORE_EVENTS = 30
_STREAMS = ("native, stream", "OpenAI, stream")
_MODEL = "@cf/meta/llama-3.1-8b-instruct-fast"
_KEY = "crossings-0123456789abcdef0123456789abcdef"
_SETTINGS = {"API_KEYS": f"crossings:{_KEY}", "ALLOW_ANONYMOUS": "false"}
_WARM_UPS = 3
_TIMES = 4
_POLL_S = 0.005
_PATIENCE_S = 10.0

_CONFIG = """\
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "upstream", worker = .upstream),
    (name = "worker", worker = .worker),
    (name = "rpc", worker = .rpc),
  ],
  sockets = [%(sockets)s],
  extensions = [(modules = [
    (name = "tests-internal:rate-limit", internal = true, esModule = embed "%(rate_limit)s"),
  ])],
);
"""
_SOCKETS = {
    "worker": '"worker"',
    "rpc": '"rpc"',
    **{
        name: f'(name = "worker", entrypoint = "{name}")'
        for name in ("Counts", "Reading", "Awaiting", "Waiting")
    },
}
_BINDINGS = [
    word_ai("upstream"),
    '(name = "RATE_LIMIT_CALLER", wrapped = (moduleName = "tests-internal:rate-limit"))',
    '(name = "RATE_LIMIT_ADDRESS", wrapped = (moduleName = "tests-internal:rate-limit"))',
]
_RATE_LIMIT = """\
export default () => ({ limit: async () => ({ success: true }) });
"""
# A stream has as many events as max_tokens, each of them on its own.
_UPSTREAM = """\
const usage = { prompt_tokens: 6, completion_tokens: 2, total_tokens: 8 };
const answer = JSON.stringify({ response: "An edge network.", usage });
const encoder = new TextEncoder();
const end = `data: ${JSON.stringify({ response: "", usage })}\\n\\ndata: [DONE]\\n\\n`;
export default {
  async fetch(request) {
    const { inputs } = await request.json();
    if (!inputs.stream) {
      return new Response(answer, { headers: { "content-type": "application/json" } });
    }
    let left = inputs.max_tokens;
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(encoder.encode(left > 0 ? 'data: {"response":" word"}\\n\\n' : end));
        if (left-- === 0) controller.close();
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  },
};
"""
_RPC = """\
export default {
  async fetch(request, env) {
    const { model, ...inputs } = await request.json();
    const answer = await env.TEXT.run(model, inputs);
    return inputs.stream ? new Response(answer) : Response.json(answer);
  },
};
"""

_NAMED = re.compile(
    r'\ba\((\w+),"(callPyObjectKwargs|callPyObjectKwargsPromising|scheduleCallback)"\)'
)
_TYPED = re.compile(r"\b(\w+)\.sig=")
_FUNCTION = re.compile(r"(?<![\w.])function (\w+)\([^()]*\)\{")
# Emscripten's own begin with an underscore too: clocks, files, memory.
_OF_PYODIDE = re.compile(r"(?!_|emscripten_|ffi_)\w+|_(?:agen|Js|pyproxy|python2js)\w*")
_EXPORT = re.compile(
    r'\b(\w+)=Module\["\1"\]=wasmExports'
    r'\["(_?(?:pyproxy|js2python|python2js|create_promise|iscoroutinefunction)\w*)"\]'
)
_COUNTED = re.compile(r'\$crossing\("(\w+)"\)')
_COUNTING = """\
const $crossings=globalThis.crossings={};
const $crossing=(name)=>{$crossings[name]=($crossings[name]??0)+1};
const $counted=(name,of)=>(...given)=>{$crossing(name);return of(...given)};
"""


@dataclass(frozen=True, slots=True)
class Kind:
    """
    A kind of request.

    Attributes:
        body: As JSON.
        status: Of its answer.
        socket: Which it is sent to.
        key: What the caller shows.
    """

    path: str
    body: Mapping[str, object]
    status: int = 200
    socket: str = "worker"
    key: str = _KEY


def _inputs(**more: object) -> Mapping[str, object]:
    messages = [{"role": "user", "content": "Hello"}]
    return {"messages": messages, "max_tokens": _EVENTS, **more}


_CHAT = "/v1/chat/completions"
_ACCOUNT = "/client/v4/accounts/account/ai/run"
KINDS: Mapping[str, Kind] = {
    "native": Kind("/run", _inputs()),
    "native, stream": Kind("/run", _inputs(stream=True)),
    "REST": Kind(f"{_ACCOUNT}/{_MODEL}", _inputs()),
    "OpenAI": Kind(_CHAT, _inputs(model=_MODEL)),
    "OpenAI, stream": Kind(_CHAT, _inputs(model=_MODEL, stream=True)),
    "refusal": Kind("/run", _inputs(), status=401, key="wrong"),
    "RPC": Kind("/", _inputs(model=_MODEL), socket="rpc"),
    "RPC, stream": Kind("/", _inputs(model=_MODEL, stream=True), socket="rpc"),
}


@dataclass(frozen=True, slots=True)
class Worker:
    """
    The Worker while it runs.

    Attributes:
        addresses: Of its sockets, by name.
    """

    addresses: Mapping[str, str]
    client: httpx.Client

    def count(self, kind: Kind) -> "Counter[str]":
        """
        Count the calls that a request makes of each function of the glue.

        Raises:
            AssertionError: They are not the same each time.
        """
        for _ in range(_WARM_UPS):
            self._ask(kind)
        reading = self._learn_reading()
        counts = []
        for _ in range(_TIMES):
            before = self._read()
            self._ask(kind)
            counts.append(self._settle(before, reading))
        for count in counts[1:]:
            assert count == counts[0], f"not the same each time: {_compare(counts[0], count)}"
        return counts[0]

    def _ask(self, kind: Kind) -> None:
        response = self.client.post(
            self.addresses[kind.socket] + kind.path,
            json=kind.body,
            headers={"authorization": f"Bearer {kind.key}"},
        )
        assert response.status_code == kind.status, response.text
        assert kind.status != 200 or " word" in response.text or "An edge" in response.text

    def _read(self) -> "Counter[str]":
        return Counter(self.client.get(self.addresses["Counts"]).raise_for_status().json())

    def _learn_reading(self) -> "Counter[str]":
        """Learn what it takes to read the counts, which is in them as well."""
        reads = [self._read(), self._read(), self._read()]
        deadline = time.monotonic() + _PATIENCE_S
        while reads[-1] - reads[-2] != reads[-2] - reads[-3]:
            reads.append(self._read_later(deadline))
        return reads[-1] - reads[-2]

    def _settle(self, before: "Counter[str]", reading: "Counter[str]") -> "Counter[str]":
        """Wait for what the Worker does after its answer, and tell what was counted since."""
        reads = [before, self._read(), self._read()]
        deadline = time.monotonic() + _PATIENCE_S
        while reads[-1] - reads[-2] != reading:
            reads.append(self._read_later(deadline))
        counted = reads[-1] - before
        for _ in reads[1:]:
            counted.subtract(reading)
        return +counted

    def _read_later(self, deadline: float) -> "Counter[str]":
        assert time.monotonic() < deadline, "the counts do not come to rest"
        time.sleep(_POLL_S)
        return self._read()


@contextmanager
def run(folder: Path) -> Iterator[Worker]:
    """
    Run the Worker on a glue that counts.

    Args:
        folder: For its bundle and configuration.
    """
    bundle.build(prepare.NODE_MODULES / "pyodide", folder, lambda glue: _count(bundle.adapt(glue)))
    config = _write_config(folder)

    def command(file: Path, control: int) -> list[str]:
        # Of an option that is there twice, workerd takes the last.
        return [*command_to_serve(file, control), f"--pyodide-bundle-disk-cache-dir={folder}"]

    with (
        serving(config, len(_SOCKETS), command) as (_, addresses),
        httpx.Client(verify=False, timeout=60) as client,
    ):
        yield Worker(addresses, client)


def measure(worker: Worker) -> Mapping[str, "Counter[str]"]:
    """Count each kind of request; and of streams, what each event takes."""
    counts = {name: worker.count(kind) for name, kind in KINDS.items()}
    for name in _STREAMS:
        kind = replace(KINDS[name], body={**KINDS[name].body, "max_tokens": _MORE_EVENTS})
        more = worker.count(kind) - counts[name]
        each = {function: times / (_MORE_EVENTS - _EVENTS) for function, times in more.items()}
        assert all(map(float.is_integer, each.values())), f"not the same for each event: {more}"
        place = name.replace("stream", "each event")
        counts[place] = Counter({of: int(times) for of, times in each.items()})
    return counts


def sum_up(count: "Counter[str]") -> Mapping[str, int]:
    """Sum up what crosses, by column of the table."""
    parts = Counter(dict.fromkeys(PARTS, 0))
    for name, times in count.items():
        parts[_part_of(name)] += times
    return {**{part: parts[part] for part in PARTS}, "all": count.total()}


def word_table(counts: Mapping[str, "Counter[str]"]) -> str:
    """Word the table that test_crossings.py holds."""
    rows = [("", *COLUMNS)]
    rows += [(name, *map(str, sum_up(count).values())) for name, count in counts.items()]
    return "".join(_word_row(row) for row in rows)


def read_table(table: str) -> Mapping[str, Mapping[str, int]]:
    """Read such a table: by kind of request, by column."""
    rows = [line.rsplit(maxsplit=len(COLUMNS)) for line in table.splitlines()[1:]]
    return {name: dict(zip(COLUMNS, map(int, cells), strict=True)) for name, *cells in rows}


def _word_row(row: Sequence[str]) -> str:
    name, *cells = row
    padded = (f"{cell:>{len(column) + 2}}" for cell, column in zip(cells, COLUMNS, strict=True))
    return f"{name:<18}{''.join(padded)}\n"


def _word_functions(counts: Mapping[str, "Counter[str]"]) -> str:
    names = sorted(set().union(*counts.values()), key=lambda name: (_part_of(name) or "~", name))
    rows = [["", "", *counts]]
    rows += [
        [_part_of(name), name, *(str(count[name]) for count in counts.values())] for name in names
    ]
    return "\n".join(
        f"{part:<12}{name:<38}" + "".join(f"{cell:>20}" for cell in cells)
        for part, name, *cells in rows
    )


def _part_of(function: str) -> str:
    return next((part for part, names in PARTS.items() if names.fullmatch(function)), "")


def _compare(one: "Counter[str]", other: "Counter[str]") -> str:
    names = sorted(name for name in one | other if one[name] != other[name])
    return ", ".join(f"{name} {one[name]} and {other[name]}" for name in names)


def _count(glue: str) -> str:
    """Let the functions of Pyodide's glue count their calls."""
    typed = {name for name in _TYPED.findall(glue) if _OF_PYODIDE.fullmatch(name)}
    glue = _FUNCTION.sub(
        lambda found: f'{found[0]}$crossing("{found[1]}");' if found[1] in typed else found[0], glue
    )
    glue = _EXPORT.sub(r'\1=Module["\1"]=$counted("\2",wasmExports["\2"])', glue)
    for minified, name in _NAMED.findall(glue):
        # The definition is what is last before its name is set; others may be called the same.
        head, tail = glue.split(f'a({minified},"{name}")')
        before, definition, body = head.rpartition(f"function {minified}(")
        arguments, _, rest = body.partition("){")
        counting = f'{arguments}){{$crossing("{name}");{rest}'
        glue = f'{before}{definition}{counting}a({minified},"{name}"){tail}'
    missing = set(PARTS) - {_part_of(name) for name in _COUNTED.findall(glue)}
    if missing:
        raise bundle.BundleError(f"pyodide.asm.mjs: expected functions for {sorted(missing)}")
    return _COUNTING + glue


def _write_config(folder: Path) -> Path:
    main = Path(__file__).with_name("crossings_worker.py")
    modules = {main.name: main, **source_modules(), **vendored_modules()}
    flags = [*LOCAL_FLAGS, "disable_python_dedicated_snapshot"]
    variables = word_variables({**deployment().variables, **_SETTINGS})
    written = {"upstream.js": _UPSTREAM, "rpc.js": _RPC, "rate_limit.js": _RATE_LIMIT}
    for name, text in written.items():
        (folder / name).write_text(text, "utf-8")
    sockets = ", ".join(
        f'(name = "{name}", address = "127.0.0.1:0", http = (), service = {service})'
        for name, service in _SOCKETS.items()
    )
    binding = '(name = "TEXT", service = (name = "worker", entrypoint = "Edgewise"))'
    file = folder / "config.capnp"
    file.write_text(
        _CONFIG % {"sockets": sockets, "rate_limit": folder / "rate_limit.js"}
        + word_worker("upstream", {"upstream.js": folder / "upstream.js"}, (), [])
        + word_worker("worker", modules, flags, [*_BINDINGS, *variables])
        + word_worker("rpc", {"rpc.js": folder / "rpc.js"}, (), [binding]),
        "utf-8",
    )
    return file


def _print_all() -> None:
    with tempfile.TemporaryDirectory() as name, run(Path(name)) as worker:
        counts = measure(worker)
    print(word_table(counts), _word_functions(counts), sep="\n")


if __name__ == "__main__":
    _print_all()
