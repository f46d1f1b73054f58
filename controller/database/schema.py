"""Schema to work in: its name, what of ours is in it, and whether another role could make our SQL run theirs.

Our SQL runs with the rights of the database's owner, so it must use nothing that a role without those rights made. A
role has our rights already if it is a member of our role or ours of it, if it is a superuser, or if it owns the
database; everything else in the schema is refused, see `schema_queries.CHECK`. Of a predefined role such as pg_monitor
many are members, and a superuser counts as a member of all, so for those only the other direction counts.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from controller.database.answer_messages import as_expected
from controller.database.connection import Connection, answer_limit
from controller.database.located_schema import LocatedSchema
from controller.database.questions import ask
from controller.database.quoting import identifier
from controller.database.schema_queries import (
    CHECK,
    MOST_RELATIONS,
    NOTE_PATH,
    OF_PREDEFINED_ROLES,
    TABLES,
    locate_question,
    tables_question,
)
from controller.database.transaction import transaction
from controller.errors import DatabaseUnavailable, ForeignObject, HistoryMismatch, Recovery
from controller.text import one_line

_MOST_NAMED = 3
"""Limit of the objects that one message names."""
_CHECK_BYTES = 4 * 1024 * 1024
"""Limit in bytes of the answer that lists objects of other roles."""
_LONGEST_NAME = 200
"""Limit of characters of an object's name in a message; a function's has its arguments."""


async def locate_schema(connection: Connection, schema: str | None, *, for_files: bool = False) -> LocatedSchema:
    """Return the schema to work in; must not be called inside a transaction.

    Args:
        schema: its name; None for the first of the user's search_path.
        for_files: migration files are to be run; what predefined roles own is looked at as well.

    Raises:
        DatabaseUnavailable: the schema does not exist.
        ForeignObject: it, or something in it that our SQL could run, belongs to a role without our rights; or row
            security hides rows of our tables from us.
        HistoryMismatch: the search_path leads to another schema than the one which was migrated.
        ProtocolViolation: no PostgreSQL answers like this.
    """
    questions = (locate_question(schema), *((OF_PREDEFINED_ROLES,) if for_files else ()))
    found = await ask(connection, *questions, first=path_note(schema))
    return await schema_from_answer(connection, schema, *found.values)


async def with_new_tables(connection: Connection, schema: LocatedSchema, name: str | None) -> LocatedSchema:
    """Return a schema that was checked a moment ago with the tables that are there now.

    It costs less than `locate_schema`, which is done where a table is not our role's own.

    Args:
        name: see `locate_schema`.

    Raises:
        DatabaseUnavailable, ForeignObject, HistoryMismatch, ProtocolViolation: see `locate_schema`.
    """
    if not schema.suspicious:
        owned = (await ask(connection, tables_question(schema.name))).values[0]
        with as_expected("its tables"):
            if all(owned.values()):
                return replace(schema, tables=frozenset(map(str, owned)))
    return await locate_schema(connection, name)


async def predefined_roles_own(connection: Connection) -> bool:
    """Return True if a predefined role owns anything, so that the schema has to be checked before files are run."""
    return bool((await ask(connection, OF_PREDEFINED_ROLES)).values[0])


def path_note(schema: str | None) -> str:
    """Return the statements that the question for a schema needs before it, see `ask`."""
    return NOTE_PATH if schema is None else ""


async def schema_from_answer(
    connection: Connection, schema: str | None, answer: Any, of_predefined_roles: Any = False
) -> LocatedSchema:
    """Return the schema that the answer to `locate_question` names, after a look at objects of other roles, if any.

    Args:
        answer, of_predefined_roles: of the server; the second to OF_PREDEFINED_ROLES, where files are to be run.

    Raises:
        DatabaseUnavailable, ForeignObject, HistoryMismatch, ProtocolViolation: see `locate_schema`.
    """
    found = unchecked_schema(answer)
    if not found.name:
        raise _missing(found.path[0]) if found.path else _no_default_schema()
    if not (found.suspicious or of_predefined_roles):
        return found
    async with transaction(connection, read_only=True):
        with answer_limit(connection, _CHECK_BYTES):
            objects = await connection.fetchval(CHECK, found.path, TABLES, schema is None)
    with as_expected("objects of other roles"):
        return replace(found, foreign_relations=_check(json.loads(objects), found.path))


def unchecked_schema(answer: Any) -> LocatedSchema:
    """Return the schema that the answer to `locate_question` names, which is empty where there is none.

    Raises:
        ProtocolViolation: no PostgreSQL answers like this.
    """
    with as_expected("the schema"):
        return LocatedSchema(
            name=str(answer["name"] or ""),
            database=str(answer["database"]),
            path=tuple(map(str, answer["path"])),
            tables=frozenset(map(str, answer["tables"])),
            suspicious=bool(answer["suspicious"]),
        )


def foreign_relation(name: str, owner: str, file: str) -> ForeignObject:
    """Return the error for a migration file that names a table or a view of a role without our rights."""
    return ForeignObject(
        f'{file} names {identifier(name)}, which belongs to role "{owner}". Its triggers and rules would run with the '
        f"rights of our role. Missing is the membership in that role (GRANT {identifier(owner)} TO the role that "
        f"migrates), or the ownership (ALTER TABLE {identifier(name)} OWNER TO it); or use a schema of its own for the "
        "dashboards."
    )


def too_many_foreign_relations(schema: str) -> ForeignObject:
    """Return the error for a schema with more tables of other roles than are compared with the files."""
    return ForeignObject(
        f"Other roles own more than {MOST_RELATIONS} tables that are in schema {identifier(schema)} or come after it "
        "in the search_path, so it is not known whether a migration file would use one of them. Use a schema of its "
        "own for the dashboards."
    )


def _check(found: dict[str, Any], path: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Raise the error for what was found in the schema; return the tables of other roles, each with its owner."""
    if found["foreign_objects"]:
        raise ForeignObject(
            f"{_listed(found['foreign_objects'], 'belongs to role')}: a role without the rights of the one that dashdb "
            "logs in as, which could make it run their code. Drop it, or give it to that role, or log in as its owner; "
            f"and REVOKE CREATE ON SCHEMA {identifier(path[0])} FROM PUBLIC, and REFERENCES on the tables."
        )
    if found["unknown_triggers"]:
        raise ForeignObject(
            f"{_listed(found['unknown_triggers'], 'may come from role')}: it is not in the catalog that the last "
            "migration recorded, and whoever has the privilege TRIGGER can make our role run code. Drop it, or make it "
            "with a migration, and REVOKE TRIGGER."
        )
    if found["row_security"]:
        raise ForeignObject(
            f"Row level security hides rows of {', '.join(found['row_security'])} from dashdb's role. "
            "Log in as the owner of the tables, or ALTER TABLE ... NO FORCE ROW LEVEL SECURITY.",
            reason="RowSecurityActive",
        )
    if found["history_schema"] is not None:
        raise HistoryMismatch(
            f"The database was migrated in schema {identifier(found['history_schema'])}, and the user's search_path "
            f"now leads to {identifier(path[0])}. Put the search_path back, drop the new schema, or name the wanted "
            "one (--schema).",
            reason="SchemaMoved",
            recovery=Recovery.WAITING,
        )
    return tuple((name, owner) for name, owner in found["foreign_relations"])


def _listed(pairs: list[list[str]], verb: str) -> str:
    named = [f'{one_line(name, _LONGEST_NAME)} {verb} "{one_line(role)}"' for name, role in pairs[:_MOST_NAMED]]
    more = len(pairs) - _MOST_NAMED
    return ", ".join(named) + (f" and {more} more objects like it" if more > 0 else "")


def _missing(schema: str) -> DatabaseUnavailable:
    return DatabaseUnavailable(
        f'There is no schema "{schema}" in this database. CREATE SCHEMA {identifier(schema)}, or correct the name.',
        reason="SchemaMissing",
        recovery=Recovery.WAITING,
    )


def _no_default_schema() -> DatabaseUnavailable:
    return DatabaseUnavailable(
        "No schema to create tables in: the search_path of this user names none that exists and is open to it. "
        "CREATE SCHEMA, or GRANT USAGE, CREATE ON SCHEMA.",
        reason="SchemaMissing",
        recovery=Recovery.WAITING,
    )
