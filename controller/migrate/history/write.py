"""SQL that writes schema_version and schema_version_detail, for use in the transaction that it records. Pure."""

from controller import __version__
from controller.database.quoting import literal
from controller.migrate.files.migration import Migration
from controller.migrate.files.replaces import format_versions
from controller.migrate.history.location import HistoryLocation
from controller.migrate.plan.model import Direction, Origin, RecordedState, Step

DESCRIPTION_LENGTH = 40
"""Most characters of a description in schema_version; the name of the file has it all."""
_CUT = "..."
"""End of a description that was cut, of characters that every encoding has."""

# `SELECT * FROM schema_version` is what people type, so a version is one line of at most 120 characters there, with a
# date for its number, the longest state and a role of up to 20 characters; what does not fit is in a table beside it.
# Who ran it is a record, so a longer role is not cut, and makes the line longer.
_CREATE = """
CREATE TABLE {table} (
    version     bigint         CONSTRAINT schema_version_pkey PRIMARY KEY CHECK (version >= 0),
    description text           NOT NULL,
    state       text           NOT NULL CHECK (state IN ({states})),
    applied_at  timestamptz(0) NOT NULL DEFAULT date_trunc('second', clock_timestamp()),
    applied_by  text           NOT NULL DEFAULT session_user
);
COMMENT ON TABLE  {table} IS 'History of the migrations, kept by dashdb; do not edit, use dashdb migrate';
COMMENT ON COLUMN {table}.state IS 'Result of the last change; dirty: its file stopped half-way; replaced: by another';
COMMENT ON COLUMN {table}.applied_at IS 'Time of the last change, in whole seconds';
COMMENT ON COLUMN {table}.applied_by IS 'The database role that ran it';
CREATE TABLE {detail} (
    version         bigint      PRIMARY KEY,
    applied_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    host            text        NOT NULL,
    engine_version  text        NOT NULL,
    origin          text        NOT NULL CHECK (origin IN ({origins})),
    duration_ms     bigint      NOT NULL CHECK (duration_ms >= 0),
    retries         integer     NOT NULL CHECK (retries >= 0),
    statements_done integer     CHECK (statements_done >= 0),
    error           text,
    sha256          text        NOT NULL CHECK (sha256 ~ '^[0-9a-f]{{64}}$'),
    done_sha256     text,
    replaces        text,
    down_sql        text,
    CHECK ((error IS NULL) = (statements_done IS NULL) AND (error IS NULL) = (done_sha256 IS NULL))
);
COMMENT ON TABLE  {detail} IS 'What does not fit into a line of schema_version, a row for each of its rows';
COMMENT ON COLUMN {detail}.version IS 'The version in schema_version';
COMMENT ON COLUMN {detail}.host IS 'The machine or Pod that ran it';
COMMENT ON COLUMN {detail}.origin IS 'run: the engine ran the file; else what recorded it as applied';
COMMENT ON COLUMN {detail}.retries IS 'Tries that failed because a lock was not available in time';
COMMENT ON COLUMN {detail}.statements_done IS 'While dirty: number of statements of the file that are done';
COMMENT ON COLUMN {detail}.error IS 'While dirty: where and why the file stopped half-way';
COMMENT ON COLUMN {detail}.sha256 IS 'Digest of the up file as it was applied, line ends normalised';
COMMENT ON COLUMN {detail}.done_sha256 IS 'While dirty: digest of the statements that are done';
COMMENT ON COLUMN {detail}.replaces IS 'The versions for which it stands; null, it stands for itself alone';
COMMENT ON COLUMN {detail}.down_sql IS 'The down migration as it was when the version was applied; null, there is none';
"""
_WRITE = """
WITH written AS (
    INSERT INTO {table} (version, description, state) VALUES ({version}, {description}, {state})
    ON CONFLICT (version) DO UPDATE SET
           description = excluded.description, applied_at = excluded.applied_at, applied_by = excluded.applied_by,
           state = excluded.state
)
INSERT INTO {detail} (version, host, engine_version, origin, duration_ms, retries, statements_done, error, sha256,
                      done_sha256, replaces, down_sql)
VALUES ({version}, {details})
ON CONFLICT (version) DO UPDATE SET
       applied_at = excluded.applied_at, host = excluded.host, engine_version = excluded.engine_version,
       origin = excluded.origin, duration_ms = excluded.duration_ms, retries = excluded.retries,
       statements_done = excluded.statements_done, error = excluded.error, sha256 = excluded.sha256,
       done_sha256 = excluded.done_sha256, replaces = excluded.replaces,
       down_sql = excluded.down_sql;
"""
_SINCE = "round(extract(epoch FROM clock_timestamp() - {since}) * 1000)"
_BEGIN = "transaction_timestamp()"
"""Time at which the message arrived, the same for all transactions in it."""

