"""Names of the fields of a connection where a person corrects them: a Secret and its resource, variables, a URL. Pure.

Messages about a connection say what to write instead; whoever has variables finds nothing under the names of a
resource.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class FieldNames:
    """Names of the fields of one kind of source, as parts of a sentence.

    Attributes:
        no_tls: how to switch TLS off; empty where no message advises that, since the network is not the reader's own.
        no_host_check: how to switch off the check of the host's name.
        authority: where the certificate authority belongs.
    """

    host: str
    port: str
    database: str
    password: str
    ssl_mode: str
    no_tls: str
    no_host_check: str
    authority: str
    connect_timeout: str
    query_timeout: str


OF_SECRET: Final = FieldNames(
    host="host",
    port="port",
    database="the name",
    password="the password in the Secret",  # noqa: S106 - no password
    ssl_mode="sslmode",
    no_tls="",
    no_host_check="sslMode: verify-ca",
    authority="Put that CA into the Secret (ca.crt) or name it in connection.caSecretRef.",
    connect_timeout="spec.pool.connectTimeoutSeconds",
    query_timeout="spec.pool.queryTimeoutSeconds",
)
OF_VARIABLES: Final = FieldNames(
    host="DB_HOST",
    port="DB_PORT",
    database="DB_NAME",
    password="DB_PASSWORD",  # noqa: S106 - no password
    ssl_mode="DB_SSLMODE",
    no_tls="DB_SSLMODE=disable",
    no_host_check="DB_SSLMODE=verify-ca",
    authority="Variables cannot name a CA: give a URL (DATABASE_URL) with sslrootcert=FILE.",
    connect_timeout="DB_CONNECT_TIMEOUT",
    query_timeout="DB_QUERY_TIMEOUT",
)
OF_URL: Final = FieldNames(
    host="the host in the URL",
    port="its port",
    database="the database in the URL",
    password="the password in the URL",  # noqa: S106 - no password
    ssl_mode="sslmode in the URL",
    no_tls="sslmode=disable in the URL (for variables: DB_SSLMODE=disable)",
    no_host_check="sslmode=verify-ca in the URL",
    authority="Name that CA with sslrootcert=FILE in the URL.",
    connect_timeout="connect_timeout in the URL",
    query_timeout="DB_QUERY_TIMEOUT",
)
