"""Streams of runs on the event loop (contract 6.4)."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from haystack import SuperComponent, component
from haystack.components.generators.chat import FallbackChatGenerator, MockChatGenerator
from haystack.dataclasses import ChatMessage, StreamingChunk
from haystack.tools.tool import Tool

from hayhooks import async_streaming_generator
from hayhooks.pipelines.channel import StreamClosed
from hayhooks.pipelines.streaming import PipelineStream
from tests.pipelines.generators import (
    MESSAGES,
    AsyncTokens,
    Callback,
    PlainGenerator,
    Tokens,
    arguments_of,
    pipeline_of,
    text_of,
    wait_until_async,
    weather_agent,
)


@component
class Place:
    """Streams the name of the thread that it runs in."""

    @component.output_types(text=str)
    def run(self, streaming_callback: Callable[..., Any] | None = None) -> dict[str, str]:
        assert streaming_callback is not None
        streaming_callback(StreamingChunk(threading.current_thread().name))
        return {"text": ""}


@component
class AsyncPlace(Place):
    @component.output_types(text=str)
    async def run_async(self, streaming_callback: Callable[..., Any] | None = None) -> dict[str, str]:
        assert streaming_callback is not None
        await streaming_callback(StreamingChunk(threading.current_thread().name))
        return {"text": ""}


@component
class Steps:
    """Streams "one", waits for its gate, streams "two"."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.has_ended = False

    @component.output_types(text=str)
    def run(self, streaming_callback: Callable[..., Any] | None = None) -> dict[str, str]:
        assert streaming_callback is not None
        streaming_callback(StreamingChunk("one"))
        assert self.gate.wait(10)
        streaming_callback(StreamingChunk("two"))
        self.has_ended = True
        return {"text": "result"}


@component
class AsyncSteps(Steps):
    @component.output_types(text=str)
    async def run_async(self, streaming_callback: Callable[..., Any] | None = None) -> dict[str, str]:
        assert streaming_callback is not None
        await streaming_callback(StreamingChunk("one"))
        await wait_until_async(self.gate.is_set)
        await streaming_callback(StreamingChunk("two"))
        self.has_ended = True
        return {"text": "result"}


async def texts(stream: PipelineStream) -> list[str]:
    return text_of([item async for item in stream])


@pytest.mark.parametrize(
    ("components", "allow", "expected"),
    [
        pytest.param({"a": AsyncPlace}, False, ["MainThread"], id="async"),
        pytest.param({"a": AsyncPlace}, True, ["MainThread"], id="async-allowing-plain"),
        # Not in one of asyncio's few threads, which `run_async` would hold.
        pytest.param({"p": Place}, True, ["hayhooks-pipeline"], id="plain"),
        pytest.param({"a": AsyncPlace, "p": Place}, True, ["MainThread", "asyncio_0"], id="hybrid"),
    ],
)
def test_components_run_on_the_loop_where_they_can(
    components: dict[str, type], allow: bool, expected: list[str]
) -> None:
    async def main() -> list[str]:
        pipeline = pipeline_of(**{name: made() for name, made in components.items()})
        stream = async_streaming_generator(pipeline, streaming_components="all", allow_sync_streaming_callbacks=allow)
        return sorted(await texts(stream))

    assert asyncio.run(main()) == expected


@pytest.mark.parametrize("chosen", [None, "all", ["llm"], []], ids=str)
def test_every_component_that_streams_must_be_async_unless_plain_ones_are_allowed(chosen: Any) -> None:
    pipeline = pipeline_of(plain=PlainGenerator("x"), llm=MockChatGenerator("y"))

    async def main() -> None:
        with pytest.raises(ValueError, match="^Component 'plain' of type 'PlainGenerator' seems to not support async"):
            async_streaming_generator(pipeline, arguments_of("plain", "llm"), streaming_components=chosen)

    asyncio.run(main())


def test_agents_need_no_permission_for_a_plain_generator() -> None:
    assert asyncio.run(texts(async_streaming_generator(weather_agent(PlainGenerator("a b")), MESSAGES))) == ["a ", "b"]


@pytest.mark.parametrize("generator", [MockChatGenerator, PlainGenerator])
def test_an_agent_inside_a_pipeline_needs_none_either(generator: Callable[..., Any]) -> None:
    pipeline = pipeline_of(agent=weather_agent(generator("a b")))

    assert asyncio.run(texts(async_streaming_generator(pipeline, arguments_of("agent")))) == ["a ", "b"]


def test_it_cannot_be_read_by_a_plain_loop_which_would_stop_the_event_loop() -> None:
    async def main() -> None:
        stream = async_streaming_generator(pipeline_of(place=AsyncPlace()))
        with pytest.raises(RuntimeError, match="async for"):
            next(stream)
        await stream.aclose()

    # In a thread of its own, as the failure to be shown would hang.
    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    thread.join(3)
    assert not thread.is_alive()


async def leave_by_aclose(stream: PipelineStream) -> None:
    await anext(stream)
    await stream.aclose()


