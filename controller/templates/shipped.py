"""The system templates of this release, read from the package."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources

from controller.templates.content import TemplateContent, parse_json
from controller.templates.document import Dashboard
from controller.templates.parsing import parse_document


class TemplateCategory(StrEnum):
    """The categories of system templates; the column also knows `custom`, for those of users."""

    MODEL_SERVING = "model_serving"
    TRAINING_JOB = "training_job"
    NOTEBOOK = "notebook"
    DATA_PIPELINE = "data_pipeline"


@dataclass(frozen=True, kw_only=True)
class ShippedTemplate(TemplateContent):
    """One system template: content, and the id and version under which it is seeded."""

    id: str
    version: str
    """Semantic version; a changed document needs a higher one, or rows cannot say what they lag behind."""


@cache
def shipped_templates() -> tuple[ShippedTemplate, ...]:
    """The four system templates, checked, in the order in which they are shown.

    Raises:
        TemplateError: a packaged document is not valid; the tests see to it that no release can be.
    """
    return (
        _load("template-model-serving", TemplateCategory.MODEL_SERVING, "1.0.0"),
        _load("template-training-job", TemplateCategory.TRAINING_JOB, "1.0.0"),
        _load("template-notebook", TemplateCategory.NOTEBOOK, "1.0.0"),
        _load("template-data-pipeline", TemplateCategory.DATA_PIPELINE, "1.0.0"),
    )


def _load(template_id: str, category: TemplateCategory, version: str) -> ShippedTemplate:
    file = f"{template_id}.json"
    text = resources.files("controller.templates").joinpath("documents", file).read_text(encoding="utf-8")
    dashboard = parse_document(file, text)
    return ShippedTemplate(
        id=template_id,
        name=dashboard.spec.display.name,
        description=dashboard.spec.display.description,
        category=category,
        version=version,
        document=parse_json(text),
        variables=_variables(dashboard),
    )


def _variables(dashboard: Dashboard) -> tuple[dict[str, str], ...]:
    """What a form needs to ask for the variables without reading the document."""
    return tuple(
        {
            "name": variable.spec.name,
            "label": variable.spec.display.name,
            "description": variable.spec.display.description,
        }
        for variable in dashboard.spec.variables
    )
