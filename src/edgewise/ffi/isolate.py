"""
What we change of the SDK, of Pyodide and of JavaScript, in an isolate that is ours alone.

Only src/entry.py imports this. A Worker of others that has the package in it keeps its own.
"""

from asyncio import get_running_loop
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, ParamSpec, TypeVar

import workers
from _pyodide import _future_helper
from js import JSON, Map, Object, Uint8Array
from pyodide.ffi import JsException

from ..exchange import NO_JSON, Arguments, Call, Method
from .calls import name_call, throw
from .loop import Turns

P = ParamSpec("P")
T = TypeVar("T")


def convert_nothing() -> None:
    """
    Put nothing in place of the SDK's conversions, which the runtime calls for RPC.

    They would turn every argument into Python's objects first, and where that fails, too deep or
    too odd, the caller would be shown Python's traceback. The runtime takes them once the
    entrypoint's module is loaded.
    """
    workers.python_from_rpc = workers.python_to_rpc = _leave


def _leave(value: Any) -> Any:
    return value


class Entrypoint(workers.WorkerEntrypoint):  # type: ignore[misc]  # no types outside workerd
    """
    An entrypoint of which nothing can be called but the public methods of its class.

    The runtime asks the instance for whatever name a caller thinks of: for those that Python gives
    to every object, through which its env can be had, and for those of Pyodide's proxy.
    """

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name == "then":  # which tells that something can be awaited
            raise AttributeError(name)
        if name in _names_of(type(self).__mro__):
            return super().__getattribute__(name)
        return lambda *_arguments: throw("TypeError", f"Method {name} does not exist")


def _begin(entrypoint: Entrypoint, ctx: Any, _env: Any) -> None:
    """
    Keep what describes the caller.

    Set on the finished class, where the SDK puts nothing around it: that would wrap the env, which
    is read elsewhere, and ctx.waitUntil, anew for each request.
    """
    _hasten()
    object.__setattr__(entrypoint, "ctx", ctx)


Entrypoint.__init__ = _begin  # type: ignore[assignment, method-assign]


@cache
def _names_of(kinds: tuple[type, ...]) -> frozenset[str]:
    return frozenset(name for kind in kinds for name in vars(kind))


@cache  # once is enough
def _hasten() -> None:
    """Have the isolate's loop take no needless turns."""
    loop: Any = get_running_loop()
    turns = Turns(loop)
    for method in (turns.call_soon, turns.create_task, turns.create_future):
        setattr(loop, method.__name__, method)
    _future_helper.get_future_resolvers = turns.resolvers


def taken_as_they_come(method: Callable[P, T]) -> Callable[P, T]:
    """
    Let a method take whatever arguments there are.

    The runtime would bind them to its signature, anew for each request, to leave out those that it
    does not take: a twelfth of the Python that a request runs.
    """
    method.__signature__ = False  # type: ignore[attr-defined]  # inspect.signature takes it for none
    return method


def read_call(method: Method, arguments: Sequence[Any], entrypoint: Entrypoint) -> Call:
    """Read all of a call over RPC but its arguments."""
    props = JSON.stringify(object.__getattribute__(entrypoint, "ctx").props)
    return name_call(method, Arguments(arguments, _word), props or "{}")


def _word(argument: object) -> str | None:
    _refuse_bytes()
    try:
        text: str | None = JSON.stringify(argument)
    except (JsException, TypeError):  # bytes, a bigint, or what holds itself
        return NO_JSON
    return text


@cache  # once is enough
def _refuse_bytes() -> None:
    """
    Let no array of bytes become JSON, which has some 14 characters for each of them.

    A picture that is sent by mistake would take all memory. It gets a method of another class,
    which refuses.
    """
    Object.getPrototypeOf(Uint8Array.prototype).toJSON = Map.prototype.keys
