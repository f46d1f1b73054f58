"""Many resources under random faults, with two replicas: what grows, who acts, and whether all is Ready at the end.

    python -m benchmarks.chaos.endurance [--minutes 30] [--resources 100] [--json]

The faults are those of `benchmarks.chaos` but kills of a leader, since what is looked for is growth in a process that
lives, and failovers, which copy all databases. The Lease is read all the time: each action of a replica's log has to
fall into a time in which it held the Lease. Exits with 1 if two replicas acted, anything was lost, or memory or open
descriptors grew, or a resource is not Ready at the end.
"""

import json
import random
import sys
import threading
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise

import click
from rich.console import Console
from rich.progress import Progress

from benchmarks.chaos.faults import Fault, all_faults
from benchmarks.chaos.losses import Logs, Losses
from benchmarks.chaos.run import lost_in, run_once
from benchmarks.chaos.stage import START_SECONDS, Stage, a_stage, limits
from benchmarks.footprint import MEBIBYTE
from tests.support.processes import SupportError, wait_until
from tests.support.replicas import leads
from tests.support.resources import connection_values, resource, says_ready, secret
from tests.support.serving import OperatorProcess

INTERVAL_SECONDS = 5
"""Interval between two checks of the resources at rest."""
WARM_PART = 0.5
"""Part of the time after which nothing should grow any more: by then each replica has led for a while."""
MOST_GROWTH_MEBIBYTES = 5.0
"""Limit of growth after that; the databases of the faults come and go, and the heap has holes."""
MOST_MORE_DESCRIPTORS = 20
"""Limit of descriptors more than after the warm part: those of connections that are open at the moment."""
SIZES = 6
"""Number of times at which sizes are read, in equal distances."""
SAMPLE_SECONDS = 0.25


@dataclass(frozen=True)
class Holder:
    """Holder of the Lease, as it was read at a time of the clock."""

    at: float
    name: str


