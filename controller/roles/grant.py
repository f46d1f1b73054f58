"""Granting of rights to roles: facts are read, SQL is made of them, and run if that is asked for."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from controller.database.answer_messages import as_expected
from controller.database.connection import Connection
from controller.database.located_schema import LocatedSchema
from controller.database.questions import ask
from controller.database.transaction import OWN_NAMES, transaction
from controller.errors import DashdbError, Recovery
from controller.roles.effect import effect_from
from controller.roles.facts import Facts, facts_from
from controller.roles.privileges import TABLES, Kind
from controller.roles.questions import effect_question, facts_question, grants_question
from controller.roles.refusals import refuse, refuse_to_apply
from controller.roles.statements import Script, script

_ANSWER_BYTES = 4 * 1024 * 1024
"""Limit in bytes of what a server says of its grants; those of a table take about 500."""
_LOCK = int.from_bytes(b"dashdb r")
TRY_LOCK = f"SELECT to_json(pg_try_advisory_xact_lock({_LOCK}))"
"""Question that keeps another run away until the transaction ends: PostgreSQL lets no two change the rights of one
object at once, and says so in words that help nobody."""
_OWNER_TITLE = """\
-- Rights of a dashboards service, for the owner of its tables. A second run changes nothing.
-- What other roles were granted by name stays as it is; PUBLIC loses what is revoked from it here.
"""
_ADMINISTRATOR_TITLE = """\
-- For an administrator, before the other part: the owner of the tables has no right to this.
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of granting.

    Attributes:
        added, removed: grants, settings and roles that are new or gone, one line each.
        beyond: see `Effect`.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    beyond: tuple[str, ...] = ()


class _NothingChanged(Exception):
    """Ends a transaction whose statements changed nothing, so that it is rolled back."""


async def prepare(connection: Connection, schema: LocatedSchema, names: Mapping[Kind, str]) -> tuple[Facts, Script]:
    """Return the facts about a schema and the roles, and the SQL for them.

    Raises:
        DashdbError: a table of ours is missing (TableMissing), or our role does not own the tables (NotOwner).
        ConfigurationError: a role has rights that no grant limits (RoleUnlimited).
        ProtocolViolation: no PostgreSQL answers like this.
    """
    missing = [table for table in TABLES if table not in schema.tables]
    if missing:
        raise DashdbError(
            f'There is no table {missing[0]} in schema "{schema.name}". Make it with: dashdb migrate up',
            reason="TableMissing",
            recovery=Recovery.STALLED,
        )
    found = await ask(connection, facts_question(schema.name, names.values()), most_bytes=_ANSWER_BYTES)
    with as_expected("the roles"):
        facts = facts_from(found.values[0], schema.name, names)
    refuse(facts)
    return facts, script(facts)


async def apply(connection: Connection, facts: Facts, granted: Script) -> Outcome:
    """Run the owner's part in one transaction, and return what it changed.

    Raises:
        DashdbError: a role is missing that our role may not make (RoleMissing), another run is not done yet
            (GrantsLocked), or a grant had no effect (GrantWithoutEffect); nothing was changed.
        ProtocolViolation: no PostgreSQL answers like this.
    """
    refuse_to_apply(facts)
    names = {kind: role.name for kind, role in facts.roles.items()}
    question = grants_question(facts.schema, names.values())
    questions = (question, effect_question(facts.schema, names.values()))
    outcome = Outcome()
    with suppress(_NothingChanged):
        async with transaction(connection):
            alone, before = (await ask(connection, TRY_LOCK, question, most_bytes=_ANSWER_BYTES)).values
            if not alone:
                raise _locked()
            await connection.execute(granted.owner)
            after, effects = (await ask(connection, *questions, most_bytes=_ANSWER_BYTES)).values
            with as_expected("the grants"):
                old, new = frozenset(map(str, before)), frozenset(map(str, after))
                effect = effect_from(effects, names)
            if effect.missing:
                raise _without_effect(effect.missing)
            outcome = Outcome(tuple(sorted(new - old)), tuple(sorted(old - new)), effect.beyond)
            if old == new:
                raise _NothingChanged
    return outcome


def printed(granted: Script) -> tuple[str, str]:
    """Return the parts of a script for psql: the owner's, and the administrator's, which may be empty."""
    administrator = _as_transaction(_ADMINISTRATOR_TITLE, granted.administrator) if granted.administrator else ""
    return _as_transaction(_OWNER_TITLE, granted.owner), administrator


def _as_transaction(title: str, statements: str) -> str:
    return f"{title}\nBEGIN;\n{OWN_NAMES}{statements}\nCOMMIT;\n"


def _locked() -> DashdbError:
    return DashdbError(
        "Another dashdb roles --apply runs on this database. Nothing was changed; try again in a moment.",
        reason="GrantsLocked",
    )


def _without_effect(missing: tuple[str, ...]) -> DashdbError:
    return DashdbError(
        f"A grant had no effect: {missing[0]}. Somebody else has granted or revoked it at the same time, or PostgreSQL "
        "does not let the owner of the table grant it. Nothing was changed; try again.",
        reason="GrantWithoutEffect",
    )
