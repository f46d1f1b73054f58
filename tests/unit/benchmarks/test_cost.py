"""Costs of many databases, computed from the figures of a few."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks.cost import (
    LIMITS,
    MOST_IN_ONE,
    Costs,
    Estimate,
    Limit,
    Line,
    costs_of,
    holds,
    main,
    most_in_one,
    shards_for,
)

FREE = Line(0.0, 0.0)
CHEAP = Costs(idle_cpu=FREE, memory=FREE, ready=FREE, restart=FREE, metrics=FREE)


def run(resources: int, **figures: float) -> dict[str, Any]:
    """Return figures as `benchmarks.scale` prints them, of which only those named here differ from 1."""
    names = ("idle_cpu", "memory_idle", "memory_restart", "ready", "restart", "metrics_bytes")
    return {"resources": resources, **dict.fromkeys(names, 1.0), **figures}


def others(**figures: float) -> dict[str, Any]:
    without = {"start_cpu": 1.0, "memory": 80.0, "idle_cpu": 1.0}
    return {"resources": 1000, "without": without, "with_others": {**without, **figures}}


def limit(what: str) -> Limit:
    return next(each for each in LIMITS if each.what == what)


def test_a_figure_is_a_line_through_the_smallest_and_the_largest_run() -> None:
    runs = [run(300, idle_cpu=99.0), run(1000, idle_cpu=6.0), run(100, idle_cpu=1.5)]
    line = costs_of(runs, None).idle_cpu
    assert (line.at(100), line.at(1000), line.at(10_000)) == pytest.approx((1.5, 6.0, 51.0))


def test_figures_that_fall_with_more_databases_are_taken_as_level() -> None:
    line = costs_of([run(100, ready=3.0), run(200, ready=2.0)], None).ready
    assert (line.at(100), line.at(100_000)) == (2.0, 2.0)


def test_memory_is_the_larger_of_that_at_rest_and_that_after_a_restart() -> None:
    runs = [run(100, memory_idle=80.0, memory_restart=90.0), run(200, memory_idle=110.0, memory_restart=100.0)]
    assert costs_of(runs, None).memory == Line(70.0, 0.2)


def test_runs_of_one_size_show_nothing() -> None:
    with pytest.raises(ValueError, match="measure two"):
        costs_of([run(100), run(100)], None)


def test_a_database_of_another_shard_costs_what_it_was_measured_to() -> None:
    costs = costs_of([run(100), run(200)], others(memory=90.0, idle_cpu=0.5, start_cpu=3.0))
    assert (costs.other_memory, costs.other_cpu, costs.other_start) == (0.01, 0.0, 0.002)
    estimate = Estimate(replace(CHEAP, other_memory=0.01, other_start=0.002), 10_000, 4)
    assert (estimate.own, estimate.others) == (2500, 7500)
    assert (estimate.memory, estimate.restart) == pytest.approx((75.0, 15.0))


def test_the_least_shards_are_those_with_which_each_process_stays_within_every_limit() -> None:
    costs = replace(CHEAP, idle_cpu=Line(0.0, 0.01))
    assert [shards_for(costs, total) for total in (1000, 5000, 5001, 10_000)] == [1, 1, 2, 2]
    assert holds(Estimate(costs, 10_000, 2))
    assert not holds(Estimate(costs, 10_000, 1))


def test_no_number_of_shards_helps_where_the_databases_of_others_alone_are_too_many() -> None:
    assert shards_for(replace(CHEAP, other_memory=0.01), 100_000) is None


def test_the_first_limit_is_found_to_the_database() -> None:
    costs = replace(CHEAP, idle_cpu=Line(0.0, 0.01))
    assert most_in_one(costs, limit("CPU at rest")) == 5000
    assert most_in_one(costs, limit("a changed Secret is read")) == 10_800
    assert most_in_one(costs, limit("memory at rest")) == MOST_IN_ONE


def test_secrets_and_lists_are_read_as_often_as_the_program_lets_itself() -> None:
    assert Estimate(CHEAP, 30).secret_delay == 30
    assert Estimate(CHEAP, 3000).secret_delay == 1000
    few, many, sharded = Estimate(CHEAP, 30), Estimate(CHEAP, 3000), Estimate(CHEAP, 3000, 2)
    assert many.reads - few.reads == pytest.approx(2 + 5 / 60)
    assert sharded.reads == pytest.approx(2 * many.reads)
    assert (many.connections, sharded.connections) == (5, 10)


def test_the_tables_are_printed_from_files(tmp_path: Path) -> None:
    figures, of_others = tmp_path / "figures.json", tmp_path / "others.json"
    figures.write_text(json.dumps([run(100, idle_cpu=1.5), run(1000, idle_cpu=6.0)]))
    of_others.write_text(json.dumps(others(memory=90.0)))
    done = CliRunner().invoke(main, [str(figures), "--others", str(of_others)])
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "From runs with 100 and 1,000 databases."
    assert "| CPU at rest, of one core | 6 % | 51 % | 501 % |" in lines
    assert "| shards | 1 | 2 | none up to 100 |" in lines
    without = CliRunner().invoke(main, [str(figures)])
    assert "Resources of other shards are not counted." in without.stdout


def test_runs_of_one_size_are_one_clear_error(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    figures.write_text(json.dumps([run(100)]))
    done = CliRunner().invoke(main, [str(figures)])
    assert done.exit_code == 2
    assert "measure two, such as 100 and 1000." in done.output
