"""A folder of migrations that is read again when it changes: a mended file needs no restart."""

from pathlib import Path

from controller.migrate.files import Migrations, read_folder, sql_files

_Fingerprint = tuple[tuple[str, int, int], ...]


class MigrationSource:
    """The migrations of one folder, as of the moment of asking."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: _Fingerprint | None = None
        self._migrations: Migrations = ()

    def read(self) -> Migrations:
        """Raises as `read_folder` does; costs one listing of the folder where nothing has changed."""
        now = self._fingerprint()
        if now != self._seen:
            self._migrations = read_folder(self.folder)
            self._seen = now
        return self._migrations

    def _fingerprint(self) -> _Fingerprint:
        try:
            stats = [(path.name, path.stat()) for path in sql_files(self.folder)]
        except OSError:  # gone, or in the middle of a change: reading says what is wrong
            return ()
        return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)
