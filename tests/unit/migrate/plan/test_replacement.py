"""Plans with a file that stands for several versions, on databases that have all of them, none or a part."""

import pytest

from controller.errors import ConfigurationError, HistoryMismatch, SchemaAhead, SchemaDirty
from controller.migrate.files.folder import parse
from controller.migrate.files.migration import Migrations
from controller.migrate.plan.make_plan import make_plan, version_below
from controller.migrate.plan.model import EMPTY, Direction, History, HistoryRow, Origin, Plan
from tests.unit.migrate.plan.test_make_plan import row

NAMES = ("V1_a", "V2_b", "V3_c", "V4_d")
ALL = {"V5_all": "1-4"}


def files(*names: str, **replaces: str) -> Migrations:
    contents: dict[str, bytes] = {}
    for name in (*names, *replaces):
        line = f"-- dashdb:replaces {replaces[name]}\n" if name in replaces else ""
        contents |= {f"{name}.{way}.sql": f"{line if way == 'up' else ''}SELECT '{name} {way}';".encode()
                     for way in ("up", "down")}  # fmt: skip
    return parse(contents)


KEPT, GONE, OLD = files(*NAMES, "V6_f", **ALL), files("V6_f", **ALL), files(*NAMES)


def history(*versions: int, known: Migrations = KEPT) -> History:
    """Rows of applied versions, as a run writes them."""
    of = {migration.version: migration for migration in known}
    return tuple(
        row(v, sha256=of[v].up.sha256 if v in of else "0" * 64, replaces=of[v].replaces if v in of else frozenset())
        for v in versions
    )


def way(plan: Plan) -> list[str]:
    return [f"{'record' if s.recorded else s.direction} {s.migration.version}" for s in plan.steps]


@pytest.mark.parametrize("known", [KEPT, GONE], ids=["kept", "gone"])
@pytest.mark.parametrize(
    ("applied", "target", "expected"),
    [
        ((), None, ["up 5", "up 6"]),
        ((), 5, ["up 5"]),
        ((1, 2, 3, 4), None, ["record 5", "up 6"]),
        ((1, 2, 3, 4), 5, ["record 5"]),
        ((1, 2, 3, 4), 4, []),
        ((1, 2), 2, []),
        ((5,), None, ["up 6"]),
        ((5, 6), None, []),
        ((5, 6), 5, ["down 6"]),
        ((5, 6), 0, ["down 6", "down 5"]),
    ],
)
def test_it_runs_on_an_empty_database_and_is_recorded_on_one_that_has_all(
    known: Migrations, applied: tuple[int, ...], target: int | None, expected: list[str]
) -> None:
    assert way(make_plan(known, history(*applied), target)) == expected


@pytest.mark.parametrize(
    ("applied", "target", "expected"),
    [
        ((), 3, ["up 1", "up 2", "up 3"]),
        ((1, 2), 4, ["up 3", "up 4"]),
        ((1, 2, 3, 4), 2, ["down 4", "down 3"]),
    ],
)
def test_below_it_the_files_that_it_replaces_count(applied: tuple[int, ...], target: int, expected: list[str]) -> None:
    assert way(make_plan(KEPT, history(*applied), target)) == expected


@pytest.mark.parametrize("known", [KEPT, GONE], ids=["kept", "gone"])
def test_a_database_with_a_part_of_them_is_refused_with_what_to_do(known: Migrations) -> None:
    with pytest.raises(HistoryMismatch, match=r"1-4, of which 1-2 are applied here and 3-4 are not.*goto 4") as caught:
        make_plan(known, history(1, 2))
    assert caught.value.reason == "PartlyReplaced"


def test_a_part_of_them_is_not_reverted_without_their_files() -> None:
    with pytest.raises(HistoryMismatch, match="of which 1-2 are applied here"):
        make_plan(GONE, history(1, 2), 0)
    with pytest.raises(HistoryMismatch, match=r"their files are gone. V5_all.up.sql stands for them once it is"):
        make_plan(GONE, history(1, 2, 3, 4), 0)


@pytest.mark.parametrize("known", [KEPT, GONE], ids=["kept", "gone"])
@pytest.mark.parametrize("applied", [(5,), (5, 6)])
def test_a_version_that_is_replaced_is_no_target_any_more(known: Migrations, applied: tuple[int, ...]) -> None:
    with pytest.raises(ConfigurationError, match=r"Version 3 is replaced by V5_all.up.sql.* Give version 5") as caught:
        make_plan(known, history(*applied), 3)
    assert caught.value.reason == "VersionUnknown"


