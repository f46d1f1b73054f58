"""Folder of migrations that is read again when it changes, so that a corrected file needs no restart."""

import time
from pathlib import Path

from controller.errors import ConfigurationError
from controller.migrate.files.folder import read_folder
from controller.migrate.files.migration import Migrations
from controller.migrate.files.reading import Fingerprint, fingerprint

CHECK_SECONDS = 5.0
"""Seconds between two checks of every file. A file that is added, removed or replaced, as in a mounted ConfigMap,
changes the folder itself and is noticed at once; one that is edited in place is noticed by this check."""


class MigrationSource:
    """Migrations of one folder, always up to date."""

    def __init__(self, folder: Path, check_seconds: float = CHECK_SECONDS) -> None:
        self.folder = folder
        self._check_seconds = check_seconds
        self._checked_at = float("-inf")
        self._folder_changed_at: int | None = None
        self._seen: Fingerprint | None = None
        self._migrations: Migrations = ()

    def read(self) -> Migrations:
        """Return the migrations; one call of stat is enough if nothing has changed.

        Raises:
            ConfigurationError, MigrationFileError: see `read_folder`.
        """
        changed_at = self._changed_at()
        if changed_at is None or changed_at != self._folder_changed_at or self._is_due():
            self._folder_changed_at, self._checked_at = changed_at, time.monotonic()
            self._read_if_changed()
        return self._migrations

    def _is_due(self) -> bool:
        return time.monotonic() - self._checked_at >= self._check_seconds

    def _read_if_changed(self) -> None:
        now = self._fingerprint()
        if now != self._seen:
            self._seen = None
            self._folder_changed_at, changed_at = None, self._folder_changed_at  # read again after an error
            self._migrations = read_folder(self.folder)
            self._seen, self._folder_changed_at = now, changed_at

    def _changed_at(self) -> int | None:
        try:
            return self.folder.stat().st_mtime_ns
        except OSError:
            return None

    def _fingerprint(self) -> Fingerprint:
        try:
            return fingerprint(self.folder)
        except (OSError, ConfigurationError):  # removed, being changed, or too much: reading reports what is wrong
            return ()
