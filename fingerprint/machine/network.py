"""Read addresses in the order of the kernel, which decides which one is *the* address of the machine.

On Linux from the netlink dumps that the reference's runtime also reads (RTM_GETLINK and RTM_GETADDR), on Windows from
GetAdaptersAddresses, elsewhere from psutil.
"""

from __future__ import annotations

import errno
import sys

from fingerprint.machine.base import Addresses, Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from fingerprint.machine.base import Machine

_AF_INET = 2
# linux/if_arp.h. Tunnels whose "hardware address" is an IP address: ARPHRD_TUNNEL, SIT, IPGRE with 4 bytes, and
# TUNNEL6, IP6GRE with 16.
_TUNNELS_OF = {4: (768, 776, 778), 16: (769, 823)}
_ARPHRD_LOOPBACK = 772
# Ethernet, token ring, InfiniBand, IEEE 802.11.
_ARPHRD_HARDWARE = (1, 6, 32, 801)
_NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL)


def link_dump() -> bytes:
    """Return the messages of an RTM_GETLINK dump. Raises OSError."""
    from fingerprint import _core

    return _core.link_dump()


def read_addresses(platform: str, links: Callable[[], bytes] = link_dump) -> Addresses:
    """Return the addresses of this host.

    Args:
        platform: the machine's.
        links: returns the dump of the interfaces on Linux.

    Raises:
        OSError: neither the kernel nor a library returned them.
    """
    if platform == "linux":
        from fingerprint._core import address_dump, parse_addresses, parse_links

        try:
            ipv4 = parse_addresses(address_dump())
            return Addresses(tuple(ipv4), tuple(hardware_addresses(parse_links(links()))), "netlink")
        except OSError as error:
            # Some sandboxes forbid netlink and allow the older calls.
            return _from_netifaces(error) or _from_psutil(f"psutil, as netlink failed ({error.strerror})")
    return _from_windows() if platform == "windows" else _from_psutil("psutil")


def read_links(platform: str, links: Callable[[], bytes] = link_dump) -> tuple[Link, ...]:
    """Return the interfaces of this host without loopback, in kernel order.

    Linux reports which have a device behind them, and its permanent address (both since 5.14; before, /sys/class/net
    and the present address replace them). Other systems report names and present addresses, and all interfaces count as
    having a device.

    Args:
        platform: the machine's.
        links: returns the dump of the interfaces on Linux.

    Raises:
        OSError: neither the kernel nor a library returned them.
    """
    if platform != "linux":
        return tuple(
            Link(name, address, "", "device") for name, address in _with_address(read_addresses(platform).links)
        )
    from fingerprint._core import parse_links

    found = []
    for name, kind, bus, hardware, address, permanent in parse_links(links()):
        if hardware == _ARPHRD_LOOPBACK:
            continue
        behind = "" if kind else bus or _bus_of(name)
        # The 16 bytes of an IP tunnel are not a hardware address; InfiniBand has 20.
        known = address if any(address) and hardware in _ARPHRD_HARDWARE else b""
        made = permanent if any(permanent) and hardware in _ARPHRD_HARDWARE else b""
        found.append(Link(name, known.hex(":") if known else "", made.hex(":") if made else "", behind))
    return tuple(found)


def _bus_of(name: str) -> str:
    """Return the bus of an interface from /sys, for kernels before 5.14."""
    import os

    try:
        bus = os.readlink(f"/sys/class/net/{name}/device/subsystem")
    except OSError:
        return ""
    return bus.rpartition("/")[2]


def read_outgoing_address(platform: str) -> str:
    """Return the address that a packet to the outside would come from, "" without a default route.

    Raises:
        OSError: the kernel did not return it.
    """
    if platform == "linux":
        from fingerprint._core import outgoing
    else:
        outgoing = _outgoing_by_socket
    try:
        return outgoing()
    except OSError as error:
        if error.errno in _NO_ROUTE:
            return ""
        raise


