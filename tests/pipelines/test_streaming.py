"""What holds for every kind of stream, and what is particular to plain ones (contract 6.2, 6.3)."""

from __future__ import annotations

import asyncio
import copy
import gc
import itertools
import threading
from collections.abc import Callable, Generator
from contextvars import ContextVar
from functools import partial
from queue import Queue
from typing import Any

import pytest
from haystack import component
from haystack.components.generators.chat import MockChatGenerator
from haystack.core.errors import PipelineRuntimeError
from haystack.dataclasses import ChatMessage, ComponentInfo, ReasoningContent, StreamingChunk
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks, Settings, async_streaming_generator, streaming_generator
from hayhooks.pipelines.channel import StreamClosed
from tests.pipelines.generators import (
    MESSAGES,
    WEATHER_CALL,
    Failing,
    PlainGenerator,
    Silent,
    Tokens,
    arguments_of,
    pipeline_of,
    text_of,
    wait_until,
    weather_agent,
)

Collect = Callable[..., list[Any]]
colour: ContextVar[str] = ContextVar("colour", default="none")


def by_for(pipeline: Any, arguments: Any = None, **options: Any) -> list[Any]:
    return list(streaming_generator(pipeline, pipeline_run_args=arguments, **options))


def by_async_for(pipeline: Any, arguments: Any = None, **options: Any) -> list[Any]:
    async def main() -> list[Any]:
        return [item async for item in streaming_generator(pipeline, pipeline_run_args=arguments, **options)]

    return asyncio.run(main())


def on_the_loop(pipeline: Any, arguments: Any = None, **options: Any) -> list[Any]:
    async def main() -> list[Any]:
        stream = async_streaming_generator(
            pipeline, pipeline_run_args=arguments, allow_sync_streaming_callbacks=True, **options
        )
        return [item async for item in stream]

    return asyncio.run(main())


@pytest.fixture(params=[by_for, by_async_for, on_the_loop])
def collect(request: pytest.FixtureRequest) -> Collect:
    """The three ways to run a pipeline to its end and get the items of its stream."""
    way: Collect = request.param
    return way


@pytest.fixture(params=[MockChatGenerator, PlainGenerator])
def generator(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """A chat generator that can run on the event loop, and one that cannot."""
    made: Callable[..., Any] = request.param
    return made


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        pytest.param(None, ["three ", "four"], id="last"),
        pytest.param("all", ["one ", "two", "three ", "four"], id="all"),
        pytest.param(["first"], ["one ", "two"], id="list"),
        pytest.param(["second", "first"], ["one ", "two", "three ", "four"], id="list-of-both"),
        pytest.param([], [], id="empty-list"),
        pytest.param(["first", "unknown"], ["one ", "two"], id="unknown"),
    ],
)
def test_the_chosen_components_stream(collect: Collect, chosen: Any, expected: list[str]) -> None:
    pipeline = pipeline_of(first=PlainGenerator("one two"), second=MockChatGenerator("three four"))

    items = collect(pipeline, arguments_of("first", "second"), streaming_components=chosen)

    assert sorted(text_of(items)) == sorted(expected)


def test_chunks_are_what_the_component_made(collect: Collect, generator: Callable[..., Any]) -> None:
    made: list[StreamingChunk] = []
    pipeline_of(llm=generator("one two")).run({"llm": {**MESSAGES, "streaming_callback": made.append}})

    assert collect(pipeline_of(llm=generator("one two")), arguments_of("llm")) == made
    assert [chunk.content for chunk in made] == ["one ", "two"]


@pytest.mark.parametrize(
    ("included", "expected"),
    [pytest.param(None, ["last"], id="leaves"), pytest.param({"first"}, ["first", "last"], id="included")],
)
def test_the_result_of_the_run_goes_to_on_pipeline_end(
    collect: Collect, included: set[str] | None, expected: list[str]
) -> None:
    pipeline = pipeline_of(first=Silent(), last=Silent(), llm=MockChatGenerator("one two"))
    pipeline.connect("first.text", "last.text")
    given = copy.copy(included)

    items = collect(
        pipeline,
        {"first": {"text": "x"}, "llm": MESSAGES},
        include_outputs_from=included,
        on_pipeline_end=lambda result: " ".join(sorted(result)),
    )

    assert text_of(items) == ["one ", "two", " ".join([*expected[:-1], "last", "llm"] if included else ["last", "llm"])]
    assert included == given
    assert isinstance(items[-1], StreamingChunk)


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"llm": {"messages": MESSAGES["messages"]}}, id="nested"),
        pytest.param({"messages": MESSAGES["messages"]}, id="flat"),
        pytest.param({"messages": MESSAGES["messages"], "generation_kwargs": {}}, id="flat-with-a-dict"),
    ],
)
def test_arguments_may_be_nested_or_flat_and_stay_as_they_were(collect: Collect, arguments: dict[str, Any]) -> None:
    before = copy.deepcopy(arguments)

    assert text_of(collect(pipeline_of(llm=MockChatGenerator("one two")), arguments)) == ["one ", "two"]
    assert arguments == before


