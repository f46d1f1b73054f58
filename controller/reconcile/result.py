"""Result of a reconcile for the operator or the sidecar, with its events, and progress of migrations. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from controller.errors import Recovery
from controller.reconcile.findings import READY, Finding, Findings
from controller.reconcile.memory import Memory
from controller.reconcile.observed import Observed


@dataclass(frozen=True, slots=True)
class Event:
    """Change that is reported to people, as an event or in the log.

    Attributes:
        reason: CamelCase, stable.
    """

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True)
class MigrationProgress:
    """Activity of a running migration, in words.

    Attributes:
        since: when this try of its file began; seconds of the monotonic clock.
        waits: for a lock that another session holds.
        regressed: the database is another one than before, or has lost what was migrated: nobody may use it until the
            migration is over.
        leaves_part: interrupted now, a part of the file would stay, since it runs without a transaction.
    """

    message: str
    since: float
    waits: bool = False
    regressed: bool = False
    leaves_part: bool = False


OnProgress = Callable[[MigrationProgress | None], None]
"""Callback of a running migration, at each statement and each wait, and with None at its end; returns at once."""


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """Result of one reconcile.

    Attributes:
        observed: the last observation.
        summary: whether the database is ready, and if not why.
        events: what was changed, in order.
        wait_seconds: until the next reconcile, at the latest.
        memory: for the next reconcile.
    """

    observed: Observed
    findings: Findings
    summary: Finding
    events: tuple[Event, ...]
    wait_seconds: float
    memory: Memory

    @property
    def ready(self) -> bool:
        return self.summary is READY

    @property
    def watch_inputs(self) -> bool:
        """True if only a changed input can help, such as a corrected Secret, so that inputs should be polled.

        A server that does not answer is dialled again soon enough, with what its Secret says then.
        """
        error = self.observed.connection_error
        return error is not None and error.recovery is Recovery.WAITING
