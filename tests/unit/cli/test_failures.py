"""The last words of a command that fails: JSON where JSON was asked for, text elsewhere."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from controller.cli.failures import Form, asked_form, error_object
from controller.errors import FilePosition, MigrationFileError

ROOT = Path(__file__).parents[3]
UNREACHABLE = "postgresql://ann:h0rse@127.0.0.1:1/perses"


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "controller", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "form"),
    [
        ("migrate up", Form.TEXT),
        ("migrate up --json", Form.JSON),
        ("migrate up --json --log-format json", Form.JSON),
        ("migrate up --log-format json", Form.LOG_RECORD),
        ("migrate up --log-format=json", Form.LOG_RECORD),
        ("serve", Form.LOG_RECORD),
        ("serve --log-format text", Form.TEXT),
        ("operator --log-format=text", Form.TEXT),
        ("operator --log-format", Form.TEXT),
        ("health", Form.TEXT),
        ("", Form.TEXT),
    ],
)
def test_the_arguments_say_which_form_is_asked_for(arguments: str, form: Form) -> None:
    assert asked_form(arguments.split()) is form


@pytest.mark.parametrize(
    ("arguments", "reason", "code"),
    [
        (("migrate", "up", "--json", "--nonsense"), "Usage", 2),
        (("migrate", "down", "--json"), "Usage", 2),
        (("migrate", "up", "--json", "--database-url", "nonsense"), "ConfigurationInvalid", 2),
        (("migrate", "status", "--json", "--database-url", UNREACHABLE), "ConnectionRefused", 7),
        (("templates", "list", "--json", "--database-url", UNREACHABLE), "ConnectionRefused", 7),
        (("migrate", "lint", "--json", "/nowhere.sql"), "ConfigurationInvalid", 2),
    ],
)
def test_with_json_the_last_line_of_stdout_is_the_error(arguments: tuple[str, ...], reason: str, code: int) -> None:
    ended = process(*arguments)
    error = json.loads(ended.stdout.splitlines()[-1])
    assert (error["error"], error["exit_code"], ended.returncode) == (reason, code, code)
    assert error["message"]
    assert "h0rse" not in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("serve", "--nonsense"), "Usage"),
        (("serve", "--database-url", "nonsense"), "ConfigurationInvalid"),
        (("operator", "--kubeconfig", "/nowhere"), "ConfigurationInvalid"),
        (("migrate", "up", "--log-format", "json", "--database-url", UNREACHABLE), "ConnectionRefused"),
    ],
)
def test_with_json_logs_the_last_line_of_stderr_is_a_record(arguments: tuple[str, ...], reason: str) -> None:
    ended = process(*arguments)
    record = json.loads(ended.stderr.splitlines()[-1])
    assert (record["level"], record["error"], record["exit_code"]) == ("error", reason, ended.returncode)
    assert record["time"].endswith("Z")
    assert ended.stdout == ""


def test_the_place_of_an_error_is_the_one_that_it_was_raised_with_and_not_guessed_from_its_message() -> None:
    message = "1_a.up.sql cannot be reverted: it has no down migration. Write 1_a.down.sql."
    placed = MigrationFileError(message, reason="Irreversible", at=FilePosition("1_a.up.sql"))
    found = error_object(placed)
    assert (found["file"], found["line"], found["column"]) == ("1_a.up.sql", None, None)
    assert error_object(MigrationFileError(message))["file"] is None


def test_each_error_about_a_migration_file_is_raised_with_its_place() -> None:
    made = [
        (path.relative_to(ROOT).as_posix(), node)
        for path in sorted((ROOT / "controller").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == MigrationFileError.__name__
    ]
    assert made
    assert [(path, node.lineno) for path, node in made if "at" not in {each.arg for each in node.keywords}] == []


def test_logs_as_text_end_with_text() -> None:
    ended = process("serve", "--log-format", "text", "--database-url", "nonsense")
    assert ended.stderr.splitlines()[-1].startswith("ConfigurationInvalid: ")


def test_a_fault_of_the_program_is_one_object_too_and_repeats_no_text() -> None:
    code = (
        "import sys; sys.argv = ['dashdb', 'migrate', 'version', '--json']\n"
        "from controller import cli\n"
        "def broken(**_): raise KeyError('h0rse')\n"
        "cli.root.main = broken\ncli.main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    error = json.loads(ended.stdout)
    assert (error["error"], ended.returncode) == ("InternalError", 1)
    assert "KeyError" in error["message"]
    assert "h0rse" not in ended.stdout + ended.stderr.replace("raise KeyError('h0rse')", "")
