"""One run of a fault: a resource, the fault, the time until all is Ready, and what was lost."""

import time
from dataclasses import dataclass

from benchmarks.chaos.faults import Fault
from benchmarks.chaos.losses import Logs, Losses, losses_of
from benchmarks.chaos.stage import Stage, new_case
from tests.support.several_files import FILES, recorded

PATIENCE_SECONDS = 120.0
"""Seconds beyond a promise in which a run may still end; how late it was is shown."""


@dataclass(frozen=True)
class Run:
    """Result of one run.

    Attributes:
        seconds: until the status said Ready.
        met: the fault struck before all files had run, or a database at rest.
    """

    seconds: float
    met: bool
    losses: Losses


def run_once(stage: Stage, fault: Fault, logs: Logs) -> Run:
    fault.prepare(stage)
    stage.settle()
    case = new_case(stage)
    case.apply()
    if fault.at_rest:
        case.wait_for_ready()
    else:
        case.wait_for_files()
    met = fault.at_rest or len(recorded(stage.server, case.database)) < 2 * FILES
    with fault.strike(case) as struck:
        case.wait_for_ready(seconds=fault.promised + PATIENCE_SECONDS)
        case.wait_for_change(seconds=PATIENCE_SECONDS)
        seconds = time.monotonic() - struck
    stage.settle()
    losses = losses_of(case, stage, logs, told_again=not met or fault.at_rest)
    case.remove()
    return Run(seconds, met, losses)


def lost_in(runs: list[Run]) -> Losses:
    return sum((run.losses for run in runs), Losses())
