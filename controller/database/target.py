"""Parameters of a connection as one frozen value, whether from a Secret, variables or a URL. Pure."""

from dataclasses import dataclass, field
from enum import StrEnum

from controller.database.addresses import ALL_ADDRESSES, AddressRules
from controller.database.field_names import OF_SECRET, FieldNames


class SslMode(StrEnum):
    """Protection of the connection, with the meanings of libpq.

    https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-PROTECTION. `allow` and `prefer` are left
    out on purpose: both fall back to plain text silently.
    """

    DISABLE = "disable"
    REQUIRE = "require"
    VERIFY_CA = "verify-ca"
    VERIFY_FULL = "verify-full"


class Pooler(StrEnum):
    """Connection pooler in front of PostgreSQL."""

    NONE = "None"
    PGBOUNCER = "PgBouncer"
    """PgBouncer in transaction mode: no state or prepared statement lasts longer than a transaction."""


@dataclass(frozen=True, slots=True)
class Target:
    """Database, with the parameters of a connection to it.

    Attributes:
        password, client_key_pem: secret; never part of `repr`.
        ca_pem: certificates that may sign the server's, PEM; None means the system's own store.
        client_certificate_pem, client_key_pem: both or neither.
        connect_timeout: seconds from the start until the session is logged in.
        query_timeout: seconds for one statement; migrations are exempt.
        password_in_plaintext: over a connection without TLS, the server may ask for the password itself.
        application_name: shown in pg_stat_activity.
        tenant: whose share of threads the login uses; the namespace of a resource.
        names: what the fields are called where they were read, for messages.
        address_rules: addresses that may not be dialled; a person at the command line may dial all.
    """

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    ssl_mode: SslMode
    ca_pem: str | None = field(default=None, repr=False)
    client_certificate_pem: str | None = field(default=None, repr=False)
    client_key_pem: str | None = field(default=None, repr=False)
    pooler: Pooler = Pooler.NONE
    connect_timeout: float = 10.0
    query_timeout: float = 30.0
    application_name: str = "dashdb"
    password_in_plaintext: bool = False
    tenant: str = ""
    address_rules: AddressRules = ALL_ADDRESSES
    names: FieldNames = field(default=OF_SECRET, repr=False, compare=False)

    @property
    def description(self) -> str:
        """Database, host and port for messages; safe to print."""
        return f'database "{self.database}" at {self.host}:{self.port}'


def is_encrypted_key(pem: str) -> bool:
    """Return True for a private key with a passphrase, in PKCS #8 or in OpenSSL's own form.

    Nobody could be asked for the passphrase. A key that somebody else wrote may also name a number of rounds that keeps
    OpenSSL busy for minutes, and with it the process, before any passphrase is found to be wrong.
    """
    return "-----BEGIN ENCRYPTED PRIVATE KEY-----" in pem or "Proc-Type: 4,ENCRYPTED" in pem
