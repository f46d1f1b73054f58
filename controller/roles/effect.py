"""Comparison of what roles can do in the end with what they should. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from controller.roles.privileges import PART_PRIVILEGES, TABLES, Kind, table_privileges


@dataclass(frozen=True, slots=True)
class Effect:
    """Differences between the rights of the roles and the wanted ones, one line each.

    Attributes:
        beyond: rights that a role has besides, through PUBLIC or a role that it is a member of.
        missing: rights that were granted and do not hold.
    """

    beyond: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def effect_from(answer: Iterable[Any], names: Mapping[Kind, str]) -> Effect:
    """Return the effect that the answer to `questions.effect_question` shows.

    Raises:
        TypeError, ValueError: no PostgreSQL answers like this.
    """
    kinds = {name: kind for kind, name in names.items()}
    beyond, found = [], set()
    for role, privilege, item, table in answer:
        found.add((role, privilege, table))
        if privilege not in _wanted(kinds[role], table):
            beyond.append(f"{privilege} on {item} by {role}")
    missing = [
        f"{privilege} on table {table} to {name}"
        for kind, name in names.items()
        for table in TABLES
        for privilege in table_privileges(kind, table)
        if (name, privilege, table) not in found
    ]
    return Effect(tuple(sorted(beyond)), tuple(missing))


def _wanted(kind: Kind, table: str | None) -> tuple[str, ...]:
    """Return the rights that a role should have.

    Args:
        table: name of a table of ours; empty for a partition of one; None for an object of which it should have none.
    """
    if table is None:
        return ()
    return table_privileges(kind, table) if table else PART_PRIVILEGES[kind]
