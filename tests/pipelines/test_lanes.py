from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from haystack import Pipeline, SuperComponent, component

from hayhooks import BasePipelineWrapper, async_streaming_generator
from hayhooks.errors import PipelineRunError, QueueFull, RunCancelled, RunTimedOut
from hayhooks.pipelines.boundaries import add_boundaries
from hayhooks.pipelines.limits import Limits
from hayhooks.pipelines.methods import inspect_method
from hayhooks.pipelines.run_count import RunCount
from hayhooks.pipelines.runner import Runner
from tests.pipelines.generators import wait_until, wait_until_async


class Pipelines:
    """Runs methods of a pipeline with limits."""

    def __init__(self, threads: int = 4, **limits: Any) -> None:
        self.runner = Runner(threads)
        self.counts = RunCount("p", Limits(**limits))

    async def run(self, func: Callable[..., Any]) -> Any:
        return await self.runner.run(self.counts, inspect_method("run_api", func), {})

    def states(self) -> list[str]:
        return sorted(run.state for run in self.runner.runs)


def test_runs_in_the_queue_come_in_turn() -> None:
    pipelines, order = Pipelines(max_concurrency=2), list[int]()

    async def main() -> int:
        most = 0

        async def work(number: int) -> None:
            async def method() -> None:
                nonlocal most
                order.append(number)
                most = max(most, pipelines.states().count("running"))
                await asyncio.sleep(0)

            await pipelines.run(method)

        await asyncio.gather(*(work(number) for number in range(50)))
        return most

    assert asyncio.run(main()) == 2
    assert order == list(range(50))
    assert (pipelines.states(), pipelines.counts.current) == ([], 0)


def test_slots_are_shared_among_event_loops_and_none_is_lost() -> None:
    pipelines, running, most = Pipelines(max_concurrency=3), set[int](), [0]

    def work() -> None:
        running.add(threading.get_ident())
        most[0] = max(most[0], len(running))
        running.discard(threading.get_ident())

    async def run_and_leave(number: int) -> None:
        task = asyncio.ensure_future(pipelines.run(work))
        if number % 3 == 0:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def main() -> None:
        await asyncio.gather(*(run_and_leave(number) for number in range(200)))

    loops = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(4)]
    for thread in loops:
        thread.start()
    for thread in loops:
        thread.join(30)

    wait_until(lambda: pipelines.states() == [])
    lane = pipelines.runner.lane("p")
    assert lane is not None
    assert (lane.running, lane.queued, pipelines.counts.current, most[0] <= 3) == (0, 0, 0, True)


def test_answer_of_a_full_queue_says_when_to_come_again() -> None:
    pipelines = Pipelines(max_concurrency=1, max_queue=1)

    async def main() -> QueueFull:
        gate = asyncio.Event()
        runs = [asyncio.ensure_future(pipelines.run(gate.wait)) for _ in range(2)]
        await wait_until_async(lambda: pipelines.states() == ["queued", "running"])
        with pytest.raises(QueueFull) as full:
            await pipelines.run(gate.wait)
        gate.set()
        await asyncio.gather(*runs)
        return full.value

    refused = asyncio.run(main())
    assert (str(refused), refused.headers) == (
        "Pipeline 'p' is busy: 1 under way, 1 waiting; try again later",
        {"Retry-After": "2"},
    )


def test_time_in_the_queue_is_not_the_time_of_the_run() -> None:
    pipelines = Pipelines(max_concurrency=1, timeout=0.3)

    async def main() -> list[str]:
        async def method() -> str:
            await asyncio.sleep(0.04)
            return "done"

        return list(await asyncio.gather(*(pipelines.run(method) for _ in range(12))))

    assert asyncio.run(main()) == ["done"] * 12


def test_method_that_makes_something_of_its_cancellation_is_told_as_timed_out_all_the_same() -> None:
    pipelines = Pipelines(timeout=0.05)

    async def swallows() -> str:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            return "partial"
        return "whole"

    async def main() -> int:
        with pytest.raises(RunTimedOut, match="Pipeline 'p' did not finish within 0.05 s"):
            await pipelines.run(swallows)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert asyncio.run(main()) == 0


def test_call_that_waits_for_a_thread_never_begins_once_it_is_cancelled() -> None:
    pipelines, gate, begun = Pipelines(threads=1), threading.Event(), list[str]()

    async def main() -> list[str]:
        first = asyncio.ensure_future(pipelines.run(lambda: gate.wait(10)))
        await wait_until_async(lambda: pipelines.states() == ["running"])
        second = asyncio.ensure_future(pipelines.run(lambda: begun.append("second")))
        await wait_until_async(lambda: pipelines.states() == ["running", "running"])
        pipelines.runner.runs[1].cancel(RunCancelled())
        pipelines.runner.runs[0].cancel(RunCancelled())
        with pytest.raises(RunCancelled):
            await second
        with pytest.raises(RunCancelled):
            await first
        return pipelines.states()

    assert asyncio.run(main()) == ["cancelled"]
    gate.set()
    wait_until(lambda: pipelines.states() == [])
    assert begun == []


