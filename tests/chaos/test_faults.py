"""Replicas, databases, the network and the API server fail at random moments of migrations, and nothing is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.chaos.losses import Losses
from tests.support.effort import Effort, effort

ROOT = Path(__file__).parents[2]
FAULTS, AT_REST = 16, 2


@pytest.mark.repeats
@pytest.mark.timeout(4 * 3600 if effort() is Effort.LONG else 600)
def test_after_each_fault_all_is_ready_and_nothing_is_done_twice_or_by_half_or_lost_or_shown() -> None:
    short = [] if effort() is Effort.LONG else ["--short"]
    command = [sys.executable, "-m", "benchmarks.chaos", "--json", *short]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    faults = json.loads(done.stdout)["faults"]  # its problems include times, which depend on the machine
    assert len(faults) == FAULTS
    assert {name: [Losses(**run["losses"]) for run in runs] for name, runs in faults.items()} == {
        name: [Losses()] * len(runs) for name, runs in faults.items()
    }
    assert sum(any(run["met"] for run in runs) for runs in faults.values()) > AT_REST, "no fault met a migration"
