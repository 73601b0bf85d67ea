"""
Programs for an event loop, each of which returns what happened in it, in order.

They run on asyncio's own loop and on the deployed Worker's: what happens has to be the same.
"""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol

_FAR_S = 30.0  # a timer that must never be waited for
_SOON_S = 0.02

Trace = list[str]


class Promises(Protocol):
    """Where promises come from: JavaScript, or futures that stand in for them."""

    def resolved(self, value: str) -> Awaitable[str]:
        """Promise a value that is there already."""

    def rejected(self) -> Awaitable[str]:
        """Promise what has failed already."""

    def later(self, seconds: float) -> Awaitable[object]:
        """Promise that time passes."""

    def fetched(self) -> Awaitable[object]:
        """Promise an answer that comes over the network."""


async def event(promises: Promises) -> Trace:
    trace: Trace = []
    happened = asyncio.Event()

    async def wait(name: str) -> None:
        await happened.wait()
        trace.append(name)
        await promises.resolved("")
        trace.append(f"{name} again")

    async def announce() -> None:
        await promises.resolved("")
        happened.set()
        trace.append("set")

    await asyncio.gather(*map(wait, "ab"), announce())
    return trace


async def event_set_by_a_timer(promises: Promises) -> Trace:
    trace: Trace = []
    happened = asyncio.Event()

    async def wait(name: str) -> None:
        await happened.wait()
        trace.append(name)

    def announce() -> None:
        happened.set()
        trace.append("set")

    asyncio.get_running_loop().call_later(_SOON_S, announce)
    await asyncio.gather(*map(wait, "abc"), promises.later(2 * _SOON_S))
    return trace


async def lock(promises: Promises) -> Trace:
    trace: Trace = []
    held = asyncio.Lock()

    async def hold(name: str) -> None:
        async with held:
            trace.append(f"{name} takes")
            await promises.resolved("")
            await promises.later(0.001)
            trace.append(f"{name} leaves")

    await asyncio.gather(*map(hold, "abc"))
    return trace


async def semaphore(promises: Promises) -> Trace:
    trace: Trace = []
    places = asyncio.BoundedSemaphore(2)
    leave = {name: asyncio.Event() for name in "abcd"}

    async def take(name: str) -> None:
        async with places:
            trace.append(f"{name} takes")
            await leave[name].wait()
            trace.append(f"{name} leaves")

    taking = asyncio.gather(*map(take, leave))
    for name in "bacd":
        await promises.later(0.001)
        leave[name].set()
    await taking
    return trace


async def condition(promises: Promises) -> Trace:
    trace: Trace = []
    changed = asyncio.Condition()

    async def wait(name: str) -> None:
        async with changed:
            await changed.wait()
            trace.append(name)

    async def notify() -> None:
        await promises.resolved("")
        async with changed:
            changed.notify(1)
            trace.append("one")
        await promises.later(_SOON_S)
        async with changed:
            changed.notify_all()
            trace.append("all")

    await asyncio.gather(*map(wait, "abc"), notify())
    return trace


async def barrier(promises: Promises) -> Trace:
    trace: Trace = []
    together = asyncio.Barrier(3)

    async def come(number: int) -> None:
        await promises.later(number * _SOON_S)
        trace.append(f"{number} comes")
        await together.wait()
        trace.append("goes")

    await asyncio.gather(*map(come, range(3)))
    return trace


async def queue(promises: Promises) -> Trace:
    trace: Trace = []
    line: asyncio.Queue[str] = asyncio.Queue(1)

    async def produce() -> None:
        for item in "abc":
            await line.put(item)
            trace.append(f"put {item}")

    async def consume() -> None:
        while True:
            item = await line.get()
            trace.append(f"got {await promises.resolved(item)}")
            line.task_done()

    consuming = asyncio.create_task(consume())
    await produce()
    await line.join()
    consuming.cancel()
    await asyncio.wait([consuming])
    trace.append(f"cancelled {consuming.cancelled()}")
    return sorted(trace)  # who is ahead is the promises' matter


async def queue_of_many_consumers(promises: Promises) -> Trace:
    trace: Trace = []
    line: asyncio.Queue[int] = asyncio.Queue()

    async def consume(name: str) -> None:
        trace.append(f"{name}{await line.get()}")

    consuming = [asyncio.create_task(consume(name)) for name in "abc"]
    await promises.later(0.001)
    for number in range(3):
        line.put_nowait(number)
    trace.append("put")
    await asyncio.gather(*consuming)
    return trace


