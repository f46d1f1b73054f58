"""System templates of this release, read from the package."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from typing import Any

from controller.templates.content import TemplateContent, parse_json


class TemplateCategory(StrEnum):
    """Categories of system templates; the column also admits `custom`, for templates of users."""

    MODEL_SERVING = "model_serving"
    TRAINING_JOB = "training_job"
    NOTEBOOK = "notebook"
    DATA_PIPELINE = "data_pipeline"


@dataclass(frozen=True, kw_only=True)
class ShippedTemplate(TemplateContent):
    """System template of this release: content, id and version."""

    id: str
    version: str
    """Semantic version; a changed document needs a higher one, so that older rows can be recognised."""


@cache
def shipped_templates() -> tuple[ShippedTemplate, ...]:
    """Return the four system templates, in the order in which they are shown.

    The documents are constants of a release, so they are read as they are; the tests hold each of them to the
    models in `tests/perses`.
    """
    return (
        _load("template-model-serving", TemplateCategory.MODEL_SERVING, "1.0.0"),
        _load("template-training-job", TemplateCategory.TRAINING_JOB, "1.0.0"),
        _load("template-notebook", TemplateCategory.NOTEBOOK, "1.0.0"),
        _load("template-data-pipeline", TemplateCategory.DATA_PIPELINE, "1.0.0"),
    )


def _load(template_id: str, category: TemplateCategory, version: str) -> ShippedTemplate:
    path = resources.files("controller.templates").joinpath("documents", f"{template_id}.json")
    document = parse_json(path.read_text(encoding="utf-8"))
    display = document["spec"]["display"]
    return ShippedTemplate(
        id=template_id,
        name=display["name"],
        description=display["description"],
        category=category,
        version=version,
        document=document,
        variables=tuple(_form_field(variable["spec"]) for variable in document["spec"]["variables"]),
    )


def _form_field(spec: dict[str, Any]) -> dict[str, str]:
    """Return the name, label and description of a variable, so that a form need not read the document."""
    return {"name": spec["name"], "label": spec["display"]["name"], "description": spec["display"]["description"]}
