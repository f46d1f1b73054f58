"""Data that a down migration deletes, as read from its statements."""

import pytest

from controller.migrate.catalog.row_counts import TableLoss
from controller.migrate.plan.data_loss import PossibleLoss, expected_losses
from controller.migrate.plan.model import Direction, Step
from controller.migrate.sql.removed_data import RemovedData
from tests.unit.migrate.folders import migrations


def losses(down: str) -> list[str]:
    (migration,) = migrations("V1_a", V1_a_down=down)
    return [
        loss.text if isinstance(loss, PossibleLoss) else TableLoss(loss, None).subject
        for loss in expected_losses([Step(migration, Direction.DOWN)])
    ]


@pytest.mark.parametrize(
    ("down", "expected"),
    [
        ("DROP TABLE a", ["a"]),
        ('DROP TABLE IF EXISTS a, app.b, "C ""d""" CASCADE', ["a", "app.b", '"C ""d"""']),
        ("-- why\nDROP /* not b */ TABLE a; DROP INDEX a_n; DROP VIEW v", ["a"]),
        ("TRUNCATE a; TRUNCATE TABLE ONLY b, c RESTART IDENTITY", ["a", "b", "c"]),
        ("DELETE FROM a WHERE n > 3", ["a"]),
        ("ALTER TABLE a DROP COLUMN n, DROP IF EXISTS m CASCADE", ["a.n", "a.m"]),
        ("ALTER TABLE ONLY app.a DROP n, ADD COLUMN o int", ["app.a.n"]),
        ("ALTER TABLE a DROP CONSTRAINT c, ALTER COLUMN n DROP NOT NULL, ALTER n DROP DEFAULT", []),
        ("DROP TABLE a; DROP TABLE a", ["a"]),
        ("SELECT 'DROP TABLE a'", []),
        ("DROP TABLE A; DROP TABLE /* x */ a CASCADE", ["A"]),
        ("DROP INDEX i;\n\nUPDATE a SET n = 'secret';", ["may lose data: UPDATE a SET n = ..., line 3"]),
        ("TRUNCATE a CASCADE", ["a", "may lose data: TRUNCATE a CASCADE, line 1"]),
        (
            "SELECT prune();\nSELECT prune()",
            ["may lose data: SELECT prune(), line 1", "may lose data: SELECT prune(), line 2"],
        ),
    ],
)
def test_a_down_migration_loses_what_its_statements_name(down: str, expected: list[str]) -> None:
    assert losses(down) == expected


def test_an_up_migration_is_not_looked_at() -> None:
    (migration,) = migrations("V1_a", V1_a_up="DROP TABLE a")
    assert expected_losses([Step(migration, Direction.UP)]) == ()


def test_a_table_with_and_without_its_children_is_one_loss_the_wider_one() -> None:
    for down in ("TRUNCATE ONLY a; DELETE FROM a", "DELETE FROM a; TRUNCATE ONLY a"):
        (migration,) = migrations("V1_a", V1_a_down=down)
        (loss,) = expected_losses([Step(migration, Direction.DOWN)])
        assert isinstance(loss, RemovedData)
        assert not loss.only


def test_what_is_not_understood_is_known_by_file_and_line_and_steady() -> None:
    first, second = migrations("V1_a", "V2_b", V1_a_down="DO $$ x $$", V2_b_down="-- why\nDO $$ y $$")
    found = expected_losses([Step(second, Direction.DOWN), Step(first, Direction.DOWN)])
    assert found == (PossibleLoss("DO ...", 2, "V2_b.down.sql"), PossibleLoss("DO ...", 1, "V1_a.down.sql"))
    assert [loss.steady_text for loss in found if isinstance(loss, PossibleLoss)] == [
        "may lose data: DO ..., line 2",
        "may lose data: DO ..., line 1",
    ]


def test_what_an_earlier_run_has_done_is_lost_already() -> None:
    (migration,) = migrations("V1_a", V1_a_down="-- dashdb:no-transaction\nDROP TABLE a; DROP TABLE b")
    (loss,) = expected_losses([Step(migration, Direction.DOWN, resume_at=1)])
    assert isinstance(loss, RemovedData)
    assert loss.table.sql == "b"
