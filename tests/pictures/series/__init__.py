"""Synthetic series of an invented hour, one module for each template."""

from tests.pictures.series import notebooks, pipelines, serving, training
from tests.pictures.series.shapes import Series

__all__ = ["all_series"]


def all_series() -> list[Series]:
    """Return every series that the four templates ask for, the same at each call."""
    return [*serving.series(), *training.series(), *notebooks.series(), *pipelines.series()]
