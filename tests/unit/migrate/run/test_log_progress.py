"""Log records of migrations: each file begins once, however often it waits for a lock."""

from structlog.testing import capture_logs

from controller.migrate.plan.model import Direction, Step
from controller.migrate.run.log_progress import LoggedProgress
from tests.unit.migrate.folders import migrations


def test_a_file_that_is_tried_again_begins_once() -> None:
    step = Step(migrations("V1_a")[0], Direction.UP)
    progress = LoggedProgress()
    with capture_logs() as records:
        for _ in range(4):
            progress.started(step)
            progress.waiting("V1_a.up.sql", "the lock of another runner")
        progress.started(step)
        progress.finished(step, 0.5)
        progress.started(step)
    assert [record["event"] for record in records] == [
        "migration started",
        "migration waits",
        "migration finished",
        "migration started",
    ]
