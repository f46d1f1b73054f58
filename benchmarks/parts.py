"""Real parts for benchmarks, and a watch that notes the time at which each resource became Ready."""

import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes import client, config, watch
from urllib3.exceptions import HTTPError

from controller.resource import GROUP, PLURAL, VERSION
from tests.support.controlplane import ControlPlane
from tests.support.installation import install_operator
from tests.support.postgres import PostgresServer
from tests.support.resources import Namespace, says_ready
from tests.support.serving import OperatorProcess

DURABLE = {"fsync": "on", "full_page_writes": "on", "max_connections": "400"}
"""Tests switch durability off for speed; a measurement must not."""


@dataclass(frozen=True)
class Parts:
    """Parts that a benchmark runs on.

    Attributes:
        postgres: the first of the servers.
    """

    cluster: ControlPlane
    servers: tuple[PostgresServer, ...]
    operator: OperatorProcess
    team: Namespace

    @property
    def postgres(self) -> PostgresServer:
        return self.servers[0]


@contextmanager
def real_parts(
    *, servers: int = 1, settings: Mapping[str, str] = DURABLE, options: Sequence[str] = ()
) -> Iterator[Parts]:
    """Run a control plane, PostgreSQL 18 on SERVERS ports and the operator with its own account for a `with`.

    OPTIONS are added to the operator's command.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dashdb-bench-")))
        postgres = tuple(stack.enter_context(PostgresServer(18, settings=settings)) for _ in range(servers))
        cluster = stack.enter_context(ControlPlane())
        kubeconfig = install_operator(cluster)
        operator = stack.enter_context(
            OperatorProcess(kubeconfig, folder / "operator.log", log_level="info", options=options)
        )
        yield Parts(cluster, postgres, operator, Namespace(cluster, cluster.namespace()))


class ReadyWatch:
    """Watch that is open before anything is applied.

    Attributes:
        seen: time of the first Ready of each resource.
    """

    def __init__(self, parts: Parts) -> None:
        self.seen: dict[str, float] = {}
        self._changed = threading.Condition()
        self._api = client.CustomObjectsApi(config.new_client_from_config(str(parts.cluster.kubeconfig)))
        self._namespace = parts.team.name
        self._watch = watch.Watch()
        self._open = threading.Event()
        self._closed = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        self._open.wait(10)

    def wait_for(self, names: set[str], *, seconds: float) -> None:
        """Block until all NAMES were seen Ready."""
        with self._changed:
            if not self._changed.wait_for(lambda: names <= self.seen.keys(), seconds):
                raise TimeoutError(f"not Ready within {seconds:g} s: {sorted(names - self.seen.keys())}")

    def close(self) -> None:
        self._closed.set()
        self._watch.stop()

    def _run(self) -> None:
        listed: Any = self._api.list_namespaced_custom_object(GROUP, VERSION, self._namespace, PLURAL)
        version = listed["metadata"]["resourceVersion"]
        self._open.set()
        arguments = (GROUP, VERSION, self._namespace, PLURAL)
        try:
            for event in self._watch.stream(
                self._api.list_namespaced_custom_object, *arguments, resource_version=version, timeout_seconds=3600
            ):
                self._note(event["object"], time.monotonic())
        except HTTPError:
            if not self._closed.is_set():
                raise  # else the API server is gone because the benchmark is over

    def _note(self, body: dict[str, Any], moment: float) -> None:
        if says_ready(body):
            with self._changed:
                self.seen.setdefault(body["metadata"]["name"], moment)
                self._changed.notify_all()
