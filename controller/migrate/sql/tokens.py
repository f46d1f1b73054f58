"""Lexical elements of SQL as regular expressions, after PostgreSQL's own scanner. Pure.

src/backend/parser/scan.l and src/fe_utils/psqlscan.l of PostgreSQL 18. Every character beyond ASCII belongs to a
name, whatever its Unicode class; six characters are blanks, and a comment to the end of the line ends at CR as well.
All repetition is possessive, so no pattern reads a character twice by backtracking.
"""

import re
import string
import sys
from collections.abc import Callable, Iterator
from typing import Any

BLANKS = " \t\n\r\f\v"
_BLANK = r"[ \t\n\r\f\v]"


def _ascii(characters: str) -> str:
    return "".join(f"\\x{ord(character):02x}" for character in characters)


def _none_of(characters: str) -> str:
    """Return a class of all ASCII characters except these."""
    return f"[{_ascii(''.join(c for c in map(chr, range(128)) if c not in characters))}]"


def _any_of(characters: str) -> str:
    """Return a class of these ASCII characters and of all characters beyond ASCII.

    It is written as a negated class, since Python compiles a range as large as Unicode slowly at every start.
    """
    return f"[^{_ascii(''.join(c for c in map(chr, range(128)) if c not in characters))}]"


_LETTERS = string.ascii_letters + "_"
_START = _any_of(_LETTERS)
_IN_TAG = _any_of(_LETTERS + string.digits)
_INSIDE = _any_of(_LETTERS + string.digits + "$")
_NO_OTHER = _LETTERS + "'\"$;()\\/-"
_NO_NAME = _none_of(_LETTERS + "'\"$;\\/-")
_NO_KEYWORD = _none_of(_LETTERS + "'\"$()\\/-")
_NAME = rf"{_START}{_INSIDE}*+"
_LINE_COMMENT = r"--[^\n\r]*+"
_FLAT_COMMENT = r"/\*(?:[^*/]++|\*(?!/)|/(?!\*))*+\*/"
"""Comment without another one inside; nested ones have to be counted."""
_QUOTED_NAME = r'"[^"]*+(?:""[^"]*+)*+"'
_STRING = r"'[^']*+(?:''[^']*+)*+'"
_ESCAPED = r"'[^'\\]*+(?:(?:\\.|'')[^'\\]*+)*+'"
_CONTINUED = rf"(?:[ \t\f\v]|{_LINE_COMMENT})*+[\n\r](?:{_BLANK}|{_LINE_COMMENT}[\n\r])*+{_ESCAPED}"
"""Continuation of a string in the next line, also after comments; it matters only because of backslashes."""

_ATOM = rf"""
    (?! [eE]' {{reserved}} ) {_NAME}
  | {{other}}++
  | {_STRING} | {_QUOTED_NAME} | [eE]{_ESCAPED}(?:{_CONTINUED})*+
  | -(?!-) | {_LINE_COMMENT} | /(?!\*) | {_FLAT_COMMENT}
  | \$[0-9]++
"""
_INNER = _ATOM.format(other=_none_of(_NO_OTHER), reserved="")
_GROUP = rf"\( (?: {_INNER} | ; | \( (?: {_INNER} | ; )*+ \) )*+ \)"
_PLAIN = rf"(?: {{atom}} | {_GROUP} )*+"


class Pattern:
    """Pattern that is compiled when it is first used: all together take as long as the rest of a program's start."""

    match: Callable[..., re.Match[str] | None]
    finditer: Callable[..., Iterator[re.Match[str]]]
    search: Callable[..., re.Match[str] | None]
    fullmatch: Callable[..., re.Match[str] | None]

    def __init__(self, text: str) -> None:
        self._text = text

    def __getattr__(self, name: str) -> Any:
        if name not in ("match", "finditer", "search", "fullmatch"):
            raise AttributeError(name)
        compiled = re.compile(self._text, re.VERBOSE | re.DOTALL)
        self.match, self.finditer = compiled.match, compiled.finditer
        self.search, self.fullmatch = compiled.search, compiled.fullmatch
        return getattr(compiled, name)