def test_thread_that_outlives_its_loop_gives_its_slot_back() -> None:
    pipelines, gate = Pipelines(), threading.Event()

    async def main() -> None:
        run = asyncio.ensure_future(pipelines.run(lambda: gate.wait(10)))
        await wait_until_async(lambda: pipelines.states() == ["running"])
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

    asyncio.run(main())
    states = pipelines.states()
    gate.set()
    wait_until(lambda: pipelines.states() == [])
    assert (states, pipelines.counts.current) == (["cancelled"], 0)


class Gate:
    """Holds up those who come, and counts them."""

    def __init__(self) -> None:
        self.entered, self.opened, self.count = threading.Event(), threading.Event(), 0

    def enter(self) -> None:
        self.count += 1
        self.entered.set()
        assert self.opened.wait(10)


@component
class Passes:
    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    @component.output_types(value=int)
    def run(self, value: int) -> dict[str, int]:
        self.gate.enter()
        return {"value": value}


def pipeline_through(gate: Gate) -> Pipeline:
    pipeline = Pipeline()
    pipeline.add_component("first", Passes(gate))
    pipeline.add_component("second", Passes(gate))
    pipeline.connect("first", "second")
    return pipeline


@pytest.mark.parametrize("is_nested", [False, True], ids=["own", "in-a-super-component"])
def test_pipeline_in_a_thread_ends_before_its_next_component(is_nested: bool) -> None:
    gate, pipelines = Gate(), Pipelines()

    class Wrapper(BasePipelineWrapper):
        def setup(self) -> None:
            self.queries = pipeline_through(gate)
            if is_nested:
                inner, self.queries = self.queries, Pipeline()
                self.queries.add_component("first", SuperComponent(inner))

        def run_api(self) -> Any:
            return self.queries.run({"first": {"value": 1}})

    wrapper = Wrapper()
    wrapper.setup()
    add_boundaries(wrapper)
    add_boundaries(wrapper)

    async def main() -> None:
        run = asyncio.ensure_future(pipelines.run(wrapper.run_api))
        await wait_until_async(gate.entered.is_set)
        pipelines.runner.cancel_all(RunCancelled)
        with pytest.raises(RunCancelled):
            await run
        gate.opened.set()
        await wait_until_async(lambda: pipelines.states() == [])

    asyncio.run(main())
    assert gate.count == 1
    assert wrapper.run_api() == ({"first": {"value": 1}} if is_nested else {"second": {"value": 1}})


def test_shielded_stream_keeps_its_slot_until_it_has_ended() -> None:
    pipelines, gate = Pipelines(), Gate()

    @component
    class Model:
        @component.output_types(value=int)
        async def run_async(self, value: int, streaming_callback: Any = None) -> dict[str, int]:
            await streaming_callback("token")
            await wait_until_async(gate.opened.is_set)
            return {"value": value}

        @component.output_types(value=int)
        def run(self, value: int, streaming_callback: Any = None) -> dict[str, int]:
            raise AssertionError("the async method is to be used")

    async def main() -> list[str]:
        pipeline = Pipeline()
        pipeline.add_component("model", Model())

        def method() -> Any:
            arguments = {"model": {"value": 1}}
            return async_streaming_generator(pipeline, pipeline_run_args=arguments, shield_pipeline_task=True)

        stream = await pipelines.run(method)
        assert await stream.batch() == ["token"]
        await stream.aclose()
        states = pipelines.states()
        gate.opened.set()
        await wait_until_async(lambda: pipelines.states() == [])
        return states

    assert asyncio.run(main()) == ["cancelled"]


def test_run_that_goes_on_although_it_was_cancelled_is_logged(
    monkeypatch: pytest.MonkeyPatch, log_lines: list[str]
) -> None:
    monkeypatch.setattr("hayhooks.pipelines.runs.PATIENCE", 0.02)
    pipelines, gate = Pipelines(timeout=0.02), threading.Event()

    async def main() -> None:
        with pytest.raises(PipelineRunError):
            await pipelines.run(lambda: gate.wait(10))
        await wait_until_async(lambda: bool(log_lines))

    asyncio.run(main())
    gate.set()
    assert log_lines == ["WARNING A run of pipeline 'p' goes on although it was cancelled, since 0 s\n"]
