"""Two jobs on GPUs: one of the Training Operator that exports its own metrics, and a TrainJob known by its status."""

import math
from collections.abc import Iterator

from tests.pictures.series.shapes import GIB, Pod, Series, Values, minutes, summed, wander

RESNET = tuple(Pod("vision", f"resnet50-{role}-0", "pytorch") for role in ("master", "worker"))
LORA = Pod("language", "granite-lora-node-0-0-7hq2c", "node")
EPOCH = 6.0
"""Minutes of an epoch."""


def series() -> Iterator[Series]:
    """Give all series of both jobs."""
    for number, pod in enumerate(RESNET):
        yield pod.labelled(training_kubeflow_org_job_name="resnet50")
        yield from _gpu(pod, number, 88, 52_000)
        yield from pod.resources(wander(f"{pod.name} cpu", 5.5), _memory(pod, 38), (8, 48 * GIB))
        yield from pod.network(wander(f"{pod.name} in", 90e6), wander(f"{pod.name} out", 70e6))
        yield from pod.disk(wander(f"{pod.name} read", 120e6, 0.3), wander(f"{pod.name} write", 2e6))
    yield LORA.labelled(jobset_sigs_k8s_io_jobset_name="granite-lora")
    yield from _gpu(LORA, 0, 71, 68_000)
    yield from LORA.resources(wander("lora cpu", 3.2), _memory(LORA, 25), (6, 32 * GIB))
    yield from LORA.network(wander("lora in", 12e6), wander("lora out", 1e6))
    yield from LORA.disk(wander("lora read", 30e6, 0.3), wander("lora write", 4e6))
    yield from _progress()


def _memory(pod: Pod, gib: float) -> Values:
    return wander(f"{pod.name} memory", gib * GIB, 0.02)


def _gpu(pod: Pod, number: int, percent: float, mebibytes: float) -> Iterator[Series]:
    labels = {"exported_namespace": pod.namespace, "exported_pod": pod.name, "gpu": str(number)}
    used = [min(100.0, round(value)) for value in wander(f"{pod.name} gpu", percent, 0.06)]
    yield Series("DCGM_FI_DEV_GPU_UTIL", labels, used)
    yield Series("DCGM_FI_DEV_FB_USED", labels, wander(f"{pod.name} gpu memory", mebibytes, 0.004))


def _progress() -> Iterator[Series]:
    """Give loss, accuracy and duration of epochs: gauges of the one job, numbers of the other's status."""
    job = {"namespace": "vision", "job_name": "resnet50"}
    yield Series("training_loss", job, _falling("resnet50", 2.3, 0.6))
    yield Series("training_accuracy", job, [0.86 - 0.5 * math.exp(-(m + 25) / 22) for m in minutes()])
    yield Series("training_epoch_duration_seconds", job, _by_epoch("resnet50", 348))
    status = {"namespace": "language", "name": "granite-lora"}
    for metric, values in (
        ("loss", _falling("granite-lora", 1.6, 0.9)),
        ("eval_accuracy", [0.71 - 0.25 * math.exp(-(m + 25) / 30) for m in _starts()]),
        ("epoch_duration_seconds", _by_epoch("granite-lora", 255)),
    ):
        yield Series("kube_customresource_trainjob_metric", {**status, "metric": metric}, values)


def _starts() -> list[float]:
    """Return the minute in which the epoch of each of TIMES began."""
    return [EPOCH * math.floor(minute / EPOCH) for minute in minutes()]


def _by_epoch(name: str, seconds: float) -> Values:
    """Return durations around SECONDS that change where an epoch ends."""
    level = dict(zip(minutes(), wander(f"{name} epoch", seconds, 0.05), strict=True))
    first = minutes()[0]
    return [level[max(first, start)] for start in _starts()]


def _falling(name: str, first: float, last: float) -> Values:
    falling = [last + (first - last) * math.exp(-(minute + 20) / 25) for minute in minutes()]
    return summed(falling, [value - 1 for value in wander(f"{name} loss", 1, 0.02)])
