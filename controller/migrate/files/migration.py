"""Migrations: the scripts of their up and down files, with checksums and statements."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from controller.errors import FilePosition, MigrationFileError
from controller.migrate.sql.lexer import Statement, Statements, split
from controller.migrate.sql.own_transactions import without_own_transactions
from controller.migrate.sql.statements import concurrent_index, runs_alone
from controller.migrate.sql.string_setting import changes_strings

_NO_TRANSACTION = re.compile(r"^--[ \t]*dashdb:[ \t]*no-transaction[ \t]*\r?$", re.MULTILINE)
_CHUNK = 1_000_000
"""Characters of a script that are hashed at once."""
_CHECKED = frozenset("cCsSvVwW(")
"""First letters of the statements that are checked: CREATE, SET, and the queries that may call set_config; see
`own_transactions` for why letters."""
_BEGINNINGS = ("begin", "start")
"""Words of which a file with a transaction of its own has one; looking for them costs less than splitting the text."""


@dataclass(frozen=True)
class Script:
    """Text of one file.

    Attributes:
        name: name of the file without folders.
    """

    name: str
    text: str

    @cached_property
    def sha256(self) -> str:
        """Hex digest of the file, the same for line ends LF and CRLF, so that a checkout on Windows is not an edit.

        It is that of the text; or that of the statements if the file has transactions of its own, so that their BEGIN
        and COMMIT can be removed later. See `has_digest`.
        """
        if self._may_have_transactions and self.has_transactions:
            return self._digest_of_statements
        digest = hashlib.sha256()
        for start in range(0, len(self.text), _CHUNK):  # in pieces, since a whole copy would double the memory
            piece = self.text[start : start + _CHUNK]
            if piece.endswith("\r") and self.text.startswith("\n", start + _CHUNK):
                piece = piece[:-1]
            digest.update(piece.replace("\r\n", "\n").encode())
        return digest.hexdigest()

    def has_digest(self, sha256: str) -> bool:
        """Return whether the file is the one of which `sha256` was recorded, apart from its own BEGIN and COMMIT."""
        return sha256 == self.sha256 or (self._can_be_read and sha256 == self._digest_of_statements)

    @cached_property
    def transactional(self) -> bool:
        """True if the file runs in one transaction, False if it runs statement by statement.

        It is False if a statement cannot run inside a transaction, or if `asks_for_none`.
        """
        return not self.asks_for_none and not any(runs_alone(s) for s in self.statements)

    @cached_property
    def asks_for_none(self) -> bool:
        """True if there is a line `-- dashdb:no-transaction` before the first statement."""
        return _asks_for_none(self.text, self.statements)

    def digest_of_first(self, count: int) -> str:
        """Return the hex digest of the first `count` statements; comments between them may change."""
        digest = hashlib.sha256()
        for statement in islice(self.statements, count):
            digest.update(statement.normalised)
        return digest.hexdigest()

    @property
    def body(self) -> str:
        """Text to run: that of the file, with blanks in the place of its own BEGIN and COMMIT.

        Raises:
            MigrationFileError: see `statements`.
        """
        return self._parsed[0]

    @property
    def has_transactions(self) -> bool:
        """True if the file has transactions of its own; False if it cannot be read as well."""
        return self._can_be_read and self.body is not self.text

    @property
    def statements(self) -> Statements:
        """Statements of the file, in order, without its own BEGIN and COMMIT.

        Raises:
            MigrationFileError: the text cannot be split; ends the transaction of the engine; has a transaction of its
                own and cannot run in one; builds an index CONCURRENTLY without a name; or changes how strings are read.
        """
        return self._parsed[1]

    @cached_property
    def _parsed(self) -> tuple[str, Statements]:
        statements = split(self.text, file=self.name)
        body = without_own_transactions(self.text, statements, file=self.name)
        if body is not self.text:
            if _asks_for_none(self.text, statements) or any(map(runs_alone, statements)):
                raise MigrationFileError(
                    f"{self.name}: it runs without a transaction, statement by statement, and has a BEGIN of its own. "
                    "Write what is to be one transaction into a file of its own.",
                    at=FilePosition(self.name),
                )
            statements = split(body, file=self.name)
        for statement in statements:
            if body[statement.offset] in _CHECKED:
                self._check(statement)
        return body, statements

    def _check(self, statement: Statement) -> None:
        concurrent_index(statement, file=self.name)
        if changes_strings(statement):
            at = statement.position(self.name)
            raise MigrationFileError(
                f"{at}: strings are read with standard_conforming_strings on, PostgreSQL's default. Remove this, and "
                "write E'...' where a backslash has a meaning.",
                at=at,
            )

    @property
    def _may_have_transactions(self) -> bool:
        starts = range(0, len(self.text), _CHUNK)
        pieces = (self.text[start : start + _CHUNK + len(_BEGINNINGS[0])].lower() for start in starts)
        return any(word in piece for piece in pieces for word in _BEGINNINGS)

    @cached_property
    def _can_be_read(self) -> bool:
        try:
            return bool(self._parsed)
        except MigrationFileError:
            return False

    @property
    def _digest_of_statements(self) -> str:
        return self.digest_of_first(len(self.statements))


def _asks_for_none(text: str, statements: Statements) -> bool:
    head = text[: statements[0].offset] if statements else text
    return _NO_TRANSACTION.search(head) is not None


@dataclass(frozen=True, slots=True)
class Migration:
    """Version with its up and its down migration.

    Attributes:
        down: None if the version cannot be reverted.
        replaces: lower versions for which it stands, see `files.replaces`; empty for nearly all.
    """

    version: int
    description: str
    up: Script
    down: Script | None
    replaces: frozenset[int] = frozenset()

    @property
    def scripts(self) -> tuple[Script, ...]:
        """Its up migration, and its down migration if there is one."""
        return (self.up, self.down) if self.down else (self.up,)

    @property
    def down_name(self) -> str:
        """Name of its down file, whether it exists or not."""
        return self.down.name if self.down else re.sub(r"\.up(\.sql)$", r".down\1", self.up.name)


Migrations = tuple[Migration, ...]
"""Migrations in ascending order of version."""
