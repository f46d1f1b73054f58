"""Runs of two pipelines: stages that follow one another, one of them long, and one that fails."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tests.pictures.series.shapes import GIB, START, Pod, Series, Values, during, minutes, steady, wander

PHASES = ("Failed", "Pending", "Running", "Succeeded", "Unknown")
STARTING = 1.5
"""Minutes in which the pod of a stage is pending."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One pod of a run: when it starts and ends, in minutes since START, and the bytes that it receives each second."""

    number: int
    first: float
    last: float
    received: float
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One workflow of a pipeline."""

    namespace: str
    workflow: str
    stages: tuple[Stage, ...]


RUNS = (
    Run("sales", "churn-training-x7k2p", (
        Stage(1041, -15, 4, 22e6), Stage(2277, 5, 21, 9e6), Stage(3905, 22, 90, 4e6),
    )),
    Run("logistics", "route-features-m4d9s", (
        Stage(1388, 6, 17, 35e6), Stage(2619, 18, 35, 14e6), Stage(3340, 36, 52, 11e6), Stage(4412, 53, 90, 6e6),
    )),
    Run("logistics", "route-features-q8w3t", (Stage(1752, 26, 39, 30e6), Stage(2064, 40, 47, 12e6, failed=True))),
)  # fmt: skip


def series() -> Iterator[Series]:
    """Give all series of the runs, and those of their stages."""
    for run in RUNS:
        yield from _results(run)
        for stage in run.stages:
            yield from _stage(run, stage)
    for number in range(40):  # runs of the days before, which the API server still counts
        labels = {"namespace": "sales", "workflow": f"churn-training-old{number:02}"}
        yield Series("resource_manager_workflow_runs_success", labels, steady(1))


def _results(run: Run) -> Iterator[Series]:
    """Give the gauge of a run's result, from its end on; one that goes on has none."""
    end = max(stage.last for stage in run.stages)
    result = "failed" if any(stage.failed for stage in run.stages) else "success"
    labels = {"namespace": run.namespace, "workflow": run.workflow}
    yield Series(f"resource_manager_workflow_runs_{result}", labels, during(steady(1), end, math.inf))


def _stage(run: Run, stage: Stage) -> Iterator[Series]:
    pod = Pod(run.namespace, f"{run.workflow}-system-container-impl-{stage.number}", "main")
    known = during(steady(1), stage.first - STARTING, math.inf)
    yield Series("kube_pod_labels", {**pod.labels, "label_workflows_argoproj_io_workflow": run.workflow}, known)
    yield Series("kube_pod_start_time", pod.labels, [value * (START + 60 * stage.first) for value in known])
    for phase in PHASES:
        yield Series("kube_pod_status_phase", {**pod.labels, "phase": phase}, _in_phase(stage, phase))
    cores = _while_running(stage, wander(f"{pod.name} cpu", 0.5 + stage.number / 2500, 0.2))
    memory = _while_running(stage, wander(f"{pod.name} memory", (1 + stage.number / 900) * GIB, 0.1))
    yield from pod.resources(cores, memory, (4, 8 * GIB))
    received = _while_running(stage, wander(f"{pod.name} in", stage.received, 0.3))
    yield from pod.network(received, _while_running(stage, wander(f"{pod.name} out", stage.received / 3, 0.3)))


def _while_running(stage: Stage, values: Values) -> Values:
    return during(values, stage.first, stage.last)


def _in_phase(stage: Stage, phase: str) -> Values:
    """Return 1 while the pod of a stage is in PHASE, 0 in another, and no sample before there is a pod."""
    ended = "Failed" if stage.failed else "Succeeded"
    phases = [(stage.first - STARTING, "Pending"), (stage.first, "Running"), (stage.last, ended)]
    result = []
    for minute in minutes():
        now = [name for first, name in phases if first <= minute]
        result.append(float(now[-1] == phase) if now else math.nan)
    return result
