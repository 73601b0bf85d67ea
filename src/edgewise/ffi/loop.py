"""
Pyodide's event loop, made to take no turns that nobody needs.

Pyodide has every callback wait for a turn of JavaScript's: to begin a Task, to bring it what a
promise held, to settle the promise that stands for it. That is half of what a request takes.

When JavaScript has a promise's outcome, or a Task to begin, no Python runs. So both happen at once,
and the Task's own promise is settled as the Task ends. Whatever Python itself asks for, such as to
wake those who wait for an Event, happens later and in order, as in asyncio's own loop.
"""

import sys
from asyncio import (
    Future,
    Handle,
    Task,
    _get_running_loop,
    _set_running_loop,
    ensure_future,
)
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextvars import Context
from functools import partial
from typing import Any

from js import queueMicrotask, setTimeout
from pyodide.ffi import create_once_callable
from pyodide.webloop import PyodideFuture, PyodideTask

Callback = Callable[..., object]
Settle = Callable[[Any], None]
_Woken = tuple[Context, Callback, object]

# Pyodide's own callback: it settles the promise that stands for a Task in JavaScript.
_SETTLING = "FutureDoneCallback"
# Microtasks that go on for ever would keep timers and answers from coming.
_MOST_IN_A_ROW = 100
_TURN_MS = 1  # the runtime makes 0 a microtask


class Turns:
    """
    What takes the place of a loop's own methods.

    Args:
        loop: Pyodide's.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._woken: list[_Woken] | None = None
        self._settling = self._settle  # bound once
        self._in_a_row = 0

    def resolvers(self, future: "Future[Any]") -> tuple[Settle, Settle]:
        """Make what JavaScript calls with the outcome of a promise, as Pyodide asks for it."""
        settle = self._settling
        return (
            partial(settle, future, future.set_result),
            partial(settle, future, future.set_exception),
        )

    def create_future(self) -> "Future[Any]":
        """Make a future, without Pyodide's count of those that are pending."""
        future: Future[Any] = PyodideFuture(loop=self._loop)
        return future

    def create_task(self, coroutine: Coroutine[Any, Any, Any], **options: Any) -> "Task[Any]":
        """Make a Task, which begins at once if it is JavaScript that awaits the coroutine."""
        task: Task[Any]
        factory = self._loop.get_task_factory()
        if factory is not None:
            task = factory(self._loop, coroutine, **options)
            return task
        if options.get("eager_start") is None:
            # Then it has called ensure_future, which no other function of Python has.
            options["eager_start"] = sys._getframe(1).f_back is None
        if options["eager_start"]:
            self._enter()
            sys.set_asyncgen_hooks(finalizer=self._close)
        task = PyodideTask(coroutine, loop=self._loop, **options)
        return task

    def call_soon(self, callback: Callback, *arguments: Any, context: Any = None) -> Any:
        """Have a microtask call back; after many in a row, a timer, so that others have a turn."""
        # A future that settles asks for it; else it is the collector of garbage, in between.
        if self._woken is not None and context is not None and len(arguments) == 1:
            self._woken.append((context, callback, arguments[0]))
            return None
        handle = Handle(callback, arguments, self._loop, context)
        if type(callback).__name__ == _SETTLING:  # its time comes once Python has ended
            handle._run()
            return handle
        in_a_row = (self._in_a_row + 1) % _MOST_IN_A_ROW
        run = create_once_callable(partial(self._run, handle, in_a_row))
        if in_a_row:
            queueMicrotask(run)
        else:
            setTimeout(run, _TURN_MS)
        return handle

    def _settle(self, future: "Future[Any]", settle: Callback, outcome: Any) -> None:
        if future.done():  # it was cancelled
            return
        woken: list[_Woken] = []
        self._woken = woken
        try:
            settle(outcome)
        finally:
            self._woken = None
        self._enter()
        for context, callback, argument in woken:
            try:
                context.run(callback, argument)
            except Exception as error:  # noqa: BLE001 - it is reported, as asyncio's own loop does
                told = {"message": f"Exception in callback {callback!r}", "exception": error}
                self._loop.call_exception_handler(told)

    def _run(self, handle: Handle, in_a_row: int) -> None:
        self._enter()
        self._in_a_row = in_a_row
        try:
            if not handle.cancelled():
                handle._run()
        finally:
            self._in_a_row = 0

    def _enter(self) -> None:
        """Note what loop runs: a call from JavaScript may have its own stack."""
        if _get_running_loop() is not self._loop:
            _set_running_loop(self._loop)

    def _close(self, generator: "AsyncGenerator[Any, Any]") -> None:
        """Close a generator that nobody holds any more."""
        self.call_soon(ensure_future, generator.aclose())
