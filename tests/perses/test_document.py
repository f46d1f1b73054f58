"""Every fault in the shape of a document has an error that names file, path and what to write instead."""

import pytest

from tests.perses.samples import CHART, PANEL, QUERY, VARIABLE, Change, drop, put, refusal

SHAPE: dict[str, tuple[Change, str, str]] = {
    "another kind": (lambda d: d.update(kind="Folder"), "kind", "write 'Dashboard'"),
    "no project": (drop("metadata", "project"), "metadata.project", "missing; add it"),
    "tags, which 0.51 does not know": (put("metadata", tags=["a"]), "metadata.tags", "remove it"),
    "a name with a slash": (put("metadata", name="a/b"), "metadata.name", "write 1 to 75 letters"),
    "a name with two dots": (put("metadata", name="a..b"), "metadata.name", "write 1 to 75 letters"),
    "a name that begins with a dot": (put("metadata", name=".a"), "metadata.name", "write 1 to 75 letters"),
    "a name that is too long": (put("metadata", name="a" * 76), "metadata.name", "write 1 to 75 letters"),
    "an empty name": (put("metadata", name=""), "metadata.name", "write 1 to 75 letters"),
    "no panels": (put("spec", panels={}), "spec.panels", "write at least one entry"),
    "no layouts": (put("spec", layouts=[]), "spec.layouts", "write at least one entry"),
    "a panel key with a dot": (
        lambda d: d["spec"]["panels"].update({"a.b": PANEL}),
        "spec.panels.a.b",
        "write 1 to 75 letters",
    ),
    "a duration in words": (put("spec", duration="an hour"), "spec.duration", 'write for example "30s"'),
    "a duration in the wrong order": (
        put("spec", duration="5m1h"),
        "spec.duration",
        'write for example "30s"',
    ),
    "an empty refresh interval": (
        put("spec", refreshInterval=""),
        "spec.refreshInterval",
        'write for example "30s"',
    ),
    "a panel of another kind": (put("spec.panels.up", kind="Chart"), "spec.panels.up.kind", "write 'Panel'"),
    "a panel without a description": (
        drop("spec.panels.up.spec.display", "description"),
        "spec.panels.up.spec.display.description",
        "add it",
    ),
    "a panel without queries": (
        put("spec.panels.up.spec", queries=[]),
        "spec.panels.up.spec.queries",
        "write at least one entry",
    ),
    "a plugin that never existed": (
        put("spec.panels.up.spec.plugin", kind="StatPanel"),
        "spec.panels.up.spec.plugin",
        "'StatChart'",
    ),
    "a plugin without a kind": (
        drop("spec.panels.up.spec.plugin", "kind"),
        "spec.panels.up.spec.plugin",
        "kind",
    ),
    "a plugin whose spec is null": (
        put("spec.panels.up.spec.plugin", spec=None),
        CHART,
        "is null; write a value",
    ),
    "a key that is null": (put(VARIABLE, customAllValue=None), f"{VARIABLE}.customAllValue", "remove it"),
    "links of a panel": (put("spec.panels.up.spec", links=[]), "spec.panels.up.spec.links", "remove it"),
    "an instant query, which 0.54 refuses": (put(QUERY, instant=True), f"{QUERY}.instant", "remove it"),
    "an empty query": (put(QUERY, query=""), f"{QUERY}.query", "write some text"),
    "a query of another plugin": (
        put("spec.panels.up.spec.queries[0].spec.plugin", kind="LokiLogQuery"),
        "spec.panels.up.spec.queries[0].spec.plugin.kind",
        "write 'PrometheusTimeSeriesQuery'",
    ),
    "a logarithmic axis, new in 0.53": (
        put(f"{CHART}.yAxis", logBase=10),
        f"{CHART}.yAxis.logBase",
        "remove it",
    ),
    "a line style, new in 0.53": (
        put(f"{CHART}.visual", lineStyle="dashed"),
        f"{CHART}.visual.lineStyle",
        "remove it",
    ),
    "an area of one query, new in 0.53": (
        put(
            CHART,
            querySettings=[{"queryIndex": 0, "colorMode": "fixed", "colorValue": "#000", "areaOpacity": 0}],
        ),
        f"{CHART}.querySettings[0].areaOpacity",
        "remove it",
    ),
    "a colour by name": (
        put(CHART, querySettings=[{"queryIndex": 0, "colorMode": "fixed", "colorValue": "red"}]),
        f"{CHART}.querySettings[0].colorValue",
        'write for example "#0072B2"',
    ),
    "a unit that does not exist": (
        put(f"{CHART}.yAxis.format", unit="cores"),
        f"{CHART}.yAxis.format.unit",
        "'decimal'",
    ),
    "an area that is more than full": (
        put(f"{CHART}.visual", areaOpacity=2),
        f"{CHART}.visual.areaOpacity",
        "less than or equal to 1",
    ),
    "a legend on the left": (
        put(f"{CHART}.legend", position="left"),
        f"{CHART}.legend.position",
        "write 'bottom' or 'right'",
    ),
    "a number written as text": (
        put("spec.layouts[0].spec.items[0]", width="12"),
        "spec.layouts[0].spec.items[0].width",
        "valid integer",
    ),
    "tabs, which 0.53 does not know": (
        put("spec.layouts[0]", kind="Tabs"),
        "spec.layouts[0].kind",
        "write 'Grid'",
    ),
    "a variable of another kind": (
        put("spec.variables[0]", kind="Constant"),
        "spec.variables[0]",
        "'ListVariable'",
    ),
    "a way of sorting that does not exist": (
        put(VARIABLE, sort="random"),
        f"{VARIABLE}.sort",
        "'alphabetical-asc'",
    ),
    "a default value that is a number": (put(VARIABLE, defaultValue=1), f"{VARIABLE}.defaultValue", "string"),
    "a variable name of digits": (put(VARIABLE, name="12"), f"{VARIABLE}.name", "not only digits"),
    "a variable name that Perses keeps": (put(VARIABLE, name="__mine"), f"{VARIABLE}.name", 'not "__"'),
    "a variable name that $name cannot spell": (put(VARIABLE, name="my-name"), f"{VARIABLE}.name", "letters"),
}


@pytest.mark.parametrize(("change", "path", "advice"), SHAPE.values(), ids=list(SHAPE))
def test_a_fault_in_the_shape_is_refused(change: Change, path: str, advice: str) -> None:
    message = refusal(change)
    assert message.startswith(f"up.json: {path}: ")
    assert advice in message
