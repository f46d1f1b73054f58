"""Kinds of statements: those that cannot run inside a transaction, and concurrent indexes. Pure.

https://www.postgresql.org/docs/current/sql-commands.html: the page of a command says if it "cannot be executed inside a
transaction block".
"""

from dataclasses import dataclass

from controller.errors import MigrationFileError
from controller.migrate.sql.lexer import Statement
from controller.migrate.sql.names import QualifiedName
from controller.migrate.sql.token_reader import TokenReader
from controller.migrate.sql.token_stream import Token

_FALSE = ("false", "off", "no", "0")
_ALONE = {
    "create": ("database", "tablespace", "subscription"),
    "drop": ("database", "tablespace", "subscription"),
    "discard": ("all",),
}
"""Statements that their first two words identify."""
CHANGES = ("create", "alter", "drop")
OF_THE_SERVER = ("role", "user", "group", "tablespace", "database", "subscription", "system")
"""Kinds of objects that all databases of a server share, after one of `CHANGES`."""
_MAY_RUN_ALONE = ("vacuum", "alter", "cluster", "reindex", *_ALONE)


@dataclass(frozen=True, slots=True)
class ConcurrentIndex:
    """Index that CREATE INDEX CONCURRENTLY builds, and its table."""

    name: QualifiedName
    table: QualifiedName


def runs_alone(statement: Statement) -> bool:
    """Return whether PostgreSQL refuses the statement inside a transaction."""
    reader = statement.reader()
    first = reader.take()
    if first is None or not first.is_word(*_MAY_RUN_ALONE):
        return False
    if first.is_word("vacuum") or reader.take_any_word(*_ALONE.get(first.value, ())):
        return True
    if first.is_word("alter"):
        return _alters_alone(reader)
    if first.is_word("cluster"):
        return _clusters_all(reader)
    return (first.is_word("reindex") and _reindexes_all(reader)) or waits_for_others(statement)


def may_be_of_partitions(statement: Statement) -> bool:
    """Return whether PostgreSQL refuses the statement inside a transaction if its table is partitioned."""
    return statement.reader().take_any_word("cluster", "reindex")


def changes_the_server(statement: Statement) -> bool:
    """Return whether the statement changes what all databases of a server share."""
    reader = statement.reader()
    return reader.take_any_word(*CHANGES) and reader.take_any_word(*OF_THE_SERVER)


def waits_for_others(statement: Statement) -> bool:
    """Return whether the statement waits for older transactions but blocks none: CONCURRENTLY."""
    reader = statement.reader()
    if reader.take_words("reindex"):
        return _reindexes_concurrently(reader)
    if reader.take_words("alter", "table"):
        return _detaches_concurrently(reader)
    return (_takes_create_index(reader) or reader.take_words("drop", "index")) and reader.take_words("concurrently")


def may_commit(statement: Statement) -> bool:
    """Return whether the statement may hold a COMMIT, so that it runs alone in a file without a transaction."""
    return statement.reader().take_any_word("call", "do")


def may_stay_in_part(statement: Statement) -> bool:
    """Return whether something of the statement may stay if it fails outside a transaction, since it commits midway."""
    several = statement.reader().take_any_word("analyze", "cluster", "reindex", "vacuum")
    return several or may_commit(statement) or waits_for_others(statement)


def sets_transaction(statement: Statement) -> bool:
    """Return whether the statement sets a property of its transaction, most of which have to come before any query."""
    reader = statement.reader()
    if not reader.take_words("set"):
        return False
    reader.take_any_word("session", "local")
    return reader.take_any_word(
        "transaction", "transaction_isolation", "transaction_read_only", "transaction_deferrable"
    )


def discards_all(statement: Statement) -> bool:
    """Return whether the statement is DISCARD ALL, which also releases the locks of the session."""
    return statement.reader().take_words("discard", "all")


def concurrent_index(statement: Statement, *, file: str) -> ConcurrentIndex | None:
    """Return the index that the statement builds CONCURRENTLY; None for any other statement.

    Raises:
        MigrationFileError: the index has no name, so an interrupted build of it could not be found.
    """
    reader = statement.reader()
    if not (_takes_create_index(reader) and reader.take_words("concurrently")):
        return None
    reader.take_words("if", "not", "exists")
    name = None if reader.take_words("on") else reader.take_name()
    table = reader.take_relation() if name and reader.take_words("on") else None
    if name is None or table is None:
        at = statement.position(file)
        raise MigrationFileError(
            f"{at}: an index that is made CONCURRENTLY needs a name: CREATE INDEX CONCURRENTLY name ON table (...). "
            "Without one, a build that was interrupted cannot be found and repaired.",
            at=at,
        )
    return ConcurrentIndex(name, table.name)


def _takes_create_index(reader: TokenReader) -> bool:
    return reader.take_words("create", "index") or reader.take_words("create", "unique", "index")


def _reindexes_concurrently(reader: TokenReader) -> bool:
    """Return whether CONCURRENTLY follows the kind of object, or is among the options in parentheses."""
    if _option(reader, "concurrently"):
        return True
    return reader.take() is not None and reader.take_words("concurrently")


def _reindexes_all(reader: TokenReader) -> bool:
    _option(reader, "concurrently")
    return reader.take_any_word("database", "schema", "system")


def _clusters_all(reader: TokenReader) -> bool:
    """Return whether CLUSTER names no table."""
    _ = reader.take_words("verbose") or reader.take_group()
    return reader.at_end


def _alters_alone(reader: TokenReader) -> bool:
    if reader.take_words("table"):
        return _detaches_concurrently(reader)
    if reader.take_words("database"):
        return reader.take_name() is not None and reader.take_words("set", "tablespace")
    if reader.take_words("subscription"):
        return _refreshes_subscription(reader)
    return reader.take_words("system")


def _detaches_concurrently(reader: TokenReader) -> bool:
    reader.take_words("if", "exists")
    detaches = reader.take_relation() is not None and reader.take_words("detach", "partition")
    return detaches and reader.take_qualified_name() is not None and reader.take_words("concurrently")


def _refreshes_subscription(reader: TokenReader) -> bool:
    """Return whether tables are copied from the publisher, as after each change of the publications."""
    if reader.take_name() is None or not reader.take_any_word("refresh", "add", "set", "drop"):
        return False
    if not reader.take_words("publication"):
        return False
    while reader.take_qualified_name() is not None and reader.take_operator(","):
        pass
    reader.take_words("with")
    return _option(reader, "refresh") is not False


def _option(reader: TokenReader, name: str) -> bool | None:
    """Take the options in parentheses, such as (VERBOSE, CONCURRENTLY off); None if `name` is not among them."""
    if not reader.take_operator("("):
        return None
    value, begins, inside = None, True, False
    for token in reader.rest():
        if token.is_operator(")"):
            break
        if begins:
            inside = token.is_word(name)
            value = True if inside else value
        elif inside and _is_false(reader, token):
            value = False
        begins = token.is_operator(",")
    return value


def _is_false(reader: TokenReader, token: Token) -> bool:
    return reader.text(token).strip("'").lower() in _FALSE
