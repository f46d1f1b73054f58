"""`dashdb migrate drift` and `verify`, which compare catalogs of the database or of a scratch one."""

import json
import sys
from dataclasses import asdict

import click

from controller.cli import interrupts
from controller.cli.invocation import Invocation, migration_options
from controller.cli.progress import Reporter
from controller.cli.terminal import echo, echo_line
from controller.database.connection import Connection
from controller.exit_codes import ExitCode
from controller.migrate.catalog.drift import Drift, read_drift
from controller.migrate.files.migration import Migrations
from controller.migrate.verify.check import Check
from controller.migrate.verify.verify import verify as prove


@click.command()
@click.option("--grants", "grants_count", is_flag=True, help="Exit with 8 for changed grants as well.")
@migration_options
def drift(invocation: Invocation, *, grants_count: bool) -> None:
    """Compare the schema with its state after the last migration; exit with 8 if it was changed since.

    Grants to roles, such as those of dashdb roles, are listed too, and are no drift without --grants.

    \b
    Example:
      dashdb migrate drift --grants
    """

    async def work(connection: Connection, _: Migrations) -> Drift:
        return await read_drift(connection, invocation.schema)

    found = invocation.run(work)
    drifted = bool(found.differences or (grants_count and found.grants))
    _print_drift(found, drifted=drifted, as_json=invocation.as_json)
    if drifted:
        sys.exit(ExitCode.FOUND)


@click.command()
@migration_options
def verify(invocation: Invocation) -> None:
    """Prove each down migration: run up, down and up again on a scratch database, and compare the catalogs.

    The scratch database is on the same server, so the user needs the right to create databases (CREATEDB). It is
    dropped afterwards; the real database is not touched. Exits with 1 if a down migration does not undo its up
    migration.

    \b
    Example:
      dashdb migrate verify --path ./migrations
    """
    migrations, target = invocation.migrations, invocation.target
    with Reporter(show=not invocation.as_json) as reporter:
        checks = interrupts.run(prove(target, migrations, reporter, schema=invocation.schema))
    _print_checks(checks, as_json=invocation.as_json)
    if not all(check.passed for check in checks):
        sys.exit(ExitCode.FAILED)


def _print_drift(found: Drift, *, drifted: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({**asdict(found), "drift": drifted}))
        return
    for each in found.differences:
        echo_line(str(each))
    for each in found.grants:
        before = f" (before: {each.before})" if each.before else ""
        echo_line(f"{each.object}: {each.after or 'as of a new object'}{before}")
    grants = f"; {_count(len(found.grants), 'change')} of grants" if found.grants else ""
    if found.differences:
        differ = _count(len(found.differences), "difference")
        echo(f"{differ} from the schema after version {found.version}{grants}.")
    else:
        echo(f"No drift; the schema is as it was after version {found.version}{grants}.")


def _print_checks(checks: tuple[Check, ...], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"ok": all(check.passed for check in checks), "versions": [_check(c) for c in checks]}))
        return
    for check in checks:
        for each in check.not_undone:
            echo_line(f"{check.migration.down_name}: does not undo the up migration: {each}")
        for each in check.not_same:
            echo_line(f"{check.migration.up.name}: is not what the versions make that it replaces: {each}")
        for each in check.not_redone:
            echo_line(f"{check.migration.up.name}: has another result the second time: {each}")
        if check.migration.down is None:
            echo_line(f"{check.migration.up.name}: has no down migration, so only its up migration was run.")
    failed = sum(not check.passed for check in checks)
    result = f"{failed} failed" if failed else "every down migration undoes its up migration"
    echo(f"{_count(len(checks), 'version')} ran up, down and up: {result}.")


def _check(check: Check) -> dict[str, object]:
    return {
        "version": check.migration.version,
        "ok": check.passed,
        "irreversible": check.migration.down is None,
        "not_undone": [asdict(each) for each in check.not_undone],
        "not_redone": [asdict(each) for each in check.not_redone],
        "not_same": [asdict(each) for each in check.not_same],
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