def _outgoing_by_socket() -> str:
    import socket

    # A connected datagram socket sends nothing; the network is reserved for documentation.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.connect(("203.0.113.1", 9))
        return str(connection.getsockname()[0])


def hardware_addresses(links: Iterable[tuple[str, str, str, int, bytes, bytes]]) -> Iterator[tuple[str, str]]:
    """Yield (interface, hardware address) of parsed links, in their order, without zeros and addresses of tunnels."""
    for name, _, _, hardware, address, _ in links:
        if any(address) and hardware not in _TUNNELS_OF.get(len(address), ()):
            yield name, address.hex(":")


def read_default_route(machine: Machine) -> str:
    """Return the interface and the gateway, if it has one, of the IPv4 default route; "" if there is none.

    From the routing table of Linux: netifaces misses a route with several gateways there, and one without. From
    netifaces, if it is installed (it needs a compiler), on other systems.

    Raises:
        OSError: no source is available.
    """
    if machine.platform == "linux":
        return parse_routes(machine.read_file("/proc/net/route").decode("ascii", "replace"))
    try:
        import netifaces
    except ImportError:
        raise OSError(errno.ENOTSUP, "netifaces is not installed") from None
    default: Any = netifaces.gateways().get("default") or {}
    gateway = default.get(netifaces.AF_INET)
    return f"{gateway[1]} via {gateway[0]}" if gateway else ""


def parse_routes(text: str) -> str:
    """Return interface and gateway of the default route with the least metric in /proc/net/route."""
    found: list[tuple[int, str]] = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[1] != "00000000" or fields[7] != "00000000":
            continue
        try:
            # The kernel prints the address as a number in its own byte order.
            gateway = int(fields[2], 16).to_bytes(4, sys.byteorder)
            via = f" via {'.'.join(map(str, gateway))}" if any(gateway) else ""
            found.append((int(fields[6]), f"{fields[0]}{via}"))
        except (ValueError, OverflowError):
            continue
    return min(found, key=lambda route: route[0])[1] if found else ""


def _from_netifaces(error: OSError) -> Addresses | None:
    try:
        import netifaces
    except ImportError:
        return None
    ipv4, links = [], []
    for name in netifaces.interfaces():
        families = netifaces.ifaddresses(name)
        ipv4 += [entry["addr"] for entry in families.get(netifaces.AF_INET, ())]
        links += [(name, entry["addr"]) for entry in families.get(netifaces.AF_LINK, ())]
    return Addresses(_usable(ipv4), _with_address(links), f"netifaces, as netlink failed ({error.strerror})")


def _from_windows() -> Addresses:
    from fingerprint.machine.windows_addresses import SOURCE, adapters

    found = adapters()
    ipv4 = [address for one in found for address in one.ipv4]
    # The agent counts an address of zeros there; Windows reports no address for a loopback adapter.
    return Addresses(_usable(ipv4), tuple((one.name, one.address) for one in found if one.address), SOURCE)


def _from_psutil(source: str) -> Addresses:
    import psutil

    found = psutil.net_if_addrs()
    ipv4 = [entry.address for entries in found.values() for entry in entries if entry.family == _AF_INET]
    links = [
        (name, entry.address.replace("-", ":").lower())
        for name in _in_kernel_order(list(found))
        for entry in found[name]
        if entry.family == psutil.AF_LINK
    ]
    return Addresses(_usable(ipv4), _with_address(links), source)


def _in_kernel_order(names: list[str]) -> list[str]:
    """Return interface names as the kernel has them; psutil puts those with an IPv4 address first."""
    import socket

    try:
        order = {name: index for index, name in socket.if_nameindex()}
    except (OSError, AttributeError):
        return names
    return sorted(names, key=lambda name: order.get(name, len(order)))


def _usable(ipv4: list[str]) -> tuple[str, ...]:
    return tuple(address for address in ipv4 if not address.startswith("127."))


def _with_address(links: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, address) for name, address in links if address.strip("0:"))
