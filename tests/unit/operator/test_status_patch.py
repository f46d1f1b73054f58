"""The smallest merge patch."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller.operator.status_patch import merge_patch

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=3)
OBJECTS = st.recursive(
    st.dictionaries(st.text("abc", min_size=1, max_size=2), LEAVES.filter(lambda v: v is not None), max_size=3),
    lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3),
    max_leaves=6,
)


def merged(old: Any, patch: Any) -> Any:
    """RFC 7396, section 2, as the API server does it."""
    if not isinstance(patch, dict):
        return patch
    result = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


@given(old=OBJECTS, new=OBJECTS)
def test_the_patch_leads_from_old_to_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert merged(old, merge_patch(old, new)) == new


@given(value=OBJECTS)
def test_equal_values_need_no_patch(value: dict[str, Any]) -> None:
    assert merge_patch(value, value) == {}


def test_only_what_differs_is_in_it() -> None:
    old = {"a": 1, "b": {"c": 2, "d": 3}, "e": [1]}
    new = {"a": 1, "b": {"c": 2, "d": 4}, "e": [1, 2]}
    assert merge_patch(old, new) == {"b": {"d": 4}, "e": [1, 2]}


def test_what_is_gone_is_removed() -> None:
    assert merge_patch({"a": 1, "b": {"c": 2}}, {"b": {}}) == {"a": None, "b": {"c": None}}
