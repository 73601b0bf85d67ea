"""Calls over RPC in, values and errors out."""

from collections.abc import Callable, Sequence
from functools import cache
from time import time
from typing import Any, ParamSpec, TypeVar

from js import JSON, Error, Map, Object, Uint8Array, crypto
from pyodide.ffi import JsException, create_once_callable
from workers import WorkerEntrypoint

from ..exchange import NO_JSON, Arguments, Call, Method, Reply, Returned, Stream
from ..rpc import word_error
from .http import respond
from .loop import hasten

P = ParamSpec("P")
T = TypeVar("T")


class Entrypoint(WorkerEntrypoint):  # type: ignore[misc]  # the SDK has no types outside workerd
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
        return lambda *_arguments: _throw("TypeError", f"Method {name} does not exist")


def _begin(entrypoint: Entrypoint, ctx: Any, _env: Any) -> None:
    """
    Keep what describes the caller.

    Set on the finished class, where the SDK puts nothing around it: that would wrap the env, which
    is read elsewhere, and ctx.waitUntil, anew for each request.
    """
    hasten()
    object.__setattr__(entrypoint, "ctx", ctx)


Entrypoint.__init__ = _begin  # type: ignore[assignment, method-assign]


@cache
def _names_of(kinds: tuple[type, ...]) -> frozenset[str]:
    return frozenset(name for kind in kinds for name in vars(kind))


def taken_as_they_come(method: Callable[P, T]) -> Callable[P, T]:
    """
    Let a method take whatever arguments there are.

    The runtime would bind them to its signature, anew for each request, to leave out those that it
    does not take: a twelfth of the Python that a request runs.
    """
    method.__signature__ = False  # type: ignore[attr-defined]  # inspect.signature takes it for none
    return method


def leave(value: Any) -> Any:
    """
    Convert nothing: in place of the SDK's conversions, which the runtime calls for RPC.

    They would turn every argument into Python's objects first, and where that fails, too deep or
    too odd, the caller would be shown Python's traceback.
    """
    return value


def read_call(method: Method, arguments: Sequence[Any], entrypoint: Entrypoint) -> Call:
    """Read all of a call over RPC but its arguments."""
    props = JSON.stringify(object.__getattribute__(entrypoint, "ctx").props)
    return name_call(method, Arguments(arguments, _word), props or "{}")


def name_call(method: Method, arguments: Arguments, props: str) -> Call:
    """Give a call its name and time; the rest is exchange.Call's."""
    return Call(method, arguments, props, crypto.randomUUID(), time())


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


def to_rpc(returned: Returned) -> Any:
    """Give back a value, a stream, a Response, or throw an error."""
    match returned:
        case str():
            return JSON.parse(returned)
        case Stream(handle):
            return handle
        case Reply(body=Stream(handle)):
            return respond(returned, handle)
        case Reply():
            return respond(returned, returned.body)
    return _throw(type(returned).__name__, word_error(returned), returned.code)


def _throw(name: str, message: str, code: str | None = None) -> Any:
    """
    Make what rejects the promise that it is returned to.

    Whatever Python raises, JavaScript's errors too, reaches the caller as a PythonError with all of
    Python's traceback. So it is JavaScript that rejects, once it asks for what this will become.
    """
    error = Error.new(message)
    error.name = name
    if code is not None:
        error.code = code

    def then(_resolve: Any, reject: Any) -> None:
        reject(error)

    thrown = JSON.parse("{}")
    thrown.then = create_once_callable(then)
    return thrown
