"""Data that a statement removes: tables and columns that it names, and whether it may remove more. Pure.

https://www.postgresql.org/docs/current/sql-commands.html
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from controller.migrate.sql.lexer import Statement
from controller.migrate.sql.names import QualifiedName
from controller.migrate.sql.query_effects import MOST_READ, may_change_data
from controller.migrate.sql.token_reader import TokenReader


@dataclass(frozen=True, slots=True)
class RemovedData:
    """Table that is dropped or loses rows; or with `column`, only that column.

    Attributes:
        only: True if its partitions and the tables that inherit from it keep their rows.
    """

    table: QualifiedName
    column: QualifiedName | None = None
    only: bool = False


@dataclass(frozen=True, slots=True)
class Removal:
    """Data that one statement removes.

    Attributes:
        named: tables and columns that it names.
        understood: False if it may remove or change other data than `named`.
    """

    named: tuple[RemovedData, ...] = ()
    understood: bool = True


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NOTHING = Removal()
_NOT_UNDERSTOOD = Removal(understood=False)

_HARMLESS = _words(
    """
    analyze checkpoint close cluster comment deallocate discard fetch grant import listen lock move notify prepare
    reassign refresh reindex release reset revoke savepoint security set show unlisten vacuum
    """
)
_QUERIES = ("declare", "select", "table", "values", "with")
_HARMLESS_EVEN_WITH_CASCADE = ("index", "policy", "trigger")
_NEVER_HARMLESS = ("database", "owned")
_OWN_NO_TABLES = _words(
    """
    amcheck autoinc bloom btree_gin btree_gist citext cube dblink dict_int earthdistance file_fdw fuzzystrmatch hstore
    intarray isn lo ltree pageinspect pg_buffercache pg_freespacemap pg_prewarm pg_stat_statements pg_trgm pg_visibility
    pg_walinspect pgcrypto pgrowlocks pgstattuple plpgsql postgres_fdw seg sslinfo tablefunc tcn tsm_system_rows
    tsm_system_time unaccent uuid-ossp vector xml2
    """
)
"""Extensions without tables of their own; dropping another extension may remove its tables."""


def removed_data(statement: Statement) -> Removal:
    """Return the data that the statement removes from the tables of a database."""
    return _read(statement.reader())


def _read(reader: TokenReader) -> Removal:
    first = reader.peek()
    if first is None or reader.take_any_word(*_HARMLESS):
        return _NOTHING
    if first.is_operator("(") or first.is_word(*_QUERIES):
        return Removal(understood=not may_change_data(reader))
    reader.take()
    read = _READERS.get(first.value) if first.is_word(*_READERS) else None
    return read(reader) if read else _NOT_UNDERSTOOD


def _drop(reader: TokenReader) -> Removal:
    if reader.take_words("table"):
        reader.take_words("if", "exists")
        tables = tuple(_names(reader))
        reader.take_any_word("cascade", "restrict")
        return Removal(tuple(RemovedData(table) for table in tables), bool(tables) and reader.at_end)
    if reader.take_words("extension"):
        reader.take_words("if", "exists")
        known = all(name.parts[-1] in _OWN_NO_TABLES for name in _names(reader))
        reader.take_words("restrict")
        return Removal(understood=known and reader.at_end)
    if reader.take_any_word(*_HARMLESS_EVEN_WITH_CASCADE):
        return _NOTHING
    if reader.take_any_word(*_NEVER_HARMLESS):
        return _NOT_UNDERSTOOD
    *_, last = (None, *reader.outer_rest())
    return Removal(understood=last is not None and not last.is_word("cascade"))


def _truncate(reader: TokenReader) -> Removal:
    """Read TRUNCATE; with CASCADE it is not understood, since that empties other tables as well."""
    reader.take_words("table")
    tables = tuple(_relations(reader))
    if reader.take_any_word("restart", "continue"):
        reader.take_words("identity")
    reader.take_words("restrict")
    return Removal(tables, bool(tables) and reader.at_end)


def _delete(reader: TokenReader) -> Removal:
    relation = reader.take_relation() if reader.take_words("from") else None
    return Removal((RemovedData(relation.name, only=relation.only),)) if relation else _NOT_UNDERSTOOD


def _alter(reader: TokenReader) -> Removal:
    if reader.take_words("table"):
        return _alter_table(reader)
    if reader.take_words("type"):
        attributes = reader.take_qualified_name() is not None and any(
            action.take_any_word("alter", "drop") and action.take_words("attribute") for action in _actions(reader)
        )
        return Removal(understood=not attributes)
    if reader.take_words("extension"):
        return Removal(understood=reader.take_name() is not None and not reader.take_words("update"))
    return _NOTHING


def _alter_table(reader: TokenReader) -> Removal:
    if reader.take_words("all", "in", "tablespace"):
        return _NOTHING
    reader.take_words("if", "exists")
    table = reader.take_relation()
    if table is None:
        return _NOT_UNDERSTOOD
    columns: list[RemovedData] = []
    understood = True
    for action in _actions(reader):
        if action.take_words("drop") and not action.take_words("constraint"):
            action.take_words("column")
            action.take_words("if", "exists")
            columns.append(RemovedData(table.name, action.take_name(), table.only))
        elif action.take_words("alter"):
            understood &= not _changes_type(action)
    return Removal(tuple(columns), understood)


def _changes_type(action: TokenReader) -> bool:
    """Return whether ALTER [COLUMN] name [SET DATA] TYPE follows, which converts the data of the column."""
    if action.take_words("constraint"):
        return False
    action.take_words("column")
    return action.take() is not None and (action.take_words("type") or action.take_words("set", "data", "type"))


def _insert(reader: TokenReader) -> Removal:
    """Read INSERT, which removes nothing unless it has ON CONFLICT DO UPDATE or its query changes data."""
    if not reader.take_words("into") or reader.take_qualified_name() is None:
        return _NOT_UNDERSTOOD
    if reader.take_words("as"):
        reader.take_name()
    if not _query_in_parentheses(reader):
        reader.take_group()
    if reader.take_words("overriding"):
        reader.take()
        reader.take_words("value")
    if reader.characters_left > MOST_READ and reader.take_words("values"):
        while reader.take_group() and reader.take_operator(","):
            pass  # perhaps millions of rows, which cannot contain a command
    return Removal(understood=not may_change_data(reader))


def _query_in_parentheses(reader: TokenReader) -> bool:
    inside = reader.copy()
    return inside.take_operator("(") and (
        inside.take_any_word("select", "table", "values", "with") or inside.take_operator("(")
    )


def _create(reader: TokenReader) -> Removal:
    """Read CREATE, which runs a query only for a table and for a materialized view."""
    while reader.take_any_word("global", "local", "temp", "temporary", "unlogged"):
        pass
    if reader.take_words("table") or reader.take_words("materialized", "view"):
        for token in reader.outer_rest():
            if token.is_word("as"):
                return Removal(understood=not (reader.take_words("execute") or may_change_data(reader)))
    return _NOTHING


def _copy(reader: TokenReader) -> Removal:
    first = reader.peek()
    query = first is not None and first.is_operator("(")
    return Removal(understood=not (query and may_change_data(reader)))


def _explain(reader: TokenReader) -> Removal:
    """Read EXPLAIN, which runs its statement only with ANALYZE."""
    analyzes = reader.take_words("analyze")
    if not analyzes and reader.take_operator("("):
        while (token := reader.take()) and not token.is_operator(")"):
            analyzes |= token.is_word("analyze")
    reader.take_words("verbose")
    return _read(reader) if analyzes else _NOTHING


def _names(reader: TokenReader) -> Iterator[QualifiedName]:
    """Yield names that commas separate."""
    while name := reader.take_qualified_name():
        yield name
        if not reader.take_operator(","):
            return


def _relations(reader: TokenReader) -> Iterator[RemovedData]:
    while relation := reader.take_relation():
        yield RemovedData(relation.name, only=relation.only)
        if not reader.take_operator(","):
            return


def _actions(reader: TokenReader) -> Iterator[TokenReader]:
    """Yield the reader at the start of each action that commas separate."""
    yield reader
    while reader.take_through_comma():
        yield reader


_READERS: dict[str, Callable[[TokenReader], Removal]] = {
    "alter": _alter,
    "copy": _copy,
    "create": _create,
    "delete": _delete,
    "drop": _drop,
    "explain": _explain,
    "insert": _insert,
    "truncate": _truncate,
}