class Watchers(threading.Thread):
    """Thread that reads the Lease, and asks both replicas whether they lead.

    Attributes:
        holders: what the Lease said.
        both: number of times at which both said that they lead, one before and after the other.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__(daemon=True)
        self.holders: list[Holder] = []
        self.both = 0
        self._stage = stage
        self._ended = threading.Event()

    def run(self) -> None:
        one, other = self._stage.pair.both
        while not self._ended.wait(SAMPLE_SECONDS):
            try:
                self.holders.append(Holder(time.time(), str(self._stage.pair.lease().get("holderIdentity"))))
            except SupportError:
                continue  # the API server is away
            self.both += leads(one) and leads(other) and leads(one)

    def end(self) -> None:
        self._ended.set()
        self.join()


@dataclass(frozen=True)
class Size:
    """Resident memory in MiB, and open descriptors, of the replica that has more."""

    memory: float
    descriptors: int


def size_of(replicas: tuple[OperatorProcess, OperatorProcess]) -> Size:
    return Size(max(each.resident_bytes for each in replicas) / MEBIBYTE, max(each.descriptors for each in replicas))


@dataclass(frozen=True)
class Found:
    """Figures of the whole time.

    Attributes:
        strikes: number of faults.
        late: seconds until Ready where they were more than promised, by the fault and what was promised.
        holders: how often the Lease changed its holder.
        both: see `Watchers`; strangers: actions of a replica that did not hold the Lease.
        sizes: of the larger replica, in equal distances, the last one at the end.
        not_ready: resources that are not Ready at the end.
    """

    strikes: int
    late: dict[str, list[float]]
    losses: Losses
    holders: int
    actions: int
    both: int
    strangers: int
    sizes: list[Size]
    not_ready: int

    def problems(self) -> list[str]:
        """Return a sentence for each broken promise."""
        warm, end = self.sizes[round(len(self.sizes) * WARM_PART) - 1], self.sizes[-1]
        grown, more = end.memory - warm.memory, end.descriptors - warm.descriptors
        return [
            *(f"Ready came late after {fault}: {seconds}" for fault, seconds in self.late.items()),
            *([str(self.losses)] if self.losses != Losses() else ()),
            *([f"{self.both} times two replicas led"] if self.both else ()),
            *([f"{self.strangers} actions without the Lease"] if self.strangers else ()),
            *([f"memory grew by {grown:.1f} MiB"] if grown > MOST_GROWTH_MEBIBYTES else ()),
            *([f"{more} descriptors more"] if more > MOST_MORE_DESCRIPTORS else ()),
            *([f"{self.not_ready} resources are not Ready"] if self.not_ready else ()),
        ]


def actions_in(log: str) -> list[Holder]:
    """Return each action that a replica has done, with the identity under which it led."""
    found, leader = [], ""
    for line in log.splitlines():
        if '"leading"' in line:
            leader = json.loads(line)["identity"]
        elif '"action done"' in line:
            found.append(Holder(datetime.fromisoformat(json.loads(line)["time"]).timestamp(), leader))
    return found


def strangers_in(actions: list[Holder], holders: list[Holder]) -> int:
    """Return how many actions fell into a time in which the Lease named another holder, before and after."""
    count = 0
    for action in actions:
        before = next((each.name for each in reversed(holders) if each.at <= action.at), "")
        after = next((each.name for each in holders if each.at >= action.at), "")
        count += action.name not in (before, after)
    return count


def ready_resources(stage: Stage) -> int:
    return sum(map(says_ready, stage.team.all()))


def add_resources(stage: Stage, count: int) -> None:
    """Apply resources with a database each, and wait until all are Ready."""
    first = stage.server.create_database()
    databases = [first, *(stage.server.create_database(owner=first.user) for _ in range(count - 1))]
    manifests = []
    for number, database in enumerate(databases):
        values = {**connection_values(database), "port": str(stage.to_server.port)}
        name = f"rest-{number:03}"
        manifests += [secret(name, values), resource(name, secret_name=name, **limits(INTERVAL_SECONDS))]
    stage.team.apply(*manifests)
    wait_until(lambda: ready_resources(stage) == count, what="all are Ready", seconds=START_SECONDS + 5 * count)


def endure(stage: Stage, faults: list[Fault], minutes: float, count: int) -> Found:
    add_resources(stage, count)
    watchers, logs, runs = Watchers(stage), Logs(), []
    sizes: list[Size] = []
    watchers.start()
    began = time.monotonic()
    late: dict[str, list[float]] = {}
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=minutes * 60)
        while (passed := time.monotonic() - began) < minutes * 60:
            if passed > minutes * 60 * (len(sizes) + 1) / SIZES:
                sizes.append(size_of(stage.pair.both))
            fault = random.choice(faults)
            progress.update(task, completed=passed, description=fault.name)
            runs.append(run_once(stage, fault, logs))
            if runs[-1].seconds > fault.promised:
                late.setdefault(f"{fault.name} ({fault.promised:.0f} s)", []).append(round(runs[-1].seconds, 1))
    try:
        wait_until(lambda: ready_resources(stage) == count, what="all are Ready again", seconds=START_SECONDS)
    except SupportError as error:
        print(error, file=sys.stderr)
    watchers.end()
    names = [each.name for each in watchers.holders]
    actions = [action for replica in stage.pair.both for action in actions_in(replica.log)]
    return Found(
        len(runs),
        late,
        lost_in(runs),
        sum(one != other for one, other in pairwise(names)),
        len(actions),
        watchers.both,
        strangers_in(actions, watchers.holders),
        [*sizes, size_of(stage.pair.both)],
        count - ready_resources(stage),
    )


@click.command()
@click.option("--minutes", default=30.0, show_default=True, type=click.FloatRange(min=0.1), help="Duration.")
@click.option("--resources", default=100, show_default=True, type=click.IntRange(min=1), help="Resources at rest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(*, minutes: float, resources: int, as_json: bool) -> None:
    """Let random faults strike for a long time."""
    left_out = ("leader killed", "failover", "away for long")
    faults = [fault for fault in all_faults(short=True) if not any(text in fault.name for text in left_out)]
    with a_stage() as stage:
        found = endure(stage, faults, minutes, resources)
    broken = found.problems()
    if as_json:
        print(json.dumps({**asdict(found), "problems": broken}))
    else:
        for name, value in asdict(found).items():
            print(f"{name:>12}  {value}")
    for problem in broken:
        print(problem, file=sys.stderr)
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
