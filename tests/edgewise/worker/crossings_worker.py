"""
The Worker as it is, and beside it what reads the counts and what crosses once more.

Its glue counts into a global of JavaScript, which the tests' bundle has and no other.
"""

import asyncio
from typing import Any

import js
from js import JSON, Promise, Response
from workers import WorkerEntrypoint

import entry
from edgewise import worker
from edgewise.ffi import isolate

Default, Edgewise = entry.Default, entry.Edgewise


class Counts(WorkerEntrypoint):  # type: ignore[misc]  # the SDK has no types outside workerd
    async def fetch(self, _request: Any) -> Any:
        return Response.new(JSON.stringify(js.crossings))


class Reading(entry.Default):
    @staticmethod
    @isolate.taken_as_they_come
    async def fetch(request: Any, *_rest: Any) -> Any:
        _ = request.url
        return await worker.fetch(request)


class Waiting(entry.Default):
    @staticmethod
    @isolate.taken_as_they_come
    async def fetch(request: Any, *_rest: Any) -> Any:
        happened = asyncio.Event()
        asyncio.get_running_loop().call_soon(happened.set)
        await happened.wait()
        return await worker.fetch(request)


class Awaiting(entry.Default):
    @staticmethod
    @isolate.taken_as_they_come
    async def fetch(request: Any, *_rest: Any) -> Any:
        await Promise.resolve()
        return await worker.fetch(request)
