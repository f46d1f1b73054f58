"""The programs that measure many databases and an upgrade run, here with a few, and find every promise kept."""

import json
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cost import costs_of
from benchmarks.other_shards import AtRest, OtherShards
from benchmarks.scale import Figures

ROOT = Path(__file__).parents[2]


def measured(*arguments: str, program: str = "scale") -> Any:
    command = [sys.executable, "-m", f"benchmarks.{program}", "--json", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.timeout(180)
def test_more_databases_than_connections_cost_a_few_connections_and_nothing_is_written_in_vain() -> None:
    [found] = measured("--resources", "24", "--max-connections", "20", "--idle-seconds", "3")
    assert found["told"] == dict.fromkeys(("SchemaMigrated", "TemplatesWritten", "Ready"), 24)
    assert found["connections_peak"] <= 6  # a backend that ends is seen a moment longer
    assert (found["writes"], found["restart_writes"]) == (0, 0)
    assert found["logins"] > found["logins_refused"] == 0
    assert found["floor"] > 0 < found["ready"]


@pytest.mark.timeout(180)
def test_lateness_is_measured_with_bad_servers_and_without() -> None:
    found = measured("--bad-servers", "--servers", "1", "--resources", "20", "--idle-seconds", "4")
    assert list(found) == ["alone", "with bad servers"]
    assert all(each["checks"] > 0 for each in found.values())


def test_costs_are_computed_from_what_is_printed() -> None:
    names = [field.name for field in fields(Figures)]
    others = asdict(OtherShards(1000, AtRest(1.0, 80.0, 1.0), AtRest(2.0, 90.0, 2.0)))
    costs = costs_of([dict.fromkeys(names, 1), dict.fromkeys(names, 2)], others)
    assert (costs.ready.at(3), costs.other_memory) == (3, 0.01)


@pytest.mark.timeout(180)
def test_simulated_databases_become_ready_and_nothing_unknown_is_asked_of_them() -> None:
    arguments = ("--resources", "12", "--servers", "2", "--idle-seconds", "3")
    [found] = measured("--simulated", "--own-logins", *arguments)  # ends with 1 where anything unknown is asked
    assert (found["resources"], found["servers"]) == (12, 2)
    assert found["told"] == {"Ready": 12}
    assert (found["writes"], found["restart_writes"]) == (0, 0)
    assert 0 < found["created"] < found["ready"]
    assert 0 < found["memory_none"] < found["memory_peak"]
    assert min(found[each] for each in ("cpu_each", "memory_each", "restart")) > 0
    assert found["idle_cpu_each"] >= 0  # the kernel counts in hundredths of a second


@pytest.mark.timeout(180)
def test_a_change_of_the_release_under_resources_at_work_loses_and_tells_nothing() -> None:
    found = measured("--from", str(ROOT), "--resources", "2", program="upgrade")  # ends with 1 where anything is lost
    assert [step["name"] for step in found["steps"]] == ["upgrade", "downgrade"]
    assert [step["writes"] for step in found["steps"]] == [0, 0]
    assert all(step["seconds"] > 0 < step["new_ready"] for step in found["steps"])
