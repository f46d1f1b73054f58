"""Arguments of `dashdb operator` that cannot be used end it at once, with exit code 2 and the argument."""

import click
import pytest
from click.testing import CliRunner

from controller.cli import root
from controller.cli.operator import command


@pytest.mark.parametrize("name", ["a,b", "team-*", "", "Team", "-a", "a-", "a.b", "a" * 64, "team\x1b[31m", "team\n"])
def test_a_name_that_no_namespace_has_is_refused(name: str) -> None:
    done = CliRunner().invoke(root, ["operator", "--namespace", "team-a", "--namespace", name])
    assert done.exit_code == 2
    assert "is no name of a namespace, for example team-a; for several, repeat the option." in done.output
    assert "\x1b" not in done.output


@pytest.mark.parametrize(
    ("options", "variable", "watched"),
    [
        ([], "team-a", ("team-a",)),
        ([], "team-a,team-b", ("team-a", "team-b")),
        ([], "", ()),
        (["team-c"], "team-a,team-b", ("team-c",)),
    ],
)
def test_namespaces_are_those_of_the_variable_where_no_option_names_any(
    options: list[str], variable: str, watched: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCH_NAMESPACE", variable)
    [option] = [each for each in command.params if each.name == "namespaces"]
    given = {"namespaces": options} if options else {}
    assert option.handle_parse_result(click.Context(command), given, [])[0] == watched
