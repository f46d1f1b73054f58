"""Real parts for faults: two replicas of the operator, a control plane and a database, each behind a relay."""

import json
import random
import secrets
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.support.controlplane import ControlPlane
from tests.support.database import Database, quoted
from tests.support.installation import install_operator
from tests.support.postgres import PostgresServer
from tests.support.processes import SupportError, wait_until
from tests.support.relay import Relay
from tests.support.replicas import Replicas, leads, replicas
from tests.support.resources import Namespace, connection_values, resource, says_ready, secret
from tests.support.serving import OperatorProcess
from tests.support.several_files import FILES, recorded, several_files
from tests.support.standby import Standby

LEASE_SECONDS = 3
"""Duration of the Lease: the shortest that the option takes, a fifth of the default."""
INTERVAL_SECONDS = 1
"""Interval between two checks of a resource; the default is 30 s."""
TIMEOUT_SECONDS = 2
"""Connect and query timeout of the resources."""
FILE_SECONDS = 0.1
"""Duration of each migration file."""
START_SECONDS = 120.0
"""Limit for what has to hold before a fault, on a busy machine."""
SETTINGS = {"max_connections": "60"}


@dataclass
class Stage:
    """Parts of all rounds; the roles of the replicas and the server change with the faults.

    Attributes:
        server: the PostgreSQL that serves at the moment.
        next_server: its standby, if it has one.
        to_server: relay through which the replicas reach it.
        to_api: relays of the replicas to the API server.
    """

    cluster: ControlPlane
    team: Namespace
    server: PostgresServer
    to_server: Relay
    to_api: dict[OperatorProcess, Relay]
    pair: Replicas
    leader: OperatorProcess
    standby: OperatorProcess
    next_server: Standby | None = None

    def swap(self) -> None:
        """Note that the standby leads now."""
        self.leader, self.standby = self.standby, self.leader

    def settle(self) -> None:
        """Wait until one replica leads and the other stands by, whatever was done to them; note which is which."""
        wait_until(lambda: sum(map(leads, self.pair.both)) == 1, what="one replica leads", seconds=START_SECONDS)
        if leads(self.standby):
            self.swap()
        wait_until(self.standby.is_ready, what="the other stands by", seconds=START_SECONDS)


@dataclass
class Case:
    """A resource and its database, for one round."""

    stage: Stage
    name: str
    database: Database

    @property
    def owner(self) -> str:
        """The role of the database, quoted."""
        return quoted(self.database.user)

    def apply(self, *, slow_milliseconds: int = 100) -> None:
        """Apply the Secret and the resource, whose database is reached through the relay."""
        reached = replace(self.database, port=self.stage.to_server.port)
        spec = limits(INTERVAL_SECONDS, slowResponseMilliseconds=slow_milliseconds)
        values = connection_values(reached)
        self.stage.team.apply(secret(self.name, values), resource(self.name, secret_name=self.name, **spec))

    def wait_for_files(self) -> None:
        """Wait until a random number of files is applied, and for a random part of the next one."""
        files = random.randint(1, FILES - 1)
        server = self.stage.server
        wait_until(lambda: len(recorded(server, self.database)) >= 2 * files, what="files run", seconds=START_SECONDS)
        time.sleep(random.uniform(0, FILE_SECONDS))

    def wait_for_ready(self, *, seconds: float = START_SECONDS) -> None:
        """Wait until the status says Ready for what is asked."""
        wait_until(lambda: self._says_ready() is True, what="Ready", seconds=seconds)

    def wait_for_change(self, *, seconds: float) -> None:
        """Change what is asked, and wait until the status says Ready for that: the change was seen, too."""
        self.apply(slow_milliseconds=200)
        self.wait_for_ready(seconds=seconds)

    def _says_ready(self) -> bool | None:
        """Return whether the status says Ready for what is asked; None where the API server does not answer."""
        try:
            body = self.stage.team.get(self.name)
        except SupportError:
            return None
        return says_ready(body) and body["status"]["observedGeneration"] == body["metadata"]["generation"]

    def wait_for_not_ready(self) -> None:
        """Wait until the status no longer says Ready."""
        wait_until(lambda: self._says_ready() is False, what="the fault is seen", seconds=START_SECONDS)

    def ask(self, sql: str) -> str:
        """Return what a superuser's SQL says in the database."""
        superuser = replace(self.stage.server.superuser, name=self.database.name)
        return self.stage.server.psql(superuser, sql=sql, args=("-At",)).strip()

    def remove(self) -> None:
        self.stage.team.cluster.kubectl("delete", "ddb", self.name, "-n", self.stage.team.name)
        self.stage.server.drop_database(self.database)


def limits(interval_seconds: int, **health: int) -> dict[str, Any]:
    """Return the part of a spec that lets faults be noticed soon."""
    return {
        "health": {"intervalSeconds": interval_seconds, **health},
        "pool": {"connectTimeoutSeconds": TIMEOUT_SECONDS, "queryTimeoutSeconds": TIMEOUT_SECONDS},
    }


def new_case(stage: Stage) -> Case:
    """Return a resource with a fresh database; nothing of it is applied yet."""
    return Case(stage, f"perses-{secrets.token_hex(4)}", stage.server.create_database())


@contextmanager
def a_stage() -> Iterator[Stage]:
    """Start all parts for a `with`."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dashdb-bench-")))
        server = stack.enter_context(PostgresServer(18, settings=SETTINGS))
        to_server = stack.enter_context(Relay(server.port))
        cluster = stack.enter_context(ControlPlane())
        account = install_operator(cluster)
        team = Namespace(cluster, cluster.namespace())
        relays = tuple(stack.enter_context(Relay(cluster.port)) for _ in range(2))
        accounts = tuple(_through(account, relay, folder) for relay in relays)
        migrations = several_files(folder / "migrations", seconds=FILE_SECONDS)
        pair = stack.enter_context(
            replicas((accounts[0], accounts[1]), team, folder, migrations=migrations, seconds=LEASE_SECONDS)
        )
        leader, standby = pair.start()
        to_api = dict(zip(pair.both, relays, strict=True))
        stage = Stage(cluster, team, server, to_server, to_api, pair, leader, standby)
        try:
            yield stage
        finally:
            stage.server.__exit__(None, None, None)  # another one than at the begin, after a failover


def _through(account: Path, relay: Relay, folder: Path) -> Path:
    """Return a copy of a kubeconfig that leads through RELAY."""
    config = json.loads(account.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{relay.port}"
    path = folder / f"kubeconfig-{relay.port}"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path
