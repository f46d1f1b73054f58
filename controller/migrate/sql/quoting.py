"""Names and values inside SQL text. Pure.

Several statements travel to the server as one text, which has no room for parameters.
https://www.postgresql.org/docs/current/sql-syntax-lexical.html
"""


def identifier(name: str) -> str:
    """`name` as an identifier, in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | int | None) -> str:
    """`value` as a constant; a string in the form E'...', which no setting of the session reads differently."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    return "E'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
