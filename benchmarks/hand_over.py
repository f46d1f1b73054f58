"""Time for which nobody leads, after a leader was killed, and after one was asked to end.

    python -m benchmarks.hand_over [--kills 5] [--ends 20]

Two replicas with the Lease of the manifests, on a real API server. A kill comes at a random moment between two
renewals; the limit is the duration of the Lease and a second.
"""

import argparse
import random
import signal
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from controller.operator.lease import LeaseTimes
from tests.support.controlplane import ControlPlane
from tests.support.installation import install_operator
from tests.support.processes import wait_until
from tests.support.replicas import Replicas, replicas
from tests.support.resources import Namespace
from tests.support.serving import OperatorProcess

SETTLE_SECONDS = 3.0
"""Seconds in which the standby surely has seen a renewal, and the most that are waited in addition, at random."""


def without_leader(pair: Replicas, leader: OperatorProcess, number: signal.Signals) -> float:
    """Return the seconds from sending the signal NUMBER to LEADER until the Lease names another holder."""
    time.sleep(SETTLE_SECONDS + random.uniform(0, SETTLE_SECONDS))
    before = pair.lease()["holderIdentity"]
    started = time.monotonic()
    leader.signal(number)
    wait_until(lambda: pair.lease()["holderIdentity"] not in (before, ""), what="another one leads", seconds=60)
    seconds = time.monotonic() - started
    leader.kill()
    leader.start(wait=False)
    wait_until(leader.is_ready, what="it stands by", seconds=120)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--ends", type=int, default=20)
    asked = parser.parse_args()
    times = LeaseTimes()
    table = Table("", "runs", "median, s", "worst, s", "limit, s", title="without a leader")
    with tempfile.TemporaryDirectory(prefix="dashdb-bench-") as folder, ControlPlane() as cluster:
        account, team = install_operator(cluster), Namespace(cluster, cluster.namespace())
        with replicas(account, team, Path(folder), seconds=times.duration) as pair:
            leader, standby = pair.start()
            for number, runs, limit in (
                (signal.SIGKILL, asked.kills, times.duration + 1.0),
                (signal.SIGTERM, asked.ends, 1.0),
            ):
                seconds = []
                for _ in range(runs):
                    seconds.append(without_leader(pair, leader, number))
                    leader, standby = standby, leader
                figures = (f"{statistics.median(seconds):.2f}", f"{max(seconds):.2f}", f"{limit:.0f}")
                table.add_row(number.name, str(runs), *figures)
    Console().print(table)


if __name__ == "__main__":
    main()
