"""Translation of errors of the driver, the network and TLS into our own; the driver's text is never shown."""

import socket
import ssl

import asyncpg

from controller.database.error_report import condition_name, error_report, message_without_row_data
from controller.database.field_names import FieldNames
from controller.database.target import SslMode, Target
from controller.errors import DashdbError, DatabaseUnavailable, ProtocolViolation, Recovery

DRIVER_ERRORS = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""All errors that asyncpg, the network and TLS raise; a timeout is an OSError since Python 3.11."""

BROKEN_CONNECTION = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,  # 57P01 to 57P03: the server is shutting down or starting
)
"""Errors after which the connection must not be used again."""


def ends_connection(error: BaseException) -> bool:
    """Return whether the connection is unusable after `error`.

    A cancelled query (57014) is of the same error class as a shutdown (57P01), but does not end the connection.
    """
    return isinstance(error, BROKEN_CONNECTION) and not isinstance(error, asyncpg.QueryCanceledError)


SERIALIZATION_FAILURE = "SerializationFailure"
"""Reason of an error after which the whole transaction may succeed if it is tried again."""

AUTHENTICATION_FAILED = "AuthenticationFailed"
"""Reason of a login whose password the server refused."""

_WAITING = Recovery.WAITING
_TRANSIENT = Recovery.TRANSIENT

_POOLER = (
    "Prepared statements are mixed up: a pooler in transaction mode is in front of the server. Use --pooler pgbouncer, "
    "or spec.connection.pooler: PgBouncer."
)

# SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html) -> reason, recovery, message. {said} is
# PostgreSQL's own message, if it holds no row data.
_BY_SQLSTATE: dict[str, tuple[str, Recovery, str]] = {
    "28P01": (AUTHENTICATION_FAILED, _WAITING, "The server refused the password of user {user!r}. Correct "
              "{names.password}."),
    "28000": ("LoginRefused", _WAITING, "The server refuses user {user!r}: no such role, not allowed to log in, or no "
              "pg_hba.conf line for this address{plain}."),
    "3D000": ("DatabaseNotFound", _WAITING, "The server has no {named_database}. Create it, or correct "
              "{names.database}."),
    "42501": ("PermissionDenied", _WAITING, "User {user!r} may not do this in {named_database}{said}. Let it "
              "own the database and what is in it, or GRANT it the right that is missing, such as CREATE on the "
              "database and on its schema."),
    "3F000": ("SchemaMissing", _WAITING, "No schema to create tables in: the search_path of user {user!r} names none "
              "that exists and is open to it."),
    "53300": ("TooManyConnections", _TRANSIENT, "The server, the database or the role has no connection left."),
    "53100": ("DiskFull", _WAITING, "The server's disk is full."),
    "25006": ("ReadOnly", _TRANSIENT, "The server is read-only: a standby, or default_transaction_read_only."),
    "57P03": ("ServerNotReady", _TRANSIENT, "The server is starting up, shutting down or recovering."),
    "57P01": ("ConnectionLost", _TRANSIENT, "The server ended the connection."),
    "57P02": ("ConnectionLost", _TRANSIENT, "The server ended the connection after a crash of one of its processes."),
    "57P04": ("DatabaseNotFound", _WAITING, "The {named_database} was dropped."),
    "42P05": ("PoolerNotDeclared", _WAITING, _POOLER),
    "26000": ("PoolerNotDeclared", _WAITING, _POOLER),
    "40001": (SERIALIZATION_FAILURE, _TRANSIENT, "The transaction conflicts with another one. Try again."),
    "40P01": (SERIALIZATION_FAILURE, _TRANSIENT, "Another transaction and this one waited for each other. Try again."),
    "55000": ("DatabaseClosed", _WAITING, "The database accepts no connections: ALTER DATABASE ... ALLOW_CONNECTIONS "
              "true."),
    "57014": ("QueryTimeout", _TRANSIENT, "The server cancelled a statement that took too long."),
}  # fmt: skip


def in_our_words(
    error: BaseException, target: Target, *, dialled: float | None = None, checked: float | None = None
) -> DashdbError:
    """Return the error to show to people for any error of a connection or a query.

    Args:
        dialled: time limit in seconds of a login that failed; None if there was a connection.
        checked: time limit in seconds of a question that has its own; None for the query timeout.

    Returns:
        A `DatabaseUnavailable`, with a separate reason for each cause that a person would treat differently.
    """
    violation = error if isinstance(error, ProtocolViolation) else error.__cause__
    if isinstance(violation, ProtocolViolation):  # the driver only knows that the connection ended
        return DatabaseUnavailable(
            f"{target.description}: {violation.message}", reason=violation.reason, recovery=violation.recovery
        )
    if isinstance(error, DashdbError):
        return error
    if isinstance(error, asyncpg.PostgresError) and not isinstance(error, asyncpg.PostgresConnectionError):
        return _from_server(error, target)  # PostgresConnectionError comes from the driver, despite its name
    reason, recovery, text = _from_network(error, target, dialled, checked)
    return DatabaseUnavailable(f"{target.description}: {text}", reason=reason, recovery=recovery)


def _from_server(error: asyncpg.PostgresError, target: Target) -> DashdbError:
    known = _BY_SQLSTATE.get(error.sqlstate or "")
    reason, recovery, text = known or ("QueryFailed", _TRANSIENT, "The server answered with an error{said}.")
    said = message_without_row_data(error) if "{said}" in text else ""
    message = text.format(
        user=target.user,
        named_database=f'database "{target.database}"',
        plain=", perhaps because this connection has no TLS" if target.ssl_mode is SslMode.DISABLE else "",
        names=target.names,
        said=f": {said}" if said else "",
    )
    code = error.sqlstate if known else condition_name(error)
    return DatabaseUnavailable(
        f"{target.description}: {message} (SQLSTATE {code})",
        reason=reason,
        recovery=recovery,
        report=error_report(error) if "{said}" in text else None,
    )


def _from_network(
    error: BaseException, target: Target, dialled: float | None, checked: float | None
) -> tuple[str, Recovery, str]:
    names = target.names
    if isinstance(error, ssl.SSLCertVerificationError):
        return _from_certificate(error, names)
    if isinstance(error, ssl.SSLError):
        return "TLSFailed", _WAITING, "The TLS handshake failed. Compare the certificates of both sides."
    if isinstance(error, TimeoutError):
        return "Timeout", _TRANSIENT, _timeout(target, dialled, checked)
    if isinstance(error, socket.gaierror):
        return "HostNotFound", _TRANSIENT, f"The name of the host cannot be resolved. Correct {names.host}."
    if isinstance(error, ConnectionRefusedError):
        return "ConnectionRefused", _TRANSIENT, (
            f"Nothing listens there: the server is down, or {names.host} or {names.port} is wrong."
        )  # fmt: skip
    if isinstance(error, ConnectionError) and "rejected SSL upgrade" in str(error):
        without = f"; only in a network where nobody else listens, write {names.no_tls}" if names.no_tls else ""
        return "TLSUnsupported", _WAITING, (
            f"The server does not offer TLS, and {names.ssl_mode} {target.ssl_mode} needs it. Turn TLS on in the "
            f"server (ssl = on){without}."
        )  # fmt: skip
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        return "NetworkUnreachable", _TRANSIENT, f"No route to the host. Correct {names.host}, or the network."
    return "ConnectionLost", _TRANSIENT, "The connection broke."


def _timeout(target: Target, dialled: float | None, checked: float | None) -> str:
    """Return what to look for; a setting is named only where a higher value would have given more time."""
    names = target.names
    if dialled is not None:
        raised = f"; for a slow server, raise {names.connect_timeout}" if dialled >= target.connect_timeout else ""
        return (
            f"No answer within {dialled:g} s. Check {names.host} and {names.port}, and whether a firewall or a "
            f"NetworkPolicy stands in between{raised}."
        )
    raised = f", or raise {names.query_timeout}" if checked is None else ""
    seconds = target.query_timeout if checked is None else checked
    return f"No answer within {seconds:g} s. Look for what keeps the server busy{raised}."


def _from_certificate(error: ssl.SSLCertVerificationError, names: FieldNames) -> tuple[str, Recovery, str]:
    mismatch = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
    if error.verify_code in mismatch:
        return "HostnameMismatch", _WAITING, (
            "The server's certificate is for another host name. Connect by a name that it holds, or use "
            f"{names.no_host_check}."
        )  # fmt: skip
    expired = 10  # X509_V_ERR_CERT_HAS_EXPIRED
    if error.verify_code == expired:
        return "CertificateExpired", _WAITING, "The server's certificate has expired. Renew it."
    return "CertificateNotTrusted", _WAITING, (
        f"The server's certificate is not signed by the CA given. {names.authority}"
    )  # fmt: skip
