"""Text about a loss of rows."""

import pytest

from controller.migrate.catalog.row_counts import MOST_COUNTED, TableLoss
from controller.migrate.sql.names import QualifiedName
from controller.migrate.sql.removed_data import RemovedData


@pytest.mark.parametrize(
    ("rows", "exact", "steady"),
    [
        (0, "a.n (0 rows)", "a.n (empty)"),
        (1, "a.n (1 row)", "a.n (holds data)"),
        (7, "a.n (7 rows)", "a.n (holds data)"),
        (MOST_COUNTED + 1, "a.n (more than 10000 rows)", "a.n (holds data)"),
        (None, "a.n (rows not counted)", "a.n (holds data)"),
    ],
)
def test_a_status_does_not_change_with_every_row(rows: int | None, exact: str, steady: str) -> None:
    loss = TableLoss(RemovedData(QualifiedName(("a",), "a"), QualifiedName(("n",), "n")), rows)
    assert (loss.text, loss.steady_text) == (exact, steady)


def test_a_table_is_shown_as_its_file_writes_it() -> None:
    loss = TableLoss(RemovedData(QualifiedName(("app", "T"), 'App."T"')), 2)
    assert (loss.text, loss.column) == ('App."T" (2 rows)', None)
