"""SQL that gives roles their rights, in two parts by who can run it. Pure.

Each part can be run again. Comments hold no names, which could end their line.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from controller.database.quoting import identifier, literal
from controller.roles.facts import Facts, RoleFacts
from controller.roles.privileges import APPLICATION_FUNCTIONS, GRANTS, OWNER_FUNCTIONS, PART_PRIVILEGES, TABLES, Kind

_NEW_ROLE = {
    Kind.APPLICATION: "Role that the service logs in as. It has no password: set one in psql with \\password.",
    Kind.READ_ONLY: "Role that reads and never writes. It has no password: set one in psql with \\password.",
}
_SECTION = {Kind.APPLICATION: "The application role", Kind.READ_ONLY: "The read-only role"}


@dataclass(frozen=True, slots=True)
class Script:
    """Statements with comments, for one transaction each.

    Attributes:
        owner: for our own role; changes nothing where all is as it should be.
        administrator: what our role has no right to and is still to be done; empty for nothing.
    """

    owner: str
    administrator: str


def script(facts: Facts) -> Script:
    """Return the SQL that gives the roles in `facts` their rights."""
    around = (*_roles(facts), _schema(facts), _database(facts))
    grants = [sql for kind, role in facts.roles.items() for sql in _grants(facts, kind, role)]
    return Script(
        owner="".join([*(part.sql for part in around if part.is_ours), *_maintenance(facts), *grants]),
        administrator="".join(part.sql for part in around if not (part.is_ours or part.is_done)),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """SQL for an object that may belong to somebody else than the tables.

    Attributes:
        is_ours: our role may run it.
        is_done: it would change nothing that is needed.
    """

    sql: str
    is_ours: bool
    is_done: bool


def _roles(facts: Facts) -> Iterator[_Part]:
    for kind, role in facts.roles.items():
        if not role.exists:
            yield _Part(_commented(_NEW_ROLE[kind], _create(role.name)), facts.creates_roles, is_done=False)
        if kind is Kind.APPLICATION:
            here = f"ALTER ROLE {identifier(role.name)} IN DATABASE {identifier(facts.database)}"
            why = "A plan for each execution, since one plan for all values is slow for a rare project, user or text."
            setting = _commented(why, f"{here} SET plan_cache_mode = force_custom_plan")
            yield _Part(setting, role.configurable, role.plans_each)


def _schema(facts: Facts) -> _Part:
    on, to = f"ON SCHEMA {identifier(facts.schema)}", _names(facts.roles.values())
    why = "Names in the schema can be used, and nobody makes objects there who was not granted that by name."
    statements = (f"REVOKE CREATE {on} FROM PUBLIC", f"REVOKE ALL {on} FROM {to}", f"GRANT USAGE {on} TO {to}")
    done = not facts.public_creates and all(role.uses_schema for role in facts.roles.values())
    return _Part(_commented(why, *statements), facts.owns_schema, done)


def _database(facts: Facts) -> _Part:
    on, to = f"ON DATABASE {identifier(facts.database)}", _names(facts.roles.values())
    why = "Logins to the database, and temporary tables for nobody who was not granted them by name."
    statements = (f"REVOKE TEMPORARY {on} FROM PUBLIC", f"REVOKE ALL {on} FROM {to}", f"GRANT CONNECT {on} TO {to}")
    done = not facts.public_makes_temporary and all(role.connects for role in facts.roles.values())
    return _Part(_commented(why, *statements), facts.owns_database, done)


def _maintenance(facts: Facts) -> list[str]:
    """Return the part that keeps the owner's functions from everybody else."""
    kept = _functions(facts, OWNER_FUNCTIONS)
    why = "Maintenance belongs to the owner. (PostgreSQL grants EXECUTE on a new function to PUBLIC.)"
    return [_commented(why, f"REVOKE ALL ON FUNCTION{kept} FROM PUBLIC")] if kept else []


