"""How long to try for a lock, and in what steps: ever slower, at random, until a budget is spent."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import tenacity

from controller.errors import MigrationLocked
from controller.migrate.history.session import RunSettings

T = TypeVar("T")

FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0
"""Seconds between two tries: from this, doubling up to that, with full jitter."""
HISTORY_LOCK = "a lock on schema_version that another session holds"


class LockedByRunner(Exception):
    """Another runner has the lock; the text says who."""


class LockedByTable(Exception):
    """Another session's lock outlasted the lock timeout; the text says whose."""


async def retry_while_locked(
    attempt: Callable[[int], Awaitable[T]], settings: RunSettings, waiting: Callable[[str], None], *, given_up: str
) -> T:
    """What `attempt` returns, tried again while it raises `LockedByRunner` or `LockedByTable`.

    Args:
        attempt: gets the number of tries before it.
        waiting: is told after each try in vain who stands in the way.
        given_up: message for the end of patience; `{who}` is replaced.

    Raises:
        MigrationLocked: patience is over.
    """

    def is_over(state: tenacity.RetryCallState) -> bool:
        by_runner = state.outcome is not None and isinstance(state.outcome.exception(), LockedByRunner)
        return (state.seconds_since_start or 0.0) >= (settings.runner_wait if by_runner else settings.lock_budget)

    retrying = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type((LockedByRunner, LockedByTable)),
        wait=tenacity.wait_random_exponential(multiplier=FIRST_WAIT, max=LONGEST_WAIT),
        stop=is_over,
        before_sleep=lambda state: waiting(str(state.outcome and state.outcome.exception())),
    )
    try:
        async for again in retrying:
            with again:
                return await attempt(again.retry_state.attempt_number - 1)
    except tenacity.RetryError as error:
        raise MigrationLocked(given_up.format(who=error.last_attempt.exception())) from None
    raise AssertionError("unreachable: the loop returns or raises")
