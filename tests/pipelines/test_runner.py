from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from typing import Any

import pytest
from starlette.exceptions import HTTPException

from hayhooks import SSEStream
from hayhooks.errors import PipelineNotFound, PipelineRunError
from hayhooks.pipelines.invocations import default_streaming_components
from hayhooks.pipelines.methods import inspect_method
from hayhooks.pipelines.run_count import RunCount
from hayhooks.pipelines.runner import Runner, RunStream
from hayhooks.request import CurrentRequest, begin_request
from tests.pipelines.generators import wait_until_async


class Boom(Exception): ...


def raising(error: BaseException, where: str) -> Callable[..., Any]:
    """Return a method of one of the kinds that raises."""

    def plain() -> str:
        raise error

    async def asynchronous() -> str:
        raise error

    def generator() -> Generator[str, None, None]:
        yield "before"
        raise error

    async def async_generator() -> AsyncGenerator[str, None]:
        yield "before"
        raise error

    return {"plain": plain, "async": asynchronous, "generator": generator, "async-generator": async_generator}[where]


async def run(func: Callable[..., Any], runs: RunCount | None = None, **options: Any) -> Any:
    runner = Runner(2, **options)
    return await runner.run(runs or RunCount(), inspect_method("run_api", func), {})


async def read(stream: RunStream) -> list[Any]:
    """Return the items of all batches, and close."""
    items = []
    try:
        while batch := await stream.batch():
            items += batch
    finally:
        await stream.aclose()
    return items


@pytest.mark.parametrize("where", ["plain", "async", "generator", "async-generator"])
@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        pytest.param(Boom("secret"), PipelineRunError, "Pipeline execution failed", id="error"),
        pytest.param(SystemExit(3), PipelineRunError, "Pipeline execution failed", id="system-exit"),
        pytest.param(asyncio.CancelledError(), PipelineRunError, "Pipeline execution failed", id="own-cancellation"),
        pytest.param(HTTPException(418, "tea"), HTTPException, "418: tea", id="http"),
        pytest.param(PipelineNotFound("other"), PipelineNotFound, "Pipeline 'other' not found", id="ours"),
    ],
)
def test_an_error_of_user_code_is_told_without_its_text(
    where: str, error: BaseException, kind: type[Exception], text: str
) -> None:
    runs = RunCount()

    async def main() -> None:
        result = await run(raising(error, where), runs)
        try:
            await result.batch()
            await result.batch()
        finally:
            await result.aclose()

    with pytest.raises(kind) as caught:
        asyncio.run(main())
    assert (type(caught.value), str(caught.value), runs.current) == (kind, text, 0)
    assert error in (caught.value, caught.value.__cause__)


def test_an_error_names_the_request_and_the_log_has_the_rest(log_lines: list[str]) -> None:
    async def main() -> None:
        begin_request(CurrentRequest("0123abcd", {}))
        await run(raising(Boom("the reason"), "plain"))

    with pytest.raises(PipelineRunError) as caught:
        asyncio.run(main())
    assert str(caught.value) == "Pipeline execution failed (request id 0123abcd)"
    assert log_lines[0].splitlines()[0] == "ERROR Pipeline execution failed: Boom"
    assert "Boom: the reason" in log_lines[0]


def test_with_the_setting_an_error_is_told_with_its_traceback() -> None:
    with pytest.raises(PipelineRunError) as caught:
        asyncio.run(run(raising(Boom("the reason"), "plain"), show_tracebacks=True))

    first, *rest = str(caught.value).splitlines()
    assert (first, rest[0], rest[-1]) == (
        "Pipeline execution failed: the reason",
        "Traceback (most recent call last):",
        "tests.pipelines.test_runner.Boom: the reason",
    )


@pytest.mark.parametrize("where", ["async", "stream"])
def test_a_cancelled_request_stays_cancelled(where: str) -> None:
    async def waits() -> str:
        await asyncio.sleep(30)
        return ""

    async def stream() -> AsyncGenerator[str, None]:
        await asyncio.sleep(30)
        yield ""

    runs = RunCount()

    async def request() -> None:
        result = await run(waits if where == "async" else stream, runs)
        try:
            await result.batch()
        finally:
            await result.aclose()

    async def main() -> None:
        task = asyncio.create_task(request())
        await wait_until_async(lambda: runs.current)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert runs.current == 0


def test_an_interrupt_in_user_code_does_not_end_the_server() -> None:
    with pytest.raises(PipelineRunError):
        asyncio.run(run(raising(KeyboardInterrupt(), "async")))


def plain_value() -> str:
    return "value"


def counting() -> Generator[int, None, None]:
    yield from range(3)