def _grants(facts: Facts, kind: Kind, role: RoleFacts) -> Iterator[str]:
    """Yield the parts that give one role its rights to the objects of the schema."""
    to = identifier(role.name)
    tables = [_qualified(facts.schema, table) for table in TABLES]
    parts = [_qualified(schema, name) for schema, name in facts.parts]
    functions = _functions(facts, (*APPLICATION_FUNCTIONS, *OWNER_FUNCTIONS))
    revoked = [f"TABLE{_listed(tables + parts)}"]
    revoked += [f"SEQUENCE {_qualified(facts.schema, sequence)}" for sequence in facts.sequences]
    revoked += [f"FUNCTION{functions}"] if functions else []
    why = f"{_SECTION[kind]}: nothing at first, also of what it was granted before."
    yield _commented(why, *(f"REVOKE ALL ON {each} FROM {to}" for each in revoked))
    for grant in GRANTS[kind]:
        of = _listed(_qualified(facts.schema, table) for table in grant.tables)
        yield _commented(grant.reason, f"GRANT {', '.join(grant.privileges)} ON TABLE{of} TO {to}")
    if kind is Kind.APPLICATION and (called := _functions(facts, APPLICATION_FUNCTIONS)):
        why = "The check of a share token, and a condition of triggers."
        yield _commented(why, f"GRANT EXECUTE ON FUNCTION{called} TO {to}")
    privileges = PART_PRIVILEGES[kind]
    if privileges and parts:
        why = "Partitions: writing to one would go past the triggers of its table."
        yield _commented(why, f"GRANT {', '.join(privileges)} ON TABLE{_listed(parts)} TO {to}")
    yield _later(facts, to, privileges)


def _later(facts: Facts, to: str, privileges: tuple[str, ...]) -> str:
    """Return the part about what the owner makes later on."""
    default = f"ALTER DEFAULT PRIVILEGES FOR ROLE {identifier(facts.owner)} IN SCHEMA {identifier(facts.schema)}"
    statements = [f"{default} REVOKE ALL ON {each} FROM {to}" for each in ("TABLES", "SEQUENCES", "FUNCTIONS")]
    if privileges:
        statements.append(f"{default} GRANT {', '.join(privileges)} ON TABLES TO {to}")
    may = "can be read, and written to after a GRANT" if privileges else "can be read after a GRANT"
    return _commented(f"A table that the owner makes later {may}.", *statements)


def _create(name: str) -> str:
    """Return a statement that makes a role where there is none, since CREATE ROLE knows no IF NOT EXISTS.

    Its body is a string in which the name is a string again, so no name can end it.
    """
    body = (
        f"BEGIN\n    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = {literal(name)}) THEN\n"
        f"        CREATE ROLE {identifier(name)} LOGIN;\n    END IF;\nEND"
    )
    tag = "$create$"
    while tag in body:
        tag = f"${'_' * len(tag)}create$"
    return f"DO {tag} {body} {tag}"


def _functions(facts: Facts, names: Iterable[str]) -> str:
    """Return those of the functions that the schema has, as a list for GRANT."""
    found = [name.partition("(") for name in names if name in facts.functions]
    return _listed(f"{_qualified(facts.schema, name)}({types}" for name, _, types in found) if found else ""


def _listed(names: Iterable[str]) -> str:
    """Return names as a list for GRANT; several of them stand on lines of their own."""
    found = tuple(names)
    return "\n    " + ",\n    ".join(found) + "\n   " if len(found) > 1 else " " + "".join(found)


def _names(roles: Iterable[RoleFacts]) -> str:
    return ", ".join(identifier(role.name) for role in roles)


def _qualified(schema: str, name: str) -> str:
    return f"{identifier(schema)}.{identifier(name)}"


def _commented(comment: str, *statements: str) -> str:
    return f"\n-- {comment}\n" + "".join(f"{statement};\n" for statement in statements)
