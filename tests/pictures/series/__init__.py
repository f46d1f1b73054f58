"""Synthetic series of an invented hour, one module for each dashboard."""

from tests.pictures.series import notebooks, operator, pipelines, serving, training
from tests.pictures.series.shapes import Series

__all__ = ["all_series"]


def all_series() -> list[Series]:
    """Return every series that the dashboards ask for, the same at each call."""
    return [each for module in (serving, training, notebooks, pipelines, operator) for each in module.series()]
