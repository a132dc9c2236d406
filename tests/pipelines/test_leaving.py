"""A client that leaves, or that does not read: what becomes of the run, however its wrapper hands the stream on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from haystack import component
from haystack.dataclasses import StreamingChunk
from starlette.testclient import TestClient

from hayhooks import BasePipelineWrapper, Hayhooks, async_streaming_generator, streaming_generator
from hayhooks.pipelines.channel import MOST_TEXT, MOST_WAITING, StreamClosed
from tests.pipelines.generators import AsyncTokens, Callback, Tokens, pipeline_of, wait_until, wait_until_async


class Streams(BasePipelineWrapper):
    """Streams a component, by one way to write the method."""

    def __init__(self, component: Any, way: Callable[[Streams], Any]) -> None:
        self.pipeline = pipeline_of(component=component)
        self.way = way
        self.notes: list[str] = []

    def setup(self) -> None: ...

    def plain(self) -> Iterator[Any]:
        return streaming_generator(self.pipeline)

    def on_loop(self) -> AsyncIterator[Any]:
        return async_streaming_generator(self.pipeline, allow_sync_streaming_callbacks=True)

    async def run_api_async(self) -> Any:
        return self.way(self)

    async def run_response_async(self, model: str, input_items: Any, body: Any) -> Any:
        return self.way(self)


def returns_plain(wrapper: Streams) -> Any:
    return wrapper.plain()


def returns_async(wrapper: Streams) -> Any:
    return wrapper.on_loop()


async def loops_async(wrapper: Streams) -> AsyncIterator[Any]:
    try:
        async for chunk in wrapper.on_loop():
            yield chunk
        wrapper.notes.append("read to the end")
    finally:
        wrapper.notes.append("cleaned up")


async def loops_async_over_plain(wrapper: Streams) -> AsyncIterator[Any]:
    async for chunk in streaming_generator(wrapper.pipeline):
        yield chunk


def loops(wrapper: Streams) -> Iterator[Any]:
    try:
        for chunk in wrapper.plain():
            yield chunk.content
        wrapper.notes.append("read to the end")
    finally:
        wrapper.notes.append("cleaned up")


def delegates(wrapper: Streams) -> Iterator[Any]:
    yield from wrapper.plain()


def maps(wrapper: Streams) -> Iterator[Any]:
    return map(str, wrapper.plain())


def maps_a_generator(wrapper: Streams) -> Iterator[Any]:
    return map(str, loops(wrapper))


PLAIN_WAYS = [returns_plain, returns_async, loops_async, loops_async_over_plain]
PLAIN_WAYS += [loops, delegates, maps, maps_a_generator]
ASYNC_WAYS = [returns_async, loops_async]
WAYS = [
    *(pytest.param(Tokens, way, id=f"Tokens-{way.__name__}") for way in PLAIN_WAYS),
    *(pytest.param(AsyncTokens, way, id=f"AsyncTokens-{way.__name__}") for way in ASYNC_WAYS),
]


async def request(app: Hayhooks, *, leave: Callable[[], Awaitable[object]], send: Callable[[bytes], Any]) -> None:
    """Run the pipeline `p` for a client that leaves when `leave()` returns, and gets the body by `send()`."""
    received: list[str] = []

    async def receive() -> dict[str, Any]:
        if not received:
            received.append("request")
            return {"type": "http.request", "body": b"{}", "more_body": False}
        await leave()
        return {"type": "http.disconnect"}

    async def send_message(message: Any) -> None:
        if body := message.get("body"):
            await send(body)

    scope = {"type": "http", "method": "POST", "path": "/p/run", "headers": [], "query_string": b""}
    await asyncio.wait_for(app(scope, receive, send_message), 20)


def leave_after_the_first_chunk(app: Hayhooks) -> None:
    sent: list[bytes] = []

    async def send(body: bytes) -> None:
        sent.append(body)

    asyncio.run(request(app, leave=lambda: wait_until_async(lambda: sent), send=send))


@pytest.mark.parametrize(("made", "way"), WAYS)
def test_a_client_that_leaves_ends_the_run_of_its_stream(made: type[Tokens], way: Callable[[Streams], Any]) -> None:
    tokens = made()
    tokens.permit(3)
    app = Hayhooks()
    app.deploy("p", Streams(tokens, way))

    leave_after_the_first_chunk(app)
    wait_until(lambda: tokens.made == 3 or tokens.ended.is_set())
    made_then = tokens.made
    tokens.permit(10)
    wait_until(tokens.ended.is_set)

    assert tokens.made - made_then <= 1


@pytest.mark.parametrize(
    ("made", "way"),
    [
        pytest.param(Tokens, loops, id="plain"),
        pytest.param(Tokens, maps_a_generator, id="plain-in-a-map"),
        pytest.param(AsyncTokens, loops_async, id="async"),
        pytest.param(Tokens, loops_async, id="async-over-plain"),
    ],
)
def test_a_method_whose_client_leaves_does_not_take_that_for_the_end(
    made: type[Tokens], way: Callable[[Streams], Any]
) -> None:
    tokens = made()
    tokens.permit(1)
    wrapper = Streams(tokens, way)
    app = Hayhooks()
    app.deploy("p", wrapper)

    leave_after_the_first_chunk(app)

    wait_until(lambda: wrapper.notes)
    tokens.permit(1)
    assert wrapper.notes == ["cleaned up"]


@pytest.mark.parametrize(("made", "way"), WAYS)
def test_a_background_response_that_is_cancelled_ends_its_run(
    made: type[Tokens], way: Callable[[Streams], Any]
) -> None:
    tokens = made()
    tokens.permit(1)
    app = Hayhooks()
    app.deploy("p", Streams(tokens, way))
    with TestClient(app) as client:
        response = client.post("/v1/responses", json={"model": "p", "input": "x", "background": True}).json()
        wait_until(lambda: tokens.made == 1)
        cancelled = client.post(f"/v1/responses/{response['id']}/cancel").json()
        tokens.permit(10)
        wait_until(tokens.ended.is_set)

    assert cancelled["status"] == "cancelled"
    assert tokens.made <= 2


def test_a_stream_that_is_first_read_when_its_client_has_left_never_runs() -> None:
    tokens, gone = Tokens(), asyncio.Event()
    tokens.permit(10)

    def late(wrapper: Streams) -> Iterator[Any]:
        yield "first"
        wait_until(gone.is_set)
        yield from wrapper.plain()

    wrapper = Streams(tokens, late)
    app = Hayhooks()
    app.deploy("p", wrapper)
    leave_after_the_first_chunk(app)
    gone.set()
    with TestClient(app) as client:
        client.get("/status")

    assert tokens.made == 0


# A client that does not read


@component
class Flood:
    """Streams many numbers without a pause, on the event loop."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.made = 0
        self.error: type[BaseException] | None = None

    @component.output_types(count=int)
    def run(self, streaming_callback: Callback | None = None) -> dict[str, int]:
        raise NotImplementedError

    @component.output_types(count=int)
    async def run_async(self, streaming_callback: Callback | None = None) -> dict[str, int]:
        assert streaming_callback is not None
        try:
            for number in range(self.count):
                self.made += 1
                await streaming_callback(StreamingChunk(f"{number} "))
        except BaseException as exc:
            self.error = type(exc)
            raise
        return {"count": self.count}


