"""Threads that are shared fairly: whoever has used the least time of them is served next."""

import math
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Share:
    """Part of the threads that one account may use.

    Attributes:
        at_once: jobs that run at the same time.
        seconds: time that may be used without a pause.
        rate: seconds of it that grow back in a second.
    """

    at_once: int = 1_000_000
    seconds: float = math.inf
    rate: float = 0.01


@dataclass(slots=True)
class _Use:
    """Use of the threads by an account: `spent` seconds as of `at`, and `running` jobs."""

    share: Share
    at: float
    spent: float = 0.0
    running: int = 0

    def settle(self, now: float) -> None:
        self.spent = max(0.0, self.spent - (now - self.at) * self.share.rate)
        self.at = now

    @property
    def may_run(self) -> bool:
        return self.running < self.share.at_once and self.spent < self.share.seconds

    @property
    def idle(self) -> bool:
        return not self.running and not self.spent


@dataclass(slots=True, eq=False)
class _Job(Generic[T]):
    account: tuple[Hashable, ...]
    work: Callable[[], T]
    future: "Future[T]"


class FairThreads:
    """Threads for jobs of many accounts; a job that is cancelled before it begins is never run.

    An account is a path, such as (namespace, server): each of its parts has a share, and what a server uses its
    namespace uses too. The threads end with the process and never hold up its end, since a job may hang.
    """

    def __init__(self, name: str, *, threads: int, shares: tuple[Share, ...], timer: Callable[[], float]) -> None:
        """Make no thread yet.

        Args:
            threads: most of them.
            shares: of each part of an account.
            timer: clock that tells what a job used: of the thread's CPU, or of the wall.
        """
        self._name = name
        self._threads = threads
        self._shares = shares
        self._timer = timer
        self._changed = threading.Condition()
        self._waiting: list[_Job[Any]] = []
        self._uses: dict[tuple[Hashable, ...], _Use] = {}
        self._started = self._idle = 0

    def submit(self, account: tuple[Hashable, ...], work: Callable[[], T]) -> "Future[T]":
        """Let `work` be done for `account`, one part for each share."""
        job: _Job[T] = _Job(account, work, Future())
        with self._changed:
            self._waiting.append(job)
            if len(self._waiting) > self._idle and self._started < self._threads:
                self._started += 1
                threading.Thread(target=self._serve, name=f"{self._name} {self._started}", daemon=True).start()
            self._changed.notify()
        return job.future

    def _serve(self) -> None:
        while True:
            with self._changed:
                job = self._take()
            began = self._timer()
            try:
                job.future.set_result(job.work())
            except BaseException as error:  # noqa: BLE001 - it belongs to whoever waits for the result
                job.future.set_exception(error)
            spent = self._timer() - began
            with self._changed:
                for use in self._uses_of(job.account):
                    use.running -= 1
                    use.spent += spent
                self._changed.notify_all()
            del job  # its result may be large

    def _take(self) -> _Job[Any]:
        """Wait for a job that may run, and mark it as running."""
        while True:
            job = self._next()
            if job is not None:
                self._waiting.remove(job)
                if job.future.set_running_or_notify_cancel():
                    for use in self._uses_of(job.account):
                        use.running += 1
                    return job
            else:
                self._idle += 1
                # What was spent grows back without anybody's notice.
                self._changed.wait(timeout=0.1 if self._waiting else None)
                self._idle -= 1

    def _next(self) -> _Job[Any] | None:
        """Return the job whose account used least; among equals, the one that waits longest."""
        now = time.monotonic()
        for path, use in list(self._uses.items()):
            use.settle(now)
            if use.idle:
                del self._uses[path]
        best: _Job[Any] | None = None
        least: tuple[float, ...] = ()
        for job in self._waiting:
            if job.future.cancelled():
                return job
            uses = self._uses_of(job.account)
            spent = tuple(use.spent for use in uses)
            if all(use.may_run for use in uses) and (best is None or spent < least):
                best, least = job, spent
        return best

    def _uses_of(self, account: tuple[Hashable, ...]) -> list[_Use]:
        now = time.monotonic()
        return [
            self._uses.setdefault(account[: depth + 1], _Use(share, now)) for depth, share in enumerate(self._shares)
        ]
