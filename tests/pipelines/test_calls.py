from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from hayhooks.pipelines.calls import ThreadIterator, as_stream, call
from hayhooks.pipelines.methods import inspect_method
from hayhooks.pipelines.threads import WorkerThreads
from tests.pipelines.generators import wait_until_async

colour: ContextVar[str] = ContextVar("colour", default="none")


class Boom(Exception): ...


def plain(word: str) -> str:
    return f"{word} {_place()}"


async def asynchronous(word: str) -> str:
    return f"{word} {_place()}"


def generator(word: str) -> Iterator[str]:
    yield f"{word} {_place()}"


async def async_generator(word: str) -> AsyncIterator[str]:
    yield f"{word} {_place()}"


def plain_that_returns_a_coroutine(word: str) -> Any:
    return asynchronous(word)


class Callable_:
    def __call__(self, word: str) -> str:
        return f"{word} {_place()}"


class AsyncCallable:
    async def __call__(self, word: str) -> str:
        return f"{word} {_place()}"


def _place() -> str:
    on_loop = threading.current_thread() is threading.main_thread()
    return "on the loop" if on_loop else f"in {threading.current_thread().name}"


@pytest.mark.parametrize(
    ("func", "expected"),
    [
        pytest.param(plain, "hi in hayhooks-run", id="plain"),
        pytest.param(asynchronous, "hi on the loop", id="async"),
        pytest.param(generator, ["hi in hayhooks-stream"], id="generator"),
        pytest.param(async_generator, ["hi on the loop"], id="async-generator"),
        pytest.param(plain_that_returns_a_coroutine, "hi on the loop", id="plain-that-returns-a-coroutine"),
        pytest.param(functools.partial(plain), "hi in hayhooks-run", id="partial"),
        pytest.param(functools.partial(asynchronous), "hi on the loop", id="partial-of-async"),
        pytest.param(functools.partial(generator), ["hi in hayhooks-stream"], id="partial-of-generator"),
        pytest.param(Callable_(), "hi in hayhooks-run", id="callable-object"),
        pytest.param(AsyncCallable(), "hi on the loop", id="async-callable-object"),
        pytest.param(functools.lru_cache(plain), "hi in hayhooks-run", id="decorated"),
    ],
)
def test_user_code_never_blocks_the_event_loop(func: Callable[..., Any], expected: Any) -> None:
    async def main() -> Any:
        result = await call(inspect_method("run_api", func), {"word": "hi"}, threads=WorkerThreads(2))
        stream = as_stream(result)
        return result if stream is None else [item async for item in stream]

    assert asyncio.run(main()) == expected


@pytest.mark.parametrize("value", ["text", b"bytes", ["a"], {"a": 1}, ("a",), range(3), None, 5])
def test_a_plain_value_is_no_stream(value: Any) -> None:
    assert as_stream(value) is None


def test_an_iterator_sees_the_context_of_the_one_who_streams_it() -> None:
    def look() -> Iterator[str]:
        yield colour.get()
        yield colour.get()

    async def main() -> list[str]:
        colour.set("red")
        stream = as_stream(look())
        assert stream is not None
        colour.set("blue")
        return [item async for item in stream]

    assert asyncio.run(main()) == ["red", "red"]


def test_the_error_of_an_iterator_is_raised_after_its_items() -> None:
    def fail() -> Iterator[str]:
        yield "before"
        raise Boom

    async def main() -> list[str]:
        seen = []
        with pytest.raises(Boom):
            async for item in ThreadIterator(fail()):
                seen.append(item)
        return seen

    assert asyncio.run(main()) == ["before"]


def test_an_iterator_without_close_streams_too() -> None:
    async def main() -> list[int]:
        stream = ThreadIterator(iter([1, 2]))
        items = [item async for item in stream]
        await stream.aclose()
        return items

    assert asyncio.run(main()) == [1, 2]


def test_ready_gives_the_items_that_wait() -> None:
    made = threading.Event()

    def three() -> Iterator[int]:
        yield from (1, 2, 3)
        made.set()

    async def main() -> tuple[list[int], list[int]]:
        stream = ThreadIterator(three())
        before = stream.ready()
        first = await anext(stream)
        await wait_until_async(made.is_set)
        return before, [first, *stream.ready()]

    assert asyncio.run(main()) == ([], [1, 2, 3])


class Closing:
    """An iterator that records in which thread, and how often, it is closed."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.permits = threading.Semaphore(0)
        self.made = 0
        self.closed: list[str] = []
        self._error = error

    def __iter__(self) -> Closing:
        return self

    def __next__(self) -> int:
        assert self.permits.acquire(timeout=10)
        self.made += 1
        return self.made

    def close(self) -> None:
        self.closed.append(threading.current_thread().name)
        if self._error:
            raise self._error


def test_a_closed_stream_makes_at_most_one_more_item_and_closes_its_iterator_in_its_thread() -> None:
    iterator = Closing()

    async def main() -> None:
        stream = ThreadIterator(iterator)
        iterator.permits.release()
        assert await anext(stream) == 1
        await stream.aclose()
        iterator.permits.release(10)
        await wait_until_async(lambda: iterator.closed)
        await stream.aclose()
        assert [item async for item in stream] == []

    asyncio.run(main())
    assert (iterator.made, iterator.closed) == (2, ["hayhooks-stream"])


def test_a_stream_that_is_closed_before_its_first_item_starts_no_thread() -> None:
    iterator = Closing()

    async def main() -> list[int]:
        stream = ThreadIterator(iterator)
        await stream.aclose()
        await stream.aclose()
        return [item async for item in stream]

    assert asyncio.run(main()) == []
    assert (iterator.made, iterator.closed) == (0, ["MainThread"])


def test_an_iterator_that_fails_while_it_is_closed_fails_the_stream() -> None:
    class Short(Closing):
        def __next__(self) -> int:
            if self.made == 1:
                raise StopIteration
            return super().__next__()

    iterator = Short(error=Boom("close"))
    iterator.permits.release()

    async def main() -> list[int]:
        seen = []
        with pytest.raises(Boom, match="close"):
            async for item in ThreadIterator(iterator):
                seen.append(item)
        return seen

    assert asyncio.run(main()) == [1]


def test_the_first_error_counts_when_the_iterator_fails_twice() -> None:
    class Broken(Closing):
        def __next__(self) -> int:
            raise ZeroDivisionError

    async def main() -> None:
        with pytest.raises(ZeroDivisionError):
            await anext(ThreadIterator(Broken(error=Boom())))

    asyncio.run(main())


def test_an_iterator_that_raises_the_end_of_an_async_one_fails() -> None:
    class Mistaken(Closing):
        def __next__(self) -> int:
            raise StopAsyncIteration

    async def main() -> None:
        with pytest.raises(RuntimeError, match="^A stream raised StopAsyncIteration$"):
            await anext(ThreadIterator(Mistaken()))

    asyncio.run(main())
