"""Linter for migration files: squawk's rules, and ours.

squawk (https://squawkhq.com/docs/rules) reads a file from its standard input and knows nothing of the engine. Rules
that do not apply to the engine are excluded here, with the reason. A file allows what it does on purpose with a comment
that squawk reads, with the reason after a second `--`:

    -- squawk-ignore prefer-text-field, prefer-bigint-over-int -- the contract prescribes these types
    -- squawk-ignore-file prefer-text-field -- the same, for the whole file
"""

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path

from controller.errors import ConfigurationError, InternalError, MigrationFileError
from controller.migrate.files.migration import Migrations, Script
from controller.migrate.sql.lexer import Statement
from controller.migrate.sql.statements import may_commit, runs_alone

TIMEOUT = 30.0
"""Seconds that squawk may take for one file; it takes milliseconds."""

OLDEST_POSTGRESQL = "14.0"
# The engine sets lock_timeout itself, and no limit for statements: a migration may take as long as it takes.
_LEFT_OUT = ("require-lock-timeout", "require-statement-timeout", "require-timeout-settings")
# Nothing remains of a file that failed in its transaction, so IF NOT EXISTS would only hide mistakes. A BEGIN and
# COMMIT of the file are left out, and what cannot be is refused when the file is read.
_LEFT_OUT_IN_TRANSACTIONS = ("prefer-robust-stmts", "transaction-nesting")
_SYNTAX = "syntax-error"

_IGNORE = re.compile(r"(?:--|/\*)[ \t]*squawk-ignore(?:-file)?\b(?P<rest>[^\n]*)")
_REASON = re.compile(r"--.*\w")


class Level(StrEnum):
    ERROR = "error"
    """The file does not work, or makes a false statement."""
    WARNING = "warning"
    """The file may harm a database in use: change it, or give the reason in it."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Problem in a file.

    Attributes:
        line, column: counted from 1, in characters.
        help: what to do instead; empty if the message says it.
    """

    file: str
    line: int
    column: int
    rule: str
    level: Level
    message: str
    help: str = ""

    def __str__(self) -> str:
        """Return one line, as compilers write it."""
        text = f"{self.message} {self.help}".strip()
        return f"{self.file}:{self.line}:{self.column}: {self.level}: {text} [{self.rule}]"


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    level: Level
    message: str
    help: str

    def found(self, script: Script, offset: int) -> Finding:
        line = script.text.count("\n", 0, offset) + 1
        column = offset - script.text.rfind("\n", 0, offset)
        return Finding(script.name, line, column, self.name, self.level, self.message, self.help)


_UNEXPLAINED = _Rule(
    "unexplained-ignore",
    Level.ERROR,
    "This comment gives no reason.",
    "Write the reason after it: -- squawk-ignore <rules> -- <why>.",
)
_EMPTY = _Rule(
    "empty-down",
    Level.ERROR,
    "This down migration does nothing, and would be recorded as done.",
    "Undo what the up file does.",
)
_ONE_WAY = _Rule(
    "no-down",
    Level.WARNING,
    "This version has no down migration, so it cannot be reverted.",
    "Write one, or leave it so on purpose.",
)
_MIXED = _Rule(
    "mixed-concurrently",
    Level.WARNING,
    "This could run in a transaction, but its file has none and may stop half-way.",
    "Move it into a file of its own.",
)


class LinterMissing(ConfigurationError):
    """Error: squawk is not installed."""

    reason = "LinterMissing"


def lint(scripts: Iterable[Script], *, without_squawk: bool = False) -> tuple[Finding, ...]:
    """Return all findings in `scripts`, sorted by file and line; block for some milliseconds a file.

    In down migrations, which drop things on purpose, only the syntax and our own rules are checked.

    Args:
        without_squawk: check our own rules alone.

    Raises:
        LinterMissing: squawk is not installed.
        InternalError: squawk failed, or took longer than `TIMEOUT`.
    """
    program = None if without_squawk else squawk_program()

    def lint_script(script: Script) -> tuple[Finding, ...]:
        try:
            ours = our_rules(script)
        except MigrationFileError as error:
            return (Finding(script.name, 1, 1, "unreadable", Level.ERROR, error.message),)
        return (*_ask_squawk(program, script), *ours) if program else ours

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return tuple(sorted(chain.from_iterable(threads.map(lint_script, scripts))))


def without_down(migrations: Migrations) -> tuple[Finding, ...]:
    """Return a finding for each version that has no down migration."""
    return tuple(_ONE_WAY.found(migration.up, 0) for migration in migrations if migration.down is None)


def squawk_program() -> Path:
    """Return the path of the program in the package squawk-cli.

    Raises:
        LinterMissing: squawk-cli is not installed.
    """
    try:
        files = distribution("squawk-cli").files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        program = Path(str(file.locate()))
        if program.stem == "squawk" and os.access(program, os.X_OK):
            return program
    raise LinterMissing(
        "The linter squawk is not installed; it is an extra, which the image leaves out. Where migrations are written: "
        "pip install 'dashboard-database-operator[lint]'."
    )


def our_rules(script: Script) -> tuple[Finding, ...]:
    """Return the findings of our own rules.

    Raises:
        MigrationFileError: the engine cannot read the file.
    """
    ignores = [match for match in _IGNORE.finditer(script.text) if not _REASON.search(match["rest"])]
    findings = [_UNEXPLAINED.found(script, match.start()) for match in ignores]
    if is_down(script) and not script.statements:
        findings.append(_EMPTY.found(script, 0))
    if any(map(runs_alone, script.statements)):
        findings += [_MIXED.found(script, each.offset) for each in script.statements if _could_join(each)]
    return tuple(findings)


def is_down(script: Script) -> bool:
    """Return whether the file is a down migration."""
    return script.name.lower().endswith(".down.sql")


def _ask_squawk(program: Path, script: Script) -> Iterator[Finding]:
    left_out = (*_LEFT_OUT, *_LEFT_OUT_IN_TRANSACTIONS) if script.transactional else _LEFT_OUT
    # No configuration file: one in a parent folder must not change the result.
    arguments = ["--reporter=json", f"--config={os.devnull}", f"--pg-version={OLDEST_POSTGRESQL}"]
    arguments += [f"--exclude={','.join(left_out)}", *(["--assume-in-transaction"] if script.transactional else [])]
    try:
        done = subprocess.run(  # noqa: S603 - the program of our own installation
            [program, *arguments], input=script.text.encode(), capture_output=True, timeout=TIMEOUT, check=False
        )
        reported = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise InternalError(f"{script.name}: squawk gave no answer ({type(error).__name__}).") from None
    lines = script.text.split("\n")
    for each in reported:
        if not is_down(script) or each["rule_name"] == _SYNTAX:
            before = lines[each["line"]].encode()[: each["column"]]  # squawk counts from 0, and in bytes
            yield Finding(
                script.name, each["line"] + 1, len(before.decode(errors="ignore")) + 1, each["rule_name"],
                Level(each["level"].lower()), each["message"], each["help"] or "",
            )  # fmt: skip


def _could_join(statement: Statement) -> bool:
    """Return whether the statement could run in a transaction; SET is left out, since it serves the others."""
    return not (runs_alone(statement) or may_commit(statement) or statement.words[:1] == ("SET",))
