"""New connections for a pool, tried again while the server restarts, so that a restart causes no error."""

import asyncio
import math

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from controller.database.connection import Connection, connect
from controller.database.target import Target
from controller.errors import DashdbError

BRIDGE_SECONDS = 2.0
"""Seconds for which connecting to a server that answered before is tried again; a restart takes about 0.2 s."""
RESTARTING = frozenset(("ConnectionRefused", "ConnectionLost", "ServerNotReady"))
"""Reasons of errors while a server restarts."""

_NOT_ANSWERED_YET = -math.inf


class Dialer:
    """Opener of connections to one target, which remembers whether the target answers."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._loop = asyncio.get_running_loop()
        self._down_since: float | None = _NOT_ANSWERED_YET

    async def dial(self, deadline: float) -> Connection:
        """Return a new connection before `deadline`, a time of the event loop's clock.

        Raises:
            DatabaseUnavailable, ConfigurationError: see `connect`. There is one try only if the server never answered
                yet, or is down for longer than `BRIDGE_SECONDS`.
        """
        try:
            connection = await self._once(deadline)
        except DashdbError as error:
            if not self._may_be_restarting(error):
                raise
            connection = await self._again(deadline)
        self._down_since = None
        return connection

    async def _once(self, deadline: float) -> Connection:
        return await connect(self._target, seconds=max(deadline - self._loop.time(), 0.001))

    async def _again(self, deadline: float) -> Connection:
        """Try again and again as long as the server may be restarting."""

        def too_late(state: RetryCallState) -> bool:
            return self._loop.time() + state.upcoming_sleep >= deadline

        dialling = AsyncRetrying(
            retry=retry_if_exception(self._may_be_restarting),
            stop=too_late,
            wait=wait_random_exponential(multiplier=0.02, max=0.25),
            reraise=True,
        )
        # tenacity and its last actions refer to each other, and so do its frames and the error: without this, only
        # the garbage collector would free them.
        try:
            connection: Connection = await dialling(self._once, deadline)
        except DashdbError as error:
            raise error.with_traceback(None) from None
        finally:
            dialling.iter_state.reset()
        return connection

    def _may_be_restarting(self, error: BaseException) -> bool:
        if not isinstance(error, DashdbError) or error.reason not in RESTARTING:
            return False
        if self._down_since is None:
            self._down_since = self._loop.time()
        return self._loop.time() - self._down_since < BRIDGE_SECONDS
