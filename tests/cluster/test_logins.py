"""Databases that cannot be reached or refuse the login: each has its own reason, and no secret is told."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from controller.health.unnamed import general_words
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import free_port
from tests.support.resources import Namespace, connection_values, secret
from tests.support.said import everything_said
from tests.support.serving import OperatorProcess

WRONG = {
    "AuthenticationFailed": {"password": "not-the-p4ssword"},
    "HostNotFound": {"host": "no-such-host.invalid"},
    "ConnectionRefused": {"port": str(free_port())},
    "TLSUnsupported": {"sslmode": "require"},
    "DatabaseNotFound": {"dbname": "no_such_database"},
}


@pytest.mark.parametrize("reason", WRONG)
def test_each_mistake_has_its_own_reason(
    reason: str, operator: OperatorProcess, team: Namespace, apply: Callable[..., None], database: Database
) -> None:
    values = {**connection_values(database), **WRONG[reason]}
    apply(values=values)
    connected = team.wait_for("perses", "Connected", "False", reason=reason)
    ready = team.condition("perses", "Ready")
    assert (ready["status"], ready["reason"]) == ("False", reason)
    assert connected["message"].endswith((".", ")"))
    said = everything_said(operator, team)
    for password in (values["password"], database.password):
        assert password not in said
    assert "postgresql://" not in said
    status, body = operator.get(f"/api/v1/health/{team.name}/perses")
    assert status == 503
    assert general_words(reason, connected["message"]) in body
    assert all(name not in body for name in (values["host"], values["user"]))


@contextmanager
def tls_server() -> Iterator[PostgresServer]:
    with PostgresServer(18, tls=True) as server:
        yield server


def test_tls_refused_by_either_side_and_then_agreed_on(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None]
) -> None:
    with tls_server() as server:
        values = connection_values(server.create_database())

        apply(values={**values, "sslmode": "disable"})
        refused = team.wait_for("perses", "Connected", "False", reason="LoginRefused")
        assert "TLS" in refused["message"]

        team.apply(secret("perses-db", {**values, "sslmode": "verify-full"}))
        untrusted = team.wait_for("perses", "Connected", "False", reason="CertificateNotTrusted")
        assert "ca.crt" in untrusted["message"]

        team.apply(secret("perses-db", {**values, "sslmode": "verify-full", "ca.crt": "no certificate"}))
        team.wait_for("perses", "Connected", "False", reason="CACertificateInvalid")

        team.apply(secret("perses-db", {**values, "sslmode": "verify-full", "ca.crt": server.ca_pem}))
        team.wait_for("perses", "Ready", "True")


def test_the_authority_may_live_in_a_secret_of_its_own(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None]
) -> None:
    with tls_server() as server:
        values = connection_values(server.create_database())
        del values["sslmode"]
        team.apply(secret("perses-ca", {"root.pem": server.ca_pem}))
        apply(values=values, connection={"caSecretRef": {"name": "perses-ca", "key": "root.pem"}})
        team.wait_for("perses", "Ready", "True")


def test_a_database_without_the_right_to_create_says_which_right(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    guest = postgres.create_database()
    values = {**connection_values(database), "user": guest.user, "password": guest.password}
    apply(values=values)
    denied = team.wait_for("perses", "SchemaCurrent", "False", reason="PermissionDenied")
    assert "CREATE" in denied["message"]
    assert team.condition("perses", "Connected")["status"] == "True"
    grant = f'GRANT ALL ON DATABASE "{database.name}" TO "{guest.user}"; GRANT ALL ON SCHEMA public TO "{guest.user}"'
    in_database = Database(postgres.host, postgres.port, database.name, "postgres", postgres.superuser.password)
    postgres.psql(in_database, sql=grant)
    team.wait_for("perses", "Ready", "True")
