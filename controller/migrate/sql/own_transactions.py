"""Transactions that a file begins and ends itself, which become part of the engine's transaction. Pure.

Migration files are often written for programs that begin no transaction, with a BEGIN and a COMMIT around all or some
of their statements. The engine runs a file with its row in the history as one transaction, so it leaves both out.
"""

from enum import Enum

from controller.errors import MigrationFileError
from controller.migrate.sql.lexer import Statement, Statements
from controller.migrate.sql.token_reader import TokenReader

_WORDS = ("begin", "start", "commit", "end", "rollback", "abort", "prepare")
_LETTERS = frozenset(letter for word in _WORDS for letter in (word[0], word[0].upper()))
"""First letters of these words; to look at one letter is much faster than to read a word, of millions of statements."""


class _Control(Enum):
    BEGIN = "begin"
    COMMIT = "commit"
    OTHER = "other"
    """One that cannot be left out."""


def without_own_transactions(text: str, statements: Statements, *, file: str) -> str:
    """Return `text` with blanks in the place of each BEGIN and its COMMIT; `text` itself if there are none.

    Args:
        statements: those of `text`.
        file: name for error messages.

    Raises:
        MigrationFileError: a transaction is not ended, or in another way than by COMMIT, or has an isolation level.
    """
    pieces: list[str] = []
    position, begun = 0, None
    for statement in statements:
        control = _control(statement) if text[statement.offset] in _LETTERS else None
        if control is None:
            continue
        if control is not (_Control.BEGIN if begun is None else _Control.COMMIT):
            raise _refused(statement, file)
        begun = statement if control is _Control.BEGIN else None
        pieces += text[position : statement.offset], " " * (statement.end - statement.offset)
        position = statement.end
    if begun is not None:
        at = begun.position(file)
        raise MigrationFileError(
            f"{at}: this {_keyword(begun)} has no COMMIT. Remove it, or write COMMIT after the last statement.", at=at
        )
    return "".join([*pieces, text[position:]]) if pieces else text


def _control(statement: Statement) -> _Control | None:
    """Return how the statement begins or ends a transaction; None for any other one."""
    reader = statement.reader()
    first = reader.take()
    if first is None or not first.is_word(*_WORDS):
        return None
    if first.is_word("prepare"):
        return _Control.OTHER if reader.take_words("transaction") else None
    if first.is_word("start") and not reader.take_words("transaction"):
        return _Control.OTHER
    if not first.is_word("start"):
        reader.take_any_word("work", "transaction")
    if first.is_word("begin", "start"):
        return _Control.BEGIN if _is_usual(reader) else _Control.OTHER
    if first.is_word("rollback") and reader.take_words("to"):
        return None  # a savepoint of the file
    reader.take_words("and", "no", "chain")
    return _Control.COMMIT if first.is_word("commit", "end") and reader.at_end else _Control.OTHER


def _is_usual(reader: TokenReader) -> bool:
    """Return whether the modes of a transaction are those of the engine's own."""
    while reader.take_words("isolation", "level", "read", "committed") or reader.take_words("read", "write"):
        reader.take_operator(",")
    return reader.at_end


def _refused(statement: Statement, file: str) -> MigrationFileError:
    at = statement.position(file)
    return MigrationFileError(
        f"{at}: {_keyword(statement)} inside a migration. The engine runs the file in one READ COMMITTED transaction "
        "and leaves out only pairs of BEGIN and COMMIT; remove it.",
        at=at,
    )


def _keyword(statement: Statement) -> str:
    return statement.words[0]
