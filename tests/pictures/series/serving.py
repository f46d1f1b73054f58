"""Three models: a language model on vLLM that slows down, a classifier on OpenVINO, and a ranker in KServe's Python."""

import math
from collections.abc import Iterator

from tests.pictures.series.shapes import (
    GIB,
    Pod,
    Series,
    Values,
    counter,
    during,
    histogram,
    scaled,
    steady,
    summed,
    wander,
)

VLLM_BOUNDS = (0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, math.inf)
OVMS_BOUNDS = (10_000, 18_000, 32_000, 58_000, 104_000, 188_000, 338_000, 609_000, 1_096_000, math.inf)  # microseconds
KSERVE_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, math.inf)

GRANITE = Pod("assistants", "granite-8b-predictor-6c9d8f7b5-k2xwq", "kserve-container")
FRAUD = Pod("payments", "fraud-predictor-5f7c6d9b8-zt4lm", "kserve-container")
RANKER = Pod("shop", "ranker-predictor-77d5b8c94-p9vhn", "kserve-container")
CROWDED = (32.0, 44.0)
"""Minutes in which the language model has more requests than it can answer."""


def series() -> Iterator[Series]:
    """Give all series of the three models."""
    for pod, name in ((GRANITE, "granite-8b"), (FRAUD, "fraud"), (RANKER, "ranker")):
        yield pod.labelled(serving_kserve_io_inferenceservice=name)
        yield Series("kube_pod_info", pod.labels, steady(1))
    yield from _granite()
    yield from _fraud()
    yield from _ranker()


def _crowd(more: float) -> Values:
    """Return about MORE while the language model is crowded, and 0 otherwise."""
    return during(wander(f"crowd {more}", more), *CROWDED, otherwise=0.0)


def _granite() -> Iterator[Series]:
    labels = GRANITE.labels
    rates = summed(wander("granite rate", 6.0), _crowd(2.5))
    medians = summed(wander("granite median", 0.9, 0.08), _crowd(0.9))
    failed = summed(scaled(rates, 0.004), _crowd(0.45))
    yield from histogram("vllm:e2e_request_latency_seconds_bucket", labels, rates, medians, VLLM_BOUNDS)
    yield Series("vllm:request_success_total", {**labels, "finished_reason": "stop"}, counter(rates))
    yield Series("http_requests_total", {**labels, "status": "2xx"}, counter(rates))
    yield Series("http_requests_total", {**labels, "status": "5xx"}, counter(failed))
    yield Series("vllm:num_requests_running", labels, _whole(summed(wander("granite running", 7, 0.3), _crowd(6))))
    yield Series("vllm:num_requests_waiting", labels, _whole(summed(wander("granite waiting", 0.3, 0.9), _crowd(9))))
    cores = summed(wander("granite cpu", 3.1), _crowd(1.6))
    yield from GRANITE.resources(cores, wander("granite memory", 21 * GIB, 0.01), (8, 32 * GIB))


def _fraud() -> Iterator[Series]:
    labels = {**FRAUD.labels, "method": "ModelInfer"}
    rates = wander("fraud rate", 18.0)
    yield from histogram("ovms_request_time_us_bucket", labels, rates, wander("fraud", 70_000, 0.1), OVMS_BOUNDS)
    yield Series("ovms_requests_success", labels, counter(rates))
    yield Series("ovms_requests_fail", labels, counter(scaled(rates, 0.002)))
    yield Series("ovms_current_requests", labels, _whole(wander("fraud running", 2, 0.4)))
    yield from FRAUD.resources(wander("fraud cpu", 1.2), wander("fraud memory", 2.4 * GIB, 0.02), (2, 4 * GIB))


def _ranker() -> Iterator[Series]:
    rates = wander("ranker rate", 10.0)
    medians = wander("ranker median", 0.24, 0.1)
    yield from histogram("request_predict_seconds_bucket", RANKER.labels, rates, medians, KSERVE_BOUNDS, 0.4)
    yield Series("request_predict_seconds_count", RANKER.labels, counter(rates))
    yield from RANKER.resources(wander("ranker cpu", 0.6), wander("ranker memory", 1.1 * GIB, 0.02), (1, 2 * GIB))


def _whole(values: Values) -> Values:
    return [float(round(value)) for value in values]
