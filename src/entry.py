"""The Worker's entrypoints. Every public method of Default is callable over RPC as well."""

from typing import Any

from edgewise import worker
from edgewise.exchange import Method
from edgewise.ffi import isolate

isolate.convert_nothing()


class Default(isolate.Entrypoint):
    @staticmethod
    @isolate.taken_as_they_come
    async def fetch(request: Any, *_rest: Any) -> Any:
        return await worker.fetch(request)

    async def run(self, *arguments: Any) -> Any:
        return await worker.serve(isolate.read_call(Method.RUN, arguments, self))

    async def generate(self, *arguments: Any) -> Any:
        return await worker.serve(isolate.read_call(Method.GENERATE, arguments, self))

    async def models(self, *arguments: Any) -> Any:
        return await worker.serve(isolate.read_call(Method.MODELS, arguments, self))


class Edgewise(Default):
    """
    The same for those who bind it by name: no static assets are in front of it.

    What serves them under `wrangler dev` loses the caller's props, and errors' names and codes.
    """
