"""The Worker's entrypoints. Every public method of Default is callable over RPC as well."""

from typing import Any

import workers

from edgewise import worker
from edgewise.exchange import Method
from edgewise.ffi import calls

# The runtime takes them from here once this module is loaded.
workers.python_from_rpc = workers.python_to_rpc = calls.leave


class Default(calls.Entrypoint):
    @staticmethod
    @calls.taken_as_they_come
    async def fetch(request: Any, *_rest: Any) -> Any:
        return await worker.fetch(request)

    async def run(self, *arguments: Any) -> Any:
        return await worker.serve(self, Method.RUN, arguments)

    async def generate(self, *arguments: Any) -> Any:
        return await worker.serve(self, Method.GENERATE, arguments)

    async def models(self, *arguments: Any) -> Any:
        return await worker.serve(self, Method.MODELS, arguments)


class Edgewise(Default):
    """
    The same for those who bind it by name: no static assets are in front of it.

    What serves them under `wrangler dev` loses the caller's props, and errors' names and codes.
    """