async def counting_async() -> AsyncGenerator[int, None]:
    for number in range(3):
        yield number


def sse() -> SSEStream:
    return SSEStream(counting())


async def sse_async() -> SSEStream:
    return SSEStream(counting_async())


def plain_iterator() -> Iterator[int]:
    return iter([0, 1, 2])


@pytest.mark.parametrize(
    ("func", "is_sse"),
    [
        pytest.param(counting, False, id="generator"),
        pytest.param(counting_async, False, id="async-generator"),
        pytest.param(plain_iterator, False, id="iterator"),
        pytest.param(sse, True, id="sse"),
        pytest.param(sse_async, True, id="sse-of-async"),
    ],
)
def test_a_stream_gives_its_items_and_counts_as_one_run_until_its_end(func: Callable[..., Any], is_sse: bool) -> None:
    runs = RunCount()

    async def main() -> tuple[bool, int, list[Any]]:
        stream = await run(func, runs)
        return stream.is_sse, runs.current, await read(stream)

    assert asyncio.run(main()) == (is_sse, 1, [0, 1, 2])
    assert runs.current == 0


def test_a_value_is_returned_and_its_run_has_ended() -> None:
    runs = RunCount()

    assert (asyncio.run(run(plain_value, runs)), runs.current) == ("value", 0)


@pytest.mark.parametrize(("inside", "kind"), [(["x"], "list"), ("x", "str"), (None, "NoneType")])
def test_server_sent_events_need_a_stream(inside: Any, kind: str) -> None:
    runs = RunCount()

    with pytest.raises(PipelineRunError) as caught:
        asyncio.run(run(lambda: SSEStream(inside), runs))

    assert (str(caught.value), runs.current) == (
        f"SSEStream.stream must be a generator or async generator (got type {kind})",
        0,
    )


def test_a_failure_before_the_first_item_is_raised() -> None:
    def fails() -> Generator[float, None, None]:
        yield 1 / 0

    async def main() -> None:
        failing = await run(fails)
        with pytest.raises(PipelineRunError):
            await failing.batch()
        await failing.aclose()

    asyncio.run(main())


def test_a_batch_holds_all_that_is_ready() -> None:
    async def main() -> list[list[int]]:
        stream = await run(counting)
        batches = [await stream.batch()]
        # The thread has long made all of them when the second batch is asked for.
        await asyncio.sleep(0.03)
        while batch := await stream.batch():
            batches.append(batch)
        return [*batches, await stream.batch()]

    batches = asyncio.run(main())
    assert sum(batches, []) == [0, 1, 2]
    assert len(batches) <= 3


def test_a_closed_stream_is_closed_once_and_gives_nothing_more() -> None:
    runs = RunCount()
    closed: list[str] = []

    async def endless() -> AsyncGenerator[int, None]:
        try:
            while True:
                yield 1
        finally:
            closed.append("closed")

    async def main() -> list[Any]:
        stream = await run(endless, runs)
        first = await stream.batch()
        await stream.aclose()
        await stream.aclose()
        return [first, await stream.batch()]

    assert (asyncio.run(main()), closed, runs.current) == ([[1], []], ["closed"], 0)


def test_an_async_iterator_needs_no_aclose() -> None:
    class Bare:
        left = 2

        def __aiter__(self) -> Bare:
            return self

        async def __anext__(self) -> int:
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return self.left

    async def main() -> list[Any]:
        return await read(await run(lambda: Bare()))

    assert asyncio.run(main()) == [1, 0]


def test_a_stream_that_fails_while_it_is_closed_is_logged(log_lines: list[str]) -> None:
    runs = RunCount()

    async def stubborn() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            raise Boom

    async def main() -> None:
        stream = await run(stubborn, runs)
        await stream.batch()
        await stream.aclose()

    asyncio.run(main())
    assert [line.splitlines()[0] for line in log_lines] == ["WARNING A stream failed while it was closed: Boom"]
    assert runs.current == 0


@pytest.mark.parametrize("setting", ["", "all"])
def test_the_setting_of_the_server_is_seen_by_the_run(setting: str) -> None:
    def look() -> str:
        return default_streaming_components.get()

    assert asyncio.run(run(look, streaming_components=setting)) == setting


def test_runs_calls_back_when_the_last_run_ends() -> None:
    runs, called = RunCount(), []
    runs.begin("a")
    runs.begin("b")

    assert not runs.retire(lambda: called.append(runs.current))
    runs.end("a")
    assert called == []
    runs.end("b")
    assert called == [0]
    runs.begin("c")
    runs.end("c")
    assert called == [0]


def test_runs_needs_no_call_back_when_nothing_runs() -> None:
    assert RunCount().retire(lambda: None)
