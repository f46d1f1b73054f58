"""The shape of a Perses dashboard document, as closed models.

The shape is what Perses 0.51 to 0.54 all accept (perses/perses pkg/model/api/v1/dashboard.go and
cue/model/api/v1; since 0.54 perses/spec), narrowed to what our documents use: no tags, links, annotations,
datasources or tabs. Perses drops unknown keys of the document silently; here they are refused.
`checks` has the rules that span a document (references, overlaps, variables), `parsing` reads one.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from tests.perses.plugins import (
    Closed,
    PanelPlugin,
    PrometheusTimeSeriesQuery,
    Text,
    VariablePlugin,
)


def _name(value: str) -> str:
    """Perses' rule for names (spec go/common/validate.go): at most 75 characters, and no path tricks."""
    if not re.fullmatch(r"[a-zA-Z0-9_.-]{1,75}", value) or ".." in value or value[0] == "." or value[-1] == ".":
        raise ValueError(f'"{value}" is no name; write 1 to 75 letters, digits, "_", "-" or single "." inside')
    return value


def _panel_key(value: str) -> str:
    """A dot is good in a name, but Perses' `$ref` cannot point to it."""
    if not re.fullmatch(r"[a-zA-Z0-9_-]{1,75}", value):
        raise ValueError(f'"{value}" is no panel key; write 1 to 75 letters, digits, "_" or "-"')
    return value


def _variable_name(value: str) -> str:
    """Check a name of a variable: letters, digits and "_", not only digits; names with "__" belong to Perses."""
    if not re.fullmatch(r"[a-zA-Z0-9_]{1,75}", value) or value.isdecimal() or value.startswith("__"):
        raise ValueError(
            f'"{value}" is no variable name; write 1 to 75 letters, digits or "_", '
            'not only digits, not "__" at the start'
        )
    return value


def _duration(value: str) -> str:
    if not value or not re.fullmatch(r"(\d+y)?(\d+w)?(\d+d)?(\d+h)?(\d+m)?(\d+s)?(\d+ms)?", value):
        raise ValueError(f'"{value}" is no duration; write for example "30s", "5m" or "1h30m"')
    return value


Name = Annotated[str, AfterValidator(_name)]
PanelKey = Annotated[str, AfterValidator(_panel_key)]
VariableName = Annotated[str, AfterValidator(_variable_name)]
DurationType = Annotated[str, AfterValidator(_duration)]


class Display(Closed):
    """A title, and the text that explains it; Perses needs neither, we want both everywhere."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=128)]
    description: Text


class VariableDisplay(Display):
    """Perses' closed CUE model asks for `hidden`, although its server does without."""

    hidden: bool


class TextVariableSpec(Closed):
    name: VariableName
    display: VariableDisplay
    value: str
    constant: bool = False


class TextVariable(Closed):
    kind: Literal["TextVariable"]
    spec: TextVariableSpec


class ListVariableSpec(Closed):
    name: VariableName
    display: VariableDisplay
    default_value: str | tuple[str, ...] | None = None
    allow_all_value: bool
    allow_multiple: bool
    custom_all_value: Text | None = None
    sort: Literal[
        "none", "alphabetical-asc", "alphabetical-desc", "numerical-asc", "numerical-desc",
        "alphabetical-ci-asc", "alphabetical-ci-desc",
    ]  # fmt: skip
    plugin: VariablePlugin


class ListVariable(Closed):
    kind: Literal["ListVariable"]
    spec: ListVariableSpec


class QuerySpec(Closed):
    plugin: PrometheusTimeSeriesQuery


class Query(Closed):
    kind: Literal["TimeSeriesQuery"]
    spec: QuerySpec


class PanelSpec(Closed):
    display: Display
    plugin: PanelPlugin
    queries: tuple[Query, ...] = Field(min_length=1)


class Panel(Closed):
    kind: Literal["Panel"]
    spec: PanelSpec


class Reference(Closed):
    ref: str = Field(alias="$ref")


class GridItem(Closed):
    x: int = Field(ge=0)
    y: int = Field(ge=0)
    width: int = Field(ge=1)
    height: int = Field(ge=1)
    content: Reference


class GridSpec(Closed):
    items: tuple[GridItem, ...] = Field(min_length=1)


class Grid(Closed):
    kind: Literal["Grid"]
    spec: GridSpec


class Metadata(Closed):
    name: Name
    project: Name


class DashboardSpec(Closed):
    display: Display
    duration: DurationType
    refresh_interval: DurationType
    variables: tuple[Annotated[ListVariable | TextVariable, Field(discriminator="kind")], ...]
    panels: dict[PanelKey, Panel] = Field(min_length=1)
    layouts: tuple[Grid, ...] = Field(min_length=1)


class Dashboard(Closed):
    """A whole document."""

    kind: Literal["Dashboard"]
    metadata: Metadata
    spec: DashboardSpec
