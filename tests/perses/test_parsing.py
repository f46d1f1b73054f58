"""Reading a document: from text to models, or one error."""

import json

import pytest

from tests.perses.parsing import InvalidDocument, parse_document
from tests.perses.samples import DOCUMENT, put, refusal


def test_a_good_document_is_read() -> None:
    dashboard = parse_document("up.json", json.dumps(DOCUMENT))
    assert list(dashboard.spec.panels) == ["up"]


def test_a_key_that_stands_twice_is_refused() -> None:
    with pytest.raises(InvalidDocument, match=r'up\.json: .*the key "up" stands twice'):
        parse_document("up.json", '{"spec": {"panels": {"up": {}, "up": {}}}}')


def test_text_that_is_no_json_is_refused_with_its_place() -> None:
    with pytest.raises(InvalidDocument, match=r"up\.json: .*line 1 column 2"):
        parse_document("up.json", "{")


def test_a_list_is_no_document() -> None:
    with pytest.raises(InvalidDocument, match=r"up\.json: the document: .*not possible"):
        parse_document("up.json", "[]")


def test_a_long_value_is_not_repeated_in_the_message() -> None:
    message = refusal(put("spec", layouts={"a": "x" * 500}))
    assert len(message) < 200