async def gather(promises: Promises) -> Trace:
    async def say(name: str) -> str:
        await promises.later(0.001)
        return await promises.resolved(name)

    awaitables = (say("a"), promises.resolved("b"), say("c"), promises.rejected())
    said = [*await asyncio.gather(*awaitables, return_exceptions=True)]
    try:
        await asyncio.gather(say("a"), promises.rejected())
    except Exception:  # noqa: BLE001 - JavaScript's errors are no class of CPython's
        said.append("failed too")
    await promises.fetched()
    return [str(each) if isinstance(each, str) else "failed" for each in said]


async def task_group(promises: Promises) -> Trace:
    trace: Trace = []
    ready = asyncio.Event()

    async def wait(name: str, awaitable: Awaitable[object]) -> None:
        try:
            await awaitable
        except asyncio.CancelledError:
            trace.append(f"{name} cancelled")
            await promises.resolved("")
            trace.append(f"{name} cleaned up")
            raise

    async def fail() -> None:
        await promises.later(0.001)
        raise ValueError("no")

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(wait("promise", promises.later(_FAR_S)))
            group.create_task(wait("event", ready.wait()))
            group.create_task(wait("future", asyncio.get_running_loop().create_future()))
            group.create_task(fail())
    except* ValueError as errors:
        trace.append(f"failed {len(errors.exceptions)}")
    return sorted(trace)


async def task_group_of_results(promises: Promises) -> Trace:
    async def say(name: str) -> str:
        return await promises.resolved(name)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(say(name)) for name in "abc"]
    return [task.result() for task in tasks]


async def timeout(promises: Promises) -> Trace:
    trace: Trace = []
    never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waits: Mapping[str, Callable[[], Awaitable[object]]] = {
        "promise": lambda: promises.later(_FAR_S),
        "future": lambda: never,
        "sleep": lambda: asyncio.sleep(_FAR_S),
        "event": lambda: asyncio.Event().wait(),
        "resolved": lambda: promises.resolved(""),
        "fetched": promises.fetched,
    }
    for name, wait in waits.items():
        try:
            async with asyncio.timeout(5 if name in ("resolved", "fetched") else _SOON_S):
                await wait()
            trace.append(f"{name} came")
        except TimeoutError:
            trace.append(f"{name} timed out")
    return trace


async def timeout_in_a_timeout(promises: Promises) -> Trace:
    trace: Trace = []
    try:
        async with asyncio.timeout(_SOON_S):
            try:
                async with asyncio.timeout(_FAR_S):
                    await promises.later(_FAR_S)
            except TimeoutError:
                trace.append("inner")
    except TimeoutError:
        trace.append("outer")
    task = asyncio.current_task()
    assert task is not None
    return [*trace, f"cancelling {task.cancelling()}"]


async def wait_for(promises: Promises) -> Trace:
    trace: Trace = [await asyncio.wait_for(promises.resolved("came"), _FAR_S)]
    for awaitable in (promises.later(_FAR_S), asyncio.Event().wait(), asyncio.sleep(_FAR_S)):
        try:
            await asyncio.wait_for(awaitable, _SOON_S)
        except TimeoutError:
            trace.append("timed out")
    return trace


async def wait_for_the_first(promises: Promises) -> Trace:
    async def say(name: str, seconds: float) -> str:
        await promises.later(seconds)
        return name

    tasks = {asyncio.create_task(say("quick", 0.001)), asyncio.create_task(say("slow", _FAR_S))}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.wait(pending)
    order = [await each for each in asyncio.as_completed([say("b", 2 * _SOON_S), say("a", 0.001)])]
    return [*(task.result() for task in done), *order, *(str(each.cancelled()) for each in pending)]


async def cancellation(promises: Promises) -> Trace:
    trace: Trace = []
    waits: Mapping[str, Awaitable[object]] = {
        "promise": promises.later(_FAR_S),
        "promise that settles yet": promises.later(0.001),
        "future": asyncio.get_running_loop().create_future(),
        "event": asyncio.Event().wait(),
        "sleep": asyncio.sleep(_FAR_S),
    }

    async def wait(name: str) -> None:
        try:
            await waits[name]
        except asyncio.CancelledError as error:
            trace.append(f"{name}: {error}")
            raise

    for name in waits:
        task = asyncio.create_task(wait(name))
        await asyncio.sleep(0)
        task.cancel("stop")
        await asyncio.wait([task])
        trace.append(f"cancelled {task.cancelled()}")
    await promises.later(_SOON_S)
    return trace


async def cancellation_before_the_beginning(promises: Promises) -> Trace:
    trace: Trace = []

    async def work() -> None:
        trace.append("begun")

    task = asyncio.create_task(work())
    task.cancel()
    await asyncio.wait([task])
    await promises.resolved("")
    return [*trace, f"cancelled {task.cancelled()}"]


