"""One series and the shapes that its values take, without a clock and without chance: equal calls give equal values."""

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

START = int(datetime(2026, 1, 15, 9, 0, tzinfo=UTC).timestamp())
"""First second of the hour that is shown."""
END = START + 3600
STEP = 30
"""Seconds between two samples, the interval of OpenShift's cluster monitoring."""
LEAD = 1200
"""Seconds of samples before START, so that rates have values from the first point on."""
TIMES = range(START - LEAD, END + STEP, STEP)
MIB = 1024.0**2
GIB = 1024.0**3
CPU_AND_MEMORY = ("cpu", "memory")

Values = Sequence[float]


@dataclass(frozen=True, slots=True)
class Series:
    """One series, with a value for each of TIMES; where it is not a number, there is no sample."""

    metric: str
    labels: dict[str, str]
    values: Values

    def lines(self) -> Iterator[str]:
        """Give its samples as OpenMetrics writes them."""
        labels = ",".join(f'{name}="{value}"' for name, value in self.labels.items())
        for time, value in zip(TIMES, self.values, strict=True):
            if not math.isnan(value):
                yield f"{self.metric}{{{labels}}} {value:.6f} {time}\n"


def minutes() -> list[float]:
    """Return TIMES as minutes since START; those before it are negative."""
    return [(time - START) / 60 for time in TIMES]


def steady(value: float) -> Values:
    return [value] * len(TIMES)


def wander(seed: str, level: float, swing: float = 0.15) -> Values:
    """Return values around LEVEL: a slow wave and a little unrest, both by parts of LEVEL that SWING gives."""
    chance = random.Random(seed)
    phase, unrest, result = chance.uniform(0, 2 * math.pi), 0.0, []
    for minute in minutes():
        unrest = 0.7 * unrest + chance.gauss(0, swing / 4)
        result.append(max(0.0, level * (1 + swing * math.sin(minute / 9 + phase) + unrest)))
    return result


def during(values: Values, first: float, last: float, otherwise: float = math.nan) -> Values:
    """Return VALUES between two minutes since START, and OTHERWISE before and after."""
    pairs = zip(minutes(), values, strict=True)
    return [value if first <= minute < last else otherwise for minute, value in pairs]


def summed(*parts: Values) -> Values:
    return [sum(values) for values in zip(*parts, strict=True)]


def scaled(values: Values, factor: float) -> Values:
    return [value * factor for value in values]


def counter(rates: Values) -> Values:
    """Return a counter that grows by RATES each second, from 0; a rate that is not a number has no sample."""
    total, result = 0.0, []
    for rate in rates:
        total += 0 if math.isnan(rate) else rate * STEP
        result.append(math.nan if math.isnan(rate) else total)
    return result


def histogram(metric: str, labels: dict[str, str], rates: Values, medians: Values, bounds: Iterable[float],
              spread: float = 0.5) -> Iterator[Series]:  # fmt: skip
    """Give the buckets of a histogram whose values are log-normal: RATES a second around MEDIANS."""
    for bound in bounds:
        shares = [_share_below(bound, median, spread) for median in medians]
        grown = counter([rate * share for rate, share in zip(rates, shares, strict=True)])
        yield Series(metric, {**labels, "le": "+Inf" if math.isinf(bound) else f"{bound:g}"}, grown)


def _share_below(bound: float, median: float, spread: float) -> float:
    if math.isinf(bound):
        return 1.0
    return 0.5 * (1 + math.erf(math.log(bound / median) / (spread * math.sqrt(2))))


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod with one container, and what is known of its resources: cores, and bytes of memory."""

    namespace: str
    name: str
    container: str

    @property
    def labels(self) -> dict[str, str]:
        return {"namespace": self.namespace, "pod": self.name}

    def resources(self, cores: Values, memory: Values, limits: tuple[float, float]) -> Iterator[Series]:
        """Give use and limits of CPU and memory, as cAdvisor and kube-state-metrics export them."""
        labels = {**self.labels, "container": self.container}
        yield Series("container_cpu_usage_seconds_total", labels, counter(cores))
        yield Series("container_memory_working_set_bytes", labels, memory)
        for resource, limit in zip(CPU_AND_MEMORY, limits, strict=True):
            shown = [math.nan if math.isnan(value) else limit for value in memory]
            yield Series("kube_pod_container_resource_limits", {**labels, "resource": resource}, shown)

    def network(self, received: Values, sent: Values) -> Iterator[Series]:
        """Give counters of the pod's network, from bytes a second."""
        labels = {**self.labels, "interface": "eth0"}
        yield Series("container_network_receive_bytes_total", labels, counter(received))
        yield Series("container_network_transmit_bytes_total", labels, counter(sent))

    def disk(self, read: Values, written: Values) -> Iterator[Series]:
        """Give counters of the pod's disk, from bytes a second; OpenShift keeps only those without a container."""
        labels = {**self.labels, "container": ""}
        yield Series("container_fs_reads_bytes_total", labels, counter(read))
        yield Series("container_fs_writes_bytes_total", labels, counter(written))

    def labelled(self, **labels: str) -> Series:
        """Return the series of its labels; a label's name is written with `label_` before it there."""
        return Series("kube_pod_labels", {**self.labels, **{f"label_{k}": v for k, v in labels.items()}}, steady(1))
