"""
Pyodide's event loop, made to take no turns that nobody needs.

To begin or end a Task, and to bring it what a promise held, the loop waits for two timers each
time, so that whoever awaits over and over lets other things happen: half of what a request takes.
Here a Task begins at once, what JavaScript awaits of it is settled as it ends, and a promise wakes
the one Task that awaits it.

It is for an isolate that runs nothing but our entrypoints. Where the package is a part of another
Worker, that one's loop stays as it is.
"""

from asyncio import Handle, _get_running_loop, _set_running_loop
from collections.abc import Callable
from contextvars import Context
from typing import Any

from js import queueMicrotask
from pyodide.ffi import create_once_callable
from pyodide.webloop import PyodideFuture, PyodideTask

Callback = Callable[..., object]

# Pyodide's own callback: it settles the promise that stands for a Task in JavaScript.
_SETTLING = "FutureDoneCallback"


class Promised(PyodideFuture):  # type: ignore[misc]  # Pyodide has no types outside workerd
    """
    A future of a promise, which calls back at once: it is JavaScript that settles it, while no
    Task runs.
    """

    _callback: Callback | None = None
    _context: Context

    def add_done_callback(self, callback: Callback, *, context: Context | None = None) -> None:
        if context is not None and self._callback is None:  # a Task's, which found it pending
            self._callback, self._context = callback, context
        else:
            super().add_done_callback(callback, context=context)

    def remove_done_callback(self, callback: Callback) -> int:
        if self._callback == callback:
            self._callback = None
            return 1
        removed: int = super().remove_done_callback(callback)
        return removed

    def set_result(self, value: Any) -> None:
        PyodideFuture.set_result(self, value)
        self._call_back()

    def set_exception(self, error: Any) -> None:
        PyodideFuture.set_exception(self, error)
        self._call_back()

    def cancel(self, msg: Any = None) -> bool:
        # This is called by a Task.
        is_cancelled: bool = super().cancel(msg)
        self.get_loop().call_soon(self._call_back)
        return is_cancelled

    def _call_back(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None:
            _enter(self.get_loop())
            self._context.run(callback, self)


def create_future(loop: Any) -> Promised:
    return Promised(loop=loop)


def call_soon(
    loop: Any, callback: Callback, *arguments: Any, context: Context | None = None
) -> Handle:
    handle = Handle(callback, arguments, loop, context)
    if type(callback).__name__ == _SETTLING:  # nothing more of JavaScript's runs before its time
        handle._run()
        return handle

    def run() -> None:
        _enter(loop)
        if not handle.cancelled():
            handle._run()

    queueMicrotask(create_once_callable(run))
    return handle


def create_task(
    loop: Any, coroutine: Any, *, name: str | None = None, context: Context | None = None
) -> Any:
    _enter(loop)
    return PyodideTask(coroutine, loop=loop, name=name, context=context, eager_start=True)


def _enter(loop: Any) -> None:
    """Note what loop runs: a call from JavaScript may have its own stack."""
    if _get_running_loop() is not loop:
        _set_running_loop(loop)
