"""Deleting the resource leaves the data, with and without an operator."""

from collections.abc import Callable

from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess


def delete(team: Namespace) -> None:
    team.cluster.kubectl("delete", "ddb", "perses", "-n", team.name, "--timeout=10s")


def templates(postgres: PostgresServer, database: Database) -> str:
    return postgres.psql(database, args=("-At",), sql="SELECT count(*) FROM dashboard_template").strip()


def test_the_data_stays_and_the_series_go(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    delete(team)
    wait_until(
        lambda: operator.get(f"/ready/{team.name}/perses")[0] == 404, what="the database is forgotten", seconds=20
    )
    assert f'namespace="{team.name}"' not in operator.get("/metrics")[1]
    assert templates(postgres, database) == "4"
    connections = "SELECT count(*) FROM pg_stat_activity WHERE datname = "
    wait_until(
        lambda: postgres.psql(postgres.superuser, args=("-At",), sql=f"{connections}'{database.name}'").strip() == "0",
        what="no connection is left",
        seconds=20,
        interval=0.2,
    )


def test_it_works_with_the_operator_gone(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    operator.kill()
    delete(team)
    assert team.cluster.kubectl("get", "ddb", "-n", team.name).stdout == ""
    assert templates(postgres, database) == "4"


def test_a_resource_made_again_is_ready_again(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None]
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    delete(team)
    apply()
    team.wait_for("perses", "Ready", "True")
