"""PostgreSQL's own program that writes a database as SQL, pg_dump: found, and run on a scratch database."""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

from controller.database.quoting import identifier
from controller.database.target import SslMode, Target
from controller.errors import ConfigurationError
from controller.migrate.history.location import HISTORY
from controller.text import one_line

_OPTIONS = (
    "--no-password", "--no-owner", "--no-tablespaces", "--no-publications", "--no-subscriptions", "--column-inserts",
    "--encoding=UTF8", "--extension=*",
)  # fmt: skip
"""Rows that migrations wrote are dumped as well, as INSERT, since a file is no input of psql."""
_SYSTEM_CERTIFICATES = "system"


def find_pg_dump(path: Path | None) -> Path | None:
    """Return the path of pg_dump: `path` if it is given, else the first on PATH; None if there is none on PATH.

    Raises:
        ConfigurationError: there is no program at `path`.
    """
    found = shutil.which(path or "pg_dump")
    if found is None and path is not None:
        raise ConfigurationError(
            f"{path} was not found. Give the path of PostgreSQL's program pg_dump, not older than the server: "
            "--pg-dump /usr/lib/postgresql/18/bin/pg_dump; or leave out --pg-dump, and the files are put one after "
            "another.",
            reason="PgDumpMissing",
        )
    return Path(found) if found else None


async def dump(program: Path, target: Target, schema: str) -> str:
    """Return a schema of the database as SQL, with its rows and the extensions, and without the history.

    Raises:
        ConfigurationError: pg_dump refuses, as it does for a server that is newer than itself.
    """
    tables = (f"--exclude-table={identifier(schema)}.{identifier(table)}" for table in sorted(HISTORY))
    with tempfile.TemporaryDirectory(prefix="dashdb-") as folder:
        process = await asyncio.create_subprocess_exec(
            program, *_OPTIONS, f"--schema={identifier(schema)}", *tables,
            env=_environment(target, Path(folder)), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            written, complaints = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode:
        raise ConfigurationError(f"{program}: {one_line(complaints.decode(errors='replace'))}", reason="PgDumpFailed")
    return written.decode()


def _environment(target: Target, folder: Path) -> dict[str, str]:
    """Return the variables of the process; the password is in them, since all users can read arguments."""
    variables = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "PGHOST": target.host,
        "PGPORT": str(target.port),
        "PGDATABASE": target.database,
        "PGUSER": target.user,
        "PGPASSWORD": target.password,
        "PGAPPNAME": target.application_name,
        "PGCONNECT_TIMEOUT": str(max(2, round(target.connect_timeout))),
        "PGSSLMODE": target.ssl_mode,
    }
    files = {
        "PGSSLROOTCERT": target.ca_pem,
        "PGSSLCERT": target.client_certificate_pem,
        "PGSSLKEY": target.client_key_pem,
    }
    for name, content in files.items():
        if content is not None:
            path = folder / name
            path.touch(mode=0o600)
            path.write_text(content, encoding="utf-8")
            variables[name] = str(path)
    if target.ssl_mode in (SslMode.VERIFY_CA, SslMode.VERIFY_FULL):
        variables.setdefault("PGSSLROOTCERT", _SYSTEM_CERTIFICATES)
    return variables
