"""Addresses that may not be dialled, so that a resource cannot make the operator knock on doors of its own. Pure."""

from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network

LOOPBACK = ("127.0.0.0/8", "::1/128")
NEVER_DATABASES = (
    "0.0.0.0/8", "::/128",                                     # unspecified: this host
    "169.254.0.0/16", "fe80::/10",                             # link-local, with the metadata of most clouds
    "fd00:ec2::254/128", "100.100.100.200/32", "192.0.0.192/32", "168.63.129.16/32",  # metadata of AWS, Alibaba,
                                                                                      # Oracle and Azure
    "224.0.0.0/4", "255.255.255.255/32", "ff00::/8",           # multicast, broadcast
)  # fmt: skip
"""Networks where no database is, and where an answer tells something that is nobody's business."""

_NAT64 = IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
_LOW_32 = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class AddressRules:
    """Networks whose addresses are not dialled, except for those that are allowed nevertheless; by default none."""

    denied: tuple[Network, ...] = ()
    allowed: tuple[Network, ...] = ()

    def allows(self, address: str) -> bool:
        """Return whether `address` may be dialled; an IPv4 address inside an IPv6 one counts as itself as well."""
        forms = _forms(address.partition("%")[0])
        return not any(_within(form, self.denied) and not _within(form, self.allowed) for form in forms)


ALL_ADDRESSES = AddressRules()


def default_rules(*, in_cluster: bool, api_server: str | None) -> AddressRules:
    """Return the rules of an operator that was told nothing else.

    Args:
        in_cluster: False where the operator was started outside a cluster, and databases may be on the same machine.
        api_server: address of the API server (KUBERNETES_SERVICE_HOST).
    """
    texts = (*NEVER_DATABASES, *(LOOPBACK if in_cluster else ()))
    networks = [ip_network(text) for text in texts]
    with suppress(ValueError):  # a name, or none
        networks.append(ip_network(api_server or ""))
    return AddressRules(tuple(networks))


def _within(address: IPv4Address | IPv6Address, networks: tuple[Network, ...]) -> bool:
    return any(address in network for network in networks)


def _forms(text: str) -> list[IPv4Address | IPv6Address]:
    """Return the address, and the IPv4 addresses to which a translator on the way could pass it on."""
    address = ip_address(text)
    if isinstance(address, IPv4Address):
        return [address]
    number = int(address)
    inside = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    compatible = number >> 32 == 0 and number > 1  # ::1 is loopback
    isatap = (number >> 32) & _LOW_32 in (0x5EFE, 0x2005EFE)
    if compatible or isatap or address in _NAT64 or address in _LOCAL_NAT64:
        inside.append(IPv4Address(number & _LOW_32))
    if address in _LOCAL_NAT64:  # RFC 6052, section 2.2: of a /48, bits 64 to 71 are left out
        inside.append(IPv4Address((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF))
    return [address, *(form for form in inside if form is not None)]
