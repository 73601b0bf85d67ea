"""
Builds the bundle that gives workerd its Python, from the npm package pyodide.

workerd would download it at every start. With the flag `python_workers_development` it reads
`pyodide_dev.capnp.bin` from the folder given by `--pyodide-bundle-disk-cache-dir` instead.
"""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import capnp

NAME = "pyodide_dev.capnp.bin"

# workerd forbids what a browser allows and offers these instead.
# Source: workerd/src/pyodide/internal/builtin_wrappers.ts
_IMPORTS = (
    "import{addEventListener,getRandomValues,location,monotonicDateNow,newWasmModule,"
    'patchedLoadLibData,wasmInstantiate}from"pyodide-internal:builtin_wrappers";'
    'const forbidEval=()=>{throw new EvalError("workerd does not evaluate text")};\n'
)


class BundleError(Exception):
    """The pyodide package is not one that this recipe knows."""


@dataclass(frozen=True, slots=True)
class Change:
    """
    One thing the glue code of pyodide must do differently in workerd.

    Attributes:
        what: For the error message.
        pattern: Regular expression.
        replacement: As for re.sub.
        count: How often the pattern occurs in the version of pyodide that is pinned.
    """

    what: str
    pattern: str
    replacement: str
    count: int


CHANGES = (
    Change("new WebAssembly.Module", r"\bnew WebAssembly\.Module\(", "newWasmModule(", 4),
    Change("WebAssembly.instantiate", r"\bWebAssembly\.instantiate\(", "wasmInstantiate(", 2),
    Change("Date.now", r"\bDate\.now\b", "monotonicDateNow", 22),
    Change(
        "crypto.getRandomValues",
        r"\bcrypto\.getRandomValues\((\w+)\)",
        r"getRandomValues(Module,\1)",
        1,
    ),
    Change("eval", r"\beval\((?=func\)|data\)|UTF8ToString\(ptr\)\))", "forbidEval(", 6),
    Change(
        "loadLibData",
        r"\bfunction loadLibData\(\)\{",
        "function loadLibData(){const lib=patchedLoadLibData(Module,libName,flags.rpath);"
        "return flags.loadAsync?Promise.resolve(lib):lib;",
        1,
    ),
    Change("getMemory", r"(?<![\w.])getMemory\(", "Module.getMemoryPatched(Module,libName,", 1),
    Change(
        "export default _createPyodideModule",
        r"\bexport default _createPyodideModule;",
        "export{_createPyodideModule,_createPyodideModule as default};",
        1,
    ),
)


def adapt(glue: str) -> str:
    """
    Adapt pyodide.asm.mjs to workerd.

    Raises:
        BundleError: Something occurs more or less often than in the version this was made for.
    """
    for change in CHANGES:
        glue, count = re.subn(change.pattern, change.replacement, glue)
        if count != change.count:
            raise BundleError(
                f"pyodide.asm.mjs: expected {change.what} {change.count} times, found it {count}"
                " times. wrangler, workerd and pyodide in package.json belong together."
            )
    return _IMPORTS + glue


def build(pyodide: Path, folder: Path, adapt: Callable[[str], str] = adapt) -> None:
    """
    Write the bundle.

    Args:
        pyodide: The folder of the npm package.
        folder: Where the bundle goes.
        adapt: What the glue code goes through.
    """
    modules = {
        "pyodide.asm": ("src", adapt((pyodide / "pyodide.asm.mjs").read_text("utf-8")).encode()),
        "pyodide.asm.wasm": ("wasm", (pyodide / "pyodide.asm.wasm").read_bytes()),
        "python_stdlib.zip": ("data", (pyodide / "python_stdlib.zip").read_bytes()),
    }
    capnp.remove_import_hook()
    schema = capnp.load(str(Path(__file__).with_name("bundle.capnp")))
    bundle = schema.Bundle.new_message()
    for entry, (name, (kind, content)) in zip(
        bundle.init("modules", len(modules)), modules.items(), strict=True
    ):
        entry.name = f"pyodideRuntime-internal:{name}"
        entry.type = "internal"
        setattr(entry, kind, content)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{NAME}.unfinished"
    unfinished.write_bytes(bundle.to_bytes())
    unfinished.replace(folder / NAME)


if __name__ == "__main__":
    try:
        build(Path(sys.argv[1]), Path(sys.argv[2]))
    except BundleError as error:
        sys.exit(str(error))
