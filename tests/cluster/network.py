"""Evaluation of a NetworkPolicy, as the API describes it: https://kubernetes.io/docs/concepts/services-networking/."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Peer:
    """Other end of a connection: an address, and the labels of its Pod and namespace where it is one."""

    address: str
    namespace: Labels | None = None
    pod: Labels = field(default_factory=dict)


def allows(policy: Mapping[str, Any], direction: str, peer: Peer, port: int, protocol: str = "TCP") -> bool:
    """Return whether one rule of `ingress` or `egress` lets the connection pass."""
    spec, end = policy["spec"], "from" if direction == "ingress" else "to"
    assert direction.capitalize() in spec["policyTypes"]
    own = {"matchLabels": {"kubernetes.io/metadata.name": policy["metadata"].get("namespace")}}
    return any(
        _port_fits(rule.get("ports"), port, protocol)
        and (not rule.get(end) or any(_peer_fits(each, peer, own) for each in rule[end]))
        for rule in spec.get(direction, [])
    )


def _port_fits(ports: list[dict[str, Any]] | None, port: int, protocol: str) -> bool:
    return not ports or any(
        each.get("protocol", "TCP") == protocol and each["port"] <= port <= each.get("endPort", each["port"])
        for each in ports
    )


def _peer_fits(rule: Mapping[str, Any], peer: Peer, own_namespace: Mapping[str, Any]) -> bool:
    if "ipBlock" in rule:
        address, block = ipaddress.ip_address(peer.address), rule["ipBlock"]
        inside = address in ipaddress.ip_network(block["cidr"])
        return inside and not any(address in ipaddress.ip_network(each) for each in block.get("except", ()))
    if peer.namespace is None:
        return False
    namespaces = rule.get("namespaceSelector", own_namespace)
    return _selects(namespaces, peer.namespace) and _selects(rule.get("podSelector", {}), peer.pod)


def _selects(selector: Mapping[str, Any], labels: Labels) -> bool:
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    assert all(each["operator"] == "In" for each in selector.get("matchExpressions", ()))
    return wanted and all(labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ()))