async def cancellation_that_is_refused(promises: Promises) -> Trace:
    async def refuse() -> str:
        try:
            await promises.later(_FAR_S)
        except asyncio.CancelledError:
            pass
        return await promises.resolved("went on")

    task = asyncio.create_task(refuse())
    await asyncio.sleep(0)
    task.cancel()
    return [await task, f"cancelled {task.cancelled()}"]


async def cancellation_from_inside(promises: Promises) -> Trace:
    trace: Trace = []

    async def cancel_myself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        trace.append("asked")
        await promises.later(_FAR_S)
        trace.append("went on")

    await asyncio.wait([asyncio.create_task(cancel_myself())])
    return trace


async def shield(promises: Promises) -> Trace:
    trace: Trace = []
    ready = asyncio.Event()

    async def work() -> None:
        await ready.wait()
        await promises.resolved("")
        trace.append("done")

    working = asyncio.create_task(work())
    try:
        async with asyncio.timeout(_SOON_S):
            await asyncio.shield(working)
    except TimeoutError:
        trace.append("timed out")
    ready.set()
    await working
    return trace


async def call_soon(promises: Promises) -> Trace:
    trace: Trace = []
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def first() -> None:
        trace.append("first")
        loop.call_soon(trace.append, "soon")
        loop.call_later(0, trace.append, "later")
        loop.call_later(_SOON_S, done.set)

    loop.call_soon(first)
    loop.call_soon(trace.append, "cancelled").cancel()
    loop.call_soon(trace.append, "second")
    loop.call_later(_FAR_S, trace.append, "far").cancel()
    trace.append("begun")
    await done.wait()
    await promises.resolved("")
    return trace


async def call_later(promises: Promises) -> Trace:
    trace: Trace = []
    loop = asyncio.get_running_loop()
    for name, delay_s in (("c", 0.09), ("a", 0.03), ("b", 0.06)):
        loop.call_later(delay_s, trace.append, name)
    loop.call_at(loop.time() + 0.12, trace.append, "d")
    await promises.later(0.2)
    return trace


async def call_that_fails(promises: Promises) -> Trace:
    trace: Trace = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: trace.append(repr(context["exception"])))
    future: asyncio.Future[None] = loop.create_future()

    def fail(*_given: object) -> None:
        raise ValueError("no")

    future.add_done_callback(fail)
    future.set_result(None)
    loop.call_soon(fail)
    promised = asyncio.ensure_future(promises.resolved(""))
    promised.add_done_callback(fail)
    await promised
    await promises.later(0.001)
    loop.set_exception_handler(None)
    return trace


async def turns(promises: Promises) -> Trace:
    trace: Trace = []

    async def take(name: str) -> None:
        for number in range(3):
            trace.append(f"{name}{number}")
            await asyncio.sleep(0)

    await asyncio.gather(take("a"), take("b"))
    await promises.resolved("")
    return trace


async def waiting_by_turns(promises: Promises) -> Trace:
    trace: Trace = []
    fetching = asyncio.ensure_future(promises.fetched())
    sleeping = asyncio.create_task(asyncio.sleep(_SOON_S))
    while not (fetching.done() and sleeping.done()):
        await asyncio.sleep(0)
    trace.append("came")
    return trace


async def handing_over_until_a_timeout(promises: Promises) -> Trace:
    there: asyncio.Queue[int] = asyncio.Queue()
    back: asyncio.Queue[int] = asyncio.Queue()

    async def answer() -> None:
        while True:
            await back.put(await there.get())

    answering = asyncio.create_task(answer())
    try:
        async with asyncio.timeout(_SOON_S):
            while True:
                await there.put(0)
                await back.get()
    except TimeoutError:
        answering.cancel()
    await promises.resolved("")
    return ["timed out"]


async def begin(promises: Promises) -> Trace:
    trace: Trace = []

    async def work() -> None:
        trace.append(f"begun after {task.get_name()} was there")
        await promises.resolved("")

    task = asyncio.create_task(work(), name="task")
    trace.append("created")
    await task
    return trace


async def begin_by_a_callback(promises: Promises) -> Trace:
    trace: Trace = []
    tasks: list[asyncio.Task[None]] = []

    async def work() -> None:
        trace.append("begun")

    def create() -> None:
        tasks.append(asyncio.create_task(work()))
        trace.append("created")

    asyncio.get_running_loop().call_soon(create)
    await promises.later(_SOON_S)
    await asyncio.gather(*tasks)
    return trace


