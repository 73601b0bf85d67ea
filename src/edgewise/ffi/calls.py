"""Calls over RPC in, values and errors out."""

from time import time
from typing import Any

from js import JSON, Error, crypto
from pyodide.ffi import create_once_callable

from ..exchange import Arguments, Call, Method, Reply, Returned, Stream
from ..rpc import word_error
from .http import respond


def name_call(method: Method, arguments: Arguments, props: str) -> Call:
    """Give a call its name and time; the rest is exchange.Call's."""
    return Call(method, arguments, props, crypto.randomUUID(), time())


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
    return throw(type(returned).__name__, word_error(returned), returned.code)


def throw(name: str, message: str, code: str | None = None) -> Any:
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
