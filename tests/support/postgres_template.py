"""A fresh database cluster as a template in the cache: copying it takes a tenth of the time of initdb."""

import os
import secrets
import shutil
import subprocess
from pathlib import Path

from tests.support.cache import appears_whole, cache_folder, locked
from tests.support.postgres_parts import version_of
from tests.support.processes import Account, SupportError, new_folder, remove_folder, run_as

SUPERUSER = "postgres"


def copy_template(programs: Path, data: Path, account: Account | None) -> str:
    """Put a fresh cluster into DATA, owned by ACCOUNT, and return its superuser's password.

    All copies share that password and the system identifier; a server changes the password as its first act.
    """
    source = "npm" if (programs.parent / "pg-symlinks.json").exists() else "wheel"
    template = cache_folder() / f"cluster-{version_of(programs)}-{source}-{os.geteuid()}"
    with locked(template.name):
        if not template.exists():
            _initialise(programs, template, account)
    shutil.copytree(template / "data", data)
    give(data, account)
    return (template / "password").read_text()


def _initialise(programs: Path, template: Path, account: Account | None) -> None:
    """Run initdb where ACCOUNT may write, then keep what it made in the cache."""
    work = new_folder("dashdb-initdb-", account)
    try:
        password = work / "password"
        password.write_text(secrets.token_urlsafe(18))
        password.chmod(0o600)
        give(password, account)
        command: list[str | Path] = [
            programs / "initdb",
            "-D",
            work / "data",
            "-U",
            SUPERUSER,
            f"--pwfile={password}",
        ]
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
        done = subprocess.run(
            [*command, *options],
            **run_as(account),
            capture_output=True,
            text=True,
            check=False,
            cwd=work,
            env=environ,
        )
        if done.returncode != 0:
            raise SupportError(f"initdb failed:\n{done.stdout}{done.stderr}")
        with appears_whole(template) as folder:
            shutil.copytree(work / "data", folder / "data")
            shutil.copy2(password, folder / "password")
    finally:
        remove_folder(work)


def give(path: Path, account: Account | None) -> None:
    """Make PATH and all below it ACCOUNT's."""
    if account is None:
        return
    os.chown(path, account.uid, account.gid)
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder, name), account.uid, account.gid)
