"""Migration tools that are compared: their files, and the commands that run them."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.binaries import golang_migrate, goose, psql
from tests.support.database import Database

Command = list[str | Path]
ALEMBIC_URL = "ALEMBIC_URL"
ALEMBIC_ENV = f"""
import os
from alembic import context
from sqlalchemy import create_engine, pool

engine = create_engine(os.environ["{ALEMBIC_URL}"], poolclass=pool.NullPool)
with engine.connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


@dataclass(frozen=True)
class Tool:
    """Migration tool.

    Attributes:
        write: writes a number of migrations into a folder.
        up, down: return the command that applies, or reverts, all migrations of a folder.
        tracks: True if it has a history, so that a second `up` does nothing.
    """

    name: str
    write: Callable[[Path, int], None]
    up: Callable[[Path, Database], Command]
    down: Callable[[Path, Database], Command]
    tracks: bool = True


def create(number: int) -> str:
    return f"CREATE TABLE t{number} (id bigint PRIMARY KEY, note text NOT NULL);\n"


def drop(number: int) -> str:
    return f"DROP TABLE t{number};\n"


def write_pairs(folder: Path, count: int) -> None:
    """Write pairs of files, which golang-migrate and dashdb read."""
    for n in range(1, count + 1):
        (folder / f"{n:04}_t{n}.up.sql").write_text(create(n))
        (folder / f"{n:04}_t{n}.down.sql").write_text(drop(n))


def write_goose(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        (folder / f"{n:04}_t{n}.sql").write_text(f"-- +goose Up\n{create(n)}-- +goose Down\n{drop(n)}")


def write_yoyo(folder: Path, count: int) -> None:
    for n in range(1, count + 1):
        (folder / f"{n:04}_t{n}.sql").write_text(create(n))
        (folder / f"{n:04}_t{n}.rollback.sql").write_text(drop(n))


def write_alembic(folder: Path, count: int) -> None:
    (folder / "alembic.ini").write_text(f"[alembic]\nscript_location = {folder}\npath_separator = os\n")
    (folder / "env.py").write_text(ALEMBIC_ENV)
    (folder / "versions").mkdir()
    for n in range(1, count + 1):
        before = repr(f"r{n - 1}") if n > 1 else None
        (folder / "versions" / f"r{n}.py").write_text(
            f"from alembic import op\n\nrevision = 'r{n}'\ndown_revision = {before}\n\n\n"
            f"def upgrade():\n    op.execute({create(n)!r})\n\n\ndef downgrade():\n    op.execute({drop(n)!r})\n"
        )


def write_scripts(folder: Path, count: int) -> None:
    numbers = range(1, count + 1)
    (folder / "up.sql").write_text("".join(map(create, numbers)))
    (folder / "down.sql").write_text("".join(map(drop, numbers)))


def _dashdb(*arguments: str) -> Callable[[Path, Database], Command]:
    return lambda folder, _: [sys.executable, "-m", "controller", "migrate", *arguments, "--path", folder]


def _golang_migrate(*arguments: str) -> Callable[[Path, Database], Command]:
    return lambda folder, database: [golang_migrate(), "-path", folder, "-database", database.dsn, *arguments]


def _goose(verb: str) -> Callable[[Path, Database], Command]:
    return lambda folder, database: [goose(), database.dsn, folder, verb]


def _alembic(*arguments: str) -> Callable[[Path, Database], Command]:
    return lambda folder, _: [sys.executable, "-m", "alembic", "-c", folder / "alembic.ini", *arguments]


def _yoyo(*arguments: str) -> Callable[[Path, Database], Command]:
    command: Command = [Path(sys.executable).with_name("yoyo"), *arguments, "--batch", "--no-config-file", "--database"]
    return lambda folder, database: [*command, database.dsn, folder]


def _psql(script: str) -> Callable[[Path, Database], Command]:
    return lambda folder, database: [
        psql(),
        "-X",
        "-q",
        "-1",
        "-v",
        "ON_ERROR_STOP=1",
        "-f",
        folder / script,
        database.dsn,
    ]


FLOOR = Tool("floor: psql -1", write_scripts, _psql("up.sql"), _psql("down.sql"), tracks=False)
DASHDB = Tool("dashdb", write_pairs, _dashdb("up"), _dashdb("down", "--all", "--yes"))
GOLANG_MIGRATE = Tool("golang-migrate", write_pairs, _golang_migrate("up"), _golang_migrate("down", "-all"))
GOOSE = Tool("goose", write_goose, _goose("up"), _goose("down-all"))
TOOLS = (
    FLOOR,
    DASHDB,
    GOOSE,
    GOLANG_MIGRATE,
    Tool("alembic", write_alembic, _alembic("upgrade", "head"), _alembic("downgrade", "base")),
    Tool("yoyo", write_yoyo, _yoyo("apply"), _yoyo("rollback", "--all")),
)


def environment(database: Database) -> dict[str, str]:
    """Return the variables that name DATABASE for the tools that do not take it as an argument."""
    return database.environ | {ALEMBIC_URL: database.dsn.replace("postgresql://", "postgresql+psycopg2://", 1)}
