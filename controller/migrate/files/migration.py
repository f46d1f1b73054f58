"""Migrations: the scripts of their up and down files, with checksums and statements."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from controller.errors import MigrationFileError
from controller.migrate.sql.lexer import Statements, split
from controller.migrate.sql.statements import concurrent_index, runs_alone, transaction_control

_NO_TRANSACTION = re.compile(r"^--[ \t]*dashdb:[ \t]*no-transaction[ \t]*\r?$", re.MULTILINE)


_CHUNK = 1_000_000
"""Characters of a script that are hashed at once."""


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
        """Hex digest of the text, the same for line ends LF and CRLF, so that a checkout on Windows is not an edit."""
        digest = hashlib.sha256()
        for start in range(0, len(self.text), _CHUNK):  # in pieces, since a whole copy would double the memory
            piece = self.text[start : start + _CHUNK]
            if piece.endswith("\r") and self.text.startswith("\n", start + _CHUNK):
                piece = piece[:-1]
            digest.update(piece.replace("\r\n", "\n").encode())
        return digest.hexdigest()

    @cached_property
    def transactional(self) -> bool:
        """True if the file runs in one transaction, False if it runs statement by statement.

        It is False if a statement cannot run inside a transaction, or if there is a line `-- dashdb:no-transaction`
        before the first statement.
        """
        statements = self.statements
        head = self.text[: statements[0].offset] if statements else self.text
        return not _NO_TRANSACTION.search(head) and not any(runs_alone(s) for s in statements)

    def digest_of_first(self, count: int) -> str:
        """Return the hex digest of the first `count` statements; comments between them may change."""
        digest = hashlib.sha256()
        for statement in islice(self.statements, count):
            digest.update(statement.normalised)
        return digest.hexdigest()

    @cached_property
    def statements(self) -> Statements:
        """Statements of the file, in order.

        Raises:
            MigrationFileError: the text cannot be split, ends the transaction of the engine, or builds an index
                CONCURRENTLY without a name.
        """
        statements = split(self.text, file=self.name)
        for statement in statements:
            if control := transaction_control(statement):
                raise MigrationFileError(
                    f"{self.name}:{statement.line_and_column}: {control} inside a migration. The engine begins and "
                    "ends the transactions; remove it."
                )
            concurrent_index(statement, file=self.name)
        return statements


@dataclass(frozen=True, slots=True)
class Migration:
    """Version with its up and its down migration."""

    version: int
    description: str
    up: Script
    down: Script


Migrations = tuple[Migration, ...]
"""Migrations in ascending order of version."""
