"""Election of the replica that acts, over one Lease; `lease` decides, this module asks the API server and keeps time.

A replica leads from taking the Lease until somebody else has it: that is a `Term`. While the API server cannot be
reached, a term goes on, but once the Lease was not renewed for `LeaseTimes.deadline`, nothing may be changed in it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import structlog

from controller.errors import NotLeading
from controller.health.role import Role
from controller.operator.client import ApiUnavailable, Client
from controller.operator.lease import LeaseState, LeaseTimes, SeenLease, held_spec, released_spec
from controller.runtime.logs import log_fault
from controller.text import NAME_LENGTH, one_line

log = structlog.get_logger(__name__)

CONFIRMED_SECONDS = 0.25
"""Seconds for which an answer that the Lease is ours is good for further changes. The changes of one reconcile, and of
many at the same time, so share a question to the API server; every one that comes later asks anew."""
RELEASE_SECONDS = 1.0
"""Most seconds to give the Lease back when the process ends; without it, another replica waits until it is free."""


class Term:
    """Time in which this process leads.

    Attributes:
        ended: set once somebody else has the Lease, or it was given back.
    """

    def __init__(
        self, identity: str, read: Callable[[float], Awaitable[LeaseState]], clock: Callable[[], float]
    ) -> None:
        """Begin with nothing allowed yet.

        Args:
            read: returns the Lease within so many seconds; raises ApiUnavailable.
        """
        self.ended = asyncio.Event()
        self._identity = identity
        self._read = read
        self._clock = clock
        self._until = self._confirmed = -1.0
        self._asking = asyncio.Lock()

    @property
    def allows(self) -> bool:
        """True while the last renewal is recent enough to change something."""
        return not self.ended.is_set() and self._clock() < self._until

    def renewed(self, sent: float, deadline: float) -> None:
        """Note a renewal.

        Args:
            sent: when its request was sent; the API server cannot have counted from an earlier moment.
            deadline: seconds from then for which something may be changed.
        """
        self._until, self._confirmed = sent + deadline, sent

    async def confirm(self) -> None:
        """Return where something may be changed now; a `Fence`.

        The process may have been stopped at any moment before, for any time: so our own clock is read first and last,
        and in between the API server is asked who has the Lease.

        Raises:
            NotLeading: it may not.
        """
        self._check()
        async with self._asking:
            if self._clock() - self._confirmed > CONFIRMED_SECONDS:
                await self._ask()
        self._check()

    async def _ask(self) -> None:
        sent = self._clock()
        try:
            state = await self._read(self._until - sent)
        except ApiUnavailable as error:
            raise NotLeading(f"It is not known who leads. {error.message}") from None
        if state.holder == self._identity:
            self._confirmed = sent
        elif state.holder:
            self.ended.set()
        else:
            raise NotLeading("The Lease names nobody as the leader.")

    def _check(self) -> None:
        if self.ended.is_set():
            raise NotLeading("Another replica leads now.")
        if not self.allows:
            raise NotLeading("The Lease was not renewed in time, so another replica may lead by now.")


class Election:
    """Part of this process in the election.

    Attributes:
        identity: of this process; another one for each start, so that a restarted container is another holder.
        trouble: why the last call failed, for people; None where it did not.
        term: in which this process leads; None while it is the standby.
        began: set while there is a term.
    """

    def __init__(
        self,
        client: Client,
        path: str,
        identity: str,
        times: LeaseTimes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take part once `running` is entered.

        Args:
            client: not shared with others, for whose calls a renewal would have to wait.
            path: of the Lease, below the API server's address.
        """
        self.identity = identity
        self.trouble: str | None = None
        self.term: Term | None = None
        self.began = asyncio.Event()
        self._client = client
        self._path = path
        self._times = times
        self._clock = clock
        self._body: Mapping[str, Any] | None = None
        self._seen = SeenLease(LeaseState(), clock())
        self._task: asyncio.Task[None] | None = None

    @property
    def role(self) -> Role:
        """Part of this process, for the endpoints."""
        term, state = self.term, self._seen.state  # read once: the metrics are written in a thread
        leading = term is not None and term.allows
        return Role(leading, term is None, one_line(state.holder, NAME_LENGTH), state.transitions)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take part for the time of a `with`."""
        self._task = asyncio.create_task(self._run(), name="election")
        try:
            yield
        finally:
            await self.release()

    async def release(self) -> None:
        """Take part no longer, and give the Lease back, so that another replica need not wait for it to become free."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        self._task = None
        term = self.term
        self._end_term()
        if term is None or term.ended.is_set():
            return
        term.ended.set()  # from here on, nothing may be changed
        try:
            async with asyncio.timeout(RELEASE_SECONDS):
                while (await self._read(self._times.call)).holder == self.identity and not await self._give_back():
                    pass
        except (ApiUnavailable, TimeoutError) as error:
            log.warning("the Lease was not given back", error=str(error))

    async def _give_back(self) -> bool:
        """Write that nobody has the Lease; False where a renewal that was under way came in between."""
        spec = (self._body or {}).get("spec") or {}
        try:
            await self._write(released_spec(spec, datetime.now(UTC)), self._times.call)
        except ApiUnavailable as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            return False
        log.info("gave the Lease back")
        return True

    async def _run(self) -> None:
        while True:
            try:
                await self.step()
                self.trouble = None
            except ApiUnavailable as error:
                if self.trouble is None:
                    log.warning("the Lease cannot be used", error=error.message)
                self.trouble = error.message
            except Exception as fault:  # noqa: BLE001 - without a next try, nobody might lead any more
                log_fault(fault)
                self.trouble = "a fault of this program; its log says where"
            if self.term is None:
                await asyncio.sleep(self._times.look)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._times.renewal):
                        await self.term.ended.wait()

    async def step(self) -> None:
        """Look once whether the Lease can be taken, or renew it.

        Raises:
            ApiUnavailable: the API server did not answer in time, or refused; the next step may do better.
        """
        await (self._look() if self.term is None else self._renew(self.term))

    async def _look(self) -> None:
        """Take the Lease if it is free."""
        await self._read(self._times.call)
        if self._seen.is_free(self.identity, self._clock()):
            await self._take(Term(self.identity, self._current, self._clock))

    async def _take(self, term: Term) -> None:
        before = self._seen.state.holder
        if not await self._hold(term):
            return
        log.info("leading", identity=self.identity, before=one_line(before, NAME_LENGTH))
        self.term = term
        self.began.set()

    async def _renew(self, term: Term) -> None:
        """Renew the Lease, or end the term where somebody else has it."""
        if not term.ended.is_set() and not await self._hold(term):
            await self._read(self._times.call)
            if self._seen.state.holder in (self.identity, ""):  # somebody edited it, or our own write came late
                await self._hold(term)
            else:
                term.ended.set()
        if term.ended.is_set():
            self._end_term()
            log.warning("another replica leads", leader=one_line(self._seen.state.holder, NAME_LENGTH))

    def _end_term(self) -> None:
        self.term = None
        self.began.clear()

    async def _hold(self, term: Term) -> bool:
        """Write that the Lease is ours; False where it was changed, or taken away, since we read it."""
        sent = self._clock()
        spec = (self._body or {}).get("spec") or {}
        try:
            await self._write(held_spec(spec, self.identity, self._times, datetime.now(UTC)), self._times.call)
        except ApiUnavailable as error:
            if error.status in (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND):
                return False
            raise
        term.renewed(sent, self._times.deadline)
        return True

    async def _current(self, seconds: float) -> LeaseState:
        """Return the Lease as it is, for a term; renewals may be under way at the same time, and know it better."""
        return LeaseState.parse(await self._client.read(self._path, seconds=min(seconds, self._times.call)))

    async def _read(self, seconds: float) -> LeaseState:
        self._note(await self._client.read(self._path, seconds=seconds))
        return self._seen.state

    async def _write(self, spec: Mapping[str, Any], seconds: float) -> None:
        """Write the Lease as the only one who has changed it since it was read; make it where there is none."""
        if self._body is not None:
            body = {**self._body, "spec": spec}
            self._note(await self._client.replace(self._path, body, seconds=seconds))
            return
        collection, _, name = self._path.rpartition("/")
        body = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": spec}
        self._note(await self._client.create(collection, body, seconds=seconds))

    def _note(self, body: Mapping[str, Any] | None) -> None:
        self._body = body
        self._seen = self._seen.seen_again(LeaseState.parse(body), self._clock())
