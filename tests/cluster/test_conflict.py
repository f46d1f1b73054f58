"""Two resources for one database: the older one acts, and the younger one says so."""

from tests.support.database import Database
from tests.support.processes import wait_until
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess


def test_the_younger_of_two_resources_for_one_database_waits_until_the_older_is_gone(
    operator: OperatorProcess, team: Namespace, database: Database
) -> None:
    team.apply(secret("db", connection_values(database)), resource("older", secret_name="db"))
    team.wait_for("older", "Ready", "True")
    team.apply(resource("younger", secret_name="db"))
    team.wait_for("younger", "Ready", "False")
    ready = team.condition("younger", "Ready")
    assert (ready["reason"], ready["message"].split()[0]) == ("Conflict", f"{team.name}/older")
    assert team.condition("older", "Ready")["status"] == "True"
    team.cluster.kubectl("delete", "ddb", "older", "-n", team.name)
    wait_until(
        lambda: team.condition("younger", "Ready")["status"] == "True", what="the younger one to act", seconds=60
    )
