"""SQL that writes schema_version, for use in the transaction that it records. Pure."""

from controller import __version__
from controller.database.quoting import literal
from controller.migrate.files.migration import Migration
from controller.migrate.history.location import HistoryLocation
from controller.migrate.plan.model import Direction, Origin, Step

# Short columns first: `SELECT * FROM schema_version` is what people type.
_CREATE = """
CREATE TABLE {table} (
    version         bigint      CONSTRAINT schema_version_pkey PRIMARY KEY CHECK (version >= 0),
    description     text        NOT NULL,
    direction       text        NOT NULL CHECK (direction IN ('up', 'down')),
    applied_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    applied_by      text        NOT NULL DEFAULT session_user,
    host            text        NOT NULL,
    engine_version  text        NOT NULL,
    origin          text        NOT NULL CHECK (origin IN ('run', 'baseline', 'force', 'golang-migrate')),
    duration_ms     bigint      NOT NULL CHECK (duration_ms >= 0),
    retries         integer     NOT NULL CHECK (retries >= 0),
    statements_done integer     CHECK (statements_done >= 0),
    error           text,
    sha256          text        NOT NULL CHECK (sha256 ~ '^[0-9a-f]{{64}}$'),
    done_sha256     text,
    down_sql        text,
    CHECK ((error IS NULL) = (statements_done IS NULL) AND (error IS NULL) = (done_sha256 IS NULL))
);
COMMENT ON TABLE  {table} IS 'History of the migrations, kept by dashdb; do not edit, use dashdb migrate';
COMMENT ON COLUMN {table}.direction IS 'The last change: up, the version is applied; down, it was reverted';
COMMENT ON COLUMN {table}.applied_by IS 'The database role that ran it';
COMMENT ON COLUMN {table}.host IS 'The machine or Pod that ran it';
COMMENT ON COLUMN {table}.origin IS 'run: the engine ran the file; else what recorded it as applied';
COMMENT ON COLUMN {table}.retries IS 'Tries that failed because a lock was not available in time';
COMMENT ON COLUMN {table}.statements_done IS 'While dirty: number of statements of the file that are done';
COMMENT ON COLUMN {table}.error IS 'Null, or while dirty: where and why the file stopped half-way';
COMMENT ON COLUMN {table}.sha256 IS 'Digest of the up file as it was applied, line ends normalised';
COMMENT ON COLUMN {table}.done_sha256 IS 'While dirty: digest of the statements that are done';
COMMENT ON COLUMN {table}.down_sql IS 'The down migration as it was when the version was applied; null, there is none';
"""
_WRITE = """
INSERT INTO {table} (version, description, direction, host, engine_version, origin, duration_ms, retries,
                     statements_done, error, sha256, done_sha256, down_sql)
VALUES {values}
ON CONFLICT (version) DO UPDATE SET
       description = excluded.description, direction = excluded.direction, applied_at = clock_timestamp(),
       applied_by = session_user, host = excluded.host, engine_version = excluded.engine_version,
       origin = excluded.origin, duration_ms = excluded.duration_ms, retries = excluded.retries,
       statements_done = excluded.statements_done, error = excluded.error, sha256 = excluded.sha256,
       done_sha256 = excluded.done_sha256, down_sql = excluded.down_sql;
"""
_SINCE = "round(extract(epoch FROM clock_timestamp() - {since}) * 1000)"
_BEGIN = "transaction_timestamp()"
"""Time at which the message arrived, the same for all transactions in it."""

ENGINE_VERSION = __version__


def create_table(location: HistoryLocation) -> str:
    """Return SQL that creates the table; empty if it exists."""
    return "" if location.has_history else _CREATE.format(table=location.table)


def write_step(
    location: HistoryLocation,
    step: Step,
    *,
    host: str,
    retries: int,
    duration_ms: int | None = None,
    since: int | None = None,
) -> str:
    """Return SQL that records `step` as done.

    Args:
        duration_ms: milliseconds that it took; None for the time since the transaction began.
        since: version of the step before it in the same message, after which the time counts; None for the first.
    """
    began = _BEGIN if since is None else f"(SELECT applied_at FROM {location.table} WHERE version = {since})"
    duration = _SINCE.format(since=began) if duration_ms is None else str(duration_ms)
    values = _values(step.migration, step.direction, Origin.RUN, host=host, duration=duration, retries=retries)
    return _WRITE.format(table=location.table, values=values)


def write_present(location: HistoryLocation, migration: Migration, origin: Origin, *, host: str) -> str:
    """Return SQL that records `migration` as applied though nothing was run."""
    values = _values(migration, Direction.UP, origin, host=host, duration="0", retries=0)
    return _WRITE.format(table=location.table, values=values)


def begin_journal(
    location: HistoryLocation, step: Step, *, host: str, done: int, done_sha256: str, error: str, retries: int
) -> str:
    """Return SQL that begins the journal of `step`, with `done` statements of its file done.

    Args:
        error: text that says where it stopped, in case the process is killed.
    """
    if step.direction is Direction.DOWN:  # keep who applied it, and when, until it is reverted
        return advance_journal(location, step, done=done, done_sha256=done_sha256, error=error)
    values = _values(
        step.migration, Direction.UP, Origin.RUN, host=host, duration="0", retries=retries,
        half=f"{done}, {literal(error)}", half_sha256=literal(done_sha256),
    )  # fmt: skip
    return _WRITE.format(table=location.table, values=values)


def advance_journal(location: HistoryLocation, step: Step, *, done: int, done_sha256: str, error: str) -> str:
    return (
        f"UPDATE {location.table} SET direction = {literal(step.direction)}, statements_done = {done}, "
        f"done_sha256 = {literal(done_sha256)}, error = {literal(error)} WHERE version = {step.migration.version};\n"
    )


def undo_journal(location: HistoryLocation, step: Step) -> str:
    """Return SQL that removes the journal of `step`, of which nothing was done."""
    if step.direction is Direction.UP:
        return f"DELETE FROM {location.table} WHERE version = {step.migration.version};\n"
    return (
        f"UPDATE {location.table} SET direction = 'up', statements_done = NULL, done_sha256 = NULL, error = NULL "
        f"WHERE version = {step.migration.version};\n"
    )


def write_absent_above(location: HistoryLocation, version: int) -> str:
    """Return SQL that records all versions above `version` as not applied."""
    return (
        f"UPDATE {location.table} SET direction = 'down', origin = 'force', statements_done = NULL, "
        f"done_sha256 = NULL, error = NULL WHERE version > {version} AND (direction = 'up' OR error IS NOT NULL);\n"
    )


def drop_table(location: HistoryLocation) -> str:
    """Return SQL that drops the history; used after the last version is reverted, so that the schema is empty."""
    return f"DROP TABLE {location.table};\n"


def _values(
    migration: Migration,
    direction: Direction,
    origin: Origin,
    *,
    host: str,
    duration: str,
    retries: int,
    half: str = "NULL, NULL",
    half_sha256: str = "NULL",
) -> str:
    return (
        f"({migration.version}, {literal(migration.description)}, {literal(direction)}, {literal(host)}, "
        f"{literal(ENGINE_VERSION)}, {literal(origin)}, {duration}, {retries}, {half}, "
        f"{literal(migration.up.sha256)}, {half_sha256}, {literal(migration.down.text if migration.down else None)})"
    )
