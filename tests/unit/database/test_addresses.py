"""Addresses that an operator dials, and those that it does not, in every form in which they can be written."""

from ipaddress import ip_network

import pytest

from controller.database.addresses import ALL_ADDRESSES, AddressRules, default_rules

IN_CLUSTER = default_rules(in_cluster=True, api_server="10.96.0.1")
LOOPBACK = AddressRules((ip_network("127.0.0.0/8"),))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "::1", "0.0.0.0", "0.1.2.3", "::", "169.254.169.254", "169.254.170.2",
        "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "224.0.0.1",
        "255.255.255.255", "ff02::1", "10.96.0.1",
    ],
)  # fmt: skip
def test_no_database_is_dialled_there(address: str) -> None:
    assert not IN_CLUSTER.allows(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "10.96.0.2", "192.168.1.1", "8.8.8.8", "2001:db8::1", "fd00::1"])
def test_other_addresses_are_dialled(address: str) -> None:
    assert IN_CLUSTER.allows(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_outside_a_cluster_databases_may_be_on_the_same_machine(address: str) -> None:
    assert default_rules(in_cluster=False, api_server=None).allows(address)
    assert not default_rules(in_cluster=False, api_server=None).allows("169.254.169.254")


@pytest.mark.parametrize("api_server", [None, "", "kubernetes.default.svc"])
def test_an_api_server_without_an_address_adds_nothing(api_server: str | None) -> None:
    assert default_rules(in_cluster=True, api_server=api_server).allows("10.96.0.1")


@pytest.mark.parametrize(
    ("form", "written"),
    [
        ("mapped", "::ffff:127.0.0.1"),
        ("compatible", "::127.0.0.1"),
        ("NAT64", "64:ff9b::7f00:1"),
        ("NAT64 of a site", "64:ff9b:1::7f00:1"),
        ("NAT64 of a site, as a /48", "64:ff9b:1:7f00:0:100::"),
        ("6to4", "2002:7f00:1::"),
        ("Teredo", "2001:0:7f00:1::"),
        ("Teredo client", "2001::80ff:fffe"),
        ("ISATAP", "2001:db8::5efe:7f00:1"),
        ("ISATAP, global", "2001:db8::200:5efe:7f00:1"),
    ],
)
def test_an_ipv4_address_inside_an_ipv6_one_counts_as_itself(form: str, written: str) -> None:
    assert not LOOPBACK.allows(written), form


def test_an_exception_is_allowed() -> None:
    rules = AddressRules((ip_network("127.0.0.0/8"),), (ip_network("127.0.0.2/32"),))
    assert rules.allows("127.0.0.2")
    assert rules.allows("::ffff:127.0.0.2")
    assert not rules.allows("127.0.0.1")


def test_a_person_at_the_command_line_may_dial_all() -> None:
    assert ALL_ADDRESSES.allows("127.0.0.1")
    assert ALL_ADDRESSES.allows("169.254.169.254")
