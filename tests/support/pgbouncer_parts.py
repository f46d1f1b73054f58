"""Origin of PgBouncer: the system's own, or Debian's package, unpacked into the cache without being root."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.cache import appears_whole, cache_folder, locked
from tests.support.processes import Account, SupportError, run_as

SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin"  # where packages put it, and where a person's PATH seldom leads
INSTALL = "install PgBouncer, for example with `apt-get install pgbouncer`, so that it is on PATH"


def pgbouncer() -> Path:
    """The program, to be run by `command`: one that we unpacked has to be told where its libraries are."""
    found = shutil.which("pgbouncer", path=os.pathsep.join((os.environ.get("PATH", os.defpath), SYSTEM_FOLDERS)))
    return Path(found) if found else unpacked_folder() / "usr" / "sbin" / "pgbouncer"


def command(program: Path, *arguments: str) -> list[str]:
    """Return the command line of PROGRAM, with the shared libraries that were unpacked with it, if any."""
    root = program.parents[2]
    found = [] if root == Path("/") else (root / "usr" / "lib").glob("*-linux-*/*.so*")
    folders = sorted({str(library.parent) for library in found})
    return [*(["env", f"LD_LIBRARY_PATH={os.pathsep.join(folders)}"] if folders else []), str(program), *arguments]


def runnable(program: Path, account: Account | None, folder: Path) -> Path:
    """Return PROGRAM, or a copy of its package in FOLDER if ACCOUNT may not enter our cache."""
    if account is None or _can_run(program, account):
        return program
    unpacked = cache_folder()
    if not program.is_relative_to(unpacked):
        raise SupportError(f"the user `nobody` cannot run {program}")
    unpacked /= program.relative_to(unpacked).parts[0]
    shutil.copytree(unpacked, folder / unpacked.name, symlinks=True)
    return folder / program.relative_to(unpacked.parent)


def _can_run(program: Path, account: Account) -> bool:
    try:
        done = subprocess.run(
            command(program, "--version"), **run_as(account), cwd="/", capture_output=True, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def unpacked_folder() -> Path:
    """Debian's package with the libraries that this machine lacks, fetched and unpacked now if it was not before.

    Raises:
        SupportError: there is no apt, or it cannot get the package; the message says what to install.
    """
    if shutil.which("apt-get") is None:
        raise SupportError(f"PgBouncer is missing: {INSTALL}")
    release = platform.freedesktop_os_release()
    target = cache_folder() / f"pgbouncer-{release['ID']}-{release.get('VERSION_ID', 'rolling')}-{platform.machine()}"
    with locked(target.name):
        if not target.exists():
            with appears_whole(target) as folder:
                for package in _fetched(folder / "apt"):
                    _run(["dpkg-deb", "-x", package, folder], "unpacked")
                shutil.rmtree(folder / "apt")
                _run(command(folder / "usr" / "sbin" / "pgbouncer", "--version"), "started")
    return target


def _fetched(folder: Path) -> list[Path]:
    """The packages, in FOLDER; the lists and packages of the system stay as they are."""
    lists, archives = folder / "lists", folder / "archives"
    for path in (lists, archives):
        (path / "partial").mkdir(parents=True)
    options = {
        "Dir::State::lists": lists,
        "Dir::Cache": folder,
        "Dir::Cache::archives": archives,
        "Debug::NoLocking": "true",  # the locks are root's, and guard what we leave alone
        "APT::Sandbox::User": "root",  # for root only: the account that apt drops to could not write here
    }
    apt = ["apt-get", "-qq", *(part for name, value in options.items() for part in ("-o", f"{name}={value}"))]
    sys.stderr.write("fetching PgBouncer from Debian's packages (about 10 MB, once)\n")
    _run([*apt, "update"], "looked up")
    wanted = ("--yes", "--no-install-recommends", "--download-only", "install", "pgbouncer")
    _run([*apt, *wanted], "fetched")
    return sorted(archives.glob("*.deb"))


def _run(arguments: Sequence[str | Path], what: str) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SupportError(f"PgBouncer is missing, and its package could not be {what}; {INSTALL}:\n{done.stderr}")
