"""How long the sidecar waits between two tries."""

import pytest

from controller.errors import DashdbError, MigrationFailed, MigrationLocked
from controller.sidecar.preparation import pause_after


@pytest.mark.parametrize(
    ("problem", "longest"), [(MigrationFailed("refused"), 300.0), (MigrationLocked("another runner"), 30.0)]
)
def test_pauses_grow_up_to_a_limit_which_is_short_while_another_is_at_work(
    problem: DashdbError, longest: float
) -> None:
    pauses = [pause_after(problem, failures) for failures in range(100)]
    assert pauses[:3] == [1.0, 2.0, 4.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == longest
