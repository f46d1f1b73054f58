"""PostgreSQL, the API server and the operator go away and come back."""

from collections.abc import Callable, Iterator

import asyncpg
import pytest

from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, to be stopped."""
    with PostgresServer(18) as running:
        yield running


@pytest.fixture
def database(postgres: PostgresServer) -> Database:
    return postgres.create_database()


def test_postgresql_stopped_and_started(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], postgres: PostgresServer
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")

    postgres.stop("fast")
    down = team.wait_for("perses", "Ready", "False", reason="ConnectionRefused")
    assert "Nothing listens there" in down["message"]
    status = {c["type"]: c["status"] for c in team.get("perses")["status"]["conditions"]}
    assert (status["Connected"], status["SchemaCurrent"], status["Healthy"]) == ("False", "Unknown", "False")
    assert operator.get("/live")[0] == 200
    assert operator.get(f"/ready/{team.name}/perses")[0] == 503

    postgres.start()
    team.wait_for("perses", "Ready", "True")
    assert operator.get(f"/ready/{team.name}/perses")[0] == 200


def test_postgresql_that_hangs_is_noticed_and_the_operator_stays_alive(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], postgres: PostgresServer
) -> None:
    apply(pool={"connectTimeoutSeconds": 1, "queryTimeoutSeconds": 1})
    team.wait_for("perses", "Ready", "True")
    postgres.freeze()
    try:
        team.wait_for("perses", "Ready", "False", reason="Timeout")
        assert operator.get("/live")[0] == 200
    finally:
        postgres.thaw()
    team.wait_for("perses", "Ready", "True")


def test_a_database_that_is_dropped_and_made_anew_is_migrated_and_seeded_again(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    identity = team.get("perses")["status"]["server"]["identity"]
    postgres.psql(postgres.superuser, sql=f'DROP DATABASE "{database.name}" WITH (FORCE)')
    team.wait_for("perses", "Ready", "False")
    postgres.psql(postgres.superuser, sql=f'CREATE DATABASE "{database.name}" OWNER "{database.user}"')
    team.wait_for("perses", "Ready", "True")
    status = team.get("perses")["status"]
    assert status["server"]["identity"] != identity
    assert [t["state"] for t in status["templates"]] == ["Current"] * 4

    def told() -> bool:  # after the status is written
        return "DatabaseReplaced" in [event["reason"] for event in team.events()]

    wait_until(told, what="the replacement is told", seconds=10)


def test_a_deleted_template_comes_back_and_an_edit_is_kept_and_reported(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    edit = "UPDATE dashboard_template SET description = 'ours' WHERE id = 'template-notebook'"
    delete = "DELETE FROM dashboard_template WHERE id = 'template-training-job'"
    postgres.psql(database, sql=f"BEGIN; SET LOCAL dashdb.maintenance = 'on'; {delete}; {edit}; COMMIT;")
    reported = team.wait_for("perses", "TemplatesSeeded", "True", reason="Customized")
    assert "kept: template-notebook." in reported["message"]

    def states() -> dict[str, str]:
        return {t["name"]: t["state"] for t in team.get("perses")["status"]["templates"]}

    wait_until(lambda: states()["template-training-job"] == "Current", what="the template is back", seconds=20)
    assert states()["template-notebook"] == "Customized"


async def test_a_table_that_somebody_locked_or_closed_is_no_lost_connection(
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply(pool={"queryTimeoutSeconds": 1})
    team.wait_for("perses", "Ready", "True")
    beside = await asyncpg.connect(database.dsn)
    await beside.execute("BEGIN; LOCK TABLE dashboard_template")
    team.wait_for("perses", "TemplatesSeeded", "False", reason="Timeout")
    health = operator.get(f"/api/v1/health/{team.name}/perses")
    status = {c["type"]: c["status"] for c in team.get("perses")["status"]["conditions"]}
    await beside.close()
    assert (status["Connected"], status["SchemaCurrent"], status["Healthy"]) == ("True", "True", "True")
    assert health[0] == 200
    team.wait_for("perses", "Ready", "True")
    postgres.psql(database, sql="REVOKE ALL ON schema_version FROM CURRENT_USER")
    team.wait_for("perses", "SchemaCurrent", "False", reason="PermissionDenied")
    assert team.get("perses")["status"]["schema"]["current"] == 1
    postgres.psql(database, sql="GRANT ALL ON schema_version TO CURRENT_USER")
    team.wait_for("perses", "Ready", "True")


@pytest.mark.parametrize("value", ["1e5000", "[" * 3000 + "]" * 3000], ids=["a large number", "deep nesting"])
def test_a_template_row_that_python_cannot_read_is_that_templates_state_and_passes_with_its_cause(
    value: str,
    operator: OperatorProcess,
    team: Namespace,
    apply: Callable[..., None],
    postgres: PostgresServer,
    database: Database,
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    beyond = f"UPDATE dashboard_template SET doc = jsonb_set(doc, '{{x}}', '{value}') WHERE id = 'template-notebook'"
    postgres.psql(database, sql=beyond)
    ready = team.wait_for("perses", "Ready", "False", reason="TemplateUnreadable")
    assert ready["message"].startswith("template-notebook: the row holds a number or a nesting of JSON")
    assert operator.get(f"/ready/{team.name}/perses")[0] == 503
    states = {t["name"]: t["state"] for t in team.get("perses")["status"]["templates"]}
    assert sorted(states.values()) == ["Current", "Current", "Current", "Unreadable"]
    assert "fault of this program" not in operator.log
    delete = "DELETE FROM dashboard_template WHERE id = 'template-notebook'"
    postgres.psql(database, sql=f"BEGIN; SET LOCAL dashdb.maintenance = 'on'; {delete}; COMMIT;")
    team.wait_for("perses", "Ready", "True")


@pytest.mark.timeout(180)
def test_the_api_server_stopped_and_started(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None], postgres: PostgresServer
) -> None:
    apply()
    team.wait_for("perses", "Ready", "True")
    team.cluster.stop_apiserver()
    try:
        wait_until(lambda: operator.get("/ready")[0] == 503, what="the operator says not ready", seconds=40)
        assert operator.get("/live")[0] == 200
        # Databases are watched all the same.
        assert operator.get(f"/ready/{team.name}/perses")[0] == 200
        postgres.stop("fast")
        wait_until(
            lambda: operator.get(f"/ready/{team.name}/perses")[0] == 503, what="the outage is noticed", seconds=60
        )
    finally:
        team.cluster.start_apiserver()
    team.wait_for("perses", "Ready", "False", seconds=60)
    postgres.start()
    team.wait_for("perses", "Ready", "True", seconds=60)
    wait_until(lambda: operator.get("/ready")[0] == 200, what="the operator is ready again", seconds=40)


def test_sigterm_ends_it_with_exit_code_0_and_nothing_half_done(
    operator: OperatorProcess, team: Namespace, apply: Callable[..., None]
) -> None:
    apply()
    assert operator.stop() == 0
    operator.start()
    team.wait_for("perses", "Ready", "True")
