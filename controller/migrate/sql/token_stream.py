"""Tokens of a statement, one at a time from any position, so that no more is read than needed. Pure.

The lexical rules are those of `tokens`: src/backend/parser/scan.l of PostgreSQL 18. A string, comment or quote that is
never closed ends the tokens. Each function reads every character at most a fixed number of times.
"""

import re
import string
from enum import Enum
from typing import NamedTuple

from controller.migrate.sql import tokens


class Kind(Enum):
    """Kind of a token, as in PostgreSQL's scanner."""

    WORD = "word"
    """A keyword or a name without quotes."""
    NAME = "name"
    """A name in double quotes, which is never a keyword."""
    STRING = "string"
    """A constant in quotes or dollar quotes."""
    NUMBER = "number"
    PARAMETER = "parameter"
    OPERATOR = "operator"
    """An operator, or a sign such as a comma or a parenthesis."""
    GROUP = "group"
    """Parentheses with all that is in them; see `group_at`."""


class Token(NamedTuple):
    """One token of a text.

    Attributes:
        value: a word in lower case as PostgreSQL folds it, a quoted name without its quotes and escapes, an operator as
            written; empty for constants, which may be long and hold data.
        start, end: indexes in the text of its first character and of the one after its last.
    """

    kind: Kind
    value: str
    start: int
    end: int

    def is_word(self, *words: str) -> bool:
        """Return whether the token is one of these keywords, given in lower case."""
        return self.kind is Kind.WORD and self.value in words

    def is_operator(self, operator: str) -> bool:
        """Return whether the token is exactly this operator or sign."""
        return self.kind is Kind.OPERATOR and self.value == operator


_KINDS = (None, None, Kind.STRING, Kind.WORD, Kind.NAME, Kind.NUMBER, Kind.PARAMETER, None, None, Kind.OPERATOR)
"""Kind for each group of `tokens.TOKEN`; None for groups that need more work."""
_UNICODE_NAME, _CONSTANT, _WORD, _COMMENT = 1, 2, 3, 8
_LOWER_CASE = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_DEFAULT_ESCAPE = "\\"
_NO_ESCAPES = frozenset(string.hexdigits + "+'\"" + tokens.BLANKS)


def token_at(source: str, position: int, end: int) -> Token | None:
    """Return the first token at or after `position`; None if none begins before `end`."""
    match = _match_at(source, position, end)
    if match is None:
        return None
    group = match.lastindex or 0
    start, stop = match.span(group)
    if kind := _KINDS[group]:
        return Token(kind, _value(kind, source, start, stop), start, stop)
    if group == _UNICODE_NAME:
        return _unicode_name(source, start, stop, end)
    closing = source.find(match[group], stop, end)
    return None if closing < 0 else Token(Kind.STRING, "", start, closing + stop - start)


def _match_at(source: str, position: int, end: int) -> re.Match[str] | None:
    """Return the next match of `tokens.TOKEN` that is not a nested comment."""
    while (match := tokens.TOKEN.match(source, position, end)) and match.lastindex == _COMMENT:
        after = tokens.end_of_comment(source, match.start(_COMMENT))
        if after is None or after > end:
            return None
        position = after
    return match


def group_at(source: str, position: int, end: int) -> Token | None:
    """Return the parentheses that open at `position` as one token, with those that follow after commas.

    None if they are never closed. VALUES may have millions of rows, of which one regular expression covers nearly all.
    """
    if match := tokens.GROUPS.match(source, position, end):
        return Token(Kind.GROUP, "", position, match.end())
    after, depth = position + 1, 1
    while depth:
        after = tokens.end_of(tokens.WITHIN_GROUP, source, after, end)
        if source.startswith(("(", ")"), after, end):
            depth += 1 if source[after] == "(" else -1
            after += 1
        elif source.startswith("$", after, end) and (token := token_at(source, after, end)):
            after = token.end
        elif source.startswith("/*", after, end) and (comment := tokens.end_of_comment(source, after)):
            after = comment
        else:
            return None
    return Token(Kind.GROUP, "", position, after)


def first_words(source: str, start: int, end: int, count: int = 4) -> tuple[str, ...]:
    """Return the first words in upper case, up to the first constant in quotes; a quoted name counts as `"`."""
    words: list[str] = []
    position = start
    while len(words) < count:
        position = tokens.end_of(tokens.BEFORE_NAME, source, position, end)
        token = token_at(source, position, end)
        if token is None:
            break
        if token.kind in (Kind.STRING, Kind.PARAMETER):
            break
        if token.kind in (Kind.WORD, Kind.NAME):
            words.append(token.value.upper() if token.kind is Kind.WORD else '"')
        position = token.end
    return tuple(words)


def _value(kind: Kind, source: str, start: int, end: int) -> str:
    if kind is Kind.WORD:
        word = source[start:end]
        return word.lower() if word.isascii() else word.translate(_LOWER_CASE)
    if kind is Kind.NAME:
        return source[start + 1 : end - 1].replace('""', '"')
    return source[start:end] if kind is Kind.OPERATOR else ""


def _unicode_name(source: str, start: int, stop: int, end: int) -> Token:
    """Return the name U&"...", its UESCAPE included, decoded."""
    escape, quoted = _DEFAULT_ESCAPE, source[start + 3 : stop - 1].replace('""', '"')
    keyword = _match_at(source, stop, end)
    if keyword and (keyword[_WORD] or "").lower() == "uescape":
        following = _match_at(source, keyword.end(), end)
        if following and following[_CONSTANT]:
            escape, stop = following[_CONSTANT][1:-1], following.end()
    return Token(Kind.NAME, decode_unicode_escapes(quoted, escape), start, stop)


def decode_unicode_escapes(text: str, escape: str = _DEFAULT_ESCAPE) -> str:
    """Return `text` with its escapes decoded; unchanged if PostgreSQL refuses them.

    https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-IDENTIFIERS
    """
    if len(escape) != 1 or escape in _NO_ESCAPES:
        return text
    sign = re.escape(escape)
    pattern = re.compile(rf"{sign}(?:({sign})|([0-9a-fA-F]{{4}})|\+([0-9a-fA-F]{{6}}))")

    def decode(match: re.Match[str]) -> str:
        return match[1] or chr(int(match[2] or match[3], 16))

    try:
        decoded = pattern.sub(decode, text)
        return decoded.encode("utf-16", "surrogatepass").decode("utf-16")  # pairs of surrogates are one character
    except (ValueError, OverflowError):
        return text
