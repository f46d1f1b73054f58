"""Consistency of the objects in manifests/ with each other and with the program."""

import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import click
import pytest
import yaml
from click.testing import CliRunner

from controller import __version__
from controller.cli import root
from controller.config.environment import database_settings
from controller.database.secret import NamedSecret, target_from_secrets
from controller.database.target import Pooler, SslMode
from controller.health.store import ReportStore
from controller.resource.crd import custom_resource_definition
from controller.web.server import application, serving
from tests.cluster.manifests_objects import INSTALLATIONS, NAME, SAMPLES, Installation, options_of
from tests.support.controlplane import ControlPlane
from tests.support.installation import ROOT

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


@pytest.fixture(params=INSTALLATIONS)
def installation(request: pytest.FixtureRequest, control_plane: ControlPlane) -> Installation:
    return Installation(control_plane, request.param)


def test_the_arguments_are_the_programs(installation: Installation) -> None:
    host, port = options_of(installation.container)["listen"].rsplit(":", 1)
    assert host == "0.0.0.0"
    assert [(p["name"], p["containerPort"]) for p in installation.container["ports"]] == [("http", int(port))]


def test_an_argument_that_the_program_does_not_know_is_noticed() -> None:
    with pytest.raises(click.NoSuchOption):
        options_of({"args": ["operator", "--listen=0.0.0.0:8080", "--leader-elect"]})


def test_the_namespaced_one_watches_the_namespace_of_its_pod(control_plane: ControlPlane) -> None:
    container = Installation(control_plane, "manifests/namespaced").container
    assert options_of(container)["namespaces"] == ["$(POD_NAMESPACE)"]
    reference = {"fieldRef": {"fieldPath": "metadata.namespace"}}
    assert container["env"] == [{"name": "POD_NAMESPACE", "valueFrom": reference}]
    assert "namespaces" not in options_of(Installation(control_plane, "manifests").container)


def test_the_sidecar_of_the_sample_is_probed_where_it_listens() -> None:
    sample = yaml.safe_load((ROOT / "manifests/samples/sidecar.yaml").read_text())["spec"]["template"]["spec"]
    [container], [backend] = sample["initContainers"], sample["containers"]
    [port] = container["ports"]
    assert f"--listen=0.0.0.0:{port['containerPort']}" in container["args"]
    assert port["containerPort"] not in [each["containerPort"] for each in backend["ports"]]
    asked = {probe: container[probe]["httpGet"] for probe in PROBES}
    assert {each["port"] for each in asked.values()} == {port["name"]}
    assert {probe: each["path"] for probe, each in asked.items()} == {
        "startupProbe": "/ready", "livenessProbe": "/live", "readinessProbe": "/ready",
    }  # fmt: skip


async def test_probes_ask_for_paths_that_are_served(installation: Installation) -> None:
    asked = [installation.container[probe]["httpGet"] for probe in PROBES]
    assert {item["port"] for item in asked} == {"http"}
    app = application(ReportStore(), lambda: None, version="1")
    async with serving(app, "127.0.0.1", 0) as port, aiohttp.ClientSession() as session:
        for path in [item["path"] for item in asked]:
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                assert answer.status == 200, path


def test_whatever_selects_the_pod_finds_it(installation: Installation) -> None:
    labels = installation.template["metadata"]["labels"].items()
    service = installation.one("Service")
    assert installation.one("Deployment")["spec"]["selector"]["matchLabels"].items() <= labels
    assert service["spec"]["selector"].items() <= labels
    assert installation.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"].items() <= labels


def test_the_port_is_one_from_the_service_to_the_network_policy(installation: Installation) -> None:
    [service_port] = installation.one("Service")["spec"]["ports"]
    assert (service_port["name"], service_port["targetPort"], service_port["port"]) == ("http", "http", 8080)
    [ingress] = installation.one("NetworkPolicy")["spec"]["ingress"]
    port = installation.container["ports"][0]["containerPort"]
    assert ingress["ports"] == [{"protocol": "TCP", "port": port}]


def test_every_object_says_what_it_belongs_to_and_which_release(installation: Installation) -> None:
    wanted = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/version": __version__}
    for item in [*installation.objects, installation.template]:
        assert wanted.items() <= item["metadata"]["labels"].items(), item
    assert installation.container["image"] == f"{NAME}:{__version__}"


def test_the_pods_numbers_are_those_of_the_image(control_plane: ControlPlane) -> None:
    context = Installation(control_plane, "manifests").template["spec"]["securityContext"]
    user = re.findall(r"^USER (.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert user == [f"{context['runAsUser']}:{context['runAsGroup']}"]


def test_openshift_chooses_the_numbers_itself(control_plane: ControlPlane) -> None:
    context = Installation(control_plane, "manifests/openshift").template["spec"]["securityContext"]
    assert context == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}


def test_there_is_time_to_end_before_the_kill(installation: Installation) -> None:
    pause = installation.container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain = 10
    assert installation.template["spec"]["terminationGracePeriodSeconds"] > pause + drain


