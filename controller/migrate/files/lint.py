"""What is risky or wrong in migration files: squawk's rules, and three of ours.

squawk (https://squawkhq.com/docs/rules) reads a file from its standard input and knows nothing of the engine. What it
would say needlessly is left out here, once, with the reason; what a file does on purpose is said in the file, where
squawk itself reads it, with the reason after a second `--`:

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
from controller.migrate.files.migration import Script
from controller.migrate.sql.lexer import Statement
from controller.migrate.sql.statements import may_commit, runs_alone

TIMEOUT = 30.0
"""Seconds for one file; squawk takes milliseconds."""

OLDEST_POSTGRESQL = "14.0"
# The engine sets lock_timeout itself, and no limit for statements: a migration may take as long as it takes.
_LEFT_OUT = ("require-lock-timeout", "require-statement-timeout", "require-timeout-settings")
# Nothing remains of a file that failed in its transaction; IF NOT EXISTS would only hide what is not as it should be.
_LEFT_OUT_IN_TRANSACTIONS = ("prefer-robust-stmts",)
_SYNTAX = "syntax-error"

_IGNORE = re.compile(r"(?:--|/\*)[ \t]*squawk-ignore(?:-file)?\b(?P<rest>[^\n]*)")
_REASON = re.compile(r"--.*\w")


class Level(StrEnum):
    ERROR = "error"
    """The file does not work, or says what is not so."""
    WARNING = "warning"
    """It may hurt a database in use: mend it, or say in the file why not."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing to look at.

    Attributes:
        line, column: counted from 1, in characters.
        help: what to do instead; empty where the message says it.
    """

    file: str
    line: int
    column: int
    rule: str
    level: Level
    message: str
    help: str = ""

    def __str__(self) -> str:
        """One line, as compilers write it."""
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
    "This does not say why.",
    "Write the reason behind it: -- squawk-ignore <rules> -- <why>.",
)
_EMPTY = _Rule(
    "empty-down",
    Level.ERROR,
    "This way back does nothing, and would be recorded as done.",
    "Undo what the up file does.",
)
_MIXED = _Rule(
    "mixed-concurrently",
    Level.WARNING,
    "This could run in a transaction, but its file has none and may stop half-way.",
    "Move it into a file of its own.",
)


def lint(scripts: Iterable[Script]) -> tuple[Finding, ...]:
    """All findings in `scripts`, by file and line. Blocks; some milliseconds a file.

    Down files are for dropping things: only their syntax and our own rules are looked at.

    Raises:
        ConfigurationError: squawk is not installed.
        InternalError: squawk failed, or took longer than `TIMEOUT`.
    """
    program = squawk_program()

    def look(script: Script) -> tuple[Finding, ...]:
        try:
            ours = our_rules(script)
        except MigrationFileError as error:
            return (Finding(script.name, 1, 1, "unreadable", Level.ERROR, error.message),)
        return (*_ask_squawk(program, script), *ours)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return tuple(sorted(chain.from_iterable(threads.map(look, scripts))))


def squawk_program() -> Path:
    """Where the package squawk-cli has put its program.

    Raises:
        ConfigurationError: it is not installed.
    """
    try:
        files = distribution("squawk-cli").files or []
    except PackageNotFoundError:
        files = []
    for file in files:
        program = Path(str(file.locate()))
        if program.stem == "squawk" and os.access(program, os.X_OK):
            return program
    raise ConfigurationError("The linter squawk is missing from this installation. pip install squawk-cli brings it.")


def our_rules(script: Script) -> tuple[Finding, ...]:
    """What squawk has no rule for.

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
    """True for the way back."""
    return script.name.lower().endswith(".down.sql")


def _ask_squawk(program: Path, script: Script) -> Iterator[Finding]:
    left_out = (*_LEFT_OUT, *_LEFT_OUT_IN_TRANSACTIONS) if script.transactional else _LEFT_OUT
    # No configuration file: what a folder above happens to hold must not change the answer.
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
    """True for what could run in a transaction; settings are for the statements after them."""
    return not (runs_alone(statement) or may_commit(statement) or statement.words[:1] == ("SET",))
