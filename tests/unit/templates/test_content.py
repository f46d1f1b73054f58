"""The digest by which templates are compared."""

import dataclasses
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.templates.content import TemplateContent, canonical_json, parse_json

CONTENT = TemplateContent(
    name="Notebook",
    description="Workbenches",
    category="notebook",
    document={"kind": "Dashboard", "spec": {"duration": "1h", "panels": {}}},
    variables=({"name": "namespace"},),
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def test_a_digest_names_its_algorithm() -> None:
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", CONTENT.content_sha256)


def test_the_order_of_keys_does_not_change_the_digest() -> None:
    turned = {"spec": {"panels": {}, "duration": "1h"}, "kind": "Dashboard"}
    assert dataclasses.replace(CONTENT, document=turned).content_sha256 == CONTENT.content_sha256


def test_lists_and_tuples_have_the_same_digest() -> None:
    listed = dataclasses.replace(CONTENT, variables=[{"name": "namespace"}])
    assert listed.content_sha256 == CONTENT.content_sha256


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Notebooks"),
        ("description", "Workbenches."),
        ("category", "custom"),
        ("document", {"kind": "Dashboard", "spec": {"duration": "2h", "panels": {}}}),
        ("variables", ()),
    ],
)
def test_every_part_of_the_content_changes_the_digest(field: str, value: object) -> None:
    changed = dataclasses.replace(CONTENT, **{field: value})  # type: ignore[arg-type]
    assert changed.content_sha256 != CONTENT.content_sha256


def test_the_order_in_a_list_changes_the_digest() -> None:
    two = dataclasses.replace(CONTENT, variables=({"name": "a"}, {"name": "b"}))
    turned = dataclasses.replace(CONTENT, variables=({"name": "b"}, {"name": "a"}))
    assert two.content_sha256 != turned.content_sha256


def test_a_whole_number_is_the_same_with_and_without_a_decimal_point() -> None:
    assert canonical_json(parse_json('{"a": [1.0, 0.0, 2.5]}')) == '{"a":[1,0,2.5]}'
    assert canonical_json(parse_json('{"a": [1, 0, 2.50]}')) == '{"a":[1,0,2.5]}'


def test_true_is_not_one() -> None:
    assert canonical_json(True) != canonical_json(1)


@given(json_values)
def test_writing_and_reading_back_keeps_the_canonical_text(value: object) -> None:
    text = canonical_json(value)
    assert canonical_json(json.loads(text)) == text