PLAIN = Pattern(_PLAIN.format(atom=_INNER))
"""Text that needs no decision: it ends before a semicolon, a dollar quote, a nested comment, a backslash, a parenthesis
with more than two levels, and anything that is never closed."""
_BLOCK_WORD = rf"(?i:begin|case|end)(?!{_INSIDE})"
_LABEL = rf"(?: \. {_BLANK}*+ | (?i:as) {_BLANK}++ ) (?![eE]') {_NAME}"
"""Context in which even a reserved word is the name of a column."""
_NUMBER = r"[0-9]++ (?: _[0-9]++ )*+ \.?+"
"""Number, the point of which is not the one before a label."""
_OUTSIDE = _ATOM.format(other=_none_of(_NO_OTHER + string.digits + "."), reserved=rf"| {_BLOCK_WORD}")
PLAIN_IN_BODY = Pattern(_PLAIN.format(atom=rf"{_LABEL} | {_NUMBER} | {_OUTSIDE} | \.") + rf"({_BLOCK_WORD})?+")
"""Text as of `PLAIN` that may also end with a word which changes the depth of a BEGIN ATOMIC body, its group."""
_BLANK_OR_COMMENT = rf"{_BLANK}++ | {_LINE_COMMENT} | {_FLAT_COMMENT}"
GAP = Pattern(rf"(?: {_BLANK_OR_COMMENT} )*+")
BETWEEN = Pattern(rf"(?: ; | {_BLANK_OR_COMMENT} )*+")
"""Blanks and comments between words, and between statements, up to a comment that is nested or never closed."""
BEFORE_NAME = Pattern(rf"(?: {_NO_NAME}++ | -(?!-) | {_LINE_COMMENT} | /(?!\*) | {_FLAT_COMMENT} )*+")
BEFORE_KEYWORD = Pattern(rf"(?: {_NO_KEYWORD}++ | -(?!-) | {_LINE_COMMENT} | /(?!\*) | {_FLAT_COMMENT} | {_GROUP} )*+")
"""Text in which no word begins: anywhere, or outside parentheses."""
WHOLE = Pattern(rf"(?: ; | {_BLANK_OR_COMMENT} )*+ (?![cC]) ( (?=[^;]) {_PLAIN.format(atom=_INNER)} ) ;")
"""Statement that needs no decision, with the blanks before it; never CREATE or COPY, which may need one."""
CREATED = Pattern(
    rf"(?i:create) {_BLANK}++ (?: (?i:or) {_BLANK}++ (?i:replace) {_BLANK}++ )?+ (?! (?i:or) (?!{_INSIDE}) ) ({_NAME})"
)
"""Start of a CREATE without comments, as nearly all are; the kind of object is its group."""
_CONSTANT = rf"(?: [nNbBxX] | [uU]& )?+ {_STRING} | [eE]{_ESCAPED}(?:{_CONTINUED})*+"
_DIGITS = r"[0-9]++ (?: _[0-9]++ )*+"
_ANY_NUMBER = rf"0[xXoObB][0-9a-fA-F_]++ | (?: {_DIGITS} (?: \.[0-9_]*+ )?+ | \.[0-9]++ ) (?: [eE][+-]?+[0-9]++ )?+"
_SIGN = _none_of(_LETTERS + string.digits + BLANKS + "'\"")
_OPERATOR = rf":: | (?: [~!@\#^&|`?+*%<>=] | -(?!-) | /(?!\*) )++ | {_SIGN}"
_DOLLAR_TAG = rf"\$(?:{_START}{_IN_TAG}*+)?\$"
TOKEN = Pattern(
    rf"(?: {_BLANK_OR_COMMENT} )*+ (?: ([uU]&{_QUOTED_NAME}) | ({_CONSTANT}) | ({_NAME}) | ({_QUOTED_NAME})"
    rf"| ({_ANY_NUMBER}) | (\$[0-9]++) | ({_DOLLAR_TAG}) | (/\*) | ({_OPERATOR}) )"
)
"""Token after blanks and comments, as one of the groups: 1 name U&"...", 2 constant, 3 word, 4 quoted name, 5 number,
6 parameter, 7 start of a dollar quote, 8 start of a nested comment, 9 operator or sign."""
GROUPS = Pattern(rf"{_GROUP} (?: (?: {_BLANK_OR_COMMENT} )*+ , (?: {_BLANK_OR_COMMENT} )*+ {_GROUP} )*+")
WITHIN_GROUP = Pattern(rf"(?: {_INNER} | ; )*+")
"""Text in which no parenthesis opens or closes, and no dollar quote or nested comment begins."""
COMMENT_EDGE = re.compile(r"/\*|\*/")
DOLLAR_TAG = Pattern(_DOLLAR_TAG)
NAME = Pattern(_NAME)
OPENING, CLOSING = Pattern(r"\(++"), Pattern(r"\)++")
ATOMIC = Pattern(rf"(?i:atomic)(?!{_INSIDE})")


def end_of_comment(sql: str, start: int) -> int | None:
    """Return the index after the comment at `start`, in which others may be nested; None if it is never closed."""
    depth = 0
    for match in COMMENT_EDGE.finditer(sql, start):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return None


def end_of(pattern: Pattern, sql: str, start: int, end: int = sys.maxsize) -> int:
    """Return the end of the match of `pattern` at `start`; `start` if it does not match."""
    match = pattern.match(sql, start, end)
    return match.end() if match else start
