"""`dashdb migrate drift` and `verify`: catalogs compared, of the database or of a scratch one."""

import json
import sys
from dataclasses import asdict

import click

from controller.cli import interrupts
from controller.cli.invocation import Invocation, migration_options
from controller.cli.progress import Reporter
from controller.database.connection import Connection
from controller.migrate.catalog.drift import Drift, read_drift
from controller.migrate.files.migration import Migrations
from controller.migrate.verify.verify import Check
from controller.migrate.verify.verify import verify as prove

DRIFT_EXIT_CODE = 8
UNTRUE_EXIT_CODE = 1


@click.command()
@migration_options
def drift(invocation: Invocation) -> None:
    """Compares the schema with what it was when its version was applied; exit code 8 where it was changed since.

    \b
    Example:
      dashdb migrate drift
    """

    async def work(connection: Connection, _: Migrations) -> Drift:
        return await read_drift(connection, invocation.schema)

    found = invocation.run(work)
    _print_drift(found, as_json=invocation.as_json)
    if found.differences:
        sys.exit(DRIFT_EXIT_CODE)


@click.command()
@migration_options
def verify(invocation: Invocation) -> None:
    """Proves each way back: up, down and up again on a scratch database of the same server, catalogs compared.

    The user needs the right to create databases (CREATEDB). The scratch database is gone afterwards; the real one is
    not touched. Exit code 1 where a way back does not lead back.

    \b
    Example:
      dashdb migrate verify --path ./migrations
    """
    migrations, target = invocation.migrations, invocation.target
    with Reporter(show=not invocation.as_json) as reporter:
        checks = interrupts.run(prove(target, migrations, reporter, schema=invocation.schema))
    _print_checks(checks, as_json=invocation.as_json)
    if not all(check.true for check in checks):
        sys.exit(UNTRUE_EXIT_CODE)


def _print_drift(found: Drift, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({**asdict(found), "drift": bool(found.differences)}))
        return
    for each in found.differences:
        click.echo(str(each))
    if found.differences:
        click.echo(f"{_count(len(found.differences), 'difference')} from what version {found.version} left.")
    else:
        click.echo(f"No drift; the schema is as version {found.version} left it.")


def _print_checks(checks: tuple[Check, ...], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"ok": all(check.true for check in checks), "versions": [_check(c) for c in checks]}))
        return
    for check in checks:
        for each in check.not_undone:
            click.echo(f"{check.migration.down.name}: does not lead back: {each}")
        for each in check.not_redone:
            click.echo(f"{check.migration.up.name}: makes something else the second time: {each}")
    untrue = sum(not check.true for check in checks)
    verdict = f"{_count(untrue, 'way')} back not true" if untrue else "every way back is true"
    click.echo(f"{_count(len(checks), 'version')} went up, down and up: {verdict}.")


def _check(check: Check) -> dict[str, object]:
    return {
        "version": check.migration.version,
        "ok": check.true,
        "not_undone": [asdict(each) for each in check.not_undone],
        "not_redone": [asdict(each) for each in check.not_redone],
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