# The statement above, which PostgreSQL then reads and plans once for all files of a message.
_PREPARE = "PREPARE {name} (bigint, text, text, text, bigint, integer, text, text, text) AS {write}"
_EXECUTE = (
    "EXECUTE {name} ({version}, {description}, {state}, {origin}, {since}, {retries}, {sha256}, {replaces}, {down});\n"
)

_NO_JOURNAL = "statements_done = NULL, done_sha256 = NULL, error = NULL"

ENGINE_VERSION = __version__


def recorded_description(migration: Migration) -> str:
    """Return the description of a migration as it stands in schema_version."""
    description = migration.description
    if len(description) <= DESCRIPTION_LENGTH:
        return description
    return description[: DESCRIPTION_LENGTH - len(_CUT)] + _CUT


def create_tables(location: HistoryLocation) -> str:
    """Return SQL that creates the tables; empty if they exist."""
    if location.has_history:
        return ""
    return _CREATE.format(
        table=location.table,
        detail=location.detail,
        states=", ".join(map(literal, RecordedState)),
        origins=", ".join(map(literal, Origin)),
    )


def write_step(
    location: HistoryLocation, step: Step, *, host: str, retries: int, duration_ms: int | None = None
) -> str:
    """Return SQL that records `step` as done.

    Args:
        duration_ms: milliseconds that it took; None for the time since the transaction began.
    """
    duration = _SINCE.format(since=_BEGIN) if duration_ms is None else str(duration_ms)
    return _write(location, step.migration, *_outcome(step), host=host, duration=duration, retries=retries)


def prepare_steps(location: HistoryLocation, name: str, *, host: str) -> str:
    """Return SQL that prepares `write_prepared` for the session, under NAME."""
    since = f"coalesce((SELECT applied_at FROM {location.detail} WHERE version = $5), {_BEGIN})"
    write = _WRITE.format(
        table=location.table,
        detail=location.detail,
        version="$1",
        description="$2",
        state="$3",
        details=(
            f"{literal(host)}, {literal(ENGINE_VERSION)}, $4, {_SINCE.format(since=since)}, $6, NULL, NULL, $7, NULL, "
            "$8, $9"
        ),
    )
    return _PREPARE.format(name=name, write=write)


def write_prepared(location: HistoryLocation, step: Step, name: str, *, retries: int, since: int | None) -> str:
    """Return SQL that records `step` as done, with the statement that was prepared under NAME.

    Args:
        since: version of the step before it in the same message, after which the time counts; None for the first.
    """
    state, origin = _outcome(step)
    migration = step.migration
    written = _EXECUTE.format(
        name=name,
        version=migration.version,
        description=literal(recorded_description(migration)),
        state=literal(state),
        origin=literal(origin),
        since=literal(since),
        retries=retries,
        sha256=literal(migration.up.sha256),
        replaces=literal(format_versions(migration.replaces) or None),
        down=literal(migration.down.text if migration.down else None),
    )
    return written + _replace(location, migration, state)


def _outcome(step: Step) -> tuple[RecordedState, Origin]:
    """Return what is recorded of a step that is done."""
    state = RecordedState.APPLIED if step.direction is Direction.UP else RecordedState.REVERTED
    return state, Origin.REPLACEMENT if step.recorded else Origin.RUN


