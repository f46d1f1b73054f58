"""Addresses of a host, looked up in threads of which each tenant has a share, and checked before they are dialled."""

import asyncio
import socket
import time
from functools import partial
from ipaddress import ip_address

from controller.database.target import Target
from controller.errors import DatabaseUnavailable, Recovery
from controller.runtime.fair_threads import FairThreads, Share

THREADS = 32
"""Lookups at once. One that nobody answers takes a thread for as long as resolv.conf says, often 20 s, and cannot be
cancelled."""
THREADS_OF_A_TENANT = 2
"""Lookups at once for one tenant, so that mute names do not hold up those of others."""
MOST_ADDRESSES = 8
"""Addresses of one name that are tried."""

_threads = FairThreads("resolver", threads=THREADS, shares=(Share(at_once=THREADS_OF_A_TENANT),), timer=time.monotonic)


class CheckedAddress(str):
    """Address that was looked up and may be dialled.

    Attributes:
        name: the host that it was looked up for, and that a certificate has to be for.
    """

    name: str


async def resolve(target: Target) -> list[CheckedAddress]:
    """Return the addresses to dial for `target`, in the order in which to try them.

    Raises:
        socket.gaierror, UnicodeError: there is no such name.
        DatabaseUnavailable: none of its addresses may be dialled.
    """
    if target.host.startswith("/"):  # the folder of a Unix socket, which only a person at this machine can name
        return [_checked(target.host, target)]
    found = await _look_up(target)
    allowed = [_checked(address, target) for address in found if target.address_rules.allows(address)]
    if found and not allowed:
        raise DatabaseUnavailable(
            f"{target.description}: the operator does not connect to this address (see its option --deny-address).",
            reason="AddressNotAllowed",
            recovery=Recovery.WAITING,
        )
    return allowed[:MOST_ADDRESSES]


async def _look_up(target: Target) -> list[str]:
    try:
        return [str(ip_address(target.host))]
    except ValueError:
        work = partial(socket.getaddrinfo, target.host, target.port, type=socket.SOCK_STREAM)
    entries = await asyncio.wrap_future(_threads.submit((target.tenant,), work))
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def _checked(address: str, target: Target) -> CheckedAddress:
    checked = CheckedAddress(address)
    checked.name = target.host
    return checked
