"""One migration: the text of its up and down files, their checksums and their statements."""

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
"""Characters."""


@dataclass(frozen=True)
class Script:
    """The text of one file. `name` is the file's name without folders."""

    name: str
    text: str

    @cached_property
    def sha256(self) -> str:
        """Hex digest; the same whether lines end in LF or CRLF, so that a checkout on Windows is no edit."""
        digest = hashlib.sha256()
        for start in range(0, len(self.text), _CHUNK):  # not all at once, which would take twice its size
            piece = self.text[start : start + _CHUNK]
            if piece.endswith("\r") and self.text.startswith("\n", start + _CHUNK):
                piece = piece[:-1]
            digest.update(piece.replace("\r\n", "\n").encode())
        return digest.hexdigest()

    @cached_property
    def transactional(self) -> bool:
        """False where a statement cannot run inside a transaction, or a line before the first statement says so:
        `-- dashdb:no-transaction`. Such a file runs statement by statement, each on its own.
        """
        statements = self.statements
        head = self.text[: statements[0].offset] if statements else self.text
        return not _NO_TRANSACTION.search(head) and not any(runs_alone(s) for s in statements)

    def digest_of_first(self, count: int) -> str:
        """Hex digest of the first `count` statements; comments between them may change."""
        digest = hashlib.sha256()
        for statement in islice(self.statements, count):
            digest.update(statement.normalised)
        return digest.hexdigest()

    @cached_property
    def statements(self) -> Statements:
        """In order.

        Raises:
            MigrationFileError: the text cannot be cut, ends the transaction that the engine holds, or makes an index
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
    """One version: how to get there, and how to get back."""

    version: int
    description: str
    up: Script
    down: Script


Migrations = tuple[Migration, ...]
"""In ascending order of version."""
