"""The rules for a dashboard document that no single field can check.

Where Perses checks them too, the comment names where; the others are ours, because Perses draws such a
document without a word and a person is misled. PromQL is parsed by the tests, not here.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import NamedTuple

from tests.perses.document import Dashboard, GridItem, ListVariable, ListVariableSpec, TextVariable
from tests.perses.plugins import PrometheusLabelValuesVariable, TimeSeriesChart, TimeSeriesChartSpec

GRID_COLUMNS = 24

# perses/shared dashboards VariableProvider.tsx, perses/plugins prometheus-datasource.tsx
BUILTIN_VARIABLES = frozenset(
    {
        "__from", "__to", "__range", "__range_s", "__range_ms", "__dashboard", "__project",
        "__interval", "__interval_ms", "__rate_interval",
    }
)  # fmt: skip

# perses/shared components variable-interpolation.ts: $name, ${name}, ${name:format}
_REFERENCE = re.compile(r"\$(\w+)|\$\{(\w+)(?::[^}]+)?\}")
# A label matched with = or !=, whose value holds a variable.
_EXACT_MATCH = re.compile(r'=\s*"[^"]*\$\{?(\w+)')
_PANEL_REFERENCE = "#/spec/panels/"


class Fault(NamedTuple):
    """One broken rule: where, and what is wrong with what to write instead."""

    path: str
    message: str


def first_fault(dashboard: Dashboard) -> Fault | None:
    """The first broken rule of a document, or None."""
    return next((fault for rule in _RULES for fault in rule(dashboard)), None)


def _variables_have_unique_names(dashboard: Dashboard) -> Iterator[Fault]:
    """Perses: pkg/model/api/v1/dashboard.go refuses duplicates."""
    names = [variable.spec.name for variable in dashboard.spec.variables]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Fault(f"spec.variables[{index}].spec.name", f'"{name}" is declared twice; rename one')


def _variables_agree_with_themselves(dashboard: Dashboard) -> Iterator[Fault]:
    """Perses: pkg/model/api/v1/dashboard/variable.go, variable/list.go and variable/text.go."""
    for index, variable in enumerate(dashboard.spec.variables):
        path = f"spec.variables[{index}].spec"
        if isinstance(variable, TextVariable):
            if variable.spec.constant and not variable.spec.value:
                yield Fault(f"{path}.value", "a constant needs a value; write one, or set constant to false")
        else:
            yield from _list_faults(path, variable.spec)


def _list_faults(path: str, spec: ListVariableSpec) -> Iterator[Fault]:
    default = spec.default_value
    if spec.custom_all_value is not None and not spec.allow_all_value:
        yield Fault(f"{path}.customAllValue", "works only with allowAllValue; set that to true, or remove this")
    if isinstance(default, tuple) and not spec.allow_multiple:
        yield Fault(f"{path}.defaultValue", "a list works only with allowMultiple; write one string")
    if "$__all" in (default if isinstance(default, tuple) else (default,)) and not spec.allow_all_value:
        yield Fault(f"{path}.defaultValue", '"$__all" works only with allowAllValue; set that to true')


def _variables_are_declared_before_use(dashboard: Dashboard) -> Iterator[Fault]:
    """Perses checks variables (internal/api/validate/validate.go), but not in this order, and no queries."""
    declared: set[str] = set()
    several: set[str] = set()
    for index, variable in enumerate(dashboard.spec.variables):
        for path, text in _variable_texts(f"spec.variables[{index}].spec", variable):
            yield from _reference_faults(path, text, declared, several)
        declared.add(variable.spec.name)
        if isinstance(variable, ListVariable) and variable.spec.allow_multiple:
            several.add(variable.spec.name)
    for path, text in _query_texts(dashboard):
        yield from _reference_faults(path, text, declared, several)


def _variable_texts(path: str, variable: ListVariable | TextVariable) -> Iterator[tuple[str, str]]:
    if isinstance(variable, TextVariable):
        yield f"{path}.value", variable.spec.value
    elif isinstance(variable.spec.plugin, PrometheusLabelValuesVariable):
        for index, matcher in enumerate(variable.spec.plugin.spec.matchers):
            yield f"{path}.plugin.spec.matchers[{index}]", matcher
    else:
        yield f"{path}.plugin.spec.expr", variable.spec.plugin.spec.expr


def _query_texts(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    for key, panel in dashboard.spec.panels.items():
        for index, query in enumerate(panel.spec.queries):
            path = f"spec.panels.{key}.spec.queries[{index}].spec.plugin.spec.query"
            yield path, query.spec.plugin.spec.query


def _reference_faults(path: str, text: str, declared: set[str], several: set[str]) -> Iterator[Fault]:
    """`$1` belongs to label_replace, and Perses leaves it alone too."""
    for match in _REFERENCE.finditer(text):
        name = match.group(1) or match.group(2)
        if not name.isdecimal() and name not in declared | BUILTIN_VARIABLES:
            known = ", ".join(f"${known}" for known in sorted(declared)) or "none"
            yield Fault(path, f'"${name}" is not declared before this; declare it, or use one of: {known}')
    for name in _EXACT_MATCH.findall(text):
        if name in several:
            yield Fault(path, f'"${name}" can hold several values, which become "(a|b)"; match with =~ or !~')


def _panels_are_placed_once(dashboard: Dashboard) -> Iterator[Fault]:
    """Perses: dashboard.go checkAndSetRef wants exactly spec, panels, key; that each is shown is our rule."""
    panels = dashboard.spec.panels
    placed: Counter[str] = Counter()
    for path, item in _items(dashboard):
        key = item.content.ref.removeprefix(_PANEL_REFERENCE)
        if not item.content.ref.startswith(_PANEL_REFERENCE) or key not in panels:
            yield Fault(
                f"{path}.content.$ref",
                f'"{item.content.ref}" is no panel; write "{_PANEL_REFERENCE}<key>" with one of: ' + ", ".join(panels),
            )
        placed[key] += 1
    for key in panels:
        if placed[key] != 1:
            yield Fault(f"spec.panels.{key}", f"is placed {placed[key]} times; place it once in spec.layouts")


def _panels_fit_the_grid(dashboard: Dashboard) -> Iterator[Fault]:
    """Ours: Perses draws panels over each other, and beyond the grid's 24 columns."""
    for path, item in _items(dashboard):
        if item.x + item.width > GRID_COLUMNS:
            yield Fault(path, f"ends at column {item.x + item.width}; x + width may be at most {GRID_COLUMNS}")
    for number, layout in enumerate(dashboard.spec.layouts):
        for (first, one), (second, other) in combinations(enumerate(layout.spec.items), 2):
            if _overlap(one, other):
                yield Fault(
                    f"spec.layouts[{number}].spec.items[{second}]",
                    f"overlaps items[{first}]; move it to y = {one.y + one.height} or beside",
                )