def test_versions_that_were_replaced_and_reverted_come_back_as_one() -> None:
    replaced = tuple(each._replace(direction=Direction.DOWN) for each in history(1, 2, 3, 4))
    assert way(make_plan(KEPT, (*replaced, *history(5)))) == ["up 6"]
    reverted = history(5)[0]._replace(direction=Direction.DOWN)
    assert way(make_plan(KEPT, (*replaced, reverted))) == ["up 5", "up 6"]


def test_an_edited_file_is_still_noticed_before_it_is_replaced() -> None:
    edited = (row(1, sha256="1" * 64), *history(2, 3, 4))
    with pytest.raises(HistoryMismatch, match=r"V1_a.up.sql was edited"):
        make_plan(KEPT, edited)


def test_an_older_release_sees_a_newer_database() -> None:
    assert way(make_plan(OLD, history(5))) == []
    with pytest.raises(SchemaAhead):
        make_plan(OLD, history(5), 3)


def test_it_is_recorded_below_a_version_that_is_applied() -> None:
    dates = files("20260101_a", "20260201_b", "20260301_c", **{"20260202_all": "20260101, 20260201"})
    assert way(make_plan(dates, history(20260101, 20260201, 20260301, known=dates))) == ["record 20260202"]
    assert way(make_plan(dates, ())) == ["up 20260202", "up 20260301"]
    with pytest.raises(HistoryMismatch) as caught:
        make_plan(dates, history(20260301, known=dates))
    assert caught.value.reason == "OutOfOrder"


def test_one_may_replace_another() -> None:
    nested = files(*NAMES, "V6_f", **ALL, V7_again="5-6")
    assert way(make_plan(nested, ())) == ["up 7"]
    assert way(make_plan(nested, history(5, 6))) == ["record 7"]
    assert way(make_plan(nested, history(1, 2, 3, 4), 6)) == ["record 5", "up 6"]
    with pytest.raises(HistoryMismatch) as caught:
        make_plan(nested, history(1, 2, 3, 4))
    assert caught.value.reason == "PartlyReplaced"
    whole = files(V7_again="1-6")
    assert way(make_plan(whole, history(5, 6))) == ["record 7"]
    assert way(make_plan(whole, history(1, 2, 3, 4, 5, 6))) == ["record 7"]


def test_a_file_that_stopped_half_way_is_finished_before_it_is_replaced() -> None:
    dirty = row(
        2, sha256=KEPT[1].up.sha256, error="statement 1", statements_done=0, done_sha256=KEPT[1].up.digest_of_first(0)
    )
    assert way(make_plan(KEPT, (*history(1), dirty), 4)) == ["up 2", "up 3", "up 4"]
    with pytest.raises(SchemaDirty):
        make_plan(GONE, (*history(1), dirty))


def test_recording_is_another_plan_than_running() -> None:
    on_empty, on_full = make_plan(GONE, ()), make_plan(GONE, history(1, 2, 3, 4))
    assert on_empty.sha256 != on_full.sha256
    assert not list(on_full.steps[0].script.statements)
    assert on_full.steps[0].transactional


@pytest.mark.parametrize(("applied", "count", "expected"), [((5, 6), 1, 5), ((5, 6), 2, EMPTY), ((1, 2, 3, 4), 1, 3)])
def test_going_down_counts_it_as_one(applied: tuple[int, ...], count: int, expected: int) -> None:
    assert version_below(KEPT, history(*applied), count) == expected


def golang_migrate(version: int) -> tuple[HistoryRow, ...]:
    return (row(version, origin=Origin.GOLANG_MIGRATE)._replace(sha256=""),)


@pytest.mark.parametrize(
    ("known", "version", "expected"),
    [(KEPT, 4, ["record 5", "up 6"]), (GONE, 4, ["up 6"]), (KEPT, 5, ["up 6"]), (KEPT, 6, [])],
)
def test_what_golang_migrate_applied_is_recorded_as_one(known: Migrations, version: int, expected: list[str]) -> None:
    plan = make_plan(known, golang_migrate(version))
    assert (plan.adopts, way(plan)) == (True, expected)


def test_a_part_that_golang_migrate_applied_is_not_adopted() -> None:
    with pytest.raises(HistoryMismatch):
        make_plan(GONE, golang_migrate(2))
    with pytest.raises(HistoryMismatch):
        make_plan(KEPT, golang_migrate(2))