async def leave_by_close(stream: PipelineStream) -> None:
    await anext(stream)
    stream.close()


async def leave_by_aclosing(stream: PipelineStream) -> None:
    async with aclosing(stream):
        async for _ in stream:
            break


async def leave_by_cancellation(stream: PipelineStream) -> None:
    async def read() -> None:
        async with aclosing(stream):
            async for _ in stream:
                pass

    reader = asyncio.create_task(read())
    await asyncio.sleep(0.02)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader


async def leave_from_another_thread(stream: PipelineStream) -> None:
    await anext(stream)
    threading.Thread(target=stream.close).start()


LEAVINGS = [leave_by_aclose, leave_by_close, leave_by_aclosing, leave_by_cancellation, leave_from_another_thread]


@pytest.mark.parametrize("leave", LEAVINGS)
@pytest.mark.parametrize(
    ("made", "error"),
    [pytest.param(AsyncTokens, asyncio.CancelledError, id="async"), pytest.param(Tokens, StreamClosed, id="plain")],
)
def test_a_stream_that_is_left_ends_its_run_at_the_next_token(
    leave: Callable[..., Any], made: type[Tokens], error: type[BaseException]
) -> None:
    tokens = made()
    tokens.permit(1)

    async def main() -> None:
        await leave(async_streaming_generator(pipeline_of(tokens=tokens), allow_sync_streaming_callbacks=True))
        tokens.permit(10)
        await wait_until_async(tokens.ended.is_set)

    asyncio.run(main())
    assert (tokens.made <= 2, tokens.error) == (True, error)


@pytest.mark.parametrize("made", [AsyncTokens, Tokens])
def test_a_stream_that_is_dropped_ends_its_run(made: type[Tokens]) -> None:
    tokens = made()
    tokens.permit(1)

    async def main() -> None:
        stream = async_streaming_generator(pipeline_of(tokens=tokens), allow_sync_streaming_callbacks=True)
        await anext(stream)
        del stream
        gc.collect()
        tokens.permit(10)
        await wait_until_async(tokens.ended.is_set)

    asyncio.run(main())
    assert tokens.made <= 2


def test_a_stream_that_is_closed_before_its_first_chunk_never_runs() -> None:
    tokens = AsyncTokens()
    tokens.permit(3)

    async def main() -> list[str]:
        stream = async_streaming_generator(pipeline_of(tokens=tokens))
        await stream.aclose()
        return await texts(stream)

    assert (asyncio.run(main()), tokens.made) == ([], 0)


def test_aclose_waits_until_a_cancelled_run_has_cleaned_up() -> None:
    @component
    class Careful(AsyncTokens):
        is_clean = False

        @component.output_types(count=int)
        async def run_async(self, streaming_callback: Callback | None = None) -> dict[str, Any]:
            try:
                return await AsyncTokens.run_async(self, streaming_callback=streaming_callback)
            finally:
                await asyncio.sleep(0.02)
                self.is_clean = True

    careful = Careful()
    careful.permit(1)

    async def main() -> bool:
        await leave_by_aclose(async_streaming_generator(pipeline_of(careful=careful)))
        return careful.is_clean

    assert asyncio.run(main())


def test_aclose_waits_no_longer_than_a_second() -> None:
    @component
    class Stubborn(Steps):
        @component.output_types(text=str)
        async def run_async(self, streaming_callback: Callable[..., Any] | None = None) -> dict[str, str]:
            assert streaming_callback is not None
            await streaming_callback(StreamingChunk("one"))
            while not self.gate.is_set():
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    pass
            return {"text": ""}

    stubborn = Stubborn()

    async def main() -> float:
        stream = async_streaming_generator(pipeline_of(stubborn=stubborn))
        await anext(stream)
        began = time.monotonic()
        await stream.aclose()
        took = time.monotonic() - began
        stubborn.gate.set()
        return took

    assert 0.9 < asyncio.run(main()) < 5


def test_a_token_that_comes_before_the_cancellation_ends_the_run_too() -> None:
    @component
    class Waiting(PlainGenerator):
        async def wait(self) -> None:
            self.going_on = asyncio.get_running_loop().create_future()
            await self.going_on

        @component.output_types(replies=list[ChatMessage])
        async def run_async(
            self,
            messages: list[ChatMessage],
            streaming_callback: Callback | None = None,
            tools: list[Tool] | None = None,
            generation_kwargs: dict[str, Any] | None = None,
        ) -> dict[str, Any]:
            assert streaming_callback is not None
            await streaming_callback(StreamingChunk("one"))
            await self.wait()
            await streaming_callback(StreamingChunk("two"))
            return {"replies": []}

    generator = Waiting()

    async def main() -> list[str]:
        stream = async_streaming_generator(weather_agent(generator), MESSAGES)
        await anext(stream)
        generator.going_on.set_result(None)
        stream.close()
        return await texts(stream)

    assert asyncio.run(main()) == []


