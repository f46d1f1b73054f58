"""Which statements of a file only write the catalog, and so take no time worth naming. Pure."""

from controller.migrate.sql.lexer import Statement
from controller.migrate.sql.names import QualifiedName
from controller.migrate.sql.statements import runs_alone
from controller.migrate.sql.token_reader import TokenReader

_QUICK = ("comment", "grant", "revoke")
_QUICK_CREATE = ("function", "procedure", "trigger", "type", "domain", "view", "sequence", "extension")
_QUICK_REPLACE = ("function", "procedure", "trigger", "view", "rule", "aggregate")
_KEEP_NAMES = ("alter", "analyze", "copy", "delete", "insert", "lock", "set", "truncate", "update")
_MAY_BE_TEMPORARY = ("global", "local", "or", "table", "temp", "temporary")
"""What stands behind CREATE where it makes a temporary table or view, or a table of a kind that is not understood."""


class CatalogStatements:
    """Judges the statements of one file in order: an index takes no time only while its table is surely empty.

    A table is surely empty from its CREATE TABLE in the same file up to the first statement that is not understood or
    may write rows. What is doubtful is taken for long.
    """

    def __init__(self) -> None:
        self._empty: set[QualifiedName] = set()
        self._search_path_known = True
        """False once there may be a temporary table, which would be found before others of its name."""

    def only_writes_catalog(self, statement: Statement) -> bool:
        """Return whether the statement, which comes after all that were asked about before, only writes the catalog."""
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
            return reader.take_any_word(*_QUICK_REPLACE)
        if reader.take_words("unlogged", "table") or reader.take_words("table"):
            return self._creates_empty_table(reader)
        if reader.take_words("index") or reader.take_words("unique", "index"):
            return self._indexes_empty_table(reader)
        return reader.take_any_word(*_QUICK_CREATE)

    def _creates_empty_table(self, reader: TokenReader) -> bool:
        """Return whether CREATE TABLE has columns and no query; for a new partition rows of another one may be read."""
        may_exist = reader.take_words("if", "not", "exists")
        table = reader.take_qualified_name()
        if table is None or "pg_temp" in table.parts[:-1] or not reader.take_group():
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
