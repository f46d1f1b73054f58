"""Reports for readers who showed no right to know: general words, without host, user or a server's text. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from controller.health.report import STARTING, Report

NAMELESS: Final = frozenset(
    {
        "",
        STARTING,
        "Customized",
        "Healthy",
        "HighUtilization",
        "Migrating",
        "NotConnected",
        "NotObserved",
        "Ready",
        "SchemaNotCurrent",
        "Seeded",
        "SeedingDisabled",
        "SlowResponse",
        "Stale",
        "UpToDate",
    }
)
"""Reasons whose messages are made of figures and names of files alone, and are shown as they are."""

_SENTENCES: Final[Mapping[str, str]] = {
    "AddressNotAllowed": "The host's address is one at which the operator dials no database.",
    "AnswerTooLarge": "The server sent more than a query may bring.",
    "ApiUnavailable": "The API server did not answer, or refused.",
    "ApprovalOutdated": "The approved plan is not the one that would run.",
    "ApprovalRequired": "Migrations wait for an approval.",
    "ApprovalUsed": "The approval was used already.",
    "AuthenticationFailed": "The server refused the login.",
    "CACertificateInvalid": "The CA given cannot be used.",
    "CertificateExpired": "The server's certificate has expired.",
    "CertificateNotTrusted": "The server's certificate is not signed by the CA given.",
    "ChangeNotPermitted": "The work was stopped before its next change.",
    "ChecksumMismatch": "A migration file was edited after it had been applied.",
    "ClientCertificateInvalid": "The client's certificate cannot be used.",
    "ConfigurationInvalid": "A setting cannot be used.",
    "Connected": "There is a connection.",
    "Conflict": "An older resource asks for the same database.",
    "ConnectionLost": "The connection broke.",
    "ConnectionRefused": "Nothing listens there.",
    "Damaged": "Something that the migrations made is missing or disabled.",
    "DatabaseClosed": "The database accepts no connections.",
    "DatabaseNotFound": "The server has no such database.",
    "DatabaseUnavailable": "The database does not answer.",
    "DirectConnectionNeeded": "A migration needs a connection without a pooler.",
    "DiskFull": "The server's disk is full.",
    "DowngradeRefused": "The schema is newer than the version wanted, and going back needs an approval.",
    "Drifted": "Something was changed by hand since the last migration.",
    "EncodingUnsupported": "The session's encoding is not UTF-8.",
    "FileMissing": "The file of an applied migration is missing.",
    "ForeignObject": "An object of another role is in the way.",
    "HistoryMismatch": "The migration files disagree with the history.",
    "HistoryMissing": "There are tables, but no history of their migrations.",
    "HistoryTableForeign": "The history was made by another program, or a part of it is missing.",
    "HostnameMismatch": "The server's certificate is for another host name.",
    "HostNotFound": "The name of the host cannot be resolved.",
    "InternalError": "A fault of this program.",
    "LoginMethodUnsupported": "The server asks for a login method that is not supported.",
    "LoginRefused": "The server refused the login.",
    "LoginTooCostly": "The server asks for too many rounds of hashing.",
    "MigrationFailed": "PostgreSQL refused a statement of a migration.",
    "Irreversible": "A version that is to be reverted has no down migration.",
    "MigrationFileInvalid": "A migration file cannot be used.",
    "MigrationLocked": "Another runner held the lock until the deadline.",
    "MigrationOvertaken": "Another runner was faster.",
    "MigrationPending": "Migrations wait.",
    "NetworkUnreachable": "No route to the host.",
    "NoConnectionLeft": "Other databases use all connections that dashdb may have on this server.",
    "NotLeading": "Another replica may act, and this one may not.",
    "NotPostgreSQL": "The server does not speak PostgreSQL's protocol.",
    "OutOfOrder": "A new migration file sorts before an applied one.",
    "PartlyReplaced": "A part of the versions is applied for which a newer file stands.",
    "PermissionDenied": "The role lacks a right.",
    "PlaintextPasswordRefused": "The server asks for the password in plain text.",
    "PoolClosed": "The connections were closed, since the program ends or the settings changed.",
    "PoolerNotDeclared": "A pooler is in front of the server, and was not declared.",
    "PoolExhausted": "All connections of the pool are in use.",
    "ProtocolViolation": "The server broke the rules of PostgreSQL's protocol.",
    "QueryFailed": "The server answered with an error.",
    "QueryTimeout": "The server cancelled a statement that took too long.",
    "ReadOnly": "The server refuses writes.",
    "RowSecurityActive": "Row security hides rows from this program.",
    "SchemaAhead": "The database is newer than the migration files.",
    "SchemaDirty": "A migration without a transaction stopped half-way.",
    "SchemaMissing": "There is no schema to create tables in.",
    "SchemaMoved": "The schema is another one than before.",
    "SecretForbidden": "The operator may not read the Secret.",
    "SecretKeyMissing": "The Secret lacks a key.",
    "SecretNotFound": "The Secret is missing.",
    "SecretUnreadable": "The API server did not give out the Secret.",
    "SecretValueInvalid": "A value of the Secret cannot be used.",
    "SeedingPending": "System templates wait to be written.",
    "SerializationFailure": "Two transactions were in each other's way.",
    "ServerNotReady": "The server is starting up, shutting down or recovering.",
    "ServerVersionUnreadable": "The server's version cannot be read.",
    "SpecInvalid": "The spec cannot be read.",
    "SslModeTooWeak": "The mode of TLS is weaker than the Secret's.",
    "Superseded": "The resource was changed meanwhile.",
    "Suspended": "The resource is suspended.",
    "TableMissing": "A table is missing.",
    "TemplateConflict": "A user's template has the name of a system template.",
    "TemplateInvalid": "A template cannot be used.",
    "TemplateTableMissing": "The table of the templates is missing.",
    "TemplateUnreadable": "The row of a template cannot be read.",
    "Timeout": "No answer in time.",
    "TLSFailed": "The TLS handshake failed.",
    "TLSUnsupported": "The server does not offer TLS.",
    "TooManyConnections": "The server has no connection left.",
    "VersionUnknown": "No migration file has the version wanted.",
    "TransactionAborted": "A transaction was rolled back, since a statement of it had failed.",
}
_ELSEWHERE: Final = "The status of the resource, or the log, says more."


def without_names(report: Report) -> Report:
    """Return the report with general words in the place of each message that may name a host or a user."""
    warning = report.verdict.warning
    return replace(
        report,
        message=general_words(report.reason, report.message),
        answers=tuple(replace(each, message=general_words(each.reason, each.message)) for each in report.answers),
        verdict=replace(report.verdict, warning=warning and general_words(report.verdict.reason, warning)),
    )


def general_words(reason: str, message: str) -> str:
    """Return a sentence for REASON that names nobody; MESSAGE itself where that names nobody either."""
    return message if reason in NAMELESS else _SENTENCES.get(reason, _ELSEWHERE)
