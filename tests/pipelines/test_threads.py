from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Awaitable
from contextvars import ContextVar

import pytest

from hayhooks.pipelines import threads
from hayhooks.pipelines.threads import WorkerThreads
from tests.pipelines.generators import wait_until, wait_until_async

colour: ContextVar[str] = ContextVar("colour", default="none")


class Boom(Exception): ...


def live(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_a_call_gets_its_arguments_and_gives_its_result() -> None:
    def add(a: int, b: int) -> tuple[int, str]:
        return a + b, threading.current_thread().name

    assert asyncio.run(WorkerThreads(2, name="test-result").run(add, a=1, b=2)) == (3, "test-result")


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        pytest.param(Boom("x"), Boom, id="exception"),
        pytest.param(SystemExit(3), SystemExit, id="system-exit"),
        pytest.param(StopIteration(1), RuntimeError, id="stop-iteration"),
    ],
)
def test_an_error_of_the_call_is_raised_to_the_caller_and_ends_no_thread(
    error: BaseException, raised: type[BaseException]
) -> None:
    pool = WorkerThreads(1, name="test-errors")

    def fail() -> None:
        raise error

    async def main() -> str:
        try:
            await pool.run(fail)
        except BaseException as exc:
            caught = exc
        assert type(caught) is raised
        assert error in (caught, caught.__cause__)
        # The one thread that the pool may have still works.
        return str(await pool.run(lambda: threading.current_thread().name))

    assert asyncio.run(main()) == "test-errors"
    pool.close()


def test_a_call_sees_the_context_of_its_caller_and_does_not_change_it() -> None:
    def look() -> str:
        seen = colour.get()
        colour.set("changed in the thread")
        return seen

    async def main() -> tuple[str, str]:
        colour.set("red")
        return await WorkerThreads(1).run(look), colour.get()

    assert asyncio.run(main()) == ("red", "red")


def test_threads_are_added_up_to_the_limit_and_more_calls_wait_their_turn() -> None:
    pool = WorkerThreads(3, name="test-growth")
    gate, running = threading.Event(), []

    def work(number: int) -> int:
        running.append(number)
        assert gate.wait(10)
        return number

    async def main() -> list[int]:
        calls = [asyncio.ensure_future(pool.run(work, number=number)) for number in range(7)]
        await wait_until_async(lambda: len(running) == 3)
        assert live("test-growth") == 3
        gate.set()
        return list(await asyncio.gather(*calls))

    assert asyncio.run(main()) == list(range(7))
    assert running == list(range(7))
    pool.close()


def test_idle_threads_are_used_again() -> None:
    pool = WorkerThreads(50, name="test-reuse")

    async def main() -> None:
        for _ in range(50):
            await pool.run(lambda: None)

    asyncio.run(main())
    # Not always one: a thread is idle only a moment after it has given its result.
    assert live("test-reuse") < 10
    pool.close()


def test_idle_threads_end_and_new_ones_start_when_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.02)
    pool = WorkerThreads(4, name="test-idle")

    async def burst() -> None:
        barrier = threading.Barrier(4)
        await asyncio.gather(*(pool.run(barrier.wait, timeout=10) for _ in range(4)))

    for _ in range(3):
        asyncio.run(burst())
        wait_until(lambda: live("test-idle") == 0)


def test_no_call_is_lost_while_threads_come_and_go(monkeypatch: pytest.MonkeyPatch, fast_switches: None) -> None:
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0)
    pool = WorkerThreads(4)

    async def main() -> list[int]:
        results = []
        for _ in range(600):
            results += await asyncio.gather(*(pool.run(lambda: 1) for _ in "abc"))
        return results

    assert asyncio.run(asyncio.wait_for(main(), 20)) == [1] * 1800


def test_close_lets_idle_threads_end() -> None:
    pool = WorkerThreads(4, name="test-close")

    async def main() -> None:
        barrier = threading.Barrier(3)
        await asyncio.gather(*(pool.run(barrier.wait, timeout=10) for _ in range(3)))

    asyncio.run(main())
    pool.close()

    wait_until(lambda: live("test-close") == 0)


def test_a_busy_thread_ends_with_its_call_after_close() -> None:
    pool = WorkerThreads(4, name="test-busy")
    gate, started = threading.Event(), threading.Event()

    def work() -> str:
        started.set()
        return "done" if gate.wait(10) else "late"

    async def main() -> str:
        call = asyncio.ensure_future(pool.run(work))
        await wait_until_async(started.is_set)
        pool.close()
        gate.set()
        return str(await call)

    assert asyncio.run(main()) == "done"


