"""Three workbenches: a kernel that computes, a server whose kernels are idle, and one that is not ready."""

from collections.abc import Iterator

from tests.pictures.series.shapes import GIB, Pod, Series, Values, during, steady, summed, wander

WORKBENCHES = (("churn-study", 1, 3), ("demand-forecast", 1, 0), ("onboarding", 0, 0))
"""Name, whether its server is ready, and kernels that run."""
CORES = {"churn-study": 1.4, "demand-forecast": 0.25, "onboarding": 0.05}
MEMORY = {"churn-study": 5.2, "demand-forecast": 2.1, "onboarding": 0.4}
LOADING = ((12.0, 18.0), (40.0, 46.0))
"""Minutes in which the computing workbench reads its data."""


def series() -> Iterator[Series]:
    """Give all series of the workbenches."""
    for name, ready, kernels in WORKBENCHES:
        pod = Pod("data-science", f"{name}-0", name)
        yield pod.labelled(notebook_name=name)
        yield Series("kube_pod_container_status_ready", {**pod.labels, "container": name}, steady(ready))
        if ready:
            yield Series("kernel_currently_running_total", {**pod.labels, "type": "python3"}, steady(kernels))
        memory = wander(f"{name} memory", MEMORY[name] * GIB, 0.05)
        yield from pod.resources(wander(f"{name} cpu", CORES[name], 0.3), memory, (2, 8 * GIB))
        busy = name == "churn-study"
        read, received = _loading(f"{name} read", 40e6, busy), _loading(f"{name} in", 25e6, busy)
        yield from pod.disk(read, wander(f"{name} write", 3e6 * CORES[name], 0.5))
        yield from pod.network(received, wander(f"{name} out", 1e6 * CORES[name], 0.5))


def _loading(seed: str, rate: float, busy: bool) -> Values:
    """Return a low rate, and RATE while a busy workbench reads its data."""
    quiet = wander(seed, rate / 40, 0.4)
    if not busy:
        return quiet
    return summed(quiet, *(during(wander(f"{seed} {first}", rate), first, last, 0.0) for first, last in LOADING))
