"""State of each version as `dashdb migrate status` shows it: never with another file's name beside a row."""

from datetime import UTC, datetime

import pytest

from controller.cli.migrate.status import State, Status, StatusRow, read_status
from controller.migrate.files.migration import Migration
from controller.migrate.history.write import recorded_description
from controller.migrate.plan.model import Direction, HistoryRow, Origin
from tests.unit.migrate.folders import migrations

FILES = migrations("V1_a", "V2_b", "V3_c")
EDITED = migrations("V1_a", "V2_b", "V3_c", V2_b_up="SELECT 'edited'")
OTHER = migrations("V1_a", "V2_other", "V3_c")
RENAMED = migrations("V1_a", "V2_new_name", "V3_c", V2_new_name_up=FILES[1].up.text)


def done(migration: Migration, direction: Direction = Direction.UP, error: str | None = None) -> HistoryRow:
    return HistoryRow(
        version=migration.version, description=migration.description, sha256=migration.up.sha256,
        applied_at=datetime(2026, 1, 2, tzinfo=UTC), applied_by="ann", host="laptop", engine_version="1", duration_ms=7,
        retries=0, statements_done=1 if error else None, error=error, done_sha256="x" if error else None,
        direction=direction, origin=Origin.RUN,
    )  # fmt: skip


def second(status: Status) -> StatusRow:
    return status.rows[1]


def test_a_version_is_applied_or_pending() -> None:
    status = read_status(FILES, (done(FILES[0]), done(FILES[1])))
    assert [(row.state, row.file) for row in status.rows] == [
        (State.APPLIED, "V1_a.up.sql"), (State.APPLIED, "V2_b.up.sql"), (State.PENDING, "V3_c.up.sql"),
    ]  # fmt: skip
    assert (status.current, status.problem, status.pending) == (2, None, True)


def test_an_edited_file_is_told_as_up_tells_it() -> None:
    status = read_status(EDITED, tuple(map(done, FILES)))
    assert (second(status).state, second(status).file) == (State.EDITED, "V2_b.up.sql")
    assert status.problem is not None
    assert (status.problem.reason, status.problem.exit_code) == ("ChecksumMismatch", 5)


def test_another_file_under_the_number_of_an_applied_one_has_no_name_beside_it() -> None:
    row = second(read_status(OTHER, tuple(map(done, FILES))))
    assert (row.state, row.description, row.file) == (State.EDITED, "b", None)


LONG = "and_a_name_that_is_longer_than_a_line_of_the_history_has_room_for"


@pytest.mark.parametrize("whole", [True, False])
def test_an_edited_file_with_a_long_name_is_known_by_the_part_of_it_that_is_in_the_history(whole: bool) -> None:
    """The whole is in histories that earlier builds wrote."""
    before = migrations("V1_a", f"V2_{LONG}", "V3_c")
    after = migrations("V1_a", f"V2_{LONG}", "V3_c", **{f"V2_{LONG}_up": "SELECT 'edited';"})
    written = before[1].description if whole else recorded_description(before[1])
    history = (done(before[0]), done(before[1])._replace(description=written), done(before[2]))
    row = second(read_status(after, history))
    assert (row.state, row.description, row.file) == (State.EDITED, before[1].description, f"V2_{LONG}.up.sql")


def test_a_file_that_was_only_renamed_is_the_same_file() -> None:
    row = second(read_status(RENAMED, tuple(map(done, FILES))))
    assert (row.state, row.file) == (State.APPLIED, "V2_new_name.up.sql")


@pytest.mark.parametrize("files", [EDITED, OTHER])
def test_another_file_for_a_reverted_version_is_pending_under_its_own_name(files: tuple[Migration, ...]) -> None:
    history = (done(FILES[0]), done(FILES[1], Direction.DOWN))
    row = second(read_status(files, history))
    assert (row.state, row.description, row.file) == (State.PENDING, files[1].description, files[1].up.name)
    assert second(read_status(FILES, history)).state is State.REVERTED


def test_an_applied_version_without_a_file_is_missing_unless_it_is_newer_than_all_files() -> None:
    history = tuple(map(done, FILES))
    missing = read_status((FILES[0], FILES[2]), history)
    assert (second(missing).state, second(missing).file) == (State.MISSING, None)
    assert missing.problem is not None
    assert missing.problem.reason == "FileMissing"
    ahead = read_status(FILES[:2], history)
    assert (ahead.rows[2].state, ahead.problem, ahead.pending) == (State.APPLIED, None, False)


def test_a_dirty_version_stays_dirty_whatever_became_of_its_file() -> None:
    history = (done(FILES[0]), done(FILES[1], error="statement 2 of 3: x"))
    status = read_status(EDITED, history)
    assert (second(status).state, second(status).error) == (State.DIRTY, "statement 2 of 3: x")
    assert status.problem is not None
    assert status.problem.exit_code == 3


def test_a_file_below_an_applied_version_is_pending_and_a_problem() -> None:
    status = read_status(FILES, (done(FILES[0]), done(FILES[2])))
    assert second(status).state is State.PENDING
    assert status.problem is not None
    assert status.problem.reason == "OutOfOrder"


def test_what_golang_migrate_applied_is_called_by_the_names_of_the_files() -> None:
    row = of_golang_migrate(done(FILES[1]))
    assert [(row.description, row.state) for row in read_status(FILES, (row,)).rows] == [
        ("a", State.APPLIED), ("b", State.APPLIED), ("c", State.PENDING),
    ]  # fmt: skip


def of_golang_migrate(row: HistoryRow) -> HistoryRow:
    return row._replace(sha256="", description="as golang-migrate says", origin=Origin.GOLANG_MIGRATE)


WITH_ONE = migrations("V1_a", "V2_b", "V3_all", V3_all_up="-- dashdb:replaces 1-2\nSELECT 1")


def states(status: Status) -> list[tuple[int, State]]:
    return [(row.version, row.state) for row in status.rows]


def test_versions_for_which_a_later_one_stands_are_replaced() -> None:
    assert states(read_status(WITH_ONE, ())) == [(1, State.REPLACED), (2, State.REPLACED), (3, State.PENDING)]
    as_one = done(WITH_ONE[2])._replace(replaces=frozenset({1, 2}))
    assert states(read_status(WITH_ONE, (as_one,))) == [(1, State.REPLACED), (2, State.REPLACED), (3, State.APPLIED)]
    rows = (*(done(each, Direction.DOWN) for each in WITH_ONE[:2]), as_one)
    assert states(read_status(WITH_ONE[2:], rows)) == [(1, State.REPLACED), (2, State.REPLACED), (3, State.APPLIED)]


def test_until_it_is_recorded_they_are_applied_though_their_files_are_gone() -> None:
    status = read_status(WITH_ONE[2:], tuple(map(done, WITH_ONE[:2])))
    assert states(status) == [(1, State.APPLIED), (2, State.APPLIED), (3, State.PENDING)]
    assert (status.problem, status.pending) == (None, True)


def test_a_part_of_them_is_a_problem() -> None:
    status = read_status(WITH_ONE, (done(WITH_ONE[0]),))
    assert states(status) == [(1, State.APPLIED), (2, State.PENDING), (3, State.PENDING)]
    assert status.problem is not None
    assert (status.problem.reason, status.problem.exit_code) == ("PartlyReplaced", 5)
