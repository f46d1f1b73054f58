"""Errors of the driver in our own words: never the driver's text, never a password."""

import errno
import socket
import ssl
from dataclasses import replace

import asyncpg
import pytest

from controller.database.error_report import condition_name
from controller.database.failures import in_our_words
from controller.database.field_names import OF_SECRET, OF_URL, OF_VARIABLES, FieldNames
from controller.database.target import SslMode, Target
from controller.errors import DatabaseUnavailable, MigrationFailed, Recovery

TARGET = Target(
    host="db.example", port=5432, database="perses", user="ann", password="h0rse", ssl_mode=SslMode.VERIFY_FULL
)


def server_error(sqlstate: str) -> asyncpg.PostgresError:
    return asyncpg.PostgresError.new({"C": sqlstate, "M": "password h0rse of ann"})


@pytest.mark.parametrize(
    ("error", "reason", "recovery"),
    [
        (server_error("28P01"), "AuthenticationFailed", Recovery.WAITING),
        (server_error("28000"), "LoginRefused", Recovery.WAITING),
        (server_error("3D000"), "DatabaseNotFound", Recovery.WAITING),
        (server_error("53300"), "TooManyConnections", Recovery.TRANSIENT),
        (server_error("57P03"), "ServerNotReady", Recovery.TRANSIENT),
        (server_error("57P01"), "ConnectionLost", Recovery.TRANSIENT),
        (server_error("25006"), "ReadOnly", Recovery.TRANSIENT),
        (server_error("XX000"), "QueryFailed", Recovery.TRANSIENT),
        (server_error("ZZ999"), "QueryFailed", Recovery.TRANSIENT),
        (TimeoutError("h0rse"), "Timeout", Recovery.TRANSIENT),
        (socket.gaierror(-2, "h0rse"), "HostNotFound", Recovery.TRANSIENT),
        (ConnectionRefusedError("h0rse"), "ConnectionRefused", Recovery.TRANSIENT),
        (ConnectionResetError("h0rse"), "ConnectionLost", Recovery.TRANSIENT),
        (OSError(errno.EHOSTUNREACH, "h0rse"), "NetworkUnreachable", Recovery.TRANSIENT),
        (ssl.SSLError("h0rse"), "TLSFailed", Recovery.WAITING),
        (asyncpg.InterfaceError("h0rse"), "ConnectionLost", Recovery.TRANSIENT),
        (asyncpg.ConnectionDoesNotExistError("h0rse"), "ConnectionLost", Recovery.TRANSIENT),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_each_cause_has_a_reason_of_its_own(error: Exception, reason: str, recovery: Recovery) -> None:
    ours = in_our_words(error, TARGET)
    assert isinstance(ours, DatabaseUnavailable)
    assert (ours.reason, ours.recovery, ours.exit_code) == (reason, recovery, 7)
    assert ours.message.startswith('database "perses" at db.example:5432: ')
    assert "h0rse" not in ours.message
    assert "{" not in ours.message


def test_a_missing_right_is_told_by_the_servers_own_message_in_one_line() -> None:
    refused = asyncpg.PostgresError.new({"C": "42501", "M": "must be owner of table t\x1b[2J\n", "D": "row h0rse"})
    ours = in_our_words(refused, TARGET)
    assert (ours.reason, ours.recovery) == ("PermissionDenied", Recovery.WAITING)
    assert ": must be owner of table t\N{REPLACEMENT CHARACTER}[2J . Let it own the database" in ours.message
    assert ours.message.endswith("(SQLSTATE 42501)")
    assert "h0rse" not in ours.message


def test_an_error_without_a_reason_of_its_own_is_named_once() -> None:
    ours = in_our_words(server_error("XX002"), TARGET)
    assert ours.message.endswith("The server answered with an error. (SQLSTATE XX002 index_corrupted)")


def test_what_is_ours_already_stays_as_it_is() -> None:
    ours = MigrationFailed("V1: no")
    assert in_our_words(ours, TARGET) is ours


def test_a_limit_is_told_as_it_was_given() -> None:
    assert "No answer within 10 s" in in_our_words(TimeoutError(), TARGET, dialled=TARGET.connect_timeout).message
    assert "No answer within 30 s" in in_our_words(TimeoutError(), TARGET).message


@pytest.mark.parametrize(
    ("sqlstate", "name"),
    [
        ("42P07", "42P07 duplicate_table"),
        ("42601", "42601 syntax_error"),
        ("23514", "23514 check_violation"),
        ("22003", "22003 numeric_value_out_of_range"),
        ("25P02", "25P02 in_failed_sql_transaction"),
    ],
)
def test_a_condition_is_named_as_in_the_manual(sqlstate: str, name: str) -> None:
    assert condition_name(server_error(sqlstate)) == name


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (OF_VARIABLES, "DB_SSLMODE=disable"),
        (OF_URL, "sslmode=disable in the URL"),
        (OF_SECRET, "Turn TLS on in the server (ssl = on)."),
    ],
)
def test_what_to_write_instead_is_said_by_the_names_of_its_source(names: FieldNames, told: str) -> None:
    refused = ConnectionError('PostgreSQL server at "db" rejected SSL upgrade')
    ours = in_our_words(refused, replace(TARGET, names=names))
    assert ours.reason == "TLSUnsupported"
    assert told in ours.message


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (server_error("28P01"), "Correct DB_PASSWORD."),
        (server_error("3D000"), "or correct DB_NAME."),
        (socket.gaierror(), "Correct DB_HOST."),
        (ConnectionRefusedError(), "or DB_HOST or DB_PORT is wrong."),
        (TimeoutError(), "raise DB_CONNECT_TIMEOUT."),
    ],
)
def test_each_message_names_the_variable(error: Exception, told: str) -> None:
    assert told in in_our_words(error, replace(TARGET, names=OF_VARIABLES), dialled=TARGET.connect_timeout).message


def test_a_query_that_takes_too_long_names_its_own_limit() -> None:
    slow = in_our_words(TimeoutError(), replace(TARGET, names=OF_VARIABLES))
    assert "raise DB_QUERY_TIMEOUT." in slow.message


def test_no_setting_is_named_that_would_have_given_no_more_time() -> None:
    target = replace(TARGET, names=OF_VARIABLES)
    checked, dialled = in_our_words(TimeoutError(), target, checked=5), in_our_words(TimeoutError(), target, dialled=5)
    assert checked.message.endswith("No answer within 5 s. Look for what keeps the server busy.")
    assert "No answer within 5 s. Check DB_HOST and DB_PORT, and whether a firewall" in dialled.message
    assert dialled.message.endswith("stands in between.")
