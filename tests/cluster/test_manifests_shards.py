"""Consistency of manifests/shards: each shard has all that is its own, and shares the rest."""

import pytest

from controller import __version__
from controller.operator.shard import Shard
from tests.cluster.manifests_objects import NAME, SHARDS, Installation, options_of
from tests.support.controlplane import ControlPlane


@pytest.mark.parametrize("shard", [Shard(1, 2), Shard(2, 2)], ids=["1-of-2", "2-of-2"])
def test_each_shard_has_replicas_of_its_own_that_elect_by_the_lease_that_they_may_use(
    shard: Shard, control_plane: ControlPlane
) -> None:
    installation, name = Installation(control_plane, SHARDS), shard.lease_name(NAME)
    deployment = installation.one("Deployment", name)["spec"]
    template = deployment["template"]
    [container] = template["spec"]["containers"]
    options = options_of(container)
    assert (options["shard"], options["authorize_endpoints"]) == (str(shard), True)
    assert shard.lease_name(options["lease"]) == installation.one("Lease", name)["metadata"]["name"]
    suffix = name.removeprefix(NAME)
    [rule] = installation.one("Role", f"{NAME}-lease{suffix}")["rules"]
    assert (rule["resourceNames"], rule["verbs"]) == ([name], ["get", "update"])
    binding = installation.one("RoleBinding", f"{NAME}-lease{suffix}")
    assert binding["roleRef"]["name"] == f"{NAME}-lease{suffix}"
    assert [each["name"] for each in binding["subjects"]] == [template["spec"]["serviceAccountName"]]
    [spread] = template["spec"]["topologySpreadConstraints"]
    budget = installation.one("PodDisruptionBudget", name)["spec"]
    labels = template["metadata"]["labels"]
    for selector in (deployment["selector"], budget["selector"], spread["labelSelector"]):
        assert selector["matchLabels"].items() <= labels.items()
        assert selector["matchLabels"]["dashdb.dev/shard"] == suffix.removeprefix("-"), "no Pod of another shard"
    assert installation.one("Service")["spec"]["selector"].items() <= labels.items()
    assert container["image"] == f"{NAME}:{__version__}"


def test_all_shards_run_and_nobody_who_looks_after_all_resources(control_plane: ControlPlane) -> None:
    alone, shards = Installation(control_plane, "manifests"), Installation(control_plane, SHARDS)
    kinds = ("Deployment", "Lease", "PodDisruptionBudget", "Role", "RoleBinding")
    for kind in kinds:
        names = [item["metadata"]["name"] for item in shards.objects if item["kind"] == kind]
        [name] = [item["metadata"]["name"] for item in alone.objects if item["kind"] == kind]
        assert sorted(names) == [f"{name}-1-of-2", f"{name}-2-of-2"]
    assert [item for item in shards.objects if item["kind"] not in kinds] == [
        item for item in alone.objects if item["kind"] not in kinds
    ]