def write_present(location: HistoryLocation, migration: Migration, origin: Origin, *, host: str) -> str:
    """Return SQL that records `migration` as applied though nothing was run."""
    return _write(location, migration, RecordedState.APPLIED, origin, host=host, duration="0", retries=0)


def begin_journal(
    location: HistoryLocation, step: Step, *, host: str, done: int, done_sha256: str, error: str, retries: int
) -> str:
    """Return SQL that begins the journal of `step`, with `done` statements of its file done.

    Args:
        error: text that says where it stopped, in case the process is killed.
    """
    version = step.migration.version
    if step.direction is Direction.DOWN:  # keep who applied it, and when, until it is reverted
        dirty = f"UPDATE {location.table} SET state = '{RecordedState.DIRTY_DOWN}' WHERE version = {version};\n"
        return dirty + advance_journal(location, step, done=done, done_sha256=done_sha256, error=error)
    return _write(
        location, step.migration, RecordedState.DIRTY_UP, Origin.RUN, host=host, duration="0", retries=retries,
        half=f"{done}, {literal(error)}", half_sha256=literal(done_sha256),
    )  # fmt: skip


def advance_journal(location: HistoryLocation, step: Step, *, done: int, done_sha256: str, error: str) -> str:
    return (
        f"UPDATE {location.detail} SET statements_done = {done}, done_sha256 = {literal(done_sha256)}, "
        f"error = {literal(error)} WHERE version = {step.migration.version};\n"
    )


def undo_journal(location: HistoryLocation, step: Step) -> str:
    """Return SQL that removes the journal of `step`, of which nothing was done."""
    of_version = f"WHERE version = {step.migration.version};\n"
    if step.direction is Direction.UP:
        return f"DELETE FROM {location.table} {of_version}DELETE FROM {location.detail} {of_version}"
    return (
        f"UPDATE {location.table} SET state = '{RecordedState.APPLIED}' {of_version}"
        f"UPDATE {location.detail} SET {_NO_JOURNAL} {of_version}"
    )


def write_absent_above(location: HistoryLocation, version: int) -> str:
    """Return SQL that records all versions above `version` as not applied."""
    absent = (
        f"UPDATE {location.table} SET state = '{RecordedState.REVERTED}' "
        f"WHERE version > {version} AND state <> '{RecordedState.REVERTED}' RETURNING version"
    )
    return (
        f"WITH absent AS ({absent}) UPDATE {location.detail} SET origin = '{Origin.FORCE}', {_NO_JOURNAL} "
        "WHERE version IN (SELECT version FROM absent);\n"
    )


def drop_tables(location: HistoryLocation) -> str:
    """Return SQL that drops the history; used after the last version is reverted, so that the schema is empty."""
    return f"DROP TABLE {location.table}, {location.detail};\n"


def _write(
    location: HistoryLocation,
    migration: Migration,
    state: RecordedState,
    origin: Origin,
    *,
    host: str,
    duration: str,
    retries: int,
    half: str = "NULL, NULL",
    half_sha256: str = "NULL",
) -> str:
    replaces = format_versions(migration.replaces) or None
    written = _WRITE.format(
        table=location.table,
        detail=location.detail,
        version=migration.version,
        description=literal(recorded_description(migration)),
        state=literal(state),
        details=(
            f"{literal(host)}, {literal(ENGINE_VERSION)}, {literal(origin)}, {duration}, {retries}, {half}, "
            f"{literal(migration.up.sha256)}, {half_sha256}, {literal(replaces)}, "
            f"{literal(migration.down.text if migration.down else None)}"
        ),
    )
    return written + _replace(location, migration, state)


def _replace(location: HistoryLocation, migration: Migration, state: RecordedState) -> str:
    """Return SQL that records the versions for which `migration` stands as replaced; empty where it stands for none."""
    if not migration.replaces or state is not RecordedState.APPLIED:
        return ""
    versions = ", ".join(map(str, sorted(migration.replaces)))
    return (
        f"UPDATE {location.table} SET state = '{RecordedState.REPLACED}' "
        f"WHERE state = '{RecordedState.APPLIED}' AND version IN ({versions});\n"
    )
