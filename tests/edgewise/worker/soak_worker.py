"""The Worker as it is, and paths that tell what its Python holds, and the entrypoint's names."""

import gc
import json
from typing import Any

import js
import pyodide_js  # type: ignore[import-not-found]  # JavaScript, which is in workerd alone
from deployed import Default as Deployed  # type: ignore[import-not-found]  # entry.py, renamed


class Default(Deployed):  # type: ignore[misc]  # the SDK has no types outside workerd
    async def fetch(self, request: Any) -> Any:
        if request.url.endswith("/names"):
            return js.Response.new(json.dumps(dir(Default)))
        if not request.url.endswith("/alive"):
            return await super().fetch(request)
        # V8 holds something of each request until it collects. Needs --expose-gc.
        js.gc()
        gc.collect()
        held = {
            "objects": len(gc.get_objects()),
            "references": pyodide_js._module._hiwire_num_refs(),
            "wasm_bytes": pyodide_js._module.HEAP8.length,
        }
        return js.Response.new(json.dumps(held))


class Edgewise(Default):
    pass
