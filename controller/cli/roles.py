"""`dashdb roles`: rights for the roles of a dashboards service, as SQL or granted."""

import json

import click

from controller.cli.invocation import OnDatabase, database_command_options
from controller.cli.terminal import echo, echo_exactly, echo_line
from controller.database.connection import Connection
from controller.database.schema import locate_schema
from controller.errors import ConfigurationError
from controller.roles.facts import Facts
from controller.roles.grant import Outcome, apply, prepare, printed
from controller.roles.names import checked_name
from controller.roles.privileges import Kind
from controller.roles.statements import Script


@click.command("roles")
@click.option(
    "--application",
    metavar="NAME",
    required=True,
    help="Role that the service logs in as, for example dashboards_service; made if there is none.",
)
@click.option(
    "--read-only",
    metavar="NAME",
    help="Role for reports, for example dashboards_reader: it reads tables without secrets. Default: none.",
)
@click.option("--apply", "applies", is_flag=True, help="Run the SQL in one transaction, and print what it changed.")
@database_command_options
def command(invocation: OnDatabase, *, application: str, read_only: str | None, applies: bool) -> None:
    """Print the SQL that gives a service's role the rights that it needs and no more; with --apply, run it.

    Log in as the role that migrates and owns the tables. What it has no right to, such as making a role, is a part of
    its own, for an administrator. A second run changes nothing. No password is made or printed: set one with
    \\password in psql. Run it again after a migration that makes tables anew.

    \b
    Exit codes: 0 done or nothing to do, 1 failed, and nothing was changed,
    2 usage, or a role that grants do not limit, 7 unreachable.

    \b
    Example:
      dashdb roles --application dashboards_service --read-only dashboards_reader --apply
    """
    names = _names(application, read_only)

    async def work(connection: Connection) -> tuple[Facts, Script, Outcome | None]:
        schema = await locate_schema(connection, invocation.schema)
        facts, script = await prepare(connection, schema, names)
        return facts, script, await apply(connection, facts, script) if applies else None

    facts, script, outcome = invocation.run_on_database(work)
    if invocation.as_json:
        _print_json(facts, script, outcome)
    elif outcome is None:
        owner, administrator = printed(script)
        echo_exactly(f"{administrator}\n{owner}" if administrator else owner)
    else:
        _print_outcome(facts, script, outcome)


def _names(application: str, read_only: str | None) -> dict[Kind, str]:
    names = {Kind.APPLICATION: checked_name(application, "--application")}
    if read_only is not None:
        names[Kind.READ_ONLY] = checked_name(read_only, "--read-only")
        if read_only == application:
            raise ConfigurationError("--application and --read-only name the same role. Give each a role of its own.")
    return names


def _print_json(facts: Facts, script: Script, outcome: Outcome | None) -> None:
    owner, administrator = printed(script)
    found = outcome or Outcome()
    result = {
        **{kind.replace("-", "_"): role.name for kind, role in facts.roles.items()},
        "owner": facts.owner,
        "sql": owner,
        "administrator_sql": administrator or None,
        "applied": outcome is not None,
        "added": found.added,
        "removed": found.removed,
        "beyond": found.beyond,
    }
    click.echo(json.dumps({"read_only": None, **result}))


def _print_outcome(facts: Facts, script: Script, outcome: Outcome) -> None:
    for line in outcome.removed:
        echo_line(f"- {line}", fg="red")
    for line in outcome.added:
        echo_line(f"+ {line}", fg="green")
    changes = len(outcome.added) + len(outcome.removed)
    if changes:
        echo(f"{changes} {'change' if changes == 1 else 'changes'}; nothing else was touched.")
    else:
        echo("Nothing to do; the roles have these rights.")
    for role in facts.roles.values():
        if not role.exists:
            echo_line(f'Role "{role.name}" has no password yet: set one in psql with \\password.', err=True)
    for line in outcome.beyond:
        _warn(f"{line}: through PUBLIC, or a role that it is a member of. Revoke it there.")
    if script.administrator:
        _warn("an administrator has still to run a part, which the same command without --apply prints.")


def _warn(text: str) -> None:
    echo("Warning: ", fg="yellow", bold=True, err=True, nl=False)
    echo_line(text, err=True)
