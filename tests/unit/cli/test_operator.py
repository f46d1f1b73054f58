"""Arguments of `dashdb operator` that cannot be used end it at once, with exit code 2 and the argument."""

import pytest
from click.testing import CliRunner

from controller.cli import root


@pytest.mark.parametrize("name", ["a,b", "team-*", "", "Team", "-a", "a-", "a.b", "a" * 64, "team\x1b[31m", "team\n"])
def test_a_name_that_no_namespace_has_is_refused(name: str) -> None:
    done = CliRunner().invoke(root, ["operator", "--namespace", "team-a", "--namespace", name])
    assert done.exit_code == 2
    assert "is no name of a namespace, for example team-a; for several, repeat the option." in done.output
    assert "\x1b" not in done.output
