"""A Worker in JavaScript that calls Edgewise over service bindings, and what it reports."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tests.edgewise.caps import SMALL, STRICT
from tests.harness.credentials import API_KEYS
from tests.harness.deployments import (
    LIMITER,
    Deployment,
    deploy,
    limited_by_beside,
    make_copy,
    make_host,
    name_of,
    named,
)
from tests.harness.processes import wait_until
from tests.harness.witness import CANARY
from tools import prepare
from workers_ai_local import WorkersAi

_HOST = Path(__file__).with_name("rpc_host.js").read_text("utf-8")
_OLD_DATE = "2024-05-01"
# In place of the rate limits, and tells whom it counts; in place of env.AI, and answers what the
# real one cannot.
_LIMITER = LIMITER.replace("{ key }) {", '{ key }) {\n    console.log("counts " + key);').replace(
    "  limit(", "  run() {\n    return {};\n  }\n  limit("
)
_PYTHON = re.compile(r"Traceback|Python|pyodide|wasm|\.py\b")
# Bindings to the Worker, and what each says about its caller. UNNAMED says nothing.
_PROPS: Mapping[str, Mapping[str, object]] = {
    "SHOP": {"caller": "shop"},
    "BUSY": {"caller": "busy"},
    "FAILING": {"caller": "failing"},
    "ODD": {"caller": "odd"},
    "COLON": {"caller": f"shop:{CANARY}"},
    "ANONYMOUS": {"caller": "anonymous"},
    "NUMBER": {"caller": 5},
}


@dataclass(frozen=True)
class Call:
    """
    A call of a method.

    Attributes:
        path: The method's name; names with dots between lead further.
        arguments: {"$js": name} stands for what rpc_host.js calls so; without any, it is not called
            but asked for.
        is_held: Whether each step of the path is waited for before the next.
        leaves: Whether to read only the beginning of a stream.
    """

    path: str
    arguments: Sequence[object] | None = ()
    is_held: bool = False
    leaves: bool = False


class Thrown(msgspec.Struct, frozen=True):
    """
    An error.

    Attributes:
        keys: Of its own, that can be enumerated.
    """

    name: str
    message: str
    stack: str
    keys: list[str]
    code: object = None


class Outcome(msgspec.Struct, frozen=True):
    """
    What came of a call.

    Attributes:
        kind: The class of the value or of the error.
        body: Of a stream, or of a response.
        answered: Whether there was an answer; what was thrown came of reading it then.
    """

    kind: str
    value: Any = None
    body: str | None = None
    status: int | None = None
    headers: dict[str, str] = {}
    thrown: Thrown | None = None
    answered: bool = True

    @property
    def error(self) -> Thrown:
        """What was thrown."""
        assert self.thrown is not None, self
        return self.thrown


@dataclass(frozen=True)
class Host:
    """
    A Worker that calls over bindings: those of _PROPS, UNNAMED, SMALL, STRICT, FAULTY and DEFAULT.

    DEFAULT names no entrypoint, so that what serves static assets stands between.
    SMALL and STRICT lead to Workers with the settings of tests/caps.py, FAULTY to one that fails.
    """

    deployment: Deployment

    @property
    def ai(self) -> WorkersAi:
        """The Workers AI behind all of them."""
        return self.deployment.ai

    def call(self, path: str, *arguments: object, binding: str = "SHOP") -> Outcome:
        """Call a method."""
        [outcome] = self.call_all([Call(path, arguments)], binding=binding)
        return outcome

    def call_all(
        self,
        calls: Sequence[Call],
        *,
        binding: str = "SHOP",
        at_once: int = 1,
        is_old: bool = False,
    ) -> list[Outcome]:
        """
        Make calls within one request.

        Args:
            is_old: Whether the caller's compatibility date is of 2024.
        """
        path = "/through/OLD/" if is_old else "/"
        response = self.deployment.client.post(path, content=_word(calls, binding, at_once))
        assert response.status_code == 200, response.text
        outcomes = msgspec.convert(json.loads(response.text), list[Outcome])
        assert len(outcomes) == len(calls)
        for outcome in outcomes:
            if outcome.thrown is not None:
                told = f"{outcome.thrown.message} {outcome.thrown.stack}"
                assert not _PYTHON.search(told), told
                assert CANARY not in told, told
        return outcomes

    @contextmanager
    def hand(self, *arguments: object) -> Iterator[httpx.Response]:
        """Have the stream that `run` answers handed on as a body."""
        content = _word([Call("run", arguments)], "SHOP", 1)
        with self.deployment.client.stream("POST", "/hand", content=content) as response:
            yield response

    def fetch(
        self, binding: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Ask over HTTP through a binding."""
        method = "GET" if body is None else "POST"
        url = f"/through/{binding}{path}"
        return self.deployment.client.request(method, url, json=body, headers=headers)

    def written(self, ask: Callable[[], object], count: int = 1) -> list[dict[str, Any]]:
        """Ask, and wait for so many lines of the log; without what differs each time."""
        before = len(self.deployment.records())
        ask()
        wait_until(lambda: len(self.deployment.records()) >= before + count, seconds=10)
        records = self.deployment.records()[before:]
        assert len(records) == count, records
        for record in records:
            for name in ("time", "id", "ms", "model_ms", "fault"):
                record.pop(name, None)
        return records


