"""The Worker's entrypoint. Every public method of Default is callable over RPC as well."""

from typing import Any

from workers import WorkerEntrypoint

from edgewise import ffi
from edgewise.app import handle


class Default(WorkerEntrypoint):  # type: ignore[misc]  # the SDK has no types outside workerd
    async def fetch(self, request: Any) -> Any:
        body = ffi.RequestBody(request)
        received = ffi.read_request(request, body)
        reply, record = await handle(received, ffi.read_variables(), ffi.platform())
        response = ffi.to_response(reply, record)
        await body.drop_rest()
        return response
