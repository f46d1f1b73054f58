"""Cuts SQL into statements where PostgreSQL and psql would, without understanding more of it than that. Pure.

Lexical rules: https://www.postgresql.org/docs/current/sql-syntax-lexical.html. A semicolon ends a statement
unless it stands in a string, an identifier, a comment, a dollar quote, parentheses (CREATE RULE ... DO (a; b))
or the BEGIN ATOMIC body of an SQL function (PostgreSQL 14).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from controller.errors import MigrationFileError


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as it stands in its file, without its semicolon and without comments before it.

    Attributes:
        offset: index of its first character in the text of the file.
        line: the line of that character, counted from 1.
    """

    text: str
    offset: int
    line: int

    @property
    def words(self) -> tuple[str, ...]:
        """Its first four words in upper case, comments left out; enough to tell its kind."""
        return _first_words(self.text)

    @property
    def normalised(self) -> bytes:
        """For digests: the same whether lines end in LF or CRLF; ends in a byte that no statement can hold."""
        return self.text.replace("\r\n", "\n").encode() + b"\0"


_WORD_OR_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/|([A-Za-z_]+)", re.DOTALL)
_BLANK = re.compile(r"\s+|--[^\n]*")
_COPY_FROM_STDIN = re.compile(r"\bFROM\s+STDIN\b", re.IGNORECASE)
_NOT_IN_WORD = r"(?<![\w$])"
_ESCAPED = r"'(?:[^'\\]|\\.|'')*+'"
_TOKENS = rf"""
    (?P<string>  {_NOT_IN_WORD}[eE]{_ESCAPED}(?:[ \t\r]*\n\s*{_ESCAPED})*+ | '(?:[^']|'')*+' | "(?:[^"]|"")*+" )
  | (?P<open>    {_NOT_IN_WORD}[eE]' | ['"] )
  | (?P<comment> --[^\n]*+ )
  | (?P<block>   /\* )
  | (?P<dollar>  {_NOT_IN_WORD}\$(?:[^\W\d]\w*)?\$ )
  | (?P<single>  [;()\\] )
"""
_TOKEN = re.compile(_TOKENS, re.VERBOSE | re.DOTALL)
_TOKEN_OR_WORD = re.compile(
    _TOKENS + r"| (?P<word> (?<![\w$.])(?:begin\s+atomic|case|end)\b )", re.VERBOSE | re.DOTALL | re.IGNORECASE
)
_HEAD = 2000
"""Characters of a statement in which its first words are looked for."""
_BLOCK_EDGE = re.compile(r"/\*|\*/")


def split(sql: str, *, file: str) -> tuple[Statement, ...]:
    """The statements of `sql` in order.

    Args:
        file: name for error messages.

    Raises:
        MigrationFileError: a string, comment, quote, parenthesis or body that is never closed; or what only psql
            can do: meta-commands and COPY FROM STDIN.
    """
    return tuple(_Splitter(sql, file).statements())


class _Splitter:
    def __init__(self, sql: str, file: str) -> None:
        self.sql = sql
        self.file = file
        self.counted_to = 0
        self.line = 1

    def statements(self) -> Iterator[Statement]:
        position = 0
        while (start := self._skip_blank(position)) < len(self.sql):
            end = self._end_of_statement(start)
            text = self.sql[start:end].rstrip()
            if text:
                self._refuse_copy_from_stdin(text, start)
                yield Statement(text, start, self._line_at(start))
            position = end + 1

    def _skip_blank(self, position: int) -> int:
        while position < len(self.sql):
            if match := _BLANK.match(self.sql, position):
                position = match.end()
            elif self.sql.startswith("/*", position):
                position = self._end_of_block(position)
            else:
                break
        return position

    def _end_of_statement(self, start: int) -> int:
        words = _first_words(self.sql[start : start + _HEAD])
        may_be_atomic = words[:1] == ("CREATE",) and not {"FUNCTION", "PROCEDURE"}.isdisjoint(words)
        pattern = _TOKEN_OR_WORD if may_be_atomic else _TOKEN
        position, parentheses, blocks, opened = start, 0, 0, start
        while match := pattern.search(self.sql, position):
            position = match.end()
            opened = opened if parentheses or blocks else match.start()
            match match.lastgroup, match.group():
                case "open", quote:
                    raise self._error(match.start(), f"this quote is never closed; end it with {quote[-1]}")
                case "block", _:
                    position = self._end_of_block(match.start())
                case "dollar", tag:
                    position = self._end_of_dollar_quote(tag, match)
                case "word", word if not parentheses:
                    blocks = _depth(blocks, word.lower())
                case "single", "(":
                    parentheses += 1
                case "single", ")":
                    parentheses = max(0, parentheses - 1)
                case "single", "\\":
                    raise self._error(match.start(), "psql meta-commands are not SQL; write it as SQL or leave it out")
                case "single", ";" if not parentheses and not blocks:
                    return match.start()
        self._refuse_unclosed(opened, parentheses, blocks)
        return len(self.sql)

    def _refuse_unclosed(self, opened: int, parentheses: int, blocks: int) -> None:
        """Else it would take all statements after it along, whatever they are."""
        if parentheses:
            raise self._error(opened, "this parenthesis is never closed; end it with )")
        if blocks:
            raise self._error(opened, "this body is never closed; end it with END")

    def _refuse_copy_from_stdin(self, text: str, start: int) -> None:
        """Asking the server for it would wait for data that never comes."""
        if text[:4].upper() == "COPY" and _COPY_FROM_STDIN.search(text):
            raise self._error(start, "COPY FROM STDIN reads what only psql can send; write it as INSERT")

    def _end_of_block(self, start: int) -> int:
        depth, position = 0, start
        while match := _BLOCK_EDGE.search(self.sql, position):
            depth += 1 if match.group() == "/*" else -1
            position = match.end()
            if depth == 0:
                return position
        raise self._error(start, "this comment is never closed; end it with */")

    def _end_of_dollar_quote(self, tag: str, opening: re.Match[str]) -> int:
        closing = self.sql.find(tag, opening.end())
        if closing < 0:
            raise self._error(opening.start(), f"this dollar quote is never closed; end it with {tag}")
        return closing + len(tag)

    def _line_at(self, offset: int) -> int:
        self.line += self.sql.count("\n", self.counted_to, offset)
        self.counted_to = offset
        return self.line

    def _error(self, offset: int, problem: str) -> MigrationFileError:
        line = self.sql.count("\n", 0, offset) + 1
        return MigrationFileError(f"{self.file}:{line}: {problem}.")


def _depth(blocks: int, word: str) -> int:
    """How deep in BEGIN ATOMIC and CASE a body is; CASE counts only inside, since both end with END."""
    if word.startswith("begin") or (word == "case" and blocks):
        return blocks + 1
    return max(0, blocks - 1) if word == "end" else blocks


def _first_words(text: str) -> tuple[str, ...]:
    words = (match[1].upper() for match in _WORD_OR_COMMENT.finditer(text) if match[1])
    return tuple(islice(words, 4))
