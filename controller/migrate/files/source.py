"""A folder of migrations that is read again when it changes: a mended file needs no restart."""

import os
import time
from pathlib import Path

from controller.migrate.files.folder import is_migration_name, read_folder
from controller.migrate.files.migration import Migrations

LOOK_SECONDS = 5.0
"""Between two looks at every file of the folder. A file that comes, goes or is replaced, as in a mounted ConfigMap,
changes the folder itself and is noticed at once; one that is edited in place is noticed by this look."""

_Fingerprint = tuple[tuple[str, int, int], ...]


class MigrationSource:
    """The migrations of one folder, as of the moment of asking."""

    def __init__(self, folder: Path, look_seconds: float = LOOK_SECONDS) -> None:
        self.folder = folder
        self._look_seconds = look_seconds
        self._looked_at = float("-inf")
        self._folder_changed_at: int | None = None
        self._seen: _Fingerprint | None = None
        self._migrations: Migrations = ()

    def read(self) -> Migrations:
        """Raises as `read_folder` does; costs one look at the folder where nothing has changed."""
        changed_at = self._changed_at()
        if changed_at is None or changed_at != self._folder_changed_at or self._is_due():
            self._folder_changed_at, self._looked_at = changed_at, time.monotonic()
            self._read_if_changed()
        return self._migrations

    def _is_due(self) -> bool:
        return time.monotonic() - self._looked_at >= self._look_seconds

    def _read_if_changed(self) -> None:
        now = self._fingerprint()
        if now != self._seen:
            self._seen = None
            self._folder_changed_at, changed_at = None, self._folder_changed_at  # an error is not to be remembered
            self._migrations = read_folder(self.folder)
            self._seen, self._folder_changed_at = now, changed_at

    def _changed_at(self) -> int | None:
        try:
            return self.folder.stat().st_mtime_ns
        except OSError:
            return None

    def _fingerprint(self) -> _Fingerprint:
        try:
            with os.scandir(self.folder) as entries:
                found = [(entry.name, entry.stat()) for entry in entries if is_migration_name(entry.name)]
        except OSError:  # gone, or in the middle of a change: reading says what is wrong
            return ()
        return tuple(sorted((name, stat.st_mtime_ns, stat.st_size) for name, stat in found))