def test_a_run_that_goes_on_after_its_cancellation_ends_with_its_next_token() -> None:
    seen: list[type[BaseException]] = []

    @component
    class Going(Steps):
        @component.output_types(text=str)
        async def run_async(self, streaming_callback: Callable[..., Any] | None = None) -> dict[str, str]:
            assert streaming_callback is not None
            try:
                await streaming_callback(StreamingChunk("one"))
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                try:
                    await streaming_callback(StreamingChunk("two"))
                except BaseException as exc:
                    seen.append(type(exc))
                    raise
            return {"text": ""}

    asyncio.run(leave_by_aclose(async_streaming_generator(pipeline_of(going=Going()))))

    assert seen == [StreamClosed]


@pytest.mark.parametrize("made", [AsyncSteps, Steps])
@pytest.mark.parametrize("leave", ["aclose", "drop"])
def test_a_shielded_run_goes_on_to_its_end(made: type[Steps], leave: str) -> None:
    steps = made()
    results: list[Any] = []

    async def main() -> None:
        stream = async_streaming_generator(
            pipeline_of(steps=steps),
            shield_pipeline_task=True,
            allow_sync_streaming_callbacks=True,
            on_pipeline_end=results.append,
        )
        assert (await anext(stream)).content == "one"
        if leave == "aclose":
            await stream.aclose()
            assert await texts(stream) == []
        del stream
        gc.collect()
        steps.gate.set()
        await wait_until_async(lambda: results)

    asyncio.run(main())
    assert (steps.has_ended, results) == (True, [{"steps": {"text": "result"}}])


def test_a_shielded_run_that_is_read_to_its_end_is_as_any_other() -> None:
    steps = AsyncSteps()
    steps.gate.set()
    stream = async_streaming_generator(
        pipeline_of(steps=steps), shield_pipeline_task=True, on_pipeline_end=lambda result: "end"
    )

    assert asyncio.run(texts(stream)) == ["one", "two", "end"]


def test_a_stream_may_outlive_its_event_loop() -> None:
    tokens = AsyncTokens()
    tokens.permit(1)

    async def main() -> PipelineStream:
        stream = async_streaming_generator(pipeline_of(tokens=tokens))
        await anext(stream)
        return stream

    stream = asyncio.run(main())
    stream.close()

    assert tokens.error is asyncio.CancelledError


def super_component(generator: Any) -> SuperComponent:
    return SuperComponent(pipeline_of(llm=generator))


NESTED = [
    pytest.param(lambda: FallbackChatGenerator([PlainGenerator("a b")]), id="fallback-to-plain"),
    pytest.param(lambda: FallbackChatGenerator([MockChatGenerator("a b")]), id="fallback-to-async"),
    pytest.param(lambda: FallbackChatGenerator([MockChatGenerator("a b"), PlainGenerator()]), id="fallback-to-both"),
    pytest.param(lambda: super_component(PlainGenerator("a b")), id="super-component-of-plain"),
    pytest.param(lambda: super_component(MockChatGenerator("a b")), id="super-component-of-async"),
    pytest.param(
        lambda: super_component(weather_agent(FallbackChatGenerator([PlainGenerator("a b")]))), id="all-of-them"
    ),
]


@pytest.mark.parametrize("make", NESTED)
@pytest.mark.parametrize("is_hybrid", [False, True])
def test_generators_inside_of_others_stream(make: Callable[[], Any], is_hybrid: bool) -> None:
    others = {"async": AsyncPlace()} if is_hybrid else {}
    pipeline = pipeline_of(**others, outer=make())

    stream = async_streaming_generator(pipeline, arguments_of("outer"), streaming_components="all")

    assert sorted(asyncio.run(texts(stream))) == [*(["MainThread"] if is_hybrid else []), "a ", "b"]


def test_an_agent_streams_what_a_generator_inside_of_its_own_says() -> None:
    agent = weather_agent(FallbackChatGenerator([PlainGenerator("a b")]))

    assert asyncio.run(texts(async_streaming_generator(agent, MESSAGES))) == ["a ", "b"]


def test_a_shielded_run_for_which_nobody_waits_is_kept_alive() -> None:
    @component
    class Orphan(Steps):
        @component.output_types(text=str)
        async def run_async(self, streaming_callback: Callable[..., Any] | None = None) -> dict[str, str]:
            assert streaming_callback is not None
            await streaming_callback(StreamingChunk("one"))
            going_on = asyncio.get_running_loop().create_future()
            self.going_on = weakref.ref(going_on)
            await going_on
            return {"text": "end"}

    orphan = Orphan()
    results: list[Any] = []

    async def main() -> None:
        stream = async_streaming_generator(
            pipeline_of(orphan=orphan), shield_pipeline_task=True, on_pipeline_end=results.append
        )
        await anext(stream)
        await wait_until_async(lambda: hasattr(orphan, "going_on"))
        del stream
        gc.collect()
        going_on = orphan.going_on()
        assert going_on is not None
        going_on.set_result(None)
        await wait_until_async(lambda: results)

    asyncio.run(main())
    assert results == [{"orphan": {"text": "end"}}]
