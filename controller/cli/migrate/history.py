"""`dashdb migrate force` and `baseline`, which record what a person says and run nothing."""

import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import click

from controller.cli.common import print_progress
from controller.cli.invocation import Invocation, migration_options
from controller.cli.migrate.output import print_version
from controller.cli.progress import Reporter
from controller.database.connection import Connection
from controller.errors import ConfigurationError, DashdbError
from controller.migrate.catalog.drift import read_drift
from controller.migrate.catalog.snapshot import record_statements
from controller.migrate.files.migration import Migrations
from controller.migrate.history.editor import HistoryEditor
from controller.migrate.history.read import read_history
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import History


@click.command()
@click.argument("to", metavar="V", type=click.IntRange(min=0))
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--accept-drift", is_flag=True, help="Take what differs from the schema after version V as wanted.")
@migration_options
def force(invocation: Invocation, to: int, *, yes: bool, accept_drift: bool) -> None:
    """Record that the database is at version V without running anything, and clear dirty; 0 clears the history.

    If V is the version that the database is at, what is missing stays known as missing: see dashdb migrate drift. How
    the schema of another version has to be is not known, and the present one is recorded as that.

    \b
    Example:
      dashdb migrate force 3 --yes
    """
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigurationError("Forcing a version can hide missing objects, and there is no terminal to ask on. "
                                     "Add --yes.")  # fmt: skip
        if not click.confirm(f"Record version {to}, whatever the database really holds?", err=True):
            raise click.Abort

    async def record(editor: HistoryEditor, migrations: Migrations) -> None:
        kept = None if accept_drift else await _drift_at(editor, to)
        await (editor if kept is None else replace(editor, record_catalog=_nothing)).force(migrations, to)
        if kept is not None:
            print_progress(
                f"As before, the schema is not what it was after version {to}: see dashdb migrate drift. To take it as "
                "wanted, add --accept-drift.",
                warns=True,
                differences=kept,
            )

    _record(invocation, record)


async def _drift_at(editor: HistoryEditor, version: int) -> int | None:
    """Return the number of differences from the recorded schema of VERSION; None where there are none, or no record."""
    try:
        drift = await read_drift(editor.connection, editor.settings.schema)
    except DashdbError:  # no catalog was recorded that could be compared
        return None
    return len(drift.differences) if drift.differences and drift.version == version else None


def _nothing(_: str) -> str:
    return ""


@click.command()
@click.argument("to", metavar="V", type=click.IntRange(min=0))
@migration_options
def baseline(invocation: Invocation, to: int) -> None:
    """Record all versions up to V as applied, in a database that was made by other means.

    \b
    Example:
      dashdb migrate baseline 3
    """

    async def record(editor: HistoryEditor, migrations: Migrations) -> None:
        await editor.baseline(migrations, to)

    _record(invocation, record)


def _record(invocation: Invocation, record: Callable[[HistoryEditor, Migrations], Coroutine[Any, Any, None]]) -> None:
    with Reporter(show=not invocation.as_json) as reporter:

        async def work(connection: Connection, migrations: Migrations) -> History:
            settings = RunSettings(runner_wait=invocation.lock_timeout, schema=invocation.schema)
            await record(HistoryEditor(connection, settings, reporter.waiting, record_statements), migrations)
            return await read_history(connection, invocation.schema)

        history = invocation.run(work)
    print_version(history, as_json=invocation.as_json)
