"""Facts about a server, from one question that any role may ask. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.database.answer_messages import as_expected
from controller.text import NAME_LENGTH, VERSION_LENGTH, one_line

# Every role may count all sessions; those of clients have a database. On a new connection, where this is asked nearly
# always, the view pg_stat_activity would take as long as all the rest.
SERVER_FACTS = """
SELECT json_build_object(
           'version', current_setting('server_version'),
           'identity', (SELECT system_identifier FROM pg_control_system()) || '/' || d.oid,
           'read_only', pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool,
           'role_used', s.role, 'database_used', s.database, 'server_used', s.server,
           'role_limit', r.rolconnlimit, 'database_limit', d.datconnlimit,
           'server_limit',
           current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
             - coalesce(current_setting('reserved_connections', true)::int, 0))
  FROM pg_database AS d, pg_roles AS r, LATERAL (
           SELECT count(*) FILTER (WHERE a.usesysid = r.oid) AS role,
                  count(*) FILTER (WHERE a.datid = d.oid) AS database,
                  count(*) FILTER (WHERE a.datid IS NOT NULL) AS server
             FROM pg_stat_get_activity(NULL) AS a) AS s
 WHERE d.datname = current_database() AND r.rolname = current_user
"""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """State of a server and its connections at one moment.

    Attributes:
        identity: system identifier of the cluster and oid of the database; it differs for another database.
        read_only: True for a standby, and where default_transaction_read_only is on.
        connections, connection_limit: those of the role, the database or the server, whichever is closest to its limit.
        of_server: they are those of the server.
        room: connections that the server still allows, without those that it reserves.
    """

    version: str
    identity: str
    read_only: bool
    connections: int
    connection_limit: int
    of_server: bool
    room: int


def parse_server_facts(answer: Mapping[str, Any]) -> ServerFacts:
    """Return the facts in the answer to `SERVER_FACTS`.

    Raises:
        ProtocolViolation: no PostgreSQL answers like this.
    """
    with as_expected("its version and connections"):
        return _facts(answer)


_SCOPES = ("role", "database", "server")
_MOST_CONNECTIONS = 2**18
"""Largest value of max_connections: https://www.postgresql.org/docs/current/runtime-config-connection.html."""


def _facts(answer: Mapping[str, Any]) -> ServerFacts:
    pairs = {scope: (_count(answer[f"{scope}_used"]), _count(answer[f"{scope}_limit"])) for scope in _SCOPES}
    scope = max((each for each in _SCOPES if pairs[each][1] > 0), key=lambda each: pairs[each][0] / pairs[each][1])
    used, limit = pairs["server"]
    return ServerFacts(
        version=one_line(answer["version"].split()[0], VERSION_LENGTH),
        identity=one_line(answer["identity"], NAME_LENGTH),
        read_only=bool(answer["read_only"]),
        connections=pairs[scope][0],
        connection_limit=pairs[scope][1],
        of_server=scope == "server",
        room=limit - used,
    )


def _count(value: Any) -> int:
    """Return a number of connections, or of those allowed, of which -1 means any."""
    if type(value) is not int or not -1 <= value <= _MOST_CONNECTIONS:
        raise ValueError
    return value