def _items(dashboard: Dashboard) -> Iterator[tuple[str, GridItem]]:
    for number, layout in enumerate(dashboard.spec.layouts):
        for index, item in enumerate(layout.spec.items):
            yield f"spec.layouts[{number}].spec.items[{index}]", item


def _overlap(one: GridItem, other: GridItem) -> bool:
    return (
        one.x < other.x + other.width
        and other.x < one.x + one.width
        and one.y < other.y + other.height
        and other.y < one.y + one.height
    )


def _charts_agree_with_themselves(dashboard: Dashboard) -> Iterator[Fault]:
    for key, panel in dashboard.spec.panels.items():
        if isinstance(panel.spec.plugin, TimeSeriesChart):
            path = f"spec.panels.{key}.spec.plugin.spec"
            yield from _chart_faults(path, panel.spec.plugin.spec, len(panel.spec.queries))


def _chart_faults(path: str, spec: TimeSeriesChartSpec, queries: int) -> Iterator[Fault]:
    """Perses 0.51 and 0.52: `max?: number & >= min` (time-series.cue), so max needs min."""
    axis = spec.y_axis
    if axis.max is not None and axis.min is None:
        yield Fault(f"{path}.yAxis.max", "needs yAxis.min up to Perses 0.52; add it, or remove max")
    if axis.max is not None and axis.min is not None and axis.max < axis.min:
        yield Fault(f"{path}.yAxis.max", f"is below yAxis.min; write {axis.min} or more")
    for index, setting in enumerate(spec.query_settings):
        if setting.query_index >= queries:
            yield Fault(
                f"{path}.querySettings[{index}].queryIndex",
                f"there is no query {setting.query_index}; write 0 to {queries - 1}",
            )


_RULES: tuple[Callable[[Dashboard], Iterator[Fault]], ...] = (
    _variables_have_unique_names,
    _variables_agree_with_themselves,
    _variables_are_declared_before_use,
    _panels_are_placed_once,
    _panels_fit_the_grid,
    _charts_agree_with_themselves,
)
