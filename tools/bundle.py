"""The bundle for Operator Lifecycle Manager, written from manifests/openshift: `make bundle` writes it.

By hand are written: tools/olm/base.yaml, tools/olm/icon.svg and bundle/tests/scorecard/config.yaml.
"""

import base64
import json
import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import click
import yaml

from controller import __version__
from tools.generated import write_files
from tools.kustomize import ROOT, key_of, objects
from tools.marks import NAME, NAMESPACE, REVIEWS, as_yaml

Object = dict[str, Any]
BUNDLE = ROOT / "bundle"
SOURCE = ROOT / "manifests" / "openshift"
WORDS = ROOT / "tools" / "olm"
SAMPLES = ROOT / "manifests" / "samples"
TITLE = "# Written from manifests/openshift by `make bundle`; do not edit.\n"
CSV = f"ClusterServiceVersion/{NAME}.v{__version__}"
CRD = "CustomResourceDefinition/dashboarddatabases.dashdb.dev"
OPERATOR = ("Deployment", "ServiceAccount", "ClusterRole", "ClusterRoleBinding")
"""Kinds of the objects, all called NAME, that OLM makes itself from the ClusterServiceVersion."""
LEFT_OUT = (f"Namespace/{NAMESPACE}", f"Lease/{NAME}", f"Secret/{NAME}-metrics")
"""Objects that are not in the bundle: docs/decisions/0015-olm-bundle.md says why."""
KINDS = frozenset((
    "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "NetworkPolicy", "PodDisruptionBudget",
    "PrometheusRule", "Role", "RoleBinding", "Service", "ServiceAccount", "ServiceMonitor",
))  # fmt: skip
"""Kinds that OLM takes from a bundle, as far as manifests/openshift has them."""
WATCHED = {
    "name": "WATCH_NAMESPACE",
    "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['olm.targetNamespaces']"}},
}
"""The namespaces that the operator is installed for: OLM writes them on its Pods, and nothing for all of them."""
ANNOTATIONS = {
    "operators.operatorframework.io.bundle.mediatype.v1": "registry+v1",
    "operators.operatorframework.io.bundle.manifests.v1": "manifests/",
    "operators.operatorframework.io.bundle.metadata.v1": "metadata/",
    "operators.operatorframework.io.bundle.package.v1": NAME,
    "operators.operatorframework.io.bundle.channels.v1": "candidate",
    "operators.operatorframework.io.bundle.channel.default.v1": "candidate",
    "operators.operatorframework.io.test.mediatype.v1": "scorecard+v1",
    "operators.operatorframework.io.test.config.v1": "tests/scorecard/",
    "com.redhat.openshift.versions": "v4.20",  # the first one whose OLM takes a NetworkPolicy
}
"""Of the bundle, and labels of its image."""


def bundle_files() -> dict[str, str]:
    """Return the files of the bundle that are written from manifests/, by their path below bundle/."""
    found = {key_of(item): item for item in objects(SOURCE)}
    by_csv = [f"{kind}/{NAME}" for kind in OPERATOR]
    if missing := {CRD, *by_csv, *LEFT_OUT} - found.keys():
        raise click.ClickException(f"{SOURCE} has no {', '.join(sorted(missing))}: see tools/bundle.py")
    held = [_anywhere(item) for key, item in found.items() if key not in (*by_csv, *LEFT_OUT)]
    if unknown := sorted(key_of(item) for item in held if item["kind"] not in KINDS):
        raise click.ClickException(f"OLM takes no {', '.join(unknown)} from a bundle: see tools/bundle.py")
    items = [cluster_service_version(found), *held]
    texts = {f"manifests/{_file_name(item)}": TITLE + as_yaml(item) for item in items}
    annotations = TITLE + yaml.safe_dump({"annotations": ANNOTATIONS}, sort_keys=False, width=110)
    return {**texts, "metadata/annotations.yaml": annotations, "bundle.Dockerfile": _dockerfile()}


