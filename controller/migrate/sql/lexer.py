"""Splitting of SQL into statements as PostgreSQL and psql do, without further understanding. Pure.

Lexical rules: https://www.postgresql.org/docs/current/sql-syntax-lexical.html. A semicolon ends a statement
unless it is in a string, an identifier, a comment, a dollar quote, parentheses (CREATE RULE ... DO (a; b))
or the BEGIN ATOMIC body of an SQL function (PostgreSQL 14). A backslash in a plain string is a character like any
other, as under standard_conforming_strings = on, PostgreSQL's default.

The time it takes grows with the length of the text, whatever the text is.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import overload

from controller.errors import FilePosition, MigrationFileError
from controller.migrate.sql import tokens
from controller.migrate.sql.token_reader import TokenReader
from controller.migrate.sql.token_stream import first_words


@dataclass(frozen=True)
class Statement:
    """Statement as in its file, without its semicolon and without comments before it.

    Attributes:
        source: text of the whole file.
        offset, end: indexes in `source` of its first character and of the one after its last.
        line: line of its first character, counted from 1.
    """

    source: str
    offset: int
    end: int
    line: int

    @property
    def text(self) -> str:
        """Text of the statement; not cached, since it may be as long as the file."""
        return self.source[self.offset : self.end]

    def reader(self) -> TokenReader:
        """Return a reader of its tokens, positioned before the first one."""
        return TokenReader(self.source, self.offset, self.end)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """First four words in upper case, without comments; enough to tell the kind of statement.

        A name in double quotes counts as the word `"`, since it is not a keyword. A string ends the words.
        """
        return first_words(self.source, self.offset, self.end)

    def position(self, file: str) -> FilePosition:
        """Return the place of its first character, in the file of that name."""
        return file_position(file, self.source, self.offset)

    @property
    def normalised(self) -> bytes:
        """Bytes for digests: the same for line ends LF and CRLF, and with a final byte that no statement can hold."""
        return self.text.replace("\r\n", "\n").encode() + b"\0"


class Statements(Sequence[Statement]):
    """Statements of a file, created when they are accessed: only three numbers are stored for each."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._offsets = array("Q")
        self._ends = array("Q")
        self._lines = array("Q")

    def __len__(self) -> int:
        return len(self._offsets)

    def __iter__(self) -> Iterator[Statement]:
        for offset, end, line in zip(self._offsets, self._ends, self._lines, strict=True):
            yield Statement(self._source, offset, end, line)

    @overload
    def __getitem__(self, index: int) -> Statement: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Statement, ...]: ...
    def __getitem__(self, index: int | slice) -> Statement | tuple[Statement, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        return Statement(self._source, self._offsets[index], self._ends[index], self._lines[index])

    def add(self, offset: int, end: int, line: int) -> None:
        self._offsets.append(offset)
        self._ends.append(end)
        self._lines.append(line)


def split(sql: str, *, file: str) -> Statements:
    """Return the statements of `sql` in order.

    Args:
        file: name for error messages.

    Raises:
        MigrationFileError: a string, comment, quote, parenthesis or body is never closed; or the text needs psql:
            meta-commands and COPY FROM STDIN.
    """
    return _Splitter(sql, file).statements()


def file_position(file: str, text: str, offset: int) -> FilePosition:
    """Return the place of a character of TEXT, which is that of FILE."""
    return FilePosition(file, text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


class _Splitter:
    def __init__(self, sql: str, file: str) -> None:
        self.sql = sql
        self.file = file

    def statements(self) -> Statements:
        found = Statements(self.sql)
        position, line, counted_to = 0, 1, 0
        while cut := self._next(position):
            start, position = cut
            line += self.sql.count("\n", counted_to, start)
            counted_to = start
            found.add(start, self._without_blanks(position), line)
        return found

    def _next(self, position: int) -> tuple[int, int] | None:
        """Return the indexes of the next statement's first character and of its semicolon; None at the end."""
        if match := tokens.WHOLE.match(self.sql, position):
            return match.span(1)
        start = self._skip(tokens.BETWEEN, position)
        if start == len(self.sql):
            return None
        end = self._end_of_statement(start)
        self._refuse_copy_from_client(start, end)
        return start, end

    def _skip(self, pattern: tokens.Pattern, position: int) -> int:
        """Return the end of the text that `pattern` and nested comments cover."""
        while self.sql.startswith("/*", position := tokens.end_of(pattern, self.sql, position)):
            position = self._end_of_comment(position)
        return position

    def _end_of_statement(self, start: int) -> int:
        """Return the index of the statement's semicolon, or of the end of the text."""
        plain = tokens.PLAIN_IN_BODY if self._may_have_body(start) else tokens.PLAIN
        position, parentheses, blocks, opened = start, 0, 0, start
        while plains := plain.match(self.sql, position):  # always matches, perhaps an empty text
            position = plains.end()
            if plains.lastindex:
                word = plains.start(1)
                opened = opened if parentheses or blocks else word
                blocks = blocks if parentheses else self._depth(blocks, word, position)
                continue
            if position == len(self.sql):
                break
            opened = opened if parentheses or blocks else position
            match self.sql[position]:
                case ";" if not parentheses and not blocks:
                    return position
                case ";":
                    position += 1
                case "(" | ")":
                    parentheses, position = self._count(parentheses, position)
                case "$":
                    position = self._end_of_dollar_quote(position)
                case "/":
                    position = self._end_of_comment(position)
                case _:
                    raise self._unreadable(position)
        self._refuse_unclosed(opened, parentheses, blocks)
        return len(self.sql)

    def _may_have_body(self, start: int) -> bool:
        if usual := tokens.CREATED.match(self.sql, start):
            return usual[1].lower() in ("function", "procedure")
        reader = TokenReader(self.sql, start, len(self.sql))
        if not reader.take_words("create"):
            return False
        reader.take_words("or", "replace")
        return reader.take_any_word("function", "procedure")

    def _count(self, parentheses: int, position: int) -> tuple[int, int]:
        """Return the number of open parentheses after those at `position`, and the index after them."""
        opening = tokens.end_of(tokens.OPENING, self.sql, position)
        closing = tokens.end_of(tokens.CLOSING, self.sql, position)
        return max(0, parentheses + opening - closing), max(opening, closing)

    def _unreadable(self, position: int) -> MigrationFileError:
        """Return the error for a character that cannot be read."""
        if self.sql[position] == "\\":
            return self._error(position, "psql meta-commands are not SQL; write it as SQL or leave it out")
        quote = '"' if self.sql[position] == '"' else "'"
        return self._error(position, f"this quote is never closed; end it with {quote}")

    def _depth(self, blocks: int, start: int, end: int) -> int:
        """Return the nesting depth of BEGIN ATOMIC and CASE after a word; CASE counts only inside a body."""
        match self.sql[start]:
            case "e" | "E":
                return max(0, blocks - 1)
            case "c" | "C":
                return blocks + (blocks > 0)
            case _:
                return blocks + bool(tokens.ATOMIC.match(self.sql, self._skip(tokens.GAP, end)))

    def _refuse_unclosed(self, opened: int, parentheses: int, blocks: int) -> None:
        """Raise an error for an open parenthesis or body, which would include all statements after it."""
        if parentheses:
            raise self._error(opened, "this parenthesis is never closed; end it with )")
        if blocks:
            raise self._error(opened, "this body is never closed; end it with END")

    def _refuse_copy_from_client(self, start: int, end: int) -> None:
        """Raise an error for COPY FROM STDIN or STDOUT, for which the server would wait for data that never comes."""
        if self.sql[start : start + 4].upper() != "COPY":
            return
        before, position = "", start
        while (position := self._skip(tokens.BEFORE_KEYWORD, position)) < end:
            after = tokens.end_of(tokens.NAME, self.sql, position)
            word = self.sql[position:after].upper()
            if before == "FROM" and word in ("STDIN", "STDOUT"):
                raise self._error(start, "COPY FROM STDIN needs data that only psql can send; write it as INSERT")
            before, position = word, max(after, position + 1)

    def _end_of_comment(self, start: int) -> int:
        if (end := tokens.end_of_comment(self.sql, start)) is None:
            raise self._error(start, "this comment is never closed; end it with */")
        return end

    def _end_of_dollar_quote(self, start: int) -> int:
        opening = tokens.DOLLAR_TAG.match(self.sql, start)
        if opening is None:
            return start + 1
        tag = opening.group()
        closing = self.sql.find(tag, opening.end())
        if closing < 0:
            raise self._error(start, f"this dollar quote is never closed; end it with {tag}")
        return closing + len(tag)

    def _without_blanks(self, end: int) -> int:
        while self.sql[end - 1] in tokens.BLANKS:
            end -= 1
        return end

    def _error(self, offset: int, problem: str) -> MigrationFileError:
        at = file_position(self.file, self.sql, offset)
        return MigrationFileError(f"{at}: {problem}.", at=at)