def test_no_start_ends_in_a_warning_event_and_a_frozen_process_is_ended_soon(installation: Installation) -> None:
    container = installation.container
    assert container["startupProbe"]["initialDelaySeconds"] > 0
    grace = container["livenessProbe"]["terminationGracePeriodSeconds"]
    assert grace < installation.template["spec"]["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("sample", ["sidecar", "init-container"])
def test_the_backend_of_a_sample_gets_requests_only_while_it_answers(sample: str) -> None:
    spec = yaml.safe_load((ROOT / f"manifests/samples/{sample}.yaml").read_text())["spec"]["template"]["spec"]
    [backend] = spec["containers"]
    assert backend["readinessProbe"]["initialDelaySeconds"] > 0
    assert backend["lifecycle"]["preStop"]["sleep"]["seconds"] > 0


def test_there_is_always_a_standby_to_hand_over_to(installation: Installation) -> None:
    spec = installation.one("Deployment")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    budget = installation.one("PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1
    [spread] = installation.template["spec"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    labels = installation.template["metadata"]["labels"].items()
    for selector in (budget["selector"], spread["labelSelector"]):
        assert selector["matchLabels"].items() <= labels


def test_replicas_elect_by_the_one_lease_that_their_account_may_use(installation: Installation) -> None:
    lease, deployment = installation.one("Lease"), installation.one("Deployment")["metadata"]
    assert options_of(installation.container)["lease"] == lease["metadata"]["name"]
    assert "spec" not in lease, "applying it again would take it from who has it"
    role = installation.one("Role", f"{NAME}-lease")
    [rule] = role["rules"]
    assert (rule["resourceNames"], rule["verbs"]) == ([lease["metadata"]["name"]], ["get", "update"])
    binding = installation.one("RoleBinding", f"{NAME}-lease")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    [subject] = binding["subjects"]
    assert subject["name"] == installation.template["spec"]["serviceAccountName"]
    namespaces = [item.get("namespace") for item in (lease["metadata"], role["metadata"], deployment, subject)]
    assert len(set(namespaces)) == 1, "without --lease-namespace it is the Pod's own"


def fields(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """Every field of a schema that holds a value, as `pool.maxOpenConnections`."""
    for name, child in schema["properties"].items():
        if "properties" in child:
            yield from fields(child, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def written(value: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, child in value.items():
        if isinstance(child, dict):
            yield from written(child, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def test_the_full_sample_leaves_no_field_out() -> None:
    version = custom_resource_definition()["spec"]["versions"][0]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    full = yaml.safe_load((ROOT / "manifests/samples/dashboarddatabase-full.yaml").read_text())
    assert set(written(full["spec"])) == set(fields(spec))


def test_the_sample_of_a_secret_is_one_that_the_operator_understands() -> None:
    [path] = [sample for sample in SAMPLES if sample.stem == "secret"]
    sample = yaml.safe_load(path.read_text())
    target = target_from_secrets(
        NamedSecret(sample["metadata"]["name"], {key: value.encode() for key, value in sample["stringData"].items()}),
        ca=None,
        client_certificate=None,
        ssl_mode=None,
        pooler=Pooler.NONE,
        service_namespace="team-a",
        connect_timeout=10,
        query_timeout=30,
    )
    assert (target.host, target.port, target.ssl_mode) == ("perses-db.team-a.svc", 5432, SslMode.VERIFY_FULL)
    assert target.password == "replace-me-before-use"


@pytest.mark.parametrize("sample", ["init-container", "sidecar"])
def test_a_container_of_a_sample_reads_the_sample_of_a_secret_by_the_programs_variables(sample: str) -> None:
    samples = {path.stem: yaml.safe_load(path.read_text()) for path in SAMPLES}
    [container] = samples[sample]["spec"]["template"]["spec"]["initContainers"]
    chosen = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in container["env"]}
    assert {reference["name"] for reference in chosen.values()} == {samples["secret"]["metadata"]["name"]}
    environ = {name: samples["secret"]["stringData"][reference["key"]] for name, reference in chosen.items()}
    target = database_settings(environ, url=None, pooler=Pooler.NONE).target
    assert (target.host, target.database, target.user) == ("perses-db", "perses", "perses")
    assert target.ssl_mode is SslMode.VERIFY_FULL


@pytest.mark.parametrize(
    ("sample", "command"), [("init-container", ["migrate", "up"]), ("sidecar", ["serve", "--migrate"])]
)
def test_a_container_of_a_sample_runs_a_command_that_exists(sample: str, command: list[str]) -> None:
    path = ROOT / f"manifests/samples/{sample}.yaml"
    [container] = yaml.safe_load(path.read_text())["spec"]["template"]["spec"]["initContainers"]
    assert container["args"][:2] == command
    assert container["image"] == f"{NAME}:{__version__}"
    assert CliRunner().invoke(root, [*container["args"], "--help"]).exit_code == 0
