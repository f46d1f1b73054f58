"""Archives and checksums that have the same bytes wherever and whenever they are made."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path


def write_archive(folder: Path, archive: Path, *, moment: int) -> None:
    """Write the files of FOLDER into a .tgz below the folder's name, all of them from MOMENT (seconds since 1970)."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(path.relative_to(folder.parent).as_posix())
            entry.size, entry.mtime, entry.mode = path.stat().st_size, moment, 0o644
            with path.open("rb") as file:
                tar.addfile(entry, file)
    with archive.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=moment) as packed:
        packed.write(content.getvalue())


def repack(archive: Path, *, moment: int) -> None:
    """Write a tar file anew: in the order of names, and all of it from MOMENT (seconds since 1970)."""
    written = archive.with_suffix(".part")
    with tarfile.open(archive) as old, tarfile.open(written, "w", format=tarfile.USTAR_FORMAT) as new:
        for entry in sorted(old.getmembers(), key=lambda member: member.name):
            entry.mtime, entry.pax_headers = moment, {}
            new.addfile(entry, old.extractfile(entry) if entry.isfile() else None)
    written.replace(archive)


def checksums(folder: Path) -> str:
    """Return the lines of SHA256SUMS about every file in FOLDER, which `sha256sum --check` reads."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != "SHA256SUMS")
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
