"""The chart renders to what kustomize renders, and each value does what its comment says."""

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from controller import __version__
from controller.health.store import ReportStore
from controller.web.server import application, serving
from tests.cluster.manifests_objects import options_of
from tests.cluster.network import Peer, allows
from tests.release.helm import Helm, place
from tools import chart as chart_module
from tools.chart import CHART, chart_files
from tools.kustomize import ROOT, objects

NAME = "dashboard-database-operator"
HOME = "dashdb-system"
DIGEST = "sha256:" + "0" * 64


def kustomized(folder: str) -> dict[str, dict[str, Any]]:
    """The objects of a folder of manifests/, without the namespace, which Helm makes."""
    return {place(item): item for item in objects(ROOT / folder) if item["kind"] != "Namespace"}


def container(rendered: dict[str, dict[str, Any]], namespace: str = HOME) -> dict[str, Any]:
    [found] = rendered[f"{namespace}/Deployment/{NAME}"]["spec"]["template"]["spec"]["containers"]
    return dict(found)


def test_helm_finds_nothing_to_complain_about(chart: Helm) -> None:
    done = chart.run("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout
    assert "1 chart(s) linted, 0 chart(s) failed" in done.stdout


@pytest.mark.parametrize(
    ("values", "folder"), [((), "manifests"), (("--set", "monitoring.enabled=true"), "manifests/with-monitoring")]
)
def test_it_installs_what_kustomize_does(values: tuple[str, ...], folder: str, chart: Helm) -> None:
    assert chart.render(*values) == kustomized(folder)


def test_for_one_namespace_it_installs_what_kustomize_does(chart: Helm) -> None:
    """But for how the namespace is named: as a value here, and as the Pod's own there."""
    rendered, wanted = chart.render("--set", "namespaces={team-a}", namespace="team-a"), {}
    for item in objects(ROOT / "manifests/namespaced"):
        item["metadata"]["namespace"] = "team-a"
        for subject in item.get("subjects", ()):
            subject["namespace"] = "team-a"
        wanted[place(item)] = item
    ours, theirs = container(rendered, "team-a"), container(wanted, "team-a")
    assert [*ours.pop("args")[:-1], "--namespace=$(POD_NAMESPACE)"] == theirs.pop("args")
    assert theirs.pop("env")
    assert ours == theirs
    rendered.pop("CustomResourceDefinition/dashboarddatabases.dashdb.dev")
    for each in (rendered, wanted):
        del each[f"team-a/Deployment/{NAME}"]["spec"]["template"]["spec"]["containers"]
    assert rendered == wanted


def test_each_of_several_namespaces_gets_the_rights_and_the_cluster_gives_none(chart: Helm) -> None:
    rendered = chart.render("--set", "namespaces={team-a,team-b}")
    assert options_of(container(rendered))["namespaces"] == ["team-a", "team-b"]
    for namespace in ("team-a", "team-b"):
        [subject] = rendered[f"{namespace}/RoleBinding/{NAME}"]["subjects"]
        assert (subject["name"], subject["namespace"]) == (NAME, HOME)
        assert rendered[f"{namespace}/Role/{NAME}"]["rules"]
    assert not [key for key in rendered if "ClusterRole" in key]


@pytest.mark.parametrize(
    ("values", "authorizes"),
    [
        ((), True),
        (("authorizeEndpoints=false",), False),
        (("namespaces={team-a}",), False),
        (("namespaces={team-a}", "authorizeEndpoints=true"), True),
        (("namespaces={team-a}", "authorizeEndpoints=null"), False),
    ],
)
def test_readers_need_a_token_exactly_where_prometheus_shows_one(
    values: tuple[str, ...], authorizes: bool, chart: Helm
) -> None:
    rendered = chart.render(*(part for value in ("monitoring.enabled=true", *values) for part in ("--set", value)))
    assert options_of(container(rendered)).get("authorize_endpoints", False) is authorizes
    [endpoint] = rendered[f"{HOME}/ServiceMonitor/{NAME}"]["spec"]["endpoints"]
    assert ("bearerTokenFile" in endpoint) is authorizes


def test_without_tokens_nothing_of_the_cluster_is_asked_about_them(chart: Helm) -> None:
    rendered = chart.render("--set", "authorizeEndpoints=false")
    rules = rendered[f"ClusterRole/{NAME}"]["rules"]
    assert not {"tokenreviews", "subjectaccessreviews"} & {name for rule in rules for name in rule["resources"]}
    assert not [key for key in rendered if key.endswith(("-metrics", "-health"))]


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ("image.tag=1.2.3", f"{NAME}:1.2.3"),
        ("image.repository=registry.example.com:5000/a/b", f"registry.example.com:5000/a/b:{__version__}"),
        (f"image.tag=1.2.3,image.digest={DIGEST}", f"{NAME}@{DIGEST}"),
    ],
)
def test_the_image_is_chosen(values: str, image: str, chart: Helm) -> None:
    documents = chart.documents("--set", values)
    pods = [item["spec"] for item in documents if item["kind"] == "Pod"]
    pods += [item["spec"]["template"]["spec"] for item in documents if item["kind"] == "Deployment"]
    assert [pod["containers"][0]["image"] for pod in pods] == [image, image]


