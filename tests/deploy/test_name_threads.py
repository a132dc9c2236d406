"""Work on names, few at a time, of which any may hang."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from hayhooks.deploy.name_threads import NameThreads
from tests.pipelines.generators import wait_until


class Work:
    """Notes what is worked on, and holds it up until its gate is open."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.gates: dict[str, threading.Event] = {}
        self.all = threading.Event()

    def __call__(self, name: str) -> None:
        gate = self.gates.setdefault(name, threading.Event())
        self.begun.append(name)
        while not gate.is_set() and not self.all.is_set():
            self.all.wait(0.005)
        gate.clear()

    def open(self, name: str) -> None:
        self.gates[name].set()


@pytest.fixture
def work() -> Iterator[Work]:
    work = Work()
    yield work
    work.all.set()


def test_so_many_are_worked_on_side_by_side_and_the_threads_are_few(work: Work) -> None:
    before = threading.active_count()
    threads = NameThreads(work, limit=3, thread_name="test")
    names = [f"n{number:02}" for number in range(40)]
    assert [threads.begin(name) for name in names] == [True] * 40
    wait_until(lambda: len(work.begun) == 3)
    during = (list(work.begun), threading.active_count() - before, threads.names)
    work.all.set()

    assert threads.wait(names, 10)
    assert during == (names[:3], 4, names)
    assert (work.begun, threads.names) == (names, [])


def test_one_that_takes_long_gives_its_place_to_the_next(work: Work) -> None:
    threads = NameThreads(work, limit=1, thread_name="test")
    for name in ("stuck", "a", "b"):
        threads.begin(name)
    wait_until(lambda: work.begun == ["stuck", "a"])
    work.open("a")
    wait_until(lambda: work.begun == ["stuck", "a", "b"])
    work.open("b")

    assert (threads.wait(["a", "b"], 10), threads.wait(["stuck"], 0), threads.names) == (True, False, ["stuck"])


def test_a_name_that_is_begun_again_meanwhile_is_worked_on_once_more(work: Work) -> None:
    threads = NameThreads(work, limit=2, thread_name="test")
    begun = [threads.begin("a")]
    wait_until(lambda: work.begun == ["a"])
    begun += [threads.begin("a"), threads.begin("a")]
    work.open("a")
    wait_until(lambda: work.begun == ["a", "a"])
    work.open("a")

    assert (threads.wait(["a"], 10), begun, work.begun) == (True, [True, False, False], ["a", "a"])


def test_at_the_end_nothing_that_waits_is_begun(work: Work) -> None:
    threads = NameThreads(work, limit=1, thread_name="test")
    for name in ("a", "b", "c"):
        threads.begin(name)
    wait_until(lambda: work.begun == ["a"])
    threads.begin("a")
    threads.stop(0)
    work.open("a")

    assert (threads.wait(["a", "b", "c"], 10), work.begun) == (True, ["a"])


def test_without_a_thread_nothing_is_begun(work: Work) -> None:
    threads = NameThreads(work, limit=1, thread_name="test")
    work.all.set()
    # No system has memory for such a thread.
    usual = threading.stack_size(1 << 46)
    try:
        with pytest.raises(RuntimeError):
            threads.begin("a")
    finally:
        threading.stack_size(usual)

    assert (threads.names, threads.begin("a"), threads.wait(["a"], 10), work.begun) == ([], True, True, ["a"])


def test_work_that_fails_is_done(work: Work) -> None:
    def fail(name: str) -> None:
        raise ValueError(name)

    threads = NameThreads(fail, limit=1, thread_name="test")
    threads.begin("a")

    assert threads.wait(["a"], 10)
