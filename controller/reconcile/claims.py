"""Databases that several resources of one process ask for: the oldest resource acts, and the others say so."""

from collections.abc import Callable
from typing import TypeAlias

from controller.health.report import Key

Claim: TypeAlias = Callable[[str | None], str | None]
"""Function that claims a database for one resource, or with None gives its claim up; returns who has a better one, or
None."""


class Claims:
    """Claims of all resources to the database that each of them was seen to lead to."""

    def __init__(self) -> None:
        self._created: dict[str, dict[Key, str]] = {}
        self._claimed: dict[Key, str] = {}

    def claim(self, key: Key, created: str, database: str | None) -> str | None:
        """Claim DATABASE for a resource, instead of the one that it claimed before; None only gives that up.

        Args:
            created: when the resource was made, in a form that sorts by time.

        Returns:
            The oldest resource with a claim, if it is another one: its name, but only in its own namespace.
        """
        if self._claimed.get(key) != database:
            self.release(key)
        if database is None:
            return None
        self._claimed[key] = database
        claims = self._created.setdefault(database, {})
        claims[key] = created
        oldest = min(claims, key=lambda each: (claims[each], each))
        if oldest == key:
            return None
        return "/".join(oldest) if oldest[0] == key[0] else "A resource of another namespace"

    def release(self, key: Key) -> None:
        """Give up the claim of a resource, if it has one."""
        database = self._claimed.pop(key, None)
        if database is not None:
            claims = self._created[database]
            del claims[key]
            if not claims:
                del self._created[database]


def unclaimed(_database: str | None) -> None:
    """Claim a database for a process that has no other."""
