"""Releases and rows that tests of the merge are about."""

import dataclasses

from controller.templates.merge import TemplateRow
from controller.templates.shipped import ShippedTemplate


def release(version: str, *, template_id: str = "template-notebook", **changes: object) -> ShippedTemplate:
    """Return the template of a release; the documents of different versions differ."""
    fields: dict[str, object] = {
        "id": template_id,
        "version": version,
        "name": template_id.title(),
        "description": "Workbenches",
        "category": "notebook",
        "document": {"kind": "Dashboard", "spec": {"made_for": version}},
        "variables": ({"name": "namespace"},),
    }
    return ShippedTemplate(**{**fields, **changes})  # type: ignore[arg-type]


def seeded(template: ShippedTemplate) -> TemplateRow:
    """The row as seeding writes it."""
    return TemplateRow(
        **{field.name: getattr(template, field.name) for field in dataclasses.fields(template)},
        is_system=True,
        seeded_sha256=template.content_sha256,
    )


def edited(row: TemplateRow) -> TemplateRow:
    return dataclasses.replace(row, document={**row.document, "edited": "by a user"})


def custom(row: TemplateRow) -> TemplateRow:
    return dataclasses.replace(row, is_system=False, seeded_sha256=None)
