"""Detection of statements that only write the catalog, and so take very little time. Pure."""

from controller.migrate.sql.lexer import Statement
from controller.migrate.sql.names import QualifiedName
from controller.migrate.sql.statements import runs_alone
from controller.migrate.sql.token_reader import TokenReader

_QUICK = ("comment", "grant", "revoke")
_QUICK_CREATE = ("function", "procedure", "trigger", "type", "domain", "view", "sequence", "extension")
_QUICK_REPLACE = ("function", "procedure", "trigger", "view", "rule", "aggregate")
_KEEP_NAMES = ("alter", "analyze", "copy", "delete", "insert", "lock", "set", "truncate", "update")
_MAY_BE_TEMPORARY = ("global", "local", "or", "table", "temp", "temporary")
"""Words after CREATE for a temporary table or view, or for a table of a kind that is not understood."""


class CatalogStatements:
    """Classifier of the statements of one file, which must be passed in order.

    An index takes little time only if its table is certainly empty: from its CREATE TABLE in the same file up to the
    first statement that is not understood or may write rows. In doubt, a statement counts as long.
    """

    def __init__(self) -> None:
        self._empty: set[QualifiedName] = set()
        self._search_path_known = True
        """False once there may be a temporary table, which takes precedence over others of its name."""

    def only_writes_catalog(self, statement: Statement) -> bool:
        """Return whether the next statement of the file only writes the catalog, and leaves nothing in the session."""
        reader = statement.reader()
        if reader.take_any_word(*_QUICK):
            return True
        if reader.take_words("drop"):
            self._empty.clear()  # the next table of that name on the search path may be another one
            return not reader.take_words("owned") and not runs_alone(statement)
        creates = reader.take_words("create")
        made = reader.copy()
        if creates and self._creates_quickly(reader):
            return True
        self._empty.clear()
        temporary = made.take_any_word(*_MAY_BE_TEMPORARY) if creates else not made.take_any_word(*_KEEP_NAMES)
        self._search_path_known &= not temporary
        return False

    def _creates_quickly(self, reader: TokenReader) -> bool:
        if reader.take_words("or", "replace"):
            return reader.take_any_word(*_QUICK_REPLACE) and _names_what_stays(reader)
        if reader.take_words("unlogged", "table") or reader.take_words("table"):
            return self._creates_empty_table(reader)
        if reader.take_words("index") or reader.take_words("unique", "index"):
            return self._indexes_empty_table(reader)
        return reader.take_any_word(*_QUICK_CREATE) and _names_what_stays(reader)

    def _creates_empty_table(self, reader: TokenReader) -> bool:
        """Return whether CREATE TABLE has columns and no query; a partition of a table with rows may read those."""
        may_exist = reader.take_words("if", "not", "exists")
        table = reader.take_qualified_name()
        if table is None or _is_temporary(table):
            return False
        if reader.take_words("partition", "of"):
            if reader.take_qualified_name() not in self._empty:
                return False
        elif not reader.take_group():
            return False
        if any(token.is_word("as") for token in reader.outer_rest()):
            return False
        if not may_exist and (self._search_path_known or len(table.parts) > 1):
            self._empty.add(table)
        return True

    def _indexes_empty_table(self, reader: TokenReader) -> bool:
        if reader.take_words("concurrently"):
            return False
        reader.take_words("if", "not", "exists")
        if not reader.take_words("on"):
            reader.take_name()
            if not reader.take_words("on"):
                return False
        table = reader.take_relation()
        return table is not None and table.name in self._empty


def _names_what_stays(reader: TokenReader) -> bool:
    """Return whether the name that follows is that of an object which is not the session's own."""
    reader.take_words("if", "not", "exists")
    name = reader.take_qualified_name()
    return name is not None and not _is_temporary(name)


def _is_temporary(name: QualifiedName) -> bool:
    return any(part.startswith("pg_temp") for part in name.parts[:-1])
