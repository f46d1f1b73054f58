"""`dashdb migrate`: commands of the migration engine."""

import click

from controller.cli.lazy import LazyGroup

_COMMANDS = {
    "up": ("controller.cli.migrate.run:up", "Apply all pending migrations, or the next N."),
    "down": ("controller.cli.migrate.run:down", "Revert the last N migrations, or all of them."),
    "goto": ("controller.cli.migrate.run:goto", "Migrate up or down to version V."),
    "version": ("controller.cli.migrate.inspect:version", "Print the applied version."),
    "status": ("controller.cli.migrate.inspect:status", "Show every version and its state."),
    "plan": ("controller.cli.migrate.inspect:plan", "Show what would run, without running it."),
    "show": ("controller.cli.migrate.files:show", "Print the file of version V."),
    "baseline": ("controller.cli.migrate.history:baseline", "Record all versions up to V as applied."),
    "force": ("controller.cli.migrate.history:force", "Record version V without running anything, and clear dirty."),
    "lint": ("controller.cli.migrate.files:lint", "Find risky or wrong statements in migration files."),
    "drift": ("controller.cli.migrate.catalog:drift", "Compare the schema with its last migration."),
    "verify": ("controller.cli.migrate.catalog:verify", "Prove each down migration on a scratch database."),
    "squash": ("controller.cli.migrate.squash:squash", "Write one file that stands for all versions up to V."),
    "create": ("controller.cli.migrate.files:create", "Create the next pair of files."),
}


@click.group("migrate", cls=LazyGroup, commands_at=_COMMANDS)
def command() -> None:
    """Bring a database to a version, and show its state.

    \b
    Exit codes: 0 done or nothing to do, 1 failed, 2 usage, 3 dirty, 4 another runner held the lock,
    5 files disagree with the history, 6 database newer than the files, 7 unreachable,
    8 pending (status --exit-code) or drift.

    \b
    Example:
      dashdb migrate up
    """
