"""`dashdb migrate show`, `lint` and `create`, which need files and no database."""

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any

import click

from controller.cli.common import logging_options
from controller.cli.failures import fail
from controller.cli.invocation import path_option
from controller.cli.migrate.findings import rules_of, summary_of
from controller.cli.terminal import echo, echo_exactly, echo_line
from controller.errors import ConfigurationError, DashdbError
from controller.exit_codes import ExitCode
from controller.migrate.files.create import create as create_pair
from controller.migrate.files.folder import read_folder, read_script, refuse_packaged
from controller.migrate.files.lint import Finding, Level, without_down
from controller.migrate.files.lint import lint as find
from controller.migrate.plan.model import newest_version
from controller.runtime.log_format import LogFormat


def _file_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the commands without a database; end the program at an error of ours."""

    @path_option
    @click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object on stdout.")
    @logging_options(LogFormat.TEXT)
    @wraps(function)
    def command(*, as_json: bool, **rest: Any) -> None:
        try:
            function(as_json=as_json, **rest)
        except DashdbError as error:
            fail(error, as_json=as_json)

    return command


@click.command()
@click.argument("files", metavar="[FILE...]", nargs=-1, type=click.Path(path_type=Path, dir_okay=False))
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings as well.")
@click.option("--details", is_flag=True, help="List every finding, instead of one line for each rule.")
@_file_options
def lint(files: tuple[Path, ...], path: Path, *, strict: bool, details: bool, as_json: bool) -> None:
    """Find risky or wrong statements in FILEs, or in the whole folder, by squawk's rules and ours.

    Prints one line for each rule with the number of its findings and the first place; with --details, every place.

    Exits with 1 if there is an error; a person decides about a warning. A file allows what it does on purpose with a
    comment that gives the reason: -- squawk-ignore <rules> -- <why>

    \b
    Example:
      dashdb migrate lint migrations/V002_add_labels.up.sql --strict
    """
    migrations = () if files else read_folder(path)
    scripts = [read_script(file) for file in files] or [script for each in migrations for script in each.scripts]
    findings = tuple(sorted((*find(scripts), *without_down(migrations))))
    errors = sum(finding.level is Level.ERROR for finding in findings)
    if as_json:
        rules = [{"rule": rule, "level": found[0].level, "count": len(found)} for rule, found in rules_of(findings)]
        listed = [asdict(finding) for finding in findings]
        click.echo(json.dumps({"files": len(scripts), "errors": errors, "rules": rules, "findings": listed}))
    else:
        for line in map(str, findings) if details else summary_of(findings):
            echo_line(line)
        _print_counts(findings, errors, len(scripts))
    if errors or (strict and findings):
        sys.exit(ExitCode.FAILED)


@click.command()
@click.argument("version", metavar="V", type=click.IntRange(min=0))
@click.option("--down", is_flag=True, help="Print the down migration instead.")
@_file_options
def show(version: int, path: Path, *, down: bool, as_json: bool) -> None:
    """Print the file of version V, to bring back by hand what is missing of it.

    \b
    Example:
      dashdb migrate show 1
    """
    migrations = read_folder(path)
    migration = next((each for each in migrations if each.version == version), None)
    if migration is None:
        raise ConfigurationError(f"No file has version {version}; the newest is {newest_version(migrations)}.")
    script = migration.down if down else migration.up
    if script is None:
        raise ConfigurationError(f"Version {version} has no down migration: {migration.down_name} is not there.")
    if as_json:
        click.echo(json.dumps({"file": script.name, "sha256": script.sha256, "sql": script.text}))
    else:
        echo_exactly(script.text)


@click.command()
@click.argument("name")
@_file_options
def create(name: str, path: Path, *, as_json: bool) -> None:
    """Create the next pair of files, numbered like the others in the folder; NAME says what they do.

    \b
    Example:
      dashdb migrate create add_labels --path ./migrations
    """
    refuse_packaged(path)
    up, down = create_pair(path, name)
    click.echo(json.dumps({"up": str(up), "down": str(down)}) if as_json else f"{up}\n{down}")


def _print_counts(findings: tuple[Finding, ...], errors: int, files: int) -> None:
    among = "1 file" if files == 1 else f"{files} files"
    warnings = len(findings) - errors
    counts = f"{errors} {'error' if errors == 1 else 'errors'}, {warnings} {'warning' if warnings == 1 else 'warnings'}"
    echo(f"{counts if findings else 'Nothing found'} in {among}.")
