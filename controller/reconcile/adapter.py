"""Interface between the reconcile loop and the operator or the sidecar."""

import asyncio
from datetime import datetime
from typing import Protocol

from controller.desired import Desired
from controller.errors import ConfigurationError
from controller.reconcile.result import MigrationProgress, ReconcileResult


class Adapter(Protocol):
    """Adapter to the operator or the sidecar: the desired state comes from it, and results go to it.

    Errors of class DashdbError from any method mean that this side cannot be reached; the loop tries again.

    Attributes:
        changed: set when the desired state changed, or the server of the database answers again; the next reconcile
            then begins at once.
    """

    changed: asyncio.Event

    async def read_desired(self, *, due: bool) -> Desired | None:
        """Return the desired state as it is now; None where nobody asks for this database any more.

        Args:
            due: the loop woke because its time was due, not because something changed.

        Raises:
            ConfigurationError: what was asked for makes no sense.
        """
        ...

    def still_wanted(self, *, dialling: bool = False) -> bool:
        """Return False where something else is asked for by now than `read_desired` returned last.

        Args:
            dialling: how connections are made counts as well; it is no reason to stop a change of the database.
        """
        ...

    async def inputs_changed(self) -> bool:
        """Return True where an input of `read_desired` is another one now; asked while nothing else can help."""
        ...

    def is_ready(self, result: ReconcileResult) -> bool:
        """Return True where the database may be used; asked once for each result, before `report`."""
        ...

    def unchanged_since(self, *, ready: bool) -> datetime | None:
        """Return since when the database is ready, or not ready, as known from before this process; None where not."""
        ...

    async def report(self, result: ReconcileResult) -> None:
        """Show the result of a reconcile."""
        ...

    async def report_progress(self, progress: MigrationProgress) -> None:
        """Show what a long migration is doing."""
        ...

    async def reject(self, error: ConfigurationError) -> None:
        """Show that what was asked for makes no sense."""
        ...
