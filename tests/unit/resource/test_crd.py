"""The CRD is what the models say, and small enough for `kubectl apply`."""

from pathlib import Path
from typing import Any

from controller.resource.crd import custom_resource_definition, to_yaml

FILE = Path(__file__).parents[3] / "crds" / "dashboarddatabases.yaml"
CLIENT_SIDE_APPLY_LIMIT = 262144


def nodes(schema: dict[str, Any], path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every schema node with its path."""
    found = [(path, schema)]
    for name, child in schema.get("properties", {}).items():
        found += nodes(child, f"{path}.{name}")
    if "items" in schema:
        found += nodes(schema["items"], f"{path}[]")
    return found


def fields() -> list[tuple[str, dict[str, Any]]]:
    schema = custom_resource_definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return nodes(schema["spec"], "spec") + nodes(schema["status"], "status")


def test_the_file_is_what_the_models_say() -> None:
    assert FILE.read_text() == to_yaml(custom_resource_definition())


def test_it_fits_into_the_annotation_of_kubectl_apply() -> None:
    assert len(FILE.read_text()) < CLIENT_SIDE_APPLY_LIMIT / 4


def test_every_string_and_list_has_a_bound_and_every_number_two() -> None:
    bounded_elsewhere = {"enum", "format"}
    for path, node in fields():
        if node["type"] == "string" and not bounded_elsewhere & node.keys():
            assert "maxLength" in node, path
        if node["type"] == "integer" and path.startswith("spec"):
            assert {"minimum", "maximum"} <= node.keys(), path


def test_every_field_of_the_spec_says_what_it_means() -> None:
    for path, node in fields():
        if path.startswith("spec"):
            assert node.get("description"), path


def test_the_schema_is_structural() -> None:
    for path, node in fields():
        assert not {"$ref", "anyOf", "title", "$defs"} & node.keys(), path
