"""Facts about a database that decide which SQL gives roles their rights, and who can run it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.roles.privileges import Kind


@dataclass(frozen=True, slots=True)
class RoleFacts:
    """One of the roles that a person named.

    Attributes:
        unlimited: grants do not limit it: it is a superuser, may make roles, replicate, or use the server's files.
        of_owner: it owns the database, its schema or its tables, or is a member of such a role or of ours.
        configurable: our role may change its settings.
        plans_each: it has the setting `PLAN_EACH` of `statements`.
        connects: it may connect to the database.
        uses_schema: it may use the schema.
    """

    name: str
    exists: bool
    unlimited: bool
    of_owner: bool
    configurable: bool
    plans_each: bool
    connects: bool
    uses_schema: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """One schema with our tables, and the rights of our own role in it.

    Attributes:
        user: our role.
        owner: role that owns the tables.
        is_owner, owns_schema, owns_database: our role has the rights of the owner of the tables, the schema, the
            database.
        creates_roles: our role may create roles.
        public_creates: PUBLIC may create objects in the schema.
        public_makes_temporary: PUBLIC may make temporary tables.
        parts: partitions of our tables, each with its schema.
        sequences: sequences of our tables.
        functions: those of `APPLICATION_FUNCTIONS` and `OWNER_FUNCTIONS` that exist, with their types.
    """

    database: str
    schema: str
    user: str
    owner: str
    is_owner: bool
    owns_schema: bool
    owns_database: bool
    creates_roles: bool
    public_creates: bool
    public_makes_temporary: bool
    parts: tuple[tuple[str, str], ...]
    sequences: tuple[str, ...]
    functions: tuple[str, ...]
    roles: Mapping[Kind, RoleFacts]


def facts_from(answer: Any, database_schema: str, names: Mapping[Kind, str]) -> Facts:
    """Return the facts that the answer to `questions.facts_question` holds.

    Raises:
        KeyError, TypeError, ValueError: no PostgreSQL answers like this.
    """
    flags = ("is_owner", "owns_schema", "owns_database", "creates_roles", "public_creates", "public_makes_temporary")
    return Facts(
        database=str(answer["database"]),
        schema=database_schema,
        user=str(answer["user"]),
        owner=str(answer["owner"]),
        **{flag: bool(answer[flag]) for flag in flags},
        parts=tuple((str(schema), str(name)) for schema, name in answer["parts"]),
        sequences=tuple(map(str, answer["sequences"])),
        functions=tuple(map(str, answer["functions"])),
        roles={kind: _role(name, answer["roles"][name]) for kind, name in names.items()},
    )


def _role(name: str, answer: Any) -> RoleFacts:
    flags = ("exists", "unlimited", "of_owner", "configurable", "plans_each", "connects", "uses_schema")
    return RoleFacts(name, **{flag: bool(answer[flag]) for flag in flags})