@pytest.mark.parametrize(("user", "numbers"), [("null", []), ("1000650000", [1000650000, 1000650000])])
def test_the_user_is_the_chosen_one_or_the_clusters_choice(user: str, numbers: list[int], chart: Helm) -> None:
    documents = chart.documents("--set", f"user={user}")
    specs = [item["spec"] for item in documents if item["kind"] == "Pod"]
    specs += [item["spec"]["template"]["spec"] for item in documents if item["kind"] == "Deployment"]
    assert len(specs) == 2
    for spec in specs:
        context = spec["securityContext"]
        assert [context[key] for key in ("runAsUser", "runAsGroup") if key in context] == numbers
        assert context["runAsNonRoot"] is True


def test_the_other_values_arrive_where_they_belong(chart: Helm) -> None:
    values = "replicas=3,resources.limits.memory=1Gi,image.pullPolicy=Always,image.pullSecrets[0].name=mine"
    arguments = "extraArgs={--connections-per-server=10,--no-metrics-per-database}"
    rendered = chart.render("--set", values, "--set", arguments)
    spec = rendered[f"{HOME}/Deployment/{NAME}"]["spec"]
    assert spec["replicas"] == 3
    assert spec["template"]["spec"]["imagePullSecrets"] == [{"name": "mine"}]
    found = container(rendered)
    assert found["imagePullPolicy"] == "Always"
    assert found["resources"] == {"limits": {"memory": "1Gi"}, "requests": {"cpu": "50m", "memory": "128Mi"}}
    options = options_of(found)
    assert (options["connections_per_server"], options["metrics_per_database"]) == ("10", False)


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ("replicaCount=2", "replicaCount"),
        ("replicas=two", "replicas"),
        ("replicas=-1", "replicas"),
        ("user=0", "user"),
        ("user=root", "user"),
        ("image.name=x", "name"),
        ("image.repository=", "repository"),
        ("image.repository=Upper/Case", "repository"),
        ("image.tag=a b", "tag"),
        ("image.digest=sha256:1234", "digest"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("namespaces=team-a", "namespaces"),
        ("namespaces={Team_A}", "namespaces"),
        ("namespaces={a,a}", "namespaces"),
        ("authorizeEndpoints=yes", "authorizeEndpoints"),
        ("monitoring.enabled=1", "enabled"),
        ("monitoring.interval=30s", "interval"),
        ("resources.limits.memory=much", "memory"),
        ("extraArgs={verbose}", "extraArgs"),
        ("extraArgs={--listen=0.0.0.0:1}", "extraArgs"),
        ("extraArgs={--namespace=kube-system}", "extraArgs"),
        ("extraArgs={--authorize-endpoints}", "extraArgs"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(value: str, where: str, chart: Helm) -> None:
    said = chart.refusal("--set", value)
    assert "values don't meet the specifications of the schema" in said
    assert where in said.partition("specifications of the schema")[2]


def test_every_value_is_described_once_in_the_values_and_once_in_the_schema(chart: Helm) -> None:
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())["properties"]
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(schema) == {*values, "global"}
    for part in ("image", "monitoring", "resources"):
        assert set(schema[part]["properties"]) == set(values[part])


@pytest.mark.parametrize(("reason", "ends_with", "said"), [(None, 0, ""), ("no watch yet", 1, "HTTP Error 503")])
async def test_the_test_of_a_release_ends_well_exactly_where_the_operator_is_ready(
    reason: str | None, ends_with: int, said: str, chart: Helm
) -> None:
    [pod] = [item for item in chart.documents() if item["kind"] == "Pod"]
    python, _, code, url, tries = pod["spec"]["containers"][0]["command"]
    service = chart.render()[f"{HOME}/Service/{NAME}"]
    assert (python, url) == ("python", f"http://{NAME}:{service['spec']['ports'][0]['port']}/ready")
    assert int(tries) > 1
    async with serving(application(ReportStore(), lambda: reason, version="1"), "127.0.0.1", 0) as port:
        command = [sys.executable, "-c", code, f"http://127.0.0.1:{port}/ready", "1"]
        asked = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)
    assert asked.returncode == ends_with
    assert asked.stdout.startswith(said)