def test_agents_take_their_arguments_as_they_are_and_do_not_change_them(
    collect: Collect, generator: Callable[..., Any]
) -> None:
    arguments = dict(MESSAGES)

    assert text_of(collect(weather_agent(generator("one two")), arguments)) == ["one ", "two"]
    assert arguments == MESSAGES


def test_an_agent_streams_its_tools_with_what_the_callbacks_say(
    collect: Collect, generator: Callable[..., Any]
) -> None:
    items = collect(
        weather_agent(generator([WEATHER_CALL, "It is sunny."])),
        MESSAGES,
        on_tool_call_start=lambda name, arguments, id: f"start {name} {arguments} {id}",
        on_tool_call_end=lambda name, arguments, result, error: [f"end {name} {arguments}", f"{result} {error}"],
        on_pipeline_end=lambda result: result["last_message"].text,
        include_outputs_from={"ignored"},
    )

    assert [_sketch(item) for item in items] == [
        "start weather {'city': 'Rome'} call_1",
        "<call weather>",
        "end weather {'city': 'Rome'}",
        "sunny in Rome False",
        "<result sunny in Rome>",
        "<tool_call_results>",
        "It ",
        "is ",
        "sunny.",
        "It is sunny.",
    ]


def _sketch(item: Any) -> str:
    if isinstance(item, str):
        return item
    if item.tool_calls:
        return f"<call {item.tool_calls[0].tool_name}>"
    if item.tool_call_result:
        return f"<result {item.tool_call_result.result}>"
    return str(item.content) or f"<{item.finish_reason}>"


def test_an_agent_inside_a_pipeline_streams(collect: Collect, generator: Callable[..., Any]) -> None:
    pipeline = pipeline_of(agent=weather_agent(generator([WEATHER_CALL, "It is sunny."])))

    assert text_of(collect(pipeline, arguments_of("agent"))) == ["It ", "is ", "sunny."]


def test_reasoning_is_announced(collect: Collect) -> None:
    @component
    class Thinker:
        @component.output_types(text=str)
        def run(self, streaming_callback: Callable[[StreamingChunk], Any] | None = None) -> dict[str, str]:
            assert streaming_callback is not None
            info = ComponentInfo.from_component(self)
            streaming_callback(
                StreamingChunk("", component_info=info, index=0, start=True, reasoning=ReasoningContent("hm"))
            )
            return {"text": ""}

    items = collect(pipeline_of(thinker=Thinker()), on_reasoning=lambda text, extra: f"thinks {text}")

    assert [item if isinstance(item, str) else item.reasoning.reasoning_text for item in items] == ["thinks hm", "hm"]


@pytest.mark.parametrize("way", [streaming_generator, async_streaming_generator])
def test_an_error_comes_after_the_chunks_before_it(way: Callable[..., Any]) -> None:
    async def main() -> list[str]:
        stream = way(pipeline_of(failing=Failing()), on_pipeline_end=ended.append)
        items = []
        with pytest.raises(PipelineRuntimeError, match="on purpose"):
            async for item in stream:
                items.append(item.content)
        return items

    ended: list[Any] = []
    assert (asyncio.run(main()), ended) == (["before"], [])


def test_a_missing_argument_is_an_error_of_the_run(collect: Collect) -> None:
    with pytest.raises(ValueError, match="Missing mandatory input 'messages'"):
        collect(pipeline_of(llm=MockChatGenerator("x")), {})


@pytest.mark.parametrize(
    ("pipeline", "arguments", "message"),
    [
        pytest.param("text", {}, "^Unsupported pipeline type: <class 'str'>", id="no-pipeline"),
        pytest.param(
            pipeline_of(silent=Silent()),
            {},
            "^No streaming-capable components found in the pipeline",
            id="nothing-streams",
        ),
        pytest.param(
            pipeline_of(llm=MockChatGenerator("x")), {"prompt": "x"}, "has the input 'prompt'", id="unknown-argument"
        ),
    ],
)
@pytest.mark.parametrize("make", [streaming_generator, async_streaming_generator])
def test_what_cannot_stream_is_refused_at_the_call(
    make: Callable[..., Any], pipeline: Any, arguments: Any, message: str
) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match=message):
            make(pipeline, pipeline_run_args=arguments)

    asyncio.run(main())


def test_the_context_of_the_caller_is_visible_in_the_run(collect: Collect) -> None:
    @component
    class Looking:
        @component.output_types(text=str)
        def run(self, streaming_callback: Callable[[StreamingChunk], Any] | None = None) -> dict[str, str]:
            assert streaming_callback is not None
            streaming_callback(StreamingChunk(colour.get()))
            colour.set("changed in the run")
            return {"text": ""}

    token = colour.set("red")
    try:
        assert text_of(collect(pipeline_of(looking=Looking()))) == ["red"]
        assert colour.get() == "red"
    finally:
        colour.reset(token)


