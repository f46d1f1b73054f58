"""The four system templates of this release, as they are seeded; `tests/perses` checks what is in the documents."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from controller.templates.shipped import ShippedTemplate, shipped_templates

TEMPLATES = {template.id: template for template in shipped_templates()}
ROOT = Path(__file__).parents[3]

every_template = pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))

# A row can only say which version it lags behind if equal versions mean equal content. Whoever changes a
# document raises its version in controller/templates/shipped.py, and then both columns here; 1.0.0 was not released
# yet, and until then the digest alone is changed.
RELEASED = {
    "template-model-serving": (
        "1.0.0",
        "sha256:fa43cbc7ba896181736a8e84160c6d1610d01483af6cf0e5dd6fa99e99e61e8d",
    ),
    "template-training-job": (
        "1.0.0",
        "sha256:bbce9863251aabee7347b2557a0256c182a4832859484eb4e15b315f21a5e135",
    ),
    "template-notebook": (
        "1.0.0",
        "sha256:883976c899076e205e67ebe284d1ba7cc89c5107f93026c081b0e5139f553e5e",
    ),
    "template-data-pipeline": (
        "1.0.0",
        "sha256:1febb5470ee132e26623025ce7b098fd780e502a35153fcd138a31f6ee575461",
    ),
}


def test_the_four_templates_are_shipped_with_their_panels() -> None:
    panels = {template.id: len(template.document["spec"]["panels"]) for template in TEMPLATES.values()}
    assert panels == {
        "template-model-serving": 6,
        "template-training-job": 8,
        "template-notebook": 5,
        "template-data-pipeline": 7,
    }


def test_each_template_has_its_category() -> None:
    assert {template.id: str(template.category) for template in TEMPLATES.values()} == {
        "template-model-serving": "model_serving",
        "template-training-job": "training_job",
        "template-notebook": "notebook",
        "template-data-pipeline": "data_pipeline",
    }


def test_each_template_asks_for_a_namespace_and_for_what_it_shows() -> None:
    asked = {t.id: [variable["name"] for variable in t.variables] for t in TEMPLATES.values()}
    assert asked == {
        "template-model-serving": ["namespace", "model_name"],
        "template-training-job": ["namespace", "job_name"],
        "template-notebook": ["namespace", "notebook_name"],
        "template-data-pipeline": ["namespace", "pipeline_name"],
    }


def test_names_are_unique_and_fit_their_columns() -> None:
    names = [template.name for template in TEMPLATES.values()]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 128 for name in names)


def test_a_changed_document_has_a_new_version() -> None:
    assert {t.id: (t.version, t.content_sha256) for t in TEMPLATES.values()} == RELEASED


def test_templates_are_read_once() -> None:
    assert shipped_templates() is shipped_templates()


@every_template
def test_the_document_is_named_like_its_template(template: ShippedTemplate) -> None:
    assert template.document["metadata"]["name"] == template.id


def test_no_document_holds_what_the_server_sets() -> None:
    for template in TEMPLATES.values():
        assert set(template.document["metadata"]) == {"name", "project"}
        assert not {"createdAt", "updatedAt"} & set(json.dumps(template.document).split('"'))


def test_no_model_is_loaded_for_four_constant_documents() -> None:
    ask = "import sys, controller.templates.shipped as s; s.shipped_templates(); print('pydantic' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said == "False\n"
