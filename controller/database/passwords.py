"""Passwords that end in a line break: whether it belongs to the password, only the server knows.

Editors and `echo` add one to the file of a Secret; a generated password may end in one as well.
"""

import hashlib

from controller.database.target import Target

MOST_REMEMBERED = 16384
"""Accounts that are remembered, so that each login does not begin with one that the server refuses, and logs."""
LINE_BREAKS = "\r\n"


class TrimmedPasswords:
    """Memory of the accounts whose password was accepted only without the line break at its end."""

    def __init__(self) -> None:
        self._accepted: dict[tuple[str, str, int, str, bytes], None] = {}

    def to_try(self, target: Target) -> tuple[str, ...]:
        """Return the passwords to try, in their order: as it was given, and then without line breaks at the end."""
        trimmed = target.password.rstrip(LINE_BREAKS)
        if trimmed in ("", target.password):
            return (target.password,)
        as_given_first = (target.password, trimmed)
        return as_given_first[::-1] if _account(target) in self._accepted else as_given_first

    def note(self, target: Target, password: str) -> None:
        """Remember whether the server accepted `password` for an account whose password ends in a line break."""
        if password == target.password:
            self._accepted.pop(_account(target), None)
            return
        self._accepted[_account(target)] = None
        if len(self._accepted) > MOST_REMEMBERED:
            self._accepted.pop(next(iter(self._accepted)))


def _account(target: Target) -> tuple[str, str, int, str, bytes]:
    digest = hashlib.sha256(target.password.encode()).digest()
    return target.tenant, target.host, target.port, target.user, digest
