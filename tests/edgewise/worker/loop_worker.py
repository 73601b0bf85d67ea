"""The Worker as it is, and a path for each program of loop_cases.py, which it runs."""

import json
import traceback
from collections.abc import Awaitable
from typing import Any

from js import Error, Promise, Response, fetch, scheduler

import entry
from edgewise.ffi import isolate
from tests.edgewise.worker.loop_cases import CASES, CASES_OF_NEW_PYTHON

KNOWN = {**CASES, **CASES_OF_NEW_PYTHON}


class Promises:
    """JavaScript's."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def resolved(self, value: str) -> Awaitable[str]:
        promise: Awaitable[str] = Promise.resolve(value)
        return promise

    def rejected(self) -> Awaitable[str]:
        promise: Awaitable[str] = Promise.reject(Error.new("no"))
        return promise

    def later(self, seconds: float) -> Awaitable[object]:
        promise: Awaitable[object] = scheduler.wait(seconds * 1000)
        return promise

    def fetched(self) -> Awaitable[object]:
        promise: Awaitable[object] = fetch(f"{self._origin}/health")
        return promise


class Default(entry.Default):
    @staticmethod
    @isolate.taken_as_they_come
    async def fetch(request: Any, *_rest: Any) -> Any:
        scheme, _, host, *_, name = request.url.split("/")
        if name not in KNOWN:
            return await entry.Default.fetch(request)
        try:
            trace = await KNOWN[name](Promises(f"{scheme}//{host}"))
        except Exception:  # noqa: BLE001 - for the report of the test
            return Response.new(traceback.format_exc(), status=500)
        return Response.new(json.dumps(trace))
