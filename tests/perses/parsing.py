"""Read a Perses dashboard document, with errors that say where and what to write instead."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tests.perses.checks import first_fault
from tests.perses.document import Dashboard


class InvalidDocument(ValueError):
    """A document that breaks a rule; the message says where, what is wrong, and what to write instead."""


def parse_document(file: str, text: str) -> Dashboard:
    """Read and check one document; `file` is only named in errors.

    Raises:
        InvalidDocument: `file: path.in.the.document: what is wrong; what to write instead`, for the first
            fault found.
    """
    try:
        raw = json.loads(text, object_pairs_hook=_object_without_duplicates)
    except ValueError as error:
        raise InvalidDocument(f"{file}: not JSON that can be used: {error}") from error
    for path in _nulls(raw):
        raise InvalidDocument(f"{file}: {path.removeprefix('.')}: is null; write a value, or remove it")
    try:
        dashboard = Dashboard.model_validate_json(text)
    except ValidationError as error:
        details = error.errors(include_url=False)[0]
        raise InvalidDocument(f"{file}: {_path(raw, details)}: {_message(details)}") from error
    fault = first_fault(dashboard)
    if fault is not None:
        raise InvalidDocument(f"{file}: {fault.path}: {fault.message}")
    return dashboard


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON admits a key twice and drops the first: a panel would be lost without a word."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f'the key "{key}" stands twice in one object; rename or remove one')
        result[key] = value
    return result


def _nulls(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of each null: CUE distinguishes it from a missing key and refuses it, the models accept both."""
    if value is None:
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _nulls(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _nulls(item, f"{path}[{index}]")


def _path(raw: Any, details: ErrorDetails) -> str:
    """Return the path of an error in the document, such as `spec.layouts[0].spec`.

    pydantic's location also names the chosen kind of a union and the like: steps that are not in the
    document, which are left out. The last step of a missing key is not there either, but is the answer.
    """
    path, value = "", raw
    for step in details["loc"]:
        if isinstance(step, int) and isinstance(value, Sequence) and not isinstance(value, str):
            path, value = f"{path}[{step}]", value[step]
        elif isinstance(value, dict) and step in value:
            path, value = f"{path}.{step}", value[step]
    if details["type"] == "missing":
        path = f"{path}.{details['loc'][-1]}"
    return path.removeprefix(".") or "the document"


def _message(details: ErrorDetails) -> str:
    """Return a message that says what is wrong and what to write; pydantic's own message where it says both."""
    given = json.dumps(details["input"], ensure_ascii=False)
    shown = given if len(given) <= _LONGEST_VALUE_SHOWN else "what stands there"
    context = details.get("ctx", {})
    match details["type"]:
        case "extra_forbidden":
            message = "not known to every Perses 0.51 to 0.54, or not used by our templates; remove it"
        case "missing":
            message = "missing; add it"
        case "literal_error":
            message = f"{given} is not possible; write {context['expected']}"
        case "union_tag_invalid":
            message = f'the kind "{context["tag"]}" is not possible; write {context["expected_tags"]}'
        case "union_tag_not_found":
            message = "has no kind; add it"
        case "value_error":
            message = str(context["error"])
        case "too_short":
            message = "is empty; write at least one entry"
        case "string_too_short":
            message = "is empty; write some text"
        case "string_pattern_mismatch":
            message = f'{given} is no colour; write for example "#0072B2"'
        case _:
            message = f"{shown} is not possible; {details['msg'][0].lower()}{details['msg'][1:]}"
    return message


_LONGEST_VALUE_SHOWN = 60
