"""How logs are written; apart from the code that does, which is slow to load."""

from enum import StrEnum


class LogFormat(StrEnum):
    JSON = "json"
    """One object a line."""
    TEXT = "text"
    """For people."""
