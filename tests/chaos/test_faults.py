"""Replicas, databases, the network and the API server fail at random moments of migrations, and nothing is lost."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.effort import Effort, effort

ROOT = Path(__file__).parents[2]
FAULTS = 16


@pytest.mark.repeats
@pytest.mark.timeout(4 * 3600 if effort() is Effort.LONG else 420)
def test_after_each_fault_all_is_ready_in_time_and_nothing_is_done_twice_or_lost_or_shown() -> None:
    short = [] if effort() is Effort.LONG else ["--short"]
    command = [sys.executable, "-m", "benchmarks.chaos", "--json", *short]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert len(found["faults"]) == FAULTS
    assert any(run["met"] for runs in found["faults"].values() for run in runs)