def test_the_network_lets_the_test_of_a_release_in(chart: Helm) -> None:
    documents = chart.documents()
    [pod] = [item for item in documents if item["kind"] == "Pod"]
    own, added = sorted((item for item in documents if item["kind"] == "NetworkPolicy"), key=place)
    labels = chart.render()[f"{HOME}/Deployment/{NAME}"]["spec"]["template"]["metadata"]["labels"]
    assert added["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    peer = Peer("10.1.2.3", {"kubernetes.io/metadata.name": HOME}, pod["metadata"]["labels"])
    assert not allows(own, "ingress", peer, 8080)
    assert [port for port in range(1, 65536) if allows(added, "ingress", peer, port)] == [8080]
    assert not pod["metadata"]["labels"].items() >= own["spec"]["podSelector"]["matchLabels"].items()


def test_the_chart_is_of_this_version() -> None:
    written = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (written["version"], written["appVersion"]) == (__version__, __version__)


def test_the_chart_is_what_the_manifests_say() -> None:
    assert {name: (CHART / name).read_text() for name in chart_files()} == chart_files()


def test_no_mark_and_no_namespace_of_the_manifests_is_left_in_a_template() -> None:
    texts = [text for name, text in chart_files().items() if name.startswith("templates/")]
    assert [re.findall(r"CHART_\w+|dashdb-system", text) for text in texts] == [[]] * len(texts)


def test_a_chart_that_is_not_what_the_manifests_say_is_found_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chart_module, "CHART", tmp_path)
    found = CliRunner().invoke(chart_module.main, ["--check"])
    assert found.exit_code == 1
    assert found.output.count("run make chart") == len(chart_files())
    assert list(tmp_path.iterdir()) == [], "a check writes nothing"
    assert CliRunner().invoke(chart_module.main, []).exit_code == 0
    assert CliRunner().invoke(chart_module.main, ["--check"]).exit_code == 0
    (tmp_path / "Chart.yaml").write_text("name: another\n")
    assert "Chart.yaml is not what manifests/ say" in CliRunner().invoke(chart_module.main, ["--check"]).output


def test_an_object_that_no_template_has_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart_module, "TEMPLATES", chart_module.TEMPLATES[1:])
    done = CliRunner().invoke(chart_module.main, ["--check"])
    assert done.exit_code == 1
    assert f"differ: Deployment/{NAME}" in done.output
