"""Resources that `kubectl apply` refuses, with a message that says what to write instead."""

from typing import Any

import pytest

from tests.support.controlplane import KubectlError
from tests.support.resources import Namespace, resource


def _with(**spec: Any) -> dict[str, Any]:
    return resource("perses", secret_name="perses-db", **spec)


REFUSED = {
    "an sslMode that does not exist": (
        _with(connection={"sslMode": "prefer"}),
        'supported values: "disable", "require", "verify-ca", "verify-full"',
    ),
    "a pooler that does not exist": (_with(connection={"pooler": "Odyssey"}), 'supported values: "None", "PgBouncer"'),
    "a negative number": (
        _with(pool={"maxOpenConnections": -1}),
        "maxOpenConnections in body should be greater than or equal to 1",
    ),
    "a huge number": (
        _with(pool={"maxOpenConnections": 10**12}),
        "maxOpenConnections in body should be less than or equal to 1000",
    ),
    "an interval of zero": (
        _with(health={"intervalSeconds": 0}),
        "intervalSeconds in body should be greater than or equal to 1",
    ),
    "a fraction where a whole number belongs": (_with(health={"intervalSeconds": 1.5}), "must be of type integer"),
    "more idle connections than open ones": (
        _with(pool={"maxOpenConnections": 5, "maxIdleConnections": 6}),
        "maxIdleConnections must not be above maxOpenConnections: lower the first or raise the second",
    ),
    "fewer open connections than the default of idle ones": (
        _with(pool={"maxOpenConnections": 5}),
        "maxIdleConnections must not be above maxOpenConnections",
    ),
    "a missing secretRef": (
        {**_with(), "spec": {"connection": {"sslMode": "require"}}},
        "spec.connection.secretRef: Required value",
    ),
    "a missing connection": ({**_with(), "spec": {}}, "spec.connection: Required value"),
    "a missing spec": ({k: v for k, v in _with().items() if k != "spec"}, "spec: Required value"),
    "a secret name that no Secret can have": (
        {**_with(), "spec": {"connection": {"secretRef": {"name": "../other"}}}},
        "spec.connection.secretRef.name",
    ),
    "an approvedPlan that is no sha256": (
        _with(schema={"approvedPlan": "yes"}),
        "approvedPlan must be the hash from status.schema.plan.hash: sha256: and 64 hexadecimal digits",
    ),
    "a policy that does not exist": (
        _with(schema={"policy": "automatic"}),
        'supported values: "Automatic", "Manual"',
    ),
    "a target version of zero": (
        _with(schema={"targetVersion": 0}),
        "targetVersion in body should be greater than or equal to 1",
    ),
    "a field that does not exist": (_with(templatez={"seed": "Enabled"}), 'unknown field "spec.templatez"'),
    "a password in the resource": (
        _with(connection={"password": "s3cret"}),
        'unknown field "spec.connection.password"',
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_kubectl_apply_refuses(case: str, team: Namespace) -> None:
    manifest, message = REFUSED[case]
    with pytest.raises(KubectlError) as refused:
        team.apply(manifest)
    assert message in str(refused.value)


def test_the_smallest_resource_gets_every_default(team: Namespace) -> None:
    team.apply(_with())
    spec = team.get("perses")["spec"]
    assert spec == {
        "suspend": False,
        "connection": {"secretRef": {"name": "perses-db"}, "pooler": "None"},
        "pool": {
            "maxOpenConnections": 50,
            "maxIdleConnections": 10,
            "maxLifetimeSeconds": 300,
            "maxIdleTimeSeconds": 60,
            "connectTimeoutSeconds": 10,
            "queryTimeoutSeconds": 30,
        },
        "schema": {"policy": "Automatic", "lockTimeoutMilliseconds": 1000},
        "templates": {"seed": "Enabled"},
        "health": {"intervalSeconds": 30, "degradedUtilizationPercent": 80, "slowResponseMilliseconds": 100},
        "maintenance": {"intervalSeconds": 3600},
    }


def test_the_ca_secrets_key_has_a_default(team: Namespace) -> None:
    team.apply(_with(connection={"caSecretRef": {"name": "perses-ca"}}))
    assert team.get("perses")["spec"]["connection"]["caSecretRef"] == {"name": "perses-ca", "key": "ca.crt"}
