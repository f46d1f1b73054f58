"""Batches of files that share one round trip."""

from typing import Any, cast

from controller.migrate.history.location import HistoryLocation
from controller.migrate.history.session import RunSettings
from controller.migrate.plan.model import Direction, Step
from controller.migrate.run.attempt import MigrationAttempt
from controller.migrate.run.file_batch import LONGEST, MOST_FILES, file_batches
from tests.unit.migrate.folders import pairs

SHORT = "CREATE TABLE t ();"


def sizes(*texts: str, **expected: int) -> list[int]:
    """Return the sizes of the batches of up files with these texts; at_2=7 makes file 2 expect version 7."""
    files = pairs({f"V{number}_f.up.sql": text for number, text in enumerate(texts, start=1)})
    runs = [_run(Step(m, Direction.UP), expected.get(f"at_{m.version}", m.version - 1)) for m in files]
    found = list(file_batches(runs))
    assert [run for file_batch in found for run in file_batch.runs] == runs, "all of them, in order"
    return [len(file_batch.runs) for file_batch in found]


def _run(step: Step, expected: int) -> MigrationAttempt:
    nowhere = cast("Any", None)
    location = HistoryLocation("public", has_history=True, has_golang_migrate=False)
    return MigrationAttempt(
        nowhere, RunSettings(), nowhere, location, step, expected, step.migration.version, last=False
    )


def test_files_that_only_write_the_catalog_travel_together() -> None:
    assert sizes(SHORT, "CREATE TYPE a AS ENUM (); COMMENT ON TYPE a IS 'x';", "-- nothing yet\n") == [3]


def test_whatever_may_take_long_goes_alone() -> None:
    assert sizes(SHORT, "INSERT INTO t VALUES (1);", SHORT, SHORT) == [1, 1, 2]
    assert sizes(SHORT, SHORT, "ALTER TABLE t ADD n int;") == [2, 1]
    assert sizes(SHORT, SHORT + "SELECT 1;", SHORT) == [1, 1, 1]


def test_a_file_without_a_transaction_goes_alone() -> None:
    assert sizes(SHORT, "-- dashdb:no-transaction\n" + SHORT, SHORT) == [1, 1, 1]


def test_a_file_that_comes_late_goes_alone_since_others_may_be_there_already() -> None:
    assert sizes(SHORT, SHORT, SHORT, at_2=7) == [1, 1, 1]


def test_ways_back_that_only_drop_travel_together_too() -> None:
    files = pairs(
        {f"V{n}_f.up.sql": SHORT for n in range(1, 5)}
        | {f"V{n}_f.down.sql": "DROP TABLE t;" for n in (1, 2, 4)}
        | {"V3_f.down.sql": "DELETE FROM t;"}
    )
    runs = [_run(Step(m, Direction.DOWN), m.version) for m in reversed(files)]
    assert [[run.step.migration.version for run in file_batch.runs] for file_batch in file_batches(runs)] == [
        [4],
        [3],
        [2, 1],
    ]


def test_a_bundle_has_an_end() -> None:
    assert sizes(*[SHORT] * (MOST_FILES + 1)) == [MOST_FILES, 1]
    long = SHORT + " " * (LONGEST // 2 - len(SHORT) - len("SELECT 1;"))
    assert sizes(long, long, SHORT) == [2, 1]
    assert sizes(SHORT, SHORT + " " * LONGEST, SHORT) == [1, 1, 1]
    assert sizes(SHORT, "CREATE TYPE a;" * 65, SHORT) == [1, 1, 1]
