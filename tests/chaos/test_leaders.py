"""Leaders that are killed or stopped at random moments of a migration, again and again, with a standby beside them."""

import random
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.effort import rounds
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until
from tests.support.replicas import Replicas, leads, replicas
from tests.support.resources import Namespace, connection_values, resource, secret
from tests.support.serving import OperatorProcess
from tests.support.several_files import FILES, LAST, each_once, recorded, several_files, told_once

KILLS = rounds(short=3, long=200)
STOPS = rounds(short=3, long=50)
DURATION_SECONDS = 3
"""Duration of the Lease: the shortest that the option takes."""
FILE_SECONDS = 0.1


@dataclass
class Rounds:
    """Rounds of one fault over one pair of replicas, each with a database of its own."""

    pair: Replicas
    team: Namespace
    postgres: PostgresServer
    leader: OperatorProcess
    standby: OperatorProcess
    number: int = 0
    interrupted: int = 0
    longest_seconds: float = 0.0

    def run(self, *, kill: bool) -> None:
        """Kill the leader at a random moment of a migration, or stop it, and check what the standby makes of it."""
        self.number += 1
        name = f"perses-{self.number}"
        database = self.postgres.create_database()
        self.team.apply(
            secret(name, connection_values(database)),
            resource(name, secret_name=name, health={"intervalSeconds": 1}),
        )
        files = random.randint(1, FILES - 1)
        wait_until(lambda: len(recorded(self.postgres, database)) >= 2 * files, what="files are applied", seconds=30)
        time.sleep(random.uniform(0, FILE_SECONDS))
        if kill:
            self.leader.kill()
        else:
            self.leader.signal(signal.SIGSTOP)
        broke, seen = time.monotonic(), recorded(self.postgres, database)
        self.pair.wait_for_leader(self.standby, seconds=DURATION_SECONDS + 20)
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - broke)
        if kill:
            self.leader.start(wait=False)
            wait_until(self.leader.is_ready, what="it stands by", seconds=120)
        else:
            self.leader.signal(signal.SIGCONT)
            wait_until(lambda: not leads(self.leader), what="it no longer leads", seconds=20)
        self.team.wait_for(name, "Ready", "True", seconds=60)
        assert recorded(self.postgres, database) == each_once()
        assert self.team.get(name)["status"]["schema"]["current"] == LAST
        told_once(self.team, name)
        self.interrupted += len(seen) < 2 * FILES
        self.team.cluster.kubectl("delete", "ddb", name, "-n", self.team.name)
        self.postgres.drop_database(database)
        self.leader, self.standby = self.standby, self.leader

    def repeat(self, times: int, *, kill: bool) -> None:
        """Run TIMES rounds; at least one has to meet a migration."""
        for _ in range(times):
            self.run(kill=kill)
        what = "kill" if kill else "stop"
        print(f"{times} {what}s, {self.interrupted} of a migration, longest {self.longest_seconds:.2f} s")
        assert self.interrupted > 0, f"no {what} met a migration"


@pytest.fixture
def under_way(account: Path, team: Namespace, postgres: PostgresServer, tmp_path: Path) -> Iterator[Rounds]:
    migrations = several_files(tmp_path / "migrations", seconds=FILE_SECONDS)
    with replicas(account, team, tmp_path, migrations=migrations, seconds=DURATION_SECONDS) as pair:
        yield Rounds(pair, team, postgres, *pair.start())


@pytest.mark.repeats
@pytest.mark.timeout(3600)
def test_each_file_runs_once_though_leaders_are_killed(under_way: Rounds) -> None:
    under_way.repeat(KILLS, kill=True)


@pytest.mark.repeats
@pytest.mark.timeout(3600)
def test_each_file_runs_once_though_leaders_are_stopped_for_longer_than_their_lease(under_way: Rounds) -> None:
    under_way.repeat(STOPS, kill=False)
