"""Plans: files and history in, steps out."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.errors import (
    ConfigurationError,
    FilePosition,
    HistoryMismatch,
    MigrationFileError,
    SchemaAhead,
    SchemaDirty,
)
from controller.migrate.files.folder import parse
from controller.migrate.files.migration import Migrations
from controller.migrate.plan.make_plan import make_plan, version_below
from controller.migrate.plan.model import (
    EMPTY,
    Direction,
    History,
    HistoryRow,
    Origin,
    Plan,
    current_version,
    newest_version,
)
from tests.unit.migrate.folders import migrations

FILES = migrations("V1_a", "V2_b", "V3_c", "V4_d")


def row(version: int, direction: Direction = Direction.UP, *, sha256: str | None = None, **changes: Any) -> HistoryRow:
    known = {m.version: m.up.sha256 for m in FILES}
    written = HistoryRow(
        version, f"number {version}", sha256 or known.get(version, "0" * 64),
        datetime(2026, 1, 31, tzinfo=UTC), "owner", "host", "0.1.0", 12, 0, None, None, None, direction, Origin.RUN,
    )  # fmt: skip
    return written._replace(**changes)


LATER = datetime(2026, 2, 1, tzinfo=UTC)


def applied(*versions: int) -> History:
    return tuple(row(version) for version in versions)


def files(*versions: int) -> Migrations:
    return tuple(m for m in FILES if m.version in versions)


def way(plan: Plan) -> list[str]:
    return [f"{step.direction} {step.migration.version}" for step in plan.steps]


@pytest.mark.parametrize(
    ("history", "target", "expected"),
    [
        ((), None, ["up 1", "up 2", "up 3", "up 4"]),
        ((), 4, ["up 1", "up 2", "up 3", "up 4"]),
        ((), 2, ["up 1", "up 2"]),
        ((), 0, []),
        (applied(1, 2), None, ["up 3", "up 4"]),
        (applied(1, 2, 3, 4), None, []),
        (applied(1, 2, 3, 4), 4, []),
        (applied(1, 2, 3), 1, ["down 3", "down 2"]),
        (applied(1, 2, 3), 0, ["down 3", "down 2", "down 1"]),
        ((*applied(1, 2), row(3, Direction.DOWN)), None, ["up 3", "up 4"]),
        ((*applied(1), row(2, Direction.DOWN), row(3, Direction.DOWN)), 0, ["down 1"]),
        ((row(1, Direction.DOWN),), None, ["up 1", "up 2", "up 3", "up 4"]),
    ],
)
def test_the_way_leads_over_the_files_between(history: History, target: int | None, expected: list[str]) -> None:
    plan = make_plan(FILES, history, target)
    assert way(plan) == expected
    assert plan.current == current_version(history)
    assert plan.reverts == any(step.startswith("down") for step in expected)


def test_a_step_names_the_file_that_it_runs() -> None:
    assert [s.label for s in make_plan(FILES, (), 1).steps] == ["V1_a.up.sql"]
    assert [s.label for s in make_plan(FILES, applied(1), 0).steps] == ["V1_a.down.sql"]


def test_without_files_there_is_nothing_to_do() -> None:
    assert make_plan((), ()) == Plan(EMPTY, EMPTY, ())
    assert newest_version(()) == EMPTY


@pytest.mark.parametrize("target", [5, 99, -2])
def test_a_target_that_no_file_knows_is_refused_with_what_there_is(target: int) -> None:
    with pytest.raises(ConfigurationError, match=rf"Version {target} does not exist\. The files go from 0.* to 4"):
        make_plan(FILES, (), target)


def test_a_database_ahead_of_the_files_is_left_where_it_is() -> None:
    history = applied(1, 2, 3, 4, 5, 6)
    assert make_plan(FILES, history) == Plan(6, 6, ())
    assert make_plan(FILES, history, 6) == Plan(6, 6, ())


@pytest.mark.parametrize("target", [0, 1, 4])
def test_a_database_ahead_of_the_files_cannot_be_reverted_by_them(target: int) -> None:
    with pytest.raises(SchemaAhead, match="at version 6, and the files end at 4") as caught:
        make_plan(FILES, applied(1, 2, 3, 4, 5, 6), target)
    assert caught.value.exit_code == 6


def applied_of(of: Migrations, version: int) -> History:
    """A history in which the files OF are applied up to VERSION."""
    return tuple(row(m.version, sha256=m.up.sha256) for m in of if m.version <= version)


def names(plan: Plan) -> list[str]:
    return [step.label for step in plan.steps]


ONE_WAY = parse({"1_a.up.sql": b"", "1_a.down.sql": b"", "2_b.up.sql": b"", "3_c.up.sql": b"", "3_c.down.sql": b""})


def test_a_version_without_a_down_migration_is_not_reverted_and_named() -> None:
    with pytest.raises(
        MigrationFileError, match=r"^2_b\.up\.sql cannot be reverted: it has no down migration"
    ) as caught:
        make_plan(ONE_WAY, applied_of(ONE_WAY, 3), 1)
    assert (caught.value.reason, caught.value.exit_code) == ("Irreversible", 2)
    assert caught.value.at is not None
    assert caught.value.at.file.endswith(".up.sql")
    assert "2_b.down.sql" in caught.value.message
    assert names(make_plan(ONE_WAY, applied_of(ONE_WAY, 3), 2)) == ["3_c.down.sql"]


ZERO = migrations("000_init", "001_a")


def test_a_file_with_the_number_0_is_applied_first_and_reverted_last() -> None:
    assert names(make_plan(ZERO, ())) == ["000_init.up.sql", "001_a.up.sql"]
    assert names(make_plan(ZERO, (), 0)) == ["000_init.up.sql"]
    assert names(make_plan(ZERO, applied_of(ZERO, 1), 0)) == ["001_a.down.sql"]
    assert names(make_plan(ZERO, applied_of(ZERO, 1), EMPTY)) == ["001_a.down.sql", "000_init.down.sql"]
    assert make_plan(ZERO, applied_of(ZERO, 0), 0).empty


@pytest.mark.parametrize(("count", "version"), [(1, 0), (2, EMPTY), (3, EMPTY)])
def test_the_version_after_so_many_are_reverted(count: int, version: int) -> None:
    assert version_below(ZERO, applied_of(ZERO, 1), count) == version


HALF = migrations("V1_a", "V2_b", "V3_c", V2_b_up="VACUUM a; VACUUM b;", V2_b_down="VACUUM c; VACUUM d;")


def half_done(direction: Direction, *, done: int = 1, of: Migrations = HALF) -> HistoryRow:
    """Version 2 of files OF after DONE statements."""
    script = of[1].scripts[direction is Direction.DOWN]
    return row(
        2, direction, sha256=of[1].up.sha256, statements_done=done, done_sha256=script.digest_of_first(done),
        error="statement 2 of 2",
    )  # fmt: skip


def half_history(direction: Direction, **options: Any) -> History:
    return (row(1, sha256=HALF[0].up.sha256), half_done(direction, **options))


@pytest.mark.parametrize(
    ("direction", "target", "expected"),
    [(Direction.UP, None, ["up 2", "up 3"]), (Direction.UP, 2, ["up 2"]), (Direction.DOWN, 1, ["down 2"]),
     (Direction.DOWN, 0, ["down 2", "down 1"])],
)  # fmt: skip
def test_a_half_done_version_is_gone_on_with(direction: Direction, target: int | None, expected: list[str]) -> None:
    plan = make_plan(HALF, half_history(direction), target)
    assert (way(plan), plan.steps[0].resume_at) == (expected, 1)
    assert [step.resume_at for step in plan.steps[1:]] == [None] * (len(expected) - 1)


@pytest.mark.parametrize(("direction", "target"), [(Direction.UP, 1), (Direction.UP, 0), (Direction.DOWN, None)])
def test_nothing_else_is_planned_over_a_version_that_stopped_half_way(direction: Direction, target: int | None) -> None:
    with pytest.raises(SchemaDirty, match=f"Version 2 stopped half-way while going {direction}, at statement 2") as no:
        make_plan(HALF, half_history(direction), target)
    assert no.value.exit_code == 3
    assert f"dashdb migrate {'up' if direction is Direction.UP else 'down 1'}" in no.value.message
    assert "dashdb migrate force" in no.value.message


def test_a_half_done_file_may_be_mended_where_it_has_not_run_yet() -> None:
    mended = migrations("V1_a", "V2_b", "V3_c", V2_b_up="-- why\nVACUUM a; VACUUM ANALYZE b;", V2_b_down="VACUUM c;")
    assert make_plan(mended, half_history(Direction.UP)).steps[0].resume_at == 1


@pytest.mark.parametrize("up", ["VACUUM other; VACUUM b;", "SELECT 1; SELECT 2;"])
def test_a_half_done_file_may_not_be_edited_in_what_has_run(up: str) -> None:
    edited = migrations("V1_a", "V2_b", "V3_c", V2_b_up=up, V2_b_down="VACUUM c;")
    with pytest.raises(SchemaDirty, match=r"V2_b\.up\.sql was edited in its first 1 statements"):
        make_plan(edited, half_history(Direction.UP))


def test_an_approval_holds_for_the_rest_of_what_was_approved() -> None:
    before = make_plan(HALF, (row(1, sha256=HALF[0].up.sha256),))
    assert make_plan(HALF, half_history(Direction.UP)).sha256 == before.sha256
    whole = (row(1, sha256=HALF[0].up.sha256), row(2, sha256=HALF[1].up.sha256))
    assert make_plan(HALF, half_history(Direction.DOWN), 1).sha256 == make_plan(HALF, whole, 1).sha256


@pytest.mark.parametrize(
    ("before", "after", "target"),
    [
        (applied(1, 2), (row(1), row(2, applied_at=LATER)), 1),
        (applied(1), (row(1), row(2, Direction.DOWN)), 2),
        ((row(1), row(2, Direction.DOWN)), (row(1), row(2, Direction.DOWN, applied_at=LATER)), 2),
    ],
    ids=["reverted and applied again", "applied and reverted again", "both once more"],
)
def test_the_same_steps_need_another_approval_once_they_have_run(before: History, after: History, target: int) -> None:
    first, second = make_plan(FILES, before, target), make_plan(FILES, after, target)
    assert way(first) == way(second)
    assert first.sha256 != second.sha256


def test_an_approval_counts_for_one_database_and_one_schema() -> None:
    plans = [make_plan(FILES, applied(1), database=each) for each in ("7000/5/public", "7000/6/public", "7000/5/app")]
    assert len({plan.sha256 for plan in plans}) == 3


def golang_migrate(version: int, **changes: Any) -> History:
    """Return the history of a database that golang-migrate brought to VERSION."""
    return (row(version)._replace(sha256="", origin=Origin.GOLANG_MIGRATE, **changes),)


def test_what_golang_migrate_applied_is_not_applied_again() -> None:
    plan = make_plan(FILES, golang_migrate(2))
    assert (way(plan), plan.current, plan.adopts, plan.empty) == (["up 3", "up 4"], 2, True, False)


def test_taking_over_is_something_to_do_even_where_no_file_is_pending() -> None:
    plan = make_plan(FILES, golang_migrate(4))
    assert (plan.steps, plan.empty) == ((), False)


def test_a_version_of_golang_migrate_without_a_file_is_refused() -> None:
    with pytest.raises(HistoryMismatch, match="golang-migrate applied version 7, which none of the files has"):
        make_plan(FILES, golang_migrate(7))


def test_what_golang_migrate_left_dirty_is_for_a_person() -> None:
    with pytest.raises(SchemaDirty, match="Version 2: one of two things"):
        make_plan(FILES, golang_migrate(2, error="one of two things"))


def test_a_file_before_an_applied_one_can_be_let_in() -> None:
    plan = make_plan(FILES, applied(1, 3), out_of_order=True)
    assert (way(plan), plan.current, plan.target) == (["up 2", "up 4"], 3, 4)


def test_an_edited_file_is_named_with_the_day_on_which_it_was_applied() -> None:
    with pytest.raises(HistoryMismatch, match=r"V2_b\.up\.sql was edited after .* 2026-01-31") as caught:
        make_plan(FILES, (row(1), row(2, sha256="f" * 64)))
    assert (caught.value.reason, caught.value.exit_code) == ("ChecksumMismatch", 5)
    assert caught.value.at == FilePosition("V2_b.up.sql")


def test_a_reverted_file_may_be_edited() -> None:
    plan = make_plan(FILES, (row(1), row(2, Direction.DOWN, sha256="f" * 64)), 2)
    assert way(plan) == ["up 2"]


def test_an_applied_version_whose_file_is_gone_is_named() -> None:
    with pytest.raises(
        HistoryMismatch, match=r'Version 2 \("number 2"\) was applied, but its file is missing'
    ) as caught:
        make_plan(files(1, 3), applied(1, 2))
    assert (caught.value.reason, caught.value.at) == ("FileMissing", None), "no file is there to be named"


def test_a_new_file_before_an_applied_one_is_refused() -> None:
    with pytest.raises(HistoryMismatch, match=r"V2_b\.up\.sql sorts before version 3") as caught:
        make_plan(FILES, applied(1, 3))
    assert (caught.value.reason, caught.value.at) == ("OutOfOrder", FilePosition("V2_b.up.sql"))


def test_the_hash_is_that_of_all_that_decides_what_would_run() -> None:
    plan = make_plan(FILES, applied(1), 3)
    edited = migrations("V1_a", "V2_b", "V3_c", "V4_d", V3_c_up="SELECT 'edited';")
    others = [
        make_plan(edited, applied(1), 3),
        make_plan(FILES, applied(1), 4),
        make_plan(FILES, applied(1), 2),
        make_plan(FILES, applied(1, 2), 3),
        make_plan(FILES, (), 3),
        make_plan(FILES, applied(1, 2, 3), 1),
        replace(plan, steps=tuple(reversed(plan.steps))),
    ]
    assert plan.sha256.startswith("sha256:")
    assert len({plan.sha256, *(other.sha256 for other in others)}) == len(others) + 1


def test_the_hash_stays_where_nothing_that_would_run_changes() -> None:
    plan = make_plan(FILES, applied(1), 3)
    renamed = migrations("V1_a", "V2_b", "V3_c", "V4_d", V4_d_up="SELECT 'beyond the target';")
    assert make_plan(renamed, (row(1, host="elsewhere"),), 3).sha256 == plan.sha256
