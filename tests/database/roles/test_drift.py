"""Drift where roles were granted rights: grants are told, and count only where that is asked for."""

import json

from tests.database.roles.conftest import Service
from tests.support.database import quoted


def test_grants_are_no_drift_unless_they_are_asked_for(granted: Service) -> None:
    done, counted = granted.run("migrate", "drift"), granted.run("migrate", "drift", "--grants")
    assert (done.exit_code, counted.exit_code) == (0, 8)
    assert f"privileges on table audit_log: INSERT, SELECT to {quoted(granted.application.user)}" in done.stdout
    assert "privileges on later tables of" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("No drift; the schema is as it was after version 1; ")
    found = json.loads(granted.run("migrate", "drift", "--json").stdout)
    assert (found["drift"], found["differences"], len(found["grants"]) > 5) == (False, [], True)


def test_drift_beside_grants_is_drift(granted: Service) -> None:
    granted.sql("CREATE INDEX by_hand ON dashboard (created_by)")
    done = granted.run("migrate", "drift")
    assert done.exit_code == 8
    assert done.stdout.startswith("index by_hand on dashboard: added\n")
    assert done.stdout.splitlines()[-1].startswith("1 difference from the schema after version 1; ")
