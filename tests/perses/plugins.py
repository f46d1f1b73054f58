"""The Perses plugins that our documents use, as closed models.

Each model admits what the plugin's CUE schema admits in all of Perses 0.51 to 0.54 (the plugin versions that
they bundle: TimeSeriesChart 0.9.1 to 0.13.0, StatChart 0.8.0 to 0.13.0, Prometheus 0.51.0-rc.3 to 0.58.0).
Sources: perses/plugins timeserieschart/schemas/time-series.cue, statchart/schemas/stat.cue,
prometheus/schemas/*; perses/shared cue/common/*. Left out because the oldest do not know it: `instant` of
queries, `colorMode` and `legendMode` of stats, `lineStyle`, `logBase`, and in query settings everything
beside the colour.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel


class Closed(BaseModel):
    """Base of all parts of a document: keys that are not listed are refused, types are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel)


Text = Annotated[str, StringConstraints(min_length=1)]
Colour = Annotated[str, StringConstraints(pattern=r"^#([0-9a-fA-F]{3}){1,2}$")]
Calculation = Literal["first", "last", "first-number", "last-number", "mean", "sum", "min", "max"]


class Format(Closed):
    """Unit of a value; the units that every version in question knows."""

    unit: Literal[
        "seconds", "milliseconds", "minutes", "hours", "days",
        "percent", "percent-decimal",
        "decimal", "bytes",
        "bits/sec", "bytes/sec", "counts/sec", "events/sec", "messages/sec", "ops/sec", "packets/sec",
        "reads/sec", "records/sec", "requests/sec", "rows/sec", "writes/sec",
    ]  # fmt: skip
    decimal_places: int | None = Field(default=None, ge=0)
    short_values: bool | None = None


class ThresholdStep(Closed):
    value: float
    color: Colour
    name: Text | None = None


class Thresholds(Closed):
    mode: Literal["percent", "absolute"]
    default_color: Colour | None = None
    steps: tuple[ThresholdStep, ...]


class Legend(Closed):
    position: Literal["bottom", "right"]
    mode: Literal["list", "table"]
    size: Literal["small", "medium"] | None = None
    values: tuple[Calculation, ...] = ()


class YAxis(Closed):
    show: bool | None = None
    label: Text | None = None
    format: Format
    min: float | None = None
    max: float | None = None


class Palette(Closed):
    mode: Literal["auto", "categorical"]


class Visual(Closed):
    display: Literal["line", "bar"]
    line_width: float | None = Field(default=None, ge=0.25, le=3)
    area_opacity: float | None = Field(default=None, ge=0, le=1)
    show_points: Literal["auto", "always"] | None = None
    palette: Palette | None = None
    point_radius: float | None = Field(default=None, ge=0, le=6)
    stack: Literal["all"] | None = None  # "percent" is in the schema, but does nothing yet
    connect_nulls: bool | None = None


class QuerySetting(Closed):
    """Colour of the series of one query: `fixed` for all of them, `fixed-single` only where it has one."""

    query_index: int = Field(ge=0)
    color_mode: Literal["fixed", "fixed-single"]
    color_value: Colour


class TimeSeriesChartSpec(Closed):
    legend: Legend
    y_axis: YAxis
    thresholds: Thresholds | None = None
    visual: Visual
    query_settings: tuple[QuerySetting, ...] = ()


class TimeSeriesChart(Closed):
    kind: Literal["TimeSeriesChart"]
    spec: TimeSeriesChartSpec


class MappingResult(Closed):
    value: Text
    color: Colour


class ValueMappingSpec(Closed):
    value: Text
    result: MappingResult


class ValueMapping(Closed):
    kind: Literal["Value"]
    spec: ValueMappingSpec


class StatChartSpec(Closed):
    calculation: Calculation
    format: Format
    thresholds: Thresholds | None = None
    mappings: tuple[ValueMapping, ...] = ()
    value_font_size: int | None = Field(default=None, ge=1)


class StatChart(Closed):
    kind: Literal["StatChart"]
    spec: StatChartSpec


class PrometheusTimeSeriesQuerySpec(Closed):
    """Without a datasource: whoever uses the template has a default one, whose name we cannot know."""

    query: Text
    series_name_format: Text


class PrometheusTimeSeriesQuery(Closed):
    kind: Literal["PrometheusTimeSeriesQuery"]
    spec: PrometheusTimeSeriesQuerySpec


class PrometheusLabelValuesVariableSpec(Closed):
    label_name: Text
    matchers: tuple[Text, ...]


class PrometheusLabelValuesVariable(Closed):
    kind: Literal["PrometheusLabelValuesVariable"]
    spec: PrometheusLabelValuesVariableSpec


class PrometheusPromQLVariableSpec(Closed):
    expr: Text
    label_name: Text


class PrometheusPromQLVariable(Closed):
    kind: Literal["PrometheusPromQLVariable"]
    spec: PrometheusPromQLVariableSpec


PanelPlugin = Annotated[TimeSeriesChart | StatChart, Field(discriminator="kind")]
VariablePlugin = Annotated[PrometheusLabelValuesVariable | PrometheusPromQLVariable, Field(discriminator="kind")]