def cluster_service_version(found: Mapping[str, Object]) -> Object:
    """Return the object that tells OLM how to install the operator, from the objects of manifests/ by kind and name."""
    csv: Object = yaml.safe_load((WORDS / "base.yaml").read_text())
    deployment = deepcopy(found[f"Deployment/{NAME}"])
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    container["env"] = [WATCHED]
    csv["metadata"]["name"] = CSV.partition("/")[2]
    csv["metadata"]["annotations"] |= {
        "alm-examples": json.dumps(_examples(), indent=2),
        "containerImage": container["image"],
        "operatorframework.io/suggested-namespace-template": json.dumps(found[f"Namespace/{NAMESPACE}"]),
    }
    spec = csv["spec"]
    [owned] = spec["customresourcedefinitions"]["owned"]
    _describe(owned, found[CRD])
    icon = base64.b64encode((WORDS / "icon.svg").read_bytes()).decode()
    name, labels = deployment["metadata"]["name"], deployment["metadata"]["labels"]
    spec |= {
        "version": __version__,
        "icon": [{"base64data": icon, "mediatype": "image/svg+xml"}],
        "relatedImages": [{"name": NAME, "image": container["image"]}],
        "install": {
            "strategy": "deployment",
            "spec": {
                "deployments": [{"name": name, "label": labels, "spec": deployment["spec"]}],
                **_permissions(found[f"ClusterRole/{NAME}"]["rules"]),
            },
        },
    }
    return csv


def _permissions(rules: list[Object]) -> Object:
    """Return rights in the namespaces that the operator is installed for, and those in the whole cluster."""
    reviews = [rule for rule in rules if REVIEWS & set(rule["resources"])]
    others = [rule for rule in rules if rule not in reviews]
    return {
        "permissions": [{"serviceAccountName": NAME, "rules": others}],
        "clusterPermissions": [{"serviceAccountName": NAME, "rules": reviews}],
    }


def _examples() -> list[Object]:
    samples = [yaml.safe_load(path.read_text()) for path in sorted(SAMPLES.glob("dashboarddatabase-*.yaml"))]
    return sorted(samples, key=lambda sample: len(str(sample)))  # the first one is what a form starts with


def _describe(owned: Object, crd: Object) -> None:
    """Add to OWNED, what OperatorHub shows of the CRD, the descriptions that the CRD has.

    The scorecard wants a descriptor for each field at the top of an example, whatever there is for those below it.
    """
    schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    owned["description"] = schema["description"]
    for part in ("spec", "status"):
        descriptors = owned[f"{part}Descriptors"]
        described = {descriptor["path"] for descriptor in descriptors}
        top = [name for name in schema["properties"][part]["properties"] if name not in described]
        descriptors += [{"path": name, "displayName": _as_words(name)} for name in top]
        for descriptor in descriptors:
            field = schema["properties"][part]
            for name in descriptor["path"].split("."):
                field = field["properties"][name]
            descriptor["description"] = field["description"]


def _as_words(name: str) -> str:
    """Return `Observed generation` for `observedGeneration`."""
    return re.sub(r"(?<!^)([A-Z])", lambda found: f" {found[1].lower()}", name).capitalize()


def _anywhere(item: Object) -> Object:
    """Return an object for whatever namespace OLM puts it into."""
    item = deepcopy(item)
    item["metadata"].pop("namespace", None)
    if item["kind"] == "RoleBinding":
        for subject in item["subjects"]:
            del subject["namespace"]  # then it is that of the binding
    if key_of(item) == f"Role/{NAME}-lease":
        item["rules"].append({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]})
    return item


def _file_name(item: Object) -> str:
    if item["kind"] == "ClusterServiceVersion":
        return f"{NAME}.clusterserviceversion.yaml"
    version = item["apiVersion"].replace("/", "_")
    return f"{item['metadata']['name']}_{version}_{item['kind'].lower()}.yaml"


def _dockerfile() -> str:
    labels = "".join(f"LABEL {name}={value}\n" for name, value in ANNOTATIONS.items())
    folders = {"manifests": "/manifests/", "metadata": "/metadata/", "tests/scorecard": "/tests/scorecard/"}
    copies = "".join(f"COPY {source} {target}\n" for source, target in folders.items())
    return f"{TITLE}# docker build --file bundle/bundle.Dockerfile bundle\nFROM scratch\n{labels}{copies}"


@click.command(epilog="Example: python -m tools.bundle --check")
@click.option("--check", is_flag=True, help="Write nothing; end with 1 where the bundle is not what manifests/ say.")
def main(*, check: bool) -> None:
    """Write the bundle from manifests/openshift."""
    write_files(BUNDLE, bundle_files(), check=check, command="make bundle", whole="manifests")


if __name__ == "__main__":
    main()
