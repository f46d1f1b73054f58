"""`dashdb migrate squash`, which writes one file that stands for several versions."""

import json
from pathlib import Path

import click

from controller.cli import interrupts
from controller.cli.invocation import Invocation, migration_options
from controller.cli.progress import Reporter
from controller.cli.terminal import echo
from controller.migrate.files.folder import refuse_packaged
from controller.migrate.squash.pg_dump import find_pg_dump
from controller.migrate.squash.squash import squash as write_squashed


@click.command()
@click.argument("to", metavar="V", type=click.IntRange(min=0))
@click.option(
    "--pg-dump",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The program to use; default: the one on PATH, if there is one.",
)
@migration_options
def squash(invocation: Invocation, to: int, pg_dump: Path | None) -> None:
    """Write one pair of files that stands for all versions up to V, with the line -- dashdb:replaces.

    A database that has all of them applied records the new version and runs nothing; an empty one runs it in their
    place. It is written by pg_dump, or, where that is not installed, put together from the files; and only if it
    leads to the same schema and numbers of rows as the versions that it replaces, in scratch databases, which need
    CREATEDB. The files of these versions may be removed once every database has it.

    \b
    Example:
      dashdb migrate squash 5 --path ./migrations
    """
    refuse_packaged(invocation.path)
    migrations, target, program = invocation.migrations, invocation.target, find_pg_dump(pg_dump)
    with Reporter(show=not invocation.as_json) as reporter:
        work = write_squashed(
            target, migrations, to, reporter, folder=invocation.path, pg_dump=program, schema=invocation.schema
        )
        made = interrupts.run(work)
    if invocation.as_json:
        files = {"up": str(made.up), "down": str(made.down) if made.down else None}
        fields = {"version": made.version, "replaces": made.replaces, **files, "by_pg_dump": made.by_pg_dump}
        click.echo(json.dumps(fields))
        return
    for path in filter(None, (made.up, made.down)):
        click.echo(str(path))
    if not made.by_pg_dump:
        echo("pg_dump was not found, so the up file holds all statements of the files, also those that others undo.")
    echo(f"Version {made.version} stands for {made.replaces}, and leads to the same schema.")