def _word(calls: Sequence[Call], binding: str, at_once: int) -> str:
    asked = [
        {"path": call.path, "args": call.arguments, "held": call.is_held, "leaves": call.leaves}
        for call in calls
    ]
    # As ASCII, which has room for half a pair.
    return json.dumps({"binding": binding, "at_once": at_once, "calls": asked})


@contextmanager
def deploy_host(folder: Path, make_small: Callable[[Path], None]) -> Iterator[Host]:
    """
    Run Workers that call, one of 2026 and one of 2024, and four that they call.

    Args:
        make_small: Called with the folder of the one that is bound as SMALL.
    """
    service = name_of((prepare.ROOT / "wrangler.toml").read_text("utf-8"))
    services: list[Mapping[str, object]] = [
        _bind("UNNAMED", service),
        {"binding": "DEFAULT", "service": service},
    ]
    services += [_bind(binding, service, props) for binding, props in _PROPS.items()]
    behind = []
    for name, settings in (("small", SMALL), ("strict", STRICT | {"ALLOW_ANONYMOUS": "false"})):
        file = make_copy(folder / name, settings, _name_uncounted(name))
        called = name_of(file.read_text("utf-8"))
        services.append(_bind(name.upper(), called, {"caller": name}))
        behind.append(file)
    make_small(folder / "small")
    file = make_copy(folder / "faulty", SMALL, _name_faulty)
    called = name_of(file.read_text("utf-8"))
    services.append(_bind("FAULTY", called))
    behind.append(file)
    old: Mapping[str, object] = {"binding": "OLD", "service": "old"}
    before = [
        make_host(folder / "host", "host", _HOST, [*services, old]),
        make_host(folder / "old", "old", _HOST, services, _OLD_DATE),
    ]
    with deploy(
        folder / "own",
        {"API_KEYS": API_KEYS, "ALLOW_ANONYMOUS": "false"},
        edit=limited_by_beside,
        beside=_LIMITER,
        before=before,
        behind=behind,
    ) as deployment:
        yield Host(deployment)


def _bind(binding: str, service: str, props: Mapping[str, object] = {}) -> Mapping[str, object]:
    """Word a binding to Edgewise."""
    return {"binding": binding, "service": service, "entrypoint": "Edgewise", "props": props}


def _name_uncounted(name: str) -> Callable[[str], str]:
    """Have a wrangler.toml name its Worker so, and have no rate limits."""
    limit = re.compile(r'name = "RATE_LIMIT_(CALLER|ADDRESS)"')
    return lambda config: limit.sub(r'name = "UNUSED_\1"', named(name)(config))


def _name_faulty(config: str) -> str:
    """Name a Worker that has no rate limits, and something else in the place of env.AI."""
    ai = re.compile(r'\[\[env\.local\.unsafe\.bindings\]\]\nname = "AI"\n.*\n.*\n')
    service = '[[env.local.services]]\nbinding = "AI"\nservice = "beside"\n'
    edited, count = ai.subn(service, _name_uncounted("faulty")(config))
    assert count == 1
    return edited