MANY = 20 * MOST_WAITING


@pytest.mark.parametrize("way", [returns_async, loops_async])
def test_a_run_on_the_event_loop_waits_for_a_client_that_does_not_read(way: Callable[[Streams], Any]) -> None:
    flood = Flood(MANY)
    app = Hayhooks()
    app.deploy("p", Streams(flood, way))
    bodies: list[bytes] = []
    held_up_at: list[int] = []

    async def main() -> None:
        stays = asyncio.Event()

        async def send(body: bytes) -> None:
            if not bodies:
                await wait_until_async(lambda: flood.made > MOST_WAITING)
                for _ in range(10):
                    await asyncio.sleep(0)
                held_up_at.append(flood.made)
            bodies.append(body)

        await request(app, leave=stays.wait, send=send)

    asyncio.run(main())

    assert held_up_at[0] <= 2 * (MOST_WAITING + 1)
    assert b"".join(bodies).decode() == "".join(f"{number} " for number in range(MANY))


@pytest.mark.parametrize("text", ["x" * 10_000, b"x" * 10_000], ids=["text", "bytes"])
def test_few_long_chunks_wait_for_a_client_that_does_not_read(text: str | bytes) -> None:
    made: list[str | bytes] = []
    sizes: list[int] = []
    looks: list[int] = []

    def stream(wrapper: Streams) -> Iterator[str | bytes]:
        for _ in range(MOST_WAITING):
            made.append(text)
            yield text

    app = Hayhooks()
    app.deploy("p", Streams(Tokens(), stream))

    def is_held_up() -> bool:
        looks.append(len(made))
        return len(looks) > 10 and looks[-1] == looks[-10]

    async def main() -> None:
        stays = asyncio.Event()

        async def send(body: bytes) -> None:
            if not sizes:
                await wait_until_async(is_held_up)
            sizes.append(len(body))

        await request(app, leave=stays.wait, send=send)

    asyncio.run(main())

    # What is being sent, and what waits behind it.
    assert looks[-1] <= 2 * (MOST_TEXT // 10_000 + 1)
    assert max(sizes) <= MOST_TEXT + 10_000
    assert sum(sizes) == MOST_WAITING * 10_000


def test_several_runs_that_wait_for_one_reader_lose_nothing() -> None:
    floods = {name: Flood(MANY) for name in ("a", "b", "c")}

    async def main() -> list[str]:
        stream = async_streaming_generator(pipeline_of(**floods), streaming_components="all")
        return [chunk.content async for chunk in stream]

    assert sorted(asyncio.run(main())) == sorted(3 * [f"{number} " for number in range(MANY)])


@pytest.mark.parametrize("is_shielded", [False, True])
def test_a_run_that_waits_for_its_reader_learns_that_it_has_gone(is_shielded: bool) -> None:
    flood = Flood(MANY)
    results: list[Any] = []

    async def main() -> None:
        stream = async_streaming_generator(
            pipeline_of(flood=flood), shield_pipeline_task=is_shielded, on_pipeline_end=results.append
        )
        await anext(stream)
        await stream.aclose()
        await wait_until_async(lambda: flood.error or results)

    asyncio.run(main())

    if is_shielded:
        assert (flood.made, results) == (MANY, [{"flood": {"count": MANY}}])
    else:
        assert flood.made <= MOST_WAITING + 2
        # Haystack runs a component in a task of its own, which goes on before the cancellation reaches it.
        assert flood.error in (asyncio.CancelledError, StreamClosed)
