"""Detection of statements that give backslashes in strings a meaning: standard_conforming_strings off. Pure.

https://www.postgresql.org/docs/current/config-setting.html#CONFIG-SETTING-NAMES-VALUES: names and values are read in
any case, and a value may be any beginning of a word that can be only this one.
"""

import re

from controller.migrate.sql.lexer import Statement
from controller.migrate.sql.token_reader import TokenReader
from controller.migrate.sql.token_stream import Kind, Token

_NAME = "standard_conforming_strings"
_FUNCTION = "set_config"
_CALL = re.compile(_FUNCTION, re.IGNORECASE)
_ZERO = re.compile(r"0[xob]?[0_]*", re.IGNORECASE)


def changes_strings(statement: Statement) -> bool:
    """Return whether the statement sets standard_conforming_strings to off, or to what is not known before it runs.

    It is seen in SET and in a call of set_config, and not in what a function or a DO does.
    """
    reader = statement.reader()
    if reader.take_words("set"):
        return _sets(reader)
    return _CALL.search(statement.source, statement.offset, statement.end) is not None and _calls(reader)


def _sets(reader: TokenReader) -> bool:
    reader.take_any_word("session", "local")
    name = reader.take_name()
    if name is None or name.parts[0].lower() != _NAME or not (reader.take_operator("=") or reader.take_words("to")):
        return False
    _ = reader.take_operator("-") or reader.take_operator("+")
    value = reader.take()
    if value is None or value.kind not in (Kind.WORD, Kind.NAME, Kind.STRING):
        return value is not None and _ZERO.fullmatch(reader.text(value)) is not None
    text = _text(reader, value)
    return text is None or _is_false(text)


def _calls(reader: TokenReader) -> bool:
    for token in reader.rest():
        called = token.kind in (Kind.WORD, Kind.NAME) and token.value == _FUNCTION
        if called and reader.take_operator("(") and _turns_off(reader):
            return True
    return False


def _turns_off(reader: TokenReader) -> bool:
    """Return whether the arguments that follow are the setting, and a value that is or may be false."""
    name = reader.take()
    if name is None or name.kind is not Kind.STRING or (_text(reader, name) or _NAME).lower() != _NAME:
        return False
    if reader.take_operator("::"):
        reader.take_qualified_name()
    value = reader.take() if reader.take_operator(",") else None
    following = reader.peek()
    if value is None or following is None:
        return False
    is_constant = value.kind is Kind.STRING and any(map(following.is_operator, (",", "::")))
    return not is_constant or not _is_true(_text(reader, value) or "")


def _text(reader: TokenReader, token: Token) -> str | None:
    """Return the text of a word, a name or a constant; None for a constant with escapes."""
    if token.kind is not Kind.STRING:
        return token.value
    written = reader.text(token)
    quote = "$" if written.startswith("$") else "'"
    begin = written.index("$", 1) if quote == "$" else written.index("'")
    end = written.rindex("$", 0, -1) if quote == "$" else len(written) - 1
    text = written[begin + 1 : end]
    return None if quote == "'" and ("\\" in text or "'" in text) else text


def _is_false(text: str) -> bool:
    value = text.lower()
    return value == "0" or (bool(value) and ("false".startswith(value) or "no".startswith(value))) or value in _OFF


def _is_true(text: str) -> bool:
    value = text.lower()
    return value in ("1", "on") or (bool(value) and ("true".startswith(value) or "yes".startswith(value)))


_OFF = ("of", "off")
"""Beginnings of off that are not also some of on."""
