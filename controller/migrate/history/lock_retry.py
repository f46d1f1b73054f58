"""Retries while a lock is held, with random and growing pauses, until a time budget is spent."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import tenacity

from controller.errors import MigrationLocked
from controller.migrate.history.session import RunSettings

T = TypeVar("T")

FIRST_WAIT, LONGEST_WAIT = 0.05, 1.0
"""Seconds between two tries: the first is doubled up to the longest, with full jitter."""
HISTORY_LOCK = "a lock on schema_version that another session holds"


class LockedByRunner(Exception):
    """Another runner holds the lock; the text says who."""


class LockedByTable(Exception):
    """Another session held a lock for longer than the lock timeout; the text says which."""


async def retry_while_locked(
    attempt: Callable[[int], Awaitable[T]], settings: RunSettings, waiting: Callable[[str], None], *, given_up: str
) -> T:
    """Call `attempt` until it no longer raises `LockedByRunner` or `LockedByTable`, and return its result.

    Args:
        attempt: function that is called with the number of tries before it.
        waiting: function that is called after each failed try with the session that holds the lock.
        given_up: message of the error at the end; `{who}` is replaced.

    Raises:
        MigrationLocked: the time budget of the settings is spent.
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
        async for each in retrying:
            with each:
                return await attempt(each.retry_state.attempt_number - 1)
    except tenacity.RetryError as error:
        raise MigrationLocked(given_up.format(who=error.last_attempt.exception())) from None
    raise AssertionError("unreachable: the loop returns or raises")
