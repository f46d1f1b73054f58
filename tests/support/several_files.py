"""A migration of several slow files, each of which records in a table without a key that it ran: twice shows twice."""

import shutil
from collections import Counter
from pathlib import Path

from controller.migrate.files.folder import packaged_folder
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import SupportError
from tests.support.resources import Namespace

FILES = 6
LAST = FILES + 1
"""Version after all files; the first one is of the packaged migration, which makes no record."""
_RECORD = "INSERT INTO ran VALUES ({version}, '{part}');\n"


def several_files(folder: Path, *, seconds: float) -> Path:
    """Write the packaged migration and FILES more into FOLDER, each of which takes SECONDS; return FOLDER."""
    shutil.copytree(packaged_folder(), folder)
    for version in range(2, LAST + 1):
        begin, end = (_RECORD.format(version=version, part=part) for part in ("begin", "end"))
        table = "CREATE TABLE ran (version int, part text);\n" if version == 2 else ""
        up = f"{table}{begin}SELECT pg_sleep({seconds});\nCREATE TABLE t{version} (n int);\n{end}"
        (folder / f"V{version:03}_slow.up.sql").write_text(up)
        (folder / f"V{version:03}_slow.down.sql").write_text(f"DROP TABLE t{version};")
    return folder


def recorded(postgres: PostgresServer, database: Database) -> list[tuple[int, str]]:
    """Return the records of all files that have committed, in order; none before the first has."""
    try:
        rows = postgres.psql(database, args=("-At",), sql="SELECT version, part FROM ran ORDER BY version, part")
    except SupportError:
        return []
    return [(int(version), part) for version, part in (row.split("|") for row in rows.split())]


def each_once() -> list[tuple[int, str]]:
    """Return the records of every file that ran once, and to its end."""
    return [(version, part) for version in range(2, LAST + 1) for part in ("begin", "end")]


def told_once(team: Namespace, name: str) -> None:
    """Check that no event of the resource NAME says again what another one has said."""
    events = [event for event in team.events() if event["regarding"]["name"] == name]
    reasons = Counter(event["reason"] for event in events)
    assert reasons["Ready"] <= 1, reasons
    assert reasons["TemplatesWritten"] <= 1, reasons
    files = Counter(word.rstrip(",;") for event in events for word in event["note"].split() if ".up.sql" in word)
    assert [file for file, count in files.items() if count > 1] == [], events