@pytest.mark.parametrize("closings", [1, 3])
def test_a_pool_works_again_after_close(closings: int) -> None:
    pool = WorkerThreads(2)

    async def main() -> list[str]:
        await pool.run(lambda: None)
        await asyncio.sleep(0.02)
        for _ in range(closings):
            pool.close()
        # At once: the thread has had no time to see that it was told to end.
        return [await pool.run(lambda: "again"), await pool.run(lambda: "and again")]

    thread_result: list[list[str]] = []
    thread = threading.Thread(target=lambda: thread_result.append(asyncio.run(main())), daemon=True)
    thread.start()
    thread.join(5)

    assert thread_result == [["again", "and again"]]


def test_a_cancelled_caller_does_not_wait_and_the_call_goes_on() -> None:
    pool = WorkerThreads(1)
    gate, started, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        assert gate.wait(10)
        ended.set()

    async def main() -> str:
        call = asyncio.ensure_future(pool.run(work))
        await wait_until_async(started.is_set)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not ended.is_set()
        gate.set()
        return str(await pool.run(lambda: "next"))

    assert asyncio.run(main()) == "next"
    assert ended.is_set()


def test_a_call_that_outlives_its_event_loop_ends_quietly() -> None:
    pool = WorkerThreads(1)
    gate, started = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        assert gate.wait(10)

    async def leave() -> None:
        call = asyncio.ensure_future(pool.run(work))
        await wait_until_async(started.is_set)
        call.cancel()

    asyncio.run(leave())
    gate.set()

    assert asyncio.run(pool.run(lambda: "the thread lives")) == "the thread lives"


def test_a_waiting_thread_keeps_nothing_of_its_last_call_alive() -> None:
    class Payload: ...

    pool = WorkerThreads(1)

    async def main() -> weakref.ref[Payload]:
        payload = Payload()
        await pool.run(lambda given: None, given=payload)
        return weakref.ref(payload)

    reference = asyncio.run(main())

    wait_until(lambda: gc.collect() is not None and reference() is None)


def test_calls_of_many_event_loops_share_the_threads() -> None:
    pool = WorkerThreads(2, name="test-loops")
    results: list[int] = []

    def loop(number: int) -> None:
        results.extend(asyncio.run(_several(pool, number)))

    loops = [threading.Thread(target=loop, args=(number,)) for number in range(4)]
    for thread in loops:
        thread.start()
    for thread in loops:
        thread.join(20)

    assert sorted(results) == sorted([number for number in range(4) for _ in range(5)])
    assert live("test-loops") <= 2
    pool.close()


async def _several(pool: WorkerThreads, number: int) -> list[int]:
    def work() -> int:
        time.sleep(0.001)
        return number

    return list(await asyncio.gather(*(pool.run(work) for _ in range(5))))


def test_a_thread_that_cannot_start_fails_its_call_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = WorkerThreads(4, name="test-exhausted")
    called: list[int] = []

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> tuple[list[object], float]:
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            refused = [await gathered(pool.run(called.append, object=-1)) for _ in range(3)]
        barrier = threading.Barrier(4)
        # All four run at once: none waits for a thread that never was.
        await asyncio.gather(*(pool.run(barrier.wait, timeout=10) for _ in range(4)))
        return refused, pool.count

    refused, count = asyncio.run(main())

    assert [str(error) for error in refused] == ["can't start new thread"] * 3
    assert (called, count) == ([], 4)


def test_a_call_is_left_to_the_other_threads_where_no_more_can_start(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = WorkerThreads(2, name="test-busy")
    entered, released = threading.Event(), threading.Event()

    def hold() -> str:
        entered.set()
        assert released.wait(10)
        return "held"

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> list[str]:
        first = asyncio.ensure_future(pool.run(hold))
        await wait_until_async(entered.is_set)
        with monkeypatch.context() as patched:
            patched.setattr(threading.Thread, "start", refuse)
            second = asyncio.ensure_future(pool.run(lambda: "after it"))
            await asyncio.sleep(0)
        released.set()
        return [await first, await second]

    assert asyncio.run(main()) == ["held", "after it"]


async def gathered(awaitable: Awaitable[object]) -> object:
    """Return the result or the error."""
    return (await asyncio.gather(awaitable, return_exceptions=True))[0]