def test_the_first_positional_argument_after_the_pipeline_is_its_arguments() -> None:
    pipeline = pipeline_of(llm=MockChatGenerator("one two"))

    assert text_of(list(streaming_generator(pipeline, arguments_of("llm")))) == ["one ", "two"]


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        pytest.param("", ["b"], id="unset"),
        pytest.param("all", ["a", "b"], id="all"),
        pytest.param("one", ["a"], id="one"),
    ],
)
@pytest.mark.parametrize("make", [streaming_generator, async_streaming_generator])
def test_the_setting_chooses_where_the_wrapper_does_not(
    make: Callable[..., Any], setting: str, expected: list[str]
) -> None:
    class Wrapper(BasePipelineWrapper):
        def setup(self) -> None:
            self.pipeline = pipeline_of(one=MockChatGenerator("a"), two=MockChatGenerator("b"))

        async def run_api_async(self) -> Generator:  # type: ignore[type-arg]
            stream: Generator[Any, None, None] = make(self.pipeline, arguments_of("one", "two"))
            return stream

    app = Hayhooks(settings=Settings(streaming_components=setting))
    app.deploy("two", Wrapper())

    assert sorted(TestClient(app).post("/two/run", json={}).text) == expected


def test_streams_of_one_pipeline_do_not_mix(generator: Callable[..., Any]) -> None:
    pipeline = pipeline_of(llm=generator())
    texts = [" ".join(f"{number}-{index}" for index in range(20)) for number in range(100)]
    hybrid = partial(async_streaming_generator, allow_sync_streaming_callbacks=True)
    ways: list[Callable[..., Any]] = [streaming_generator, hybrid]

    async def read(make: Callable[..., Any], text: str) -> str:
        stream = make(pipeline, {"llm": {"messages": [ChatMessage.from_user(text)]}})
        return "".join([item.content async for item in stream])

    async def main() -> list[str]:
        return await asyncio.gather(*map(read, itertools.cycle(ways), texts))

    assert asyncio.run(main()) == texts


def test_the_run_starts_with_the_first_chunk_that_is_asked_for() -> None:
    tokens = Tokens()
    tokens.permit(1)
    stream = streaming_generator(pipeline_of(tokens=tokens))
    before = tokens.made

    first = next(stream)
    stream.close()
    tokens.permit(1)

    assert (before, first.content) == (0, "1")


@pytest.mark.parametrize("leave", ["close", "throw", "drop", "break"])
def test_a_stream_that_is_left_ends_its_run_at_the_next_token(leave: str) -> None:
    tokens = Tokens()
    tokens.permit(1)
    stream = streaming_generator(pipeline_of(tokens=tokens))
    if leave == "break":
        for _ in stream:
            break
    else:
        next(stream)
    if leave == "close":
        stream.close()
    elif leave == "throw":
        with pytest.raises(KeyError):
            stream.throw(KeyError("x"))
    del stream
    gc.collect()
    tokens.permit(10)

    assert tokens.ended.wait(10)
    assert (tokens.made, tokens.error) == (2, StreamClosed)


def test_closing_does_not_wait_for_the_run() -> None:
    tokens = Tokens()
    tokens.permit(1)
    stream = streaming_generator(pipeline_of(tokens=tokens))
    next(stream)
    stream.close()

    assert not tokens.ended.is_set()
    tokens.permit(1)
    assert tokens.ended.wait(10)


def test_a_closed_stream_gives_nothing_more() -> None:
    tokens = Tokens()
    tokens.permit(3)
    stream = streaming_generator(pipeline_of(tokens=tokens))
    next(stream)
    wait_until(lambda: tokens.made == 3)
    stream.close()
    stream.close()

    assert list(stream) == []
    tokens.permit(1)


def test_a_stream_that_is_closed_before_its_first_chunk_never_runs() -> None:
    tokens = Tokens()
    tokens.permit(3)
    stream = streaming_generator(pipeline_of(tokens=tokens))
    stream.close()

    assert (list(stream), tokens.made) == ([], 0)


def test_a_stream_is_a_generator_and_may_be_sent_nothing() -> None:
    stream = streaming_generator(pipeline_of(llm=MockChatGenerator("one two")), arguments_of("llm"))

    assert isinstance(stream, Generator)
    assert [stream.send(None).content, next(stream).content, *stream] == ["one ", "two"]


def test_a_finished_stream_leaves_no_thread() -> None:
    before = set(threading.enumerate())
    by_for(pipeline_of(llm=MockChatGenerator("one two")), arguments_of("llm"), external_event_queue=Queue())

    wait_until(lambda: set(threading.enumerate()) <= before)


def test_ready_gives_the_chunks_that_wait() -> None:
    tokens = Tokens()
    tokens.permit(4)
    stream = streaming_generator(pipeline_of(tokens=tokens))
    first = next(stream)
    wait_until(lambda: tokens.made == 4)
    waiting: list[Any] = []
    while len(waiting) < 3:
        # The last token is counted right before it is handed over.
        waiting += stream.ready()
    stream.close()
    tokens.permit(1)

    assert [chunk.content for chunk in [first, *waiting]] == ["1", "2", "3", "4"]
