"""Start of pg_dump: its connection, and where the password is."""

from pathlib import Path
from typing import Any

import pytest

from controller.database.target import SslMode, Target
from controller.migrate.squash.pg_dump import dump

SHOWS_ALL = """#!/bin/sh
echo "arguments $*"
env
for file in "$PGSSLROOTCERT" "$PGSSLCERT" "$PGSSLKEY"; do
    test -f "$file" && echo "$(stat -c %a "$file") $(cat "$file")"
done
exit 0
"""
TLS = {"ca_pem": "the CA", "client_certificate_pem": "a certificate", "client_key_pem": "a key"}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that prints how it was started."""
    path = tmp_path / "pg_dump"
    path.write_text(SHOWS_ALL)
    path.chmod(0o755)
    return path


def target(**changes: Any) -> Target:
    return Target("db", 5433, "shop", "ann", "s3cret", SslMode.VERIFY_FULL, **changes)


async def test_it_gets_the_connection_by_variables_and_the_password_by_no_argument(program: Path) -> None:
    shown = (await dump(program, target(), 'of "a" team')).splitlines()
    assert {"PGHOST=db", "PGPORT=5433", "PGDATABASE=shop", "PGUSER=ann", "PGPASSWORD=s3cret"} <= set(shown)
    assert {"PGSSLMODE=verify-full", "PGSSLROOTCERT=system"} <= set(shown)
    assert "s3cret" not in shown[0]
    assert '--schema="of ""a"" team"' in shown[0]


async def test_certificates_are_in_files_that_nobody_else_can_read_and_that_are_gone_afterwards(program: Path) -> None:
    shown = (await dump(program, target(**TLS), "public")).splitlines()
    assert shown[-3:] == ["600 the CA", "600 a certificate", "600 a key"]
    key = next(line for line in shown if line.startswith("PGSSLKEY="))
    assert not Path(key.removeprefix("PGSSLKEY=")).exists()


async def test_it_inherits_no_settings_of_another_connection(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PGSERVICE", "PGOPTIONS", "PGHOSTADDR", "DB_PASSWORD", "DATABASE_URL"):
        monkeypatch.setenv(name, "x")
    shown = await dump(program, target(), "public")
    assert "=x" not in shown
