"""Names of the log formats; apart from the code that writes them, which is slow to load."""

from enum import StrEnum


class LogFormat(StrEnum):
    JSON = "json"
    """One JSON object per line."""
    TEXT = "text"
    """Lines for people to read."""
