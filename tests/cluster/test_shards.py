"""Operators that share the resources: each works on those of its own shard, and on no other."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeAlias

import pytest

from controller.operator.shard import Shard
from tests.cluster.manifests_objects import SHARDS, Installation
from tests.support.controlplane import ControlPlane
from tests.support.database import Database
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.replicas import DURATION_SECONDS, HOME, NAME, leads
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess
from tests.support.several_files import LAST, each_once, recorded, several_files, told_once

FIRST, SECOND = Shard(1, 2), Shard(2, 2)

Start: TypeAlias = Callable[..., OperatorProcess]


@pytest.fixture
def leases(control_plane: ControlPlane, account: Path) -> None:
    """Install the Leases of manifests/shards, held by nobody, and the rights to them."""
    control_plane.kubectl("delete", "lease", "--all", "-n", HOME)
    kinds = ("Lease", "Role", "RoleBinding")
    for folder in ("manifests", SHARDS):
        wanted = [item for item in Installation(control_plane, folder).objects if item["kind"] in kinds]
        control_plane.kubectl("apply", "-f", "-", input="\n---\n".join(map(json.dumps, wanted)))


@pytest.fixture
def start(leases: None, account: Path, team: Namespace, tmp_path: Path) -> Iterator[Start]:
    """Start a replica of a shard, which watches the test's namespace; what was started ends with the test."""
    with ExitStack() as stack:
        started = 0

        def run(shard: Shard, migrations: Path | None = None) -> OperatorProcess:
            nonlocal started
            started += 1
            options = ["--lease", NAME, "--lease-namespace", HOME, "--lease-duration", str(DURATION_SECONDS)]
            options += ["--shard", str(shard)]
            log = tmp_path / f"{started}.log"
            process = OperatorProcess(account, log, namespace=team.name, migrations=migrations, options=options)
            return stack.enter_context(process)

        yield run


def names_of(shard: Shard, team: Namespace, count: int) -> list[str]:
    """Return names of resources that belong to SHARD."""
    return [name for name in (f"db-{number}" for number in range(100)) if shard.holds((team.name, name))][:count]


def apply(team: Namespace, databases: dict[str, Database]) -> None:
    for name, database in databases.items():
        wanted = resource(name, secret_name=name, health={"intervalSeconds": 1})
        team.apply(secret(name, connection_values(database)), wanted)


def spoken_of(operator: OperatorProcess) -> set[str]:
    """Return the names of the resources that the log of an operator speaks of."""
    records = [json.loads(line) for line in operator.log.splitlines()]
    return {record["name"] for record in records if "namespace" in record and "name" in record}


def shown(operator: OperatorProcess) -> set[str]:
    """Return the names of the resources that an operator has series of."""
    lines = operator.get("/metrics")[1].splitlines()
    return {line.split('name="')[1].split('"')[0] for line in lines if line.startswith("dashdb_database_ready{")}


def holder(team: Namespace, shard: Shard) -> str | None:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{HOME}/leases/{shard.lease_name(NAME)}"
    found: str | None = team.cluster.read(path).get("spec", {}).get("holderIdentity")
    return found


def one_leads(replicas: list[OperatorProcess]) -> OperatorProcess:
    """Wait until one of REPLICAS leads; return it."""
    wait_until(lambda: any(map(leads, replicas)), what="one leads", seconds=30)
    [leader] = filter(leads, replicas)
    return leader


@pytest.mark.timeout(180)
def test_each_of_two_shards_has_a_leader_that_works_on_its_own_resources_alone(
    start: Start, team: Namespace, postgres: PostgresServer
) -> None:
    leaders = {shard: one_leads([start(shard), start(shard)]) for shard in (FIRST, SECOND)}
    owned = {shard: names_of(shard, team, 3) for shard in leaders}
    apply(team, {name: postgres.create_database() for names in owned.values() for name in names})
    for name in owned[FIRST] + owned[SECOND]:
        team.wait_for(name, "Ready", "True", seconds=60)
    holders = [holder(team, shard) for shard in leaders]
    assert all(holders)
    assert len(set(holders)) == 2
    assert not holder(team, Shard()), "the Lease of all resources is nobody's"
    for shard, leader in leaders.items():
        assert shown(leader) == spoken_of(leader) == set(owned[shard])
        assert f'dashdb_shard_info{{shard="{shard}"}} 1.0' in leader.get("/metrics")[1]
        assert leader.get_json("/api/v1/health")["shard"] == str(shard)
        for other, names in owned.items():
            answers = {leader.get(f"/ready/{team.name}/{name}")[0] for name in names}
            assert answers == {200 if other is shard else 404}


def test_a_shard_needs_no_other_one_and_touches_nothing_of_it(
    start: Start, team: Namespace, postgres: PostgresServer
) -> None:
    operator = start(FIRST)
    [ours], [others] = names_of(FIRST, team, 1), names_of(SECOND, team, 1)
    apply(team, {name: postgres.create_database() for name in (others, ours)})
    team.wait_for(ours, "Ready", "True")
    assert team.condition(others, "Ready")["reason"] == "NotObserved"
    team.cluster.kubectl("delete", "ddb", ours, others, "-n", team.name, "--timeout=10s")
    path = f"/ready/{team.name}/{ours}"
    wait_until(lambda: operator.get(path)[0] == 404, what="the database is forgotten", seconds=20)
    assert shown(operator) == set()
    assert spoken_of(operator) == {ours}


@pytest.mark.timeout(180)
def test_the_old_and_the_new_ones_together_apply_each_file_once_while_the_number_of_shards_changes(
    start: Start, team: Namespace, postgres: PostgresServer, tmp_path: Path
) -> None:
    migrations = several_files(tmp_path / "migrations", seconds=0.3)
    operators = {shard: start(shard, migrations) for shard in (Shard(), FIRST, SECOND)}
    for operator in operators.values():
        one_leads([operator])
    names = names_of(FIRST, team, 1) + names_of(SECOND, team, 1)
    databases = {name: postgres.create_database() for name in names}
    apply(team, databases)
    for name, database in databases.items():
        team.wait_for(name, "Ready", "True", seconds=90)
        assert recorded(postgres, database) == each_once()
        assert team.get(name)["status"]["schema"]["current"] == LAST
        told_once(team, name)
    assert spoken_of(operators[Shard()]) == set(databases)
