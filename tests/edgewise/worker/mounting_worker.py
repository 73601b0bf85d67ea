"""
A Worker with pages of its own: Edgewise is below the paths of MOUNTS, and `/call/it` calls it.

`workerd test` runs `test`.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import workers
from _pyodide import _future_helper
from js import JSON, Uint8Array
from workers import Request, Response, WorkerEntrypoint, import_from_javascript

from edgewise import worker
from edgewise.errors import EdgewiseError
from edgewise.worker import mount


def deep(levels: int) -> Any:
    """Make a value of lists in lists."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


# What JSON cannot say.
ODD: Mapping[str, Callable[[], Any]] = {
    "NaN": lambda: {"prompt": "Hello", "temperature": float("nan")},
    "infinity": lambda: {"prompt": "Hello", "max_tokens": float("inf")},
    "bytes": lambda: {"prompt": b"Hello"},
    "set": lambda: {"prompt": {"Hello"}},
    "object": lambda: {"prompt": object()},
    "complex": lambda: {"prompt": "Hello", "top_p": 1j},
    "surrogate": lambda: {"prompt": "\ud83d"},
    "deep": lambda: {"prompt": "Hello", "tools": deep(100)},
    # Letting go of 20,000 levels ends the isolate, without any of ours.
    "very deep": lambda: {"prompt": "Hello", "tools": deep(5_000)},
}


class Default(WorkerEntrypoint):  # type: ignore[misc]  # the SDK has no types outside workerd
    async def fetch(self, request: Any) -> Any:
        for path, settings in json.loads(self.env.MOUNTS).items():
            # As the SDK has them, or as JavaScript does.
            given, ai = request, self.env.WORDS
            if path == "/open":
                given = request.js_object
                ai = import_from_javascript("cloudflare:workers").env.WORDS
            if path == "/unbound":
                ai = None
            answer = await mount(given, path, settings=settings, ai=ai)
            if answer is not None:
                return answer
        path = urlsplit(request.url).path
        if path == "/call/it":
            return await call(json.loads(await request.text()), request, self.env)
        return Response(f"the host's {path}")

    async def test(self) -> None:
        assert [*sys.modules].count("entry") == 0
        known = {*sys.modules}
        packages = {name.partition(".")[0] for name in known} - sys.stdlib_module_names
        print("packages:", *sorted(packages))

        refused = await self.fetch(Request("http://host/closed/run", method="POST", body="{}"))
        assert refused.status == 403, await refused.text()
        own = await self.fetch(Request("http://host/own"))
        assert await own.text() == "the host's /own"
        body = '{"prompt":"Hello"}'
        answer = await self.fetch(Request("http://host/open/run", method="POST", body=body))
        assert answer.status == 200, await answer.text()
        assert "not a model" in await answer.text()

        # The host's event loop is the host's, and so are its SDK and JavaScript.
        own = {"call_soon", "create_task", "create_future"}
        assert not vars(asyncio.get_running_loop()).keys() & own
        assert _future_helper.get_future_resolvers.__module__ == "_pyodide._future_helper"
        assert (
            workers.python_from_rpc.__module__ == workers.python_to_rpc.__module__ == "workers.rpc"
        )
        assert not hasattr(Uint8Array.prototype, "toJSON")

        # At last: it changes how the runtime converts what comes over RPC.
        import entry  # noqa: F401

        print("our own Worker adds:", *sorted({*sys.modules} - known))
        print("answered from the snapshot")


async def call(asked: Mapping[str, Any], request: Any, env: Any) -> Any:
    """Call what is asked for, and tell what came of it."""
    arguments = [ODD[asked["odd"]]()] if "odd" in asked else asked.get("arguments", [])
    keywords = dict(asked.get("keywords", {}))
    if "models" in asked:  # as a variable of wrangler.toml that is not text
        keywords["settings"] = {"MODELS": JSON.parse(json.dumps(asked["models"]))}
    if asked["function"] == "mount":
        arguments = [request, *arguments]
    elif asked["function"] != "models":
        keywords["ai"] = env.WORDS
    try:
        answer = await getattr(worker, asked["function"])(*arguments, **keywords)
    except EdgewiseError as error:
        told = (type(error).__name__, error.code, error.upstream_code, error.message)
        return Response.json([*told])
    except (TypeError, ValueError) as error:
        return Response.json([type(error).__name__, str(error)])
    if asked.get("is_raw"):
        return answer
    is_value = isinstance(answer, dict | list | None)
    if is_value:
        return Response.json(answer)
    return Response(answer, headers={"content-type": "text/event-stream"})
