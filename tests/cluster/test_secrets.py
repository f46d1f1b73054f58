"""Secrets that are missing, incomplete or wrong; the interval is so long that only a mended Secret can help."""

from collections.abc import Callable

import pytest

from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.said import everything_said
from tests.support.serving import OperatorProcess

HOURLY = {"intervalSeconds": 3600}


def test_a_missing_secret_is_named_and_taken_up_once_it_is_there(
    operator: OperatorProcess, team: Namespace, database: Database
) -> None:
    team.apply(resource("perses", secret_name="perses-db", health=HOURLY))
    connected = team.wait_for("perses", "Connected", "False", reason="SecretNotFound")
    assert connected["message"] == (
        'Secret "perses-db" does not exist in this namespace. Create it, or correct the name.'
    )
    generation = team.get("perses")["metadata"]["generation"]
    team.apply(secret("perses-db", connection_values(database)))
    team.wait_for("perses", "Ready", "True")
    assert team.get("perses")["metadata"]["generation"] == generation


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("host", '"host"'),
        ("port", '"port"'),
        ("dbname", '"dbname" or "database"'),
        ("user", '"user" or "username"'),
        ("password", '"password"'),
    ],
)
def test_a_missing_key_is_named_and_taken_up_once_it_is_there(
    key: str, names: str, operator: OperatorProcess, team: Namespace, database: Database
) -> None:
    values = connection_values(database)
    incomplete = {name: value for name, value in values.items() if name != key}
    team.apply(secret("perses-db", incomplete), resource("perses", secret_name="perses-db", health=HOURLY))
    connected = team.wait_for("perses", "Connected", "False", reason="SecretKeyMissing")
    assert connected["message"] == f'Secret "perses-db" has no key {names}, or nothing in it. Add it.'
    team.apply(secret("perses-db", values))
    team.wait_for("perses", "Ready", "True")


@pytest.mark.parametrize("port", ["http", "-1", "0", "65536", "5432.0", "\uff15\uff14\uff13\uff12"])
def test_a_port_that_is_no_port_is_named(
    port: str, operator: OperatorProcess, team: Namespace, apply: Callable[..., None], database: Database
) -> None:
    apply(values={**connection_values(database), "port": port}, health=HOURLY)
    connected = team.wait_for("perses", "Connected", "False", reason="SecretValueInvalid")
    assert connected["message"] == (
        'Secret "perses-db": the value of key "port" is not a whole number from 1 to 65535.'
    )
    team.apply(secret("perses-db", connection_values(database)))
    team.wait_for("perses", "Ready", "True")


def test_a_wrong_password_is_mended_by_the_secret_alone(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], database: Database
) -> None:
    apply(values={**connection_values(database), "password": "wrong-p4ssword"}, health=HOURLY)
    connected = team.wait_for("perses", "Connected", "False", reason="AuthenticationFailed")
    assert "wrong-p4ssword" not in connected["message"]
    team.apply(secret("perses-db", connection_values(database)))
    team.wait_for("perses", "Ready", "True")
    said = everything_said(operator, team)
    assert "AuthenticationFailed" in said
    assert "wrong-p4ssword" not in said
    assert database.password not in said


def test_a_rotated_secret_is_taken_up_without_a_restart(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], database: Database, postgres: PostgresServer
) -> None:
    apply()
    before = team.wait_for("perses", "Ready", "True")
    identity = team.get("perses")["status"]["server"]["identity"]
    other = postgres.create_database()
    team.apply(secret("perses-db", connection_values(other)))

    def moved() -> bool:
        return bool(team.get("perses")["status"]["server"]["identity"] != identity)

    wait_until(moved, what="the other database is seen", seconds=20, interval=0.1)
    assert team.wait_for("perses", "Ready", "True")["observedGeneration"] == before["observedGeneration"]

    def told() -> bool:  # after the status is written
        return "DatabaseReplaced" in [event["reason"] for event in team.events()]

    wait_until(told, what="the replacement is told", seconds=10)


def test_a_secret_of_another_namespace_is_out_of_reach(
    operator: OperatorProcess, team: Namespace, database: Database
) -> None:
    other = Namespace(team.cluster, team.cluster.namespace())
    other.apply(secret("perses-db", connection_values(database)))
    team.apply(resource("perses", secret_name="perses-db", health=HOURLY))
    team.wait_for("perses", "Connected", "False", reason="SecretNotFound")
