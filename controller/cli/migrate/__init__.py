"""`dashdb migrate`: the engine by hand."""

import click

from controller.cli.lazy import LazyGroup

_COMMANDS = {
    "up": ("controller.cli.migrate.run:up", "Applies all that is pending, or the next N."),
    "down": ("controller.cli.migrate.run:down", "Reverts the last N migrations, or all of them."),
    "goto": ("controller.cli.migrate.run:goto", "Goes up or down to version V."),
    "version": ("controller.cli.migrate.inspect:version", "Prints the applied version."),
    "status": ("controller.cli.migrate.inspect:status", "Shows every version, and what became of it."),
    "plan": ("controller.cli.migrate.inspect:plan", "Shows what would run, and writes nothing."),
    "baseline": ("controller.cli.migrate.history:baseline", "Records everything up to V as present."),
    "force": ("controller.cli.migrate.history:force", "Records version V without running anything; clears dirty."),
    "lint": ("controller.cli.migrate.files:lint", "Looks for what is risky or wrong in files."),
    "drift": ("controller.cli.migrate.catalog:drift", "Compares the schema with what its version left."),
    "verify": ("controller.cli.migrate.catalog:verify", "Proves each way back on a scratch database."),
    "create": ("controller.cli.migrate.files:create", "Makes the next pair of files."),
}


@click.group("migrate", cls=LazyGroup, commands_at=_COMMANDS)
def command() -> None:
    """Brings a database to a version, and says where it stands.

    \b
    Exit codes: 0 done or nothing to do, 1 failed, 2 usage, 3 dirty, 4 another runner held the lock,
    5 files disagree with the history, 6 database newer than the files, 7 unreachable,
    8 pending (status --exit-code) or drift.

    \b
    Example:
      dashdb migrate up
    """
