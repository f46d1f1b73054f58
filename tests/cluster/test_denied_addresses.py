"""Addresses that the operator was told not to dial: a resource learns nothing of what listens there."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.database import Database
from tests.support.processes import free_port, wait_until
from tests.support.resources import Namespace, connection_values
from tests.support.serving import OperatorProcess


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::ffff:127.0.0.1"])
def test_a_resource_that_names_one_reads_the_same_whatever_listens_there(
    account: Path, team: Namespace, apply: Callable[..., None], database: Database, tmp_path: Path, host: str
) -> None:
    options = ("--deny-address", "127.0.0.0/8", "--deny-address", "::1")
    told = set()
    with OperatorProcess(account, tmp_path / "operator.log", namespace=team.name, options=options):
        for port in (database.port, free_port()):
            apply(values={**connection_values(database), "host": host, "port": str(port)})
            ready = _refusal_of(team, port)
            told.add((ready["reason"], ready["message"].replace(f":{port}:", "")))
    assert [reason for reason, _ in told] == ["AddressNotAllowed"]


def _refusal_of(team: Namespace, port: int) -> dict[str, str]:
    """Wait until the status is about PORT."""

    def is_told() -> bool:
        return f":{port}:" in team.condition("perses", "Ready").get("message", "")

    wait_until(is_told, what=f"the status is about port {port}", seconds=30)
    return team.condition("perses", "Ready")


def test_an_exception_is_dialled(account: Path, team: Namespace, apply: Callable[..., None], tmp_path: Path) -> None:
    options = ("--deny-address", "127.0.0.0/8", "--allow-address", "127.0.0.1")
    with OperatorProcess(account, tmp_path / "operator.log", namespace=team.name, options=options):
        apply()
        team.wait_for("perses", "Ready", "True")
