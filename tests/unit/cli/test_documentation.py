"""Commands in the documentation: the program knows each of them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from controller.cli import root
from controller.cli.kubectl import root as kubectl
from controller.cli.migrate import command as migrate
from controller.cli.templates.commands import command as templates

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/reference").glob("*.md"))]
_COMMAND = re.compile(r"(?:`|^(?:    |\$ ))((?:kubectl )?dashdb) ([a-z][^`\n;|]*)", re.MULTILINE)
_PROGRAMS = {"dashdb": root, "kubectl dashdb": kubectl}


def options(group: click.Group) -> Iterator[click.Parameter]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield from command.params


def commands() -> list[tuple[str, str]]:
    """Return program and arguments of each command in the documents."""
    found = (match for path in DOCUMENTS for match in _COMMAND.finditer(path.read_text()))
    return sorted({(match[1], match[2].strip()) for match in found})


@pytest.mark.parametrize(("program", "command"), commands(), ids=" ".join)
def test_a_command_in_the_documentation_exists(program: str, command: str) -> None:
    arguments = [word for word in shlex.split(command, comments=True) if word not in {"...", "VERSION"}]
    done = CliRunner().invoke(_PROGRAMS[program], [*arguments, "--help"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_option_in_the_documentation_is_one_of_the_programs(document: Path) -> None:
    known = {
        option
        for group in (root, migrate, templates, kubectl)
        for found in options(group)
        for option in (*found.opts, *found.secondary_opts)
    }
    text = re.sub(r"`[^`\n]*(?:upgrade|pg_dump|psql|kubectl|helm)[^`\n]*`", "", document.read_text())
    told = set(re.findall(r"`(--[a-z][a-z-]*)", text)) | set(re.findall(r"dashdb [a-z ]*(--[a-z-]+)", text))
    assert told - known <= {"--help", "--version"}


def test_every_command_with_json_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference" / "json.md").read_text()
    with_json = [
        f"dashdb {group.name} {name}"
        for group in (migrate, templates)
        for name in group.list_commands(click.Context(group))
        if any("--json" in option.opts for option in parameters(group, name))
    ]
    assert len(with_json) == 17
    assert [command for command in with_json if f"`{command}`" not in reference] == []


def parameters(group: click.Group, name: str) -> list[click.Parameter]:
    command = group.get_command(click.Context(group), name)
    assert command is not None
    return command.params


def test_there_are_commands_to_check() -> None:
    assert {("dashdb", "migrate up"), ("kubectl dashdb", "plan perses -n team-a")} <= set(commands())