async def future_of_many(promises: Promises) -> Trace:
    trace: Trace = []
    loop = asyncio.get_running_loop()
    future: asyncio.Future[str] = loop.create_future()

    async def wait(name: str) -> None:
        trace.append(f"{name} {await future}")

    waiting = [asyncio.create_task(wait(name)) for name in "ab"]
    await asyncio.sleep(0)
    future.add_done_callback(lambda _future: trace.append("callback"))
    future.add_done_callback(trace.append)  # type: ignore[arg-type]  # which is never called
    future.remove_done_callback(trace.append)  # type: ignore[arg-type]
    waiting.append(asyncio.create_task(wait("c")))
    await asyncio.sleep(0)
    future.set_result("came")
    trace.append("set")
    await asyncio.gather(*waiting)
    context = contextvars.copy_context()
    future.add_done_callback(lambda _future: trace.append("at the end"), context=context)
    await promises.later(0.001)
    return trace


async def promise_of_many(promises: Promises) -> Trace:
    trace: Trace = []
    loop = asyncio.get_running_loop()
    promised = asyncio.ensure_future(promises.later(0.001))

    async def wait(name: str) -> None:
        await promised
        trace.append(name)
        loop.call_soon(trace.append, f"after {name}")

    waiting = [asyncio.create_task(wait(name)) for name in "ab"]
    await asyncio.sleep(0)
    promised.add_done_callback(lambda _promised: trace.append("callback"))
    await asyncio.gather(*waiting)
    await promises.later(0.001)
    return trace


async def failure(promises: Promises) -> Trace:
    trace: Trace = []

    async def fail() -> None:
        await promises.resolved("")
        raise ValueError("no")

    task = asyncio.create_task(fail())
    await asyncio.wait([task])
    trace.append(repr(task.exception()))
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_exception, KeyError("gone"))
    for awaitable in (task, future, promises.rejected()):
        try:
            await awaitable
        except Exception as error:  # noqa: BLE001 - JavaScript's errors are no class of CPython's
            trace.append(type(error).__name__)
    trace[-1] = "rejected"
    return trace


_place = contextvars.ContextVar("_place", default="outside")


async def context(promises: Promises) -> Trace:
    trace: Trace = []

    async def work(name: str) -> None:
        _place.set(name)
        await promises.resolved("")
        asyncio.get_running_loop().call_soon(lambda: trace.append(f"callback in {_place.get()}"))
        await promises.later(0.001)
        trace.append(f"task in {_place.get()}")

    await asyncio.gather(work("a"), work("b"))
    return [*sorted(trace), _place.get()]


async def generator(promises: Promises) -> Trace:
    trace: Trace = []

    async def count() -> AsyncIterator[int]:
        try:
            for number in range(9):
                await promises.resolved("")
                yield number
        finally:
            await promises.resolved("")
            trace.append("closed")

    async def leave_it_open() -> None:
        async for number in count():
            trace.append(str(number))
            break

    await leave_it_open()
    await promises.later(_SOON_S)
    return trace


async def begin_as_asked(promises: Promises) -> Trace:
    """Begin Tasks at once and later, as Python has it from 3.14 on."""
    trace: Trace = []
    loop: Any = asyncio.get_running_loop()

    async def work(name: str) -> None:
        trace.append(f"{name} begun")
        await promises.resolved("")

    later = asyncio.create_task(work("later"), eager_start=False)  # type: ignore[call-arg]  # as above
    now = asyncio.create_task(work("now"), eager_start=True)  # type: ignore[call-arg]  # as above
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]  # as above
    made = asyncio.create_task(work("factory's"))
    loop.set_task_factory(None)
    trace.append("created")
    await asyncio.gather(later, now, made)
    return trace


Case = Callable[[Promises], Coroutine[Any, Any, Trace]]

CASES: Mapping[str, Case] = {
    case.__name__: case
    for case in (
        *(event, event_set_by_a_timer, lock, semaphore, condition, barrier),
        *(queue, queue_of_many_consumers, gather, task_group, task_group_of_results),
        *(timeout, timeout_in_a_timeout, wait_for, wait_for_the_first, shield),
        *(cancellation, cancellation_before_the_beginning),
        *(cancellation_that_is_refused, cancellation_from_inside),
        *(call_soon, call_later, call_that_fails, turns, waiting_by_turns),
        *(handing_over_until_a_timeout, begin, begin_by_a_callback),
        *(future_of_many, promise_of_many, failure, context, generator),
    )
}
CASES_OF_NEW_PYTHON: Mapping[str, Case] = {"begin_as_asked": begin_as_asked}
