"""`dashdb` before it does anything: help, usage, options, and what is loaded for it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner, Result

from controller.cli import root
from controller.cli.kubectl import root as kubectl_dashdb

CLEAN = dict.fromkeys(
    ["DATABASE_URL", "DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_SSLMODE", "DB_QUERY_TIMEOUT"]
)


def dashdb(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(root, arguments, env={**CLEAN, **environ})


def process(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "controller", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("migrate",),
        ("migrate", "up"),
        ("migrate", "down"),
        ("migrate", "version"),
        ("migrate", "status"),
        ("serve",),
        ("health",),
        ("operator",),
    ],
)
def test_every_command_explains_itself_with_an_example(command: tuple[str, ...]) -> None:
    shown = dashdb(*command, "--help")
    assert shown.exit_code == 0
    assert "Usage: " in shown.stdout
    assert "Example:" in shown.stdout or command == ("migrate",)


def test_help_loads_neither_the_driver_nor_the_cluster() -> None:
    code = (
        "import sys\nfrom controller.cli import root\n"
        "try: root.main(['--help'])\nexcept SystemExit: pass\n"
        "print([name for name in ('asyncpg', 'kopf', 'kubernetes', 'aiohttp') if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stderr.strip() == "[]"


def test_the_version_is_told() -> None:
    assert process("--version").stdout.startswith("dashdb, version ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("destroy",),
        ("migrate", "sideways"),
        ("migrate", "up", "--nonsense"),
        ("migrate", "up", "--lock-timeout", "15"),
        ("migrate", "up", "--pooler", "odyssey"),
        ("migrate", "down"),
        ("migrate", "up", "--path", "/nowhere/at/all"),
        ("migrate", "up"),
    ],
)
def test_what_cannot_be_understood_is_exit_2_with_nothing_on_stdout(arguments: tuple[str, ...]) -> None:
    ended = process(*arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_duration_that_is_none_is_told_with_what_is_one() -> None:
    assert (
        "'15' is not a duration such as 500ms, 10s, 5m or 1h30m"
        in dashdb("migrate", "up", "--lock-timeout", "15").stderr
    )


def test_a_variable_that_is_missing_is_one_line() -> None:
    ended = dashdb("migrate", "version")
    assert ended.stderr == "ConfigurationInvalid: DB_HOST is not set. Set it, or give --database-url.\n"


@pytest.mark.parametrize(("name", "value"), [("DB_PORT", "tcp"), ("DB_SSLMODE", "prefer"), ("DB_QUERY_TIMEOUT", "30")])
def test_a_bad_variable_is_one_line_without_the_password(name: str, value: str) -> None:
    known = {"DB_HOST": "127.0.0.1", "DB_NAME": "d", "DB_USER": "u", "DB_PASSWORD": "h0rse", name: value}
    ended = dashdb("migrate", "version", **known)
    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"ConfigurationInvalid: {name}={value!r} is ")
    assert len(ended.stderr.splitlines()) == 1
    assert "h0rse" not in ended.output


def test_a_bad_file_is_exit_2_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "V1.up.sql").write_text("")
    ended = dashdb("migrate", "up", "--path", str(tmp_path))
    assert ended.exit_code == 2
    assert ended.stderr.startswith("MigrationFileInvalid: V1.up.sql: cannot read this name.")


@pytest.mark.parametrize("address", ["8080", "host:", "host:65536", "host:-1", "host:" + "9" * 5000, "host:٨٠٨٠"])
def test_an_address_that_is_none_is_told_with_what_is_one(address: str) -> None:
    ended = dashdb("serve", "--listen", address)
    assert ended.exit_code == 2
    assert "is not HOST:PORT, for example 127.0.0.1:8080." in ended.stderr


def test_a_lease_outside_of_a_cluster_needs_a_namespace() -> None:
    done = process("operator", "--kubeconfig", "somewhere", "--lease", "operator")
    assert done.returncode == 2
    assert "Outside of a cluster, --lease also needs --lease-namespace NS." in done.stderr


@pytest.mark.parametrize("seconds", ["2", "61", "15s"])
def test_a_lease_has_a_duration_that_its_promises_can_be_kept_with(seconds: str) -> None:
    done = dashdb("operator", "--lease", "operator", "--lease-duration", seconds)
    assert done.exit_code == 2
    assert "'--lease-duration'" in done.output


@pytest.mark.parametrize("shard", ["0/2", "3/2", "a", "1/2000"])
def test_a_shard_that_is_none_is_told_with_what_is_one(shard: str) -> None:
    done = dashdb("operator", "--shard", shard)
    assert done.exit_code == 2
    text = "Write i/n: shard i of n, with i from 1 to n and n from 1 to 100; for two operators 1/2 and 2/2."
    assert f"Invalid value for '--shard': '{shard}' is no shard. {text}" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("before", "begun", "completed"),
    [
        ([], "mig", ["migrate"]),
        (["migrate"], "sta", ["status"]),
        (["migrate", "up"], "--table-lock-t", ["--table-lock-timeout"]),
        (["operator", "--log-format"], "t", ["text"]),
    ],
)
def test_a_shell_completes_commands_options_and_choices(before: list[str], begun: str, completed: list[str]) -> None:
    found = BashComplete(root, {}, "dashdb", "_DASHDB_COMPLETE").get_completions(before, begun)
    assert [each.value for each in found] == completed


@pytest.mark.parametrize(
    ("arguments", "near"),
    [(("migrat",), "migrate"), (("migrate", "stauts"), "status"), (("oprator",), "operator")],
)
def test_a_command_that_does_not_exist_is_answered_with_one_that_does(arguments: tuple[str, ...], near: str) -> None:
    ended = dashdb(*arguments)
    assert ended.exit_code == 2
    assert f"Did you mean {near}?" in ended.stderr


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the path of each command, with those below."""
    yield path
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize(
    ("group", "path"), [(group, path) for group in (root, kubectl_dashdb) for path in commands(group)]
)
def test_help_fits_into_100_columns_with_no_word_broken(group: click.Group, path: tuple[str, ...]) -> None:
    shown, wide = (
        CliRunner().invoke(group, [*path, "--help"], terminal_width=width, max_content_width=width).stdout
        for width in (100, 10_000)
    )
    assert max(map(len, shown.splitlines())) <= 100
    assert set(shown.split()) <= set(wide.split())
