"""Threads that many share: nobody waits for more than one job of the others, and a cancelled job is never run."""

import threading
import time
from collections.abc import Iterator

import pytest

from controller.runtime.fair_threads import FairThreads, Share


class Work:
    """Jobs that run until they are let go, and tell in which order they began."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go_on = threading.Event()
        self._news = threading.Condition()

    def __call__(self, name: str) -> None:
        with self._news:
            self.begun.append(name)
            self._news.notify_all()
        assert self.go_on.wait(10)

    def wait_for(self, count: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: len(self.begun) >= count, 10)


@pytest.fixture
def work() -> Iterator[Work]:
    made = Work()
    yield made
    made.go_on.set()


def shared(threads: int, *shares: Share) -> FairThreads:
    return FairThreads("test", threads=threads, shares=shares or (Share(),), timer=time.monotonic)


def test_a_result_and_an_error_come_back() -> None:
    threads = shared(1)
    assert threads.submit(("a",), lambda: 42).result(10) == 42
    with pytest.raises(ZeroDivisionError):
        threads.submit(("a",), lambda: 1 // 0).result(10)


def test_an_account_has_its_share_and_others_are_not_held_up(work: Work) -> None:
    threads = shared(8, Share(at_once=2))
    jobs = [threads.submit(("hostile",), lambda: work("hostile")) for _ in range(20)]
    work.wait_for(2)
    threads.submit(("other",), lambda: None).result(10)
    assert work.begun == ["hostile"] * 2
    work.go_on.set()
    for job in jobs:
        job.result(10)


def test_many_jobs_at_once_get_many_threads(work: Work) -> None:
    """A thread that idles has been promised to the first of them, though it did not wake up yet."""
    threads = shared(8)
    threads.submit(("a",), lambda: None).result(10)
    jobs = [threads.submit((str(number),), lambda: work("job")) for number in range(8)]
    work.wait_for(8)
    work.go_on.set()
    for job in jobs:
        job.result(10)


def test_who_used_least_is_next(work: Work) -> None:
    threads = shared(1)
    first = threads.submit(("hostile",), lambda: work("hostile"))
    work.wait_for(1)
    waiting = [threads.submit(("hostile",), lambda: work("hostile")) for _ in range(20)]
    last = threads.submit(("other",), lambda: work("other"))
    work.go_on.set()
    for job in (first, *waiting, last):
        job.result(10)
    assert work.begun[:3] == ["hostile", "other", "hostile"]


def test_what_a_server_uses_its_namespace_uses_too(work: Work) -> None:
    threads = shared(1, Share(), Share())
    jobs = [threads.submit(("a", "one"), lambda: work("a one"))]
    work.wait_for(1)
    jobs += [threads.submit(account, lambda: work("later")) for account in (("a", "two"), ("a", "three"))]
    jobs.append(threads.submit(("b", "one"), lambda: work("b one")))
    work.go_on.set()
    for job in jobs:
        job.result(10)
    assert work.begun[1] == "b one"


def test_who_has_nothing_left_waits_until_it_has_grown_back() -> None:
    clock = iter(range(0, 1000, 5))  # each job uses five seconds
    threads = FairThreads("test", threads=1, shares=(Share(seconds=1.0, rate=100.0),), timer=lambda: next(clock))
    threads.submit(("a",), lambda: None).result(10)
    assert threads.submit(("a",), lambda: None).result(10) is None
    poor = FairThreads("test", threads=1, shares=(Share(seconds=1.0, rate=0.0),), timer=lambda: next(clock))
    poor.submit(("a",), lambda: None).result(10)
    never = poor.submit(("a",), lambda: None)
    poor.submit(("b",), lambda: None).result(10)
    assert never.cancel()


def test_a_job_that_is_cancelled_before_it_begins_is_not_run(work: Work) -> None:
    threads = shared(1)
    running = threads.submit(("a",), lambda: work("first"))
    work.wait_for(1)
    cancelled = threads.submit(("a",), lambda: work("cancelled"))
    last = threads.submit(("a",), lambda: work("last"))
    assert cancelled.cancel()
    work.go_on.set()
    running.result(10)
    last.result(10)
    assert work.begun == ["first", "last"]
