from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

import pytest
from haystack.dataclasses import StreamingChunk

from hayhooks.pipelines.channel import MOST_TEXT, MOST_WAITING, Channel, StreamClosed
from tests.pipelines.generators import wait_until, wait_until_async


class Boom(Exception): ...


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def put_all(channel: Channel, items: Iterable[Any]) -> None:
    for item in items:
        channel.put(item)


def read(channel: Channel) -> list[Any]:
    items = []
    while True:
        try:
            items.append(channel.get())
        except StopIteration:
            return items


async def read_async(channel: Channel) -> list[Any]:
    items = []
    while True:
        try:
            items.append(await channel.get_async())
        except StopAsyncIteration:
            return items


def consume(channel: Channel, is_async: bool) -> list[Any]:
    return asyncio.run(read_async(channel)) if is_async else read(channel)


@pytest.fixture(params=[False, True], ids=["thread", "task"])
def is_async(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_items_come_in_order_then_the_end(is_async: bool) -> None:
    channel = Channel()
    for number in range(3):
        channel.put(number)
    channel.finish()

    assert consume(channel, is_async) == [0, 1, 2]


def test_an_error_is_raised_once_and_after_the_items_before_it(is_async: bool) -> None:
    channel = Channel()
    channel.put("before")
    channel.finish(Boom())

    async def next_async() -> object:
        return await channel.get_async()

    def get() -> object:
        return asyncio.run(next_async()) if is_async else channel.get()

    assert get() == "before"
    with pytest.raises(Boom):
        get()
    assert consume(channel, is_async) == []


def test_a_consumer_that_waits_is_woken_by_each_item_and_by_the_end(is_async: bool) -> None:
    channel = Channel()
    seen: list[Any] = []
    consumer = in_thread(lambda: seen.append(consume(channel, is_async)))
    for number in range(3):
        channel.put(number)
    channel.finish()
    consumer.join(10)

    assert seen == [[0, 1, 2]]


def test_many_producers_lose_nothing(is_async: bool) -> None:
    channel = Channel()
    seen: list[list[Any]] = []
    consumer = in_thread(lambda: seen.append(consume(channel, is_async)))

    producers = [in_thread(partial(put_all, channel, range(first, first + 5000))) for first in (0, 5000, 10000)]
    for producer in producers:
        producer.join(20)
    channel.finish()
    consumer.join(20)

    (items,) = seen
    assert [[number for number in items if number // 5000 == producer] for producer in range(3)] == [
        list(range(5000)),
        list(range(5000, 10000)),
        list(range(10000, 15000)),
    ]


def test_a_producer_on_the_event_loop_is_never_held_up() -> None:
    async def main() -> list[Any]:
        channel = Channel()
        for number in range(2 * MOST_WAITING):
            channel.put(number)
        channel.finish()
        return await read_async(channel)

    assert asyncio.run(main()) == list(range(2 * MOST_WAITING))


@pytest.mark.parametrize("release", ["get", "get_async", "take", "close"])
def test_a_producer_thread_that_is_far_ahead_waits_for_its_consumer(release: str) -> None:
    channel = Channel()
    put: list[int] = []

    def produce() -> None:
        try:
            for number in range(MOST_WAITING + 5):
                put.append(number)
                channel.put(number)
        except StreamClosed:
            put.append(-1)

    producer = in_thread(produce)
    wait_until(lambda: len(put) == MOST_WAITING + 1)
    producer.join(0.03)
    assert producer.is_alive()
    assert len(put) == MOST_WAITING + 1

    if release == "get":
        assert [channel.get() for _ in range(5)] == [0, 1, 2, 3, 4]
    elif release == "get_async":

        async def five() -> list[Any]:
            return [await channel.get_async() for _ in range(5)]

        assert asyncio.run(five()) == [0, 1, 2, 3, 4]
    elif release == "take":
        assert channel.take() == list(range(MOST_WAITING + 1))
    else:
        channel.close()
    producer.join(10)

    assert not producer.is_alive()
    assert put[-1] == (-1 if release == "close" else MOST_WAITING + 4)


QUARTER = MOST_TEXT // 4


@pytest.mark.parametrize("item", ["x" * QUARTER, b"x" * QUARTER, StreamingChunk("x" * QUARTER)], ids=type)
def test_a_producer_of_long_texts_waits_when_their_length_is_too_much(item: Any) -> None:
    channel = Channel()
    put: list[Any] = []

    def produce() -> None:
        for _ in range(20):
            put.append(item)
            channel.put(item)
        channel.finish()

    producer = in_thread(produce)
    wait_until(lambda: len(put) == 5)
    producer.join(0.03)
    assert len(put) == 5

    channel.get()
    wait_until(lambda: len(put) == 6)
    assert channel.take() == [item] * 5
    wait_until(lambda: len(put) == 11)
    assert read(channel) == [item] * 14


def test_one_text_that_is_too_long_waits_alone() -> None:
    async def main() -> list[bool]:
        channel, text = Channel(), "x" * (MOST_TEXT + 1)
        channel.put(text)
        held_up = asyncio.ensure_future(channel.room())
        await asyncio.sleep(0)
        assert (channel.is_full, held_up.done()) == (True, False)
        taken = [await channel.get_async() == text]
        await asyncio.wait_for(held_up, 10)
        return [*taken, channel.is_full]

    assert asyncio.run(main()) == [True, False]


def test_no_producer_is_left_waiting_when_its_consumer_takes_all(fast_switches: None) -> None:
    channel = Channel()
    count, taken = 200_000, 0
    in_thread(partial(put_all, channel, range(count)))

    patience = time.monotonic() + 2
    while taken < count and time.monotonic() < patience:
        if batch := channel.take():
            taken += len(batch)
            patience = time.monotonic() + 2
        else:
            time.sleep(0)
    channel.close()

    assert taken == count


def test_put_raises_once_the_consumer_has_gone() -> None:
    channel = Channel()
    before = channel.is_closed
    channel.put(1)
    channel.close()

    assert (before, channel.is_closed) == (False, True)
    with pytest.raises(StreamClosed):
        channel.put(2)


def test_a_closed_channel_gives_nothing_more_and_no_error(is_async: bool) -> None:
    channel = Channel()
    channel.put("unread")
    channel.close()
    channel.finish(Boom())

    assert consume(channel, is_async) == []


def test_closing_wakes_a_consumer_that_waits(is_async: bool) -> None:
    channel = Channel()
    seen: list[Any] = []
    consumer = in_thread(lambda: seen.append(consume(channel, is_async)))
    consumer.join(0.02)
    channel.close()
    consumer.join(10)

    assert seen == [[]]


def test_take_gives_what_is_there_without_waiting() -> None:
    channel = Channel()

    assert channel.take() == []
    channel.put(1)
    channel.put(2)
    assert channel.take() == [1, 2]
    assert channel.take() == []


def test_a_cancelled_consumer_can_read_on() -> None:
    async def main() -> list[Any]:
        channel = Channel()
        waiting = asyncio.ensure_future(channel.get_async())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        channel.put("later")
        channel.finish()
        return await read_async(channel)

    assert asyncio.run(main()) == ["later"]


def test_an_item_that_comes_right_before_the_wait_is_not_missed() -> None:
    channel = Channel()

    class Loop(asyncio.SelectorEventLoop):
        """Lets an item arrive when the consumer has just looked for one."""

        is_due = False

        def create_future(self) -> asyncio.Future[Any]:
            if self.is_due:
                self.is_due = False
                channel.put("just in time")
            return super().create_future()

    async def main() -> Any:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        loop.is_due = True
        return await channel.get_async()

    with asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(main()) == "just in time"


@pytest.mark.parametrize("is_on_loop", [True, False])
def test_a_consumer_may_go_on_in_another_loop(is_on_loop: bool) -> None:
    channel = Channel()

    async def get(item: str) -> object:
        if is_on_loop:
            asyncio.get_running_loop().call_later(0.01, channel.put, item)
        else:
            threading.Timer(0.01, channel.put, [item]).start()
        return await channel.get_async()

    assert [asyncio.run(get("a")), asyncio.run(get("b"))] == ["a", "b"]


def test_a_producer_learns_that_the_event_loop_of_its_consumer_is_closed() -> None:
    channel = Channel()
    loop = asyncio.new_event_loop()
    waiting = channel.get_async()
    loop.run_until_complete(_step(waiting))
    loop.close()

    channel.put("to nobody")
    with pytest.raises(StreamClosed):
        channel.put("any more")
    waiting.close()


async def full(channel: Channel) -> asyncio.Task[None]:
    """Fill a channel, and return a producer that waits for room in it."""
    for number in range(MOST_WAITING + 1):
        channel.put(number)
    held_up = asyncio.ensure_future(channel.room())
    await asyncio.sleep(0)
    assert not held_up.done()
    return held_up


@pytest.mark.parametrize("release", ["get_async", "take", "close"])
def test_a_producer_on_the_event_loop_waits_for_room(release: str) -> None:
    async def main() -> None:
        channel = Channel()
        held_up = await full(channel)
        if release == "get_async":
            await channel.get_async()
        elif release == "take":
            channel.take()
        else:
            channel.close()
        await asyncio.wait_for(held_up, 10)
        await channel.room()

    asyncio.run(main())


def test_a_producer_that_was_cancelled_while_it_waited_for_room_harms_nothing() -> None:
    async def main() -> list[Any]:
        channel = Channel()
        held_up = await full(channel)
        held_up.cancel()
        taken = channel.take()
        await asyncio.sleep(0)
        return taken

    assert asyncio.run(main()) == list(range(MOST_WAITING + 1))


def test_a_consumer_may_outlive_the_event_loop_of_a_producer_that_waits_for_room() -> None:
    channel = Channel()
    put_all(channel, range(MOST_WAITING))
    channel.put_at_once(MOST_WAITING)
    loop = asyncio.new_event_loop()
    waiting = channel.room()
    loop.run_until_complete(_step(waiting))
    loop.close()

    assert channel.get() == 0
    waiting.close()


def test_room_that_is_made_right_before_the_wait_is_not_missed() -> None:
    channel = Channel()

    class Loop(asyncio.SelectorEventLoop):
        """Lets the consumer take all when the producer has just looked for room."""

        def create_future(self) -> asyncio.Future[Any]:
            channel.take()
            return super().create_future()

    async def main() -> bool:
        for number in range(MOST_WAITING + 1):
            channel.put(number)
        await channel.room()
        return channel.is_full

    with asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(main()) is False


def test_a_channel_that_feeds_another_is_closed_with_it_and_says_so() -> None:
    source, target = Channel(), Channel()
    source.feed(target)
    seen: list[Any] = []

    def get() -> None:
        try:
            source.get()
        except BaseException as exc:
            seen.append(type(exc))

    consumer = in_thread(get)
    target.close()
    consumer.join(10)

    assert (seen, source.is_closed) == ([StreamClosed], True)
    with pytest.raises(StreamClosed):
        Channel().feed(target)


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration])
def test_an_error_that_looks_like_the_end_is_told_from_it(is_async: bool, error: type[Exception]) -> None:
    channel = Channel()
    channel.finish(error("x"))

    with pytest.raises(RuntimeError, match=f"^A stream raised {error.__name__}$") as caught:
        consume(channel, is_async)
    assert type(caught.value.__cause__) is error


async def _step(waiting: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine until it waits."""
    waiting.send(None)


def test_several_items_wake_a_task_once() -> None:
    async def main() -> list[Any]:
        channel = Channel()
        waiting = asyncio.ensure_future(channel.get_async())
        await asyncio.sleep(0)
        producer = in_thread(partial(put_all, channel, range(3)))
        first = await waiting
        await wait_until_async(lambda: not producer.is_alive())
        return [first, *channel.take()]

    assert asyncio.run(main()) == [0, 1, 2]
