"""Errors of this program, as one tree; each class says what it means for the user and for the next try.

    DashdbError
    ├── ConfigurationError      an argument, a variable, a Secret or a resource is wrong; a person must correct it
    ├── MigrationFileError      a migration file cannot be used as it is
    ├── HistoryMismatch         the files disagree with what the database says was applied
    ├── ForeignObject           another role's object stands where our SQL would run or believe it
    ├── SchemaAhead             the database is newer than the files, and the command had to act
    ├── SchemaDirty             a file without a transaction stopped half-way
    ├── MigrationLocked         another runner held the lock until the deadline
    ├── ChangeNotPermitted      work stopped before its next change
    │   ├── NotLeading          another replica leads, or it is not known who does
    │   └── Superseded          something else is asked for by now
    ├── MigrationFailed         PostgreSQL refused a statement; nothing of its file remains
    ├── TemplateError           a template document or row cannot be used
    ├── DatabaseUnavailable     no connection, or one that broke; its reason says which kind
    │   └── ProtocolViolation   a connection that we end, because the server broke a rule or a limit
    └── InternalError           a fault of this program; its log says where

Messages are for people and end up in logs, events, status and HTTP answers: they never hold a password, a
connection string or the text of a driver's exception. What PostgreSQL itself says of a statement may repeat row data;
it is kept beside the message, as an `ErrorReport` for the command line alone.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from controller.exit_codes import ExitCode


class Recovery(StrEnum):
    """Condition under which another try can succeed."""

    STALLED = "stalled"
    """A person must change the resource or the files; trying again alone cannot help."""
    WAITING = "waiting"
    """Something outside the resource must change: a Secret, a grant, a server's setting."""
    SUSPENDED = "suspended"
    """A person has asked for nothing to be changed."""
    TRANSIENT = "transient"
    """The cause may end by itself; try again, with pauses that grow up to a limit."""


@dataclass(frozen=True, slots=True)
class FilePosition:
    """Place in a migration file.

    Attributes:
        file: name of the file without folders.
        line, column: counted from 1, in characters; None where the whole file is meant.
    """

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """Return `file:line:column`, as compilers write it, as far as it is known."""
        return ":".join(str(each) for each in (self.file, self.line, self.column) if each is not None)


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """Report of PostgreSQL about a statement that it refused, cleaned and cut.

    https://www.postgresql.org/docs/current/protocol-error-fields.html

    Attributes:
        message: may repeat row data, and have several lines.
        hint: empty if there is none.
        context: functions and lines, the innermost first.
        dependents: objects that stand in the way of a DROP, one sentence each.
        detail: where PostgreSQL repeats whole rows; empty if there is none.
    """

    sqlstate: str
    message: str
    hint: str = ""
    context: tuple[str, ...] = ()
    dependents: tuple[str, ...] = ()
    detail: str = ""


class DashdbError(Exception):
    """Base of all errors that a user is meant to read.

    Attributes:
        reason: stable CamelCase word for conditions, events and `--json`.
        exit_code: of the command line.
        recovery: what another try needs.
        at: place in a migration file; None if no file is the cause.
        report: what PostgreSQL says of the statement; None if no statement of a file was refused.
    """

    reason: str = "Failed"
    exit_code: ClassVar[ExitCode] = ExitCode.FAILED
    recovery: Recovery = Recovery.TRANSIENT

    @property
    def told_once(self) -> bool:
        """True for an error that all databases of the process meet together, and that is logged in one place."""
        return False

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        recovery: Recovery | None = None,
        at: FilePosition | None = None,
        report: ErrorReport | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.at = at
        self.report = report
        self.reason = reason or type(self).reason
        self.recovery = recovery or type(self).recovery


class ConfigurationError(DashdbError):
    """An argument, a variable, a Secret or a resource is wrong."""

    reason = "ConfigurationInvalid"
    exit_code = ExitCode.USAGE
    recovery = Recovery.WAITING


class MigrationFileError(DashdbError):
    """A migration file cannot be used as it is: its name, its encoding or its SQL."""

    reason = "MigrationFileInvalid"
    exit_code = ExitCode.USAGE
    recovery = Recovery.STALLED


class HistoryMismatch(DashdbError):
    """The files disagree with the history: an edited, missing or out-of-order file."""

    reason = "HistoryMismatch"
    exit_code = ExitCode.MISMATCH
    recovery = Recovery.STALLED


class ForeignObject(DashdbError):
    """An object in the schema belongs to a role without our rights, and our SQL could run or believe it."""

    reason = "ForeignObject"
    recovery = Recovery.WAITING


class SchemaAhead(DashdbError):
    """The database is at a version that the files do not know, and the command had to act."""

    reason = "SchemaAhead"
    exit_code = ExitCode.AHEAD
    recovery = Recovery.STALLED


class SchemaDirty(DashdbError):
    """A file without a transaction stopped half-way."""

    reason = "SchemaDirty"
    exit_code = ExitCode.DIRTY
    recovery = Recovery.STALLED


class MigrationLocked(DashdbError):
    """Another runner held the lock until the deadline."""

    reason = "MigrationLocked"
    exit_code = ExitCode.LOCKED


class ChangeNotPermitted(DashdbError):
    """Work that was stopped before its next change, through no fault of the database; nothing is half done."""

    reason = "ChangeNotPermitted"


class Superseded(ChangeNotPermitted):
    """Work whose resource was changed, so that something else may be asked for by now."""

    reason = "Superseded"


class NotLeading(ChangeNotPermitted):
    """A replica that may change nothing now: another one leads, or the API server does not say who does."""

    reason = "NotLeading"


class MigrationFailed(DashdbError):
    """PostgreSQL refused a statement of a migration; the transaction of its file was rolled back."""

    reason = "MigrationFailed"


class TemplateError(DashdbError):
    """A template document or row cannot be used."""

    reason = "TemplateInvalid"
    recovery = Recovery.STALLED


class DatabaseUnavailable(DashdbError):
    """The database cannot be reached, refused the login, or went away in the middle."""

    reason = "DatabaseUnavailable"
    exit_code = ExitCode.UNREACHABLE


class ProtocolViolation(DatabaseUnavailable):
    """A connection that this program ends because the server broke a rule of the protocol, or a limit.

    The message does not name the server; `database.failures.in_our_words` adds it.
    """

    reason = "ProtocolViolation"
    recovery = Recovery.WAITING


class InternalError(DashdbError):
    """A fault of this program; the cause is in its log, not in the message."""

    reason = "InternalError"
