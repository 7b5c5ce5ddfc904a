"""Addresses in the order of the kernel: against `ip` on this host, and against hand-made dumps."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import shutil
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint import _core, collect
from fingerprint._core import parse_addresses, parse_links
from fingerprint.machine.base import Addresses
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.network import hardware_addresses, parse_routes, read_addresses, read_default_route
from fingerprint.testing.machines import unix_machine
from fingerprint.types import Status

ORDER: Any = sys.byteorder
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="netlink is Linux's")
needs_ip = pytest.mark.skipif(not shutil.which("ip"), reason="iproute2, the reference, is not installed")


def message(kind: int, body: bytes) -> bytes:
    length = 16 + len(body)
    return length.to_bytes(4, ORDER) + kind.to_bytes(2, ORDER) + bytes(10) + body + bytes(-length % 4)


def attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return length.to_bytes(2, ORDER) + kind.to_bytes(2, ORDER) + value + bytes(-length % 4)


def address(*attributes: bytes, family: int = 2) -> bytes:
    return message(20, bytes([family]) + bytes(7) + b"".join(attributes))


def link(name: str, hardware: bytes, kind: int = 1) -> bytes:
    header = bytes(2) + kind.to_bytes(2, ORDER) + bytes(12)
    return message(16, header + attribute(3, name.encode() + b"\0") + attribute(1, hardware))


PROBE = """
import json
from fingerprint.machine.network import read_addresses
found = read_addresses("linux")
print(json.dumps([found.source, found.ipv4, found.links]))
"""


def assert_the_order_of_ip(prelude: str) -> Any:
    """Run the prelude and both sides in one shell, compare them, and return what ours said."""
    script = f"{prelude}\n{shlex.quote(sys.executable)} -I -c {shlex.quote(PROBE)}; exec ip -j addr"
    wrapper = ["unshare", "-n", "sh", "-ec"] if prelude else ["sh", "-ec"]
    done = subprocess.run([*wrapper, script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    ours, its = (json.loads(line) for line in done.stdout.splitlines())
    source, ipv4, links = ours
    assert source == "netlink"
    printed = [a["local"] for i in its for a in i.get("addr_info", ()) if a["family"] == "inet"]
    assert ipv4 == [a for a in printed if not a.startswith("127.")]
    # Tunnels show an IP address there, loopbacks zeros.
    printed = [[i["ifname"], i.get("address", "")] for i in its]
    assert links == [link for link in printed if link[1].count(":") >= 5 and link[1].strip("0:")]
    return ours


@on_linux
@needs_ip
def test_the_order_is_that_of_ip() -> None:
    assert_the_order_of_ip("")


@on_linux
@needs_ip
@pytest.mark.skipif(
    os.geteuid() != 0 or subprocess.run(["unshare", "-n", "true"], check=False, capture_output=True).returncode != 0,
    reason="network namespaces need root",
)
def test_the_order_is_that_of_ip_with_many_kinds_of_interfaces() -> None:
    """Pairs, a bridge, a tap and a down interface; secondary, any-cast and point-to-point addresses."""
    _, ipv4, links = assert_the_order_of_ip("""
ip link set lo up
ip addr add 198.51.100.1/32 dev lo
ip link add zeta type veth peer name alpha && ip link add br0 type bridge && ip tuntap add dev tap0 mode tap
ip addr add 203.0.113.9/24 dev tap0
ip addr add 192.0.2.5/24 dev zeta && ip addr add 192.0.2.6/24 dev zeta && ip link set zeta up
ip addr add 10.0.0.1 peer 10.0.0.2 dev alpha && ip link set alpha up
ip addr add 172.17.0.1/16 dev br0 && ip link set br0 up
ip addr add 2001:db8::1/64 dev zeta
""")
    # An address on lo that is not a loopback one wins, lo being first, as in the reference.
    assert (len(ipv4), ipv4[0]) == (6, "198.51.100.1")
    assert {name for name, _ in links} == {"zeta", "alpha", "br0", "tap0"}


def test_the_local_side_of_a_point_to_point_link_is_taken() -> None:
    dump = address(attribute(1, bytes([10, 0, 0, 2])), attribute(2, bytes([10, 0, 0, 1])))
    assert parse_addresses(dump) == ["10.0.0.1"]


def test_loopback_and_ipv6_are_passed_over() -> None:
    dump = (
        address(attribute(1, bytes([127, 0, 0, 1])), attribute(2, bytes([127, 0, 0, 1])))
        + address(attribute(1, bytes(15) + b"\1"), family=10)
        + address(attribute(1, bytes([127, 9, 9, 9])))
        + address(attribute(1, bytes([169, 254, 1, 1])))
    )
    assert parse_addresses(dump) == ["169.254.1.1"]
    assert parse_addresses(b"") == []


def test_hardware_addresses_of_zeros_and_tunnels_are_ignored() -> None:
    dump = (
        link("lo", bytes(6), 772)
        + link("sit0", bytes([10, 0, 0, 1]), 776)
        + link("ip6tnl0", bytes(15) + b"\1", 769)
        + link("gre0", bytes([10, 0, 0, 1]), 778)
        + link("ib0", bytes(range(20)), 32)
        + link("eth0", bytes.fromhex("0A00270000FF"))
    )
    assert list(hardware_addresses(parse_links(dump))) == [
        ("ib0", ":".join(f"{n:02x}" for n in range(20))),
        ("eth0", "0a:00:27:00:00:ff"),
    ]


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused_as_a_broken_answer(dump: bytes) -> None:
    for parse in (parse_addresses, parse_links):
        with contextlib.suppress(OSError):
            assert isinstance(parse(dump), list)


@given(st.lists(st.binary(max_size=40), max_size=6), st.data())
def test_damaged_messages_are_parsed_or_refused(bodies: list[bytes], data: st.DataObject) -> None:
    dump = b"".join(message(data.draw(st.sampled_from([16, 20])), body) for body in bodies)
    for parse in (parse_addresses, parse_links):
        assert isinstance(parse(dump), list)


@on_linux
def test_library_returns_the_same_where_netlink_is_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    by_netlink = read_addresses("linux")

    def forbidden() -> bytes:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(_core, "address_dump", forbidden)
    by_netifaces = read_addresses("linux")
    assert by_netifaces.source.startswith("netifaces, as netlink failed")
    monkeypatch.setitem(sys.modules, "netifaces", None)
    by_psutil = read_addresses("linux")
    assert by_psutil.source.startswith("psutil, as netlink failed")
    # Without the dumps the order is that of the interfaces' numbers, and the kernel's is the same here.
    assert by_netifaces.ipv4 == by_psutil.ipv4 == by_netlink.ipv4
    assert by_psutil.links == by_netlink.links
    assert sorted(by_netifaces.links) == sorted(by_netlink.links)


def test_psutil_returns_the_addresses_on_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    class Entry:
        def __init__(self, family: int, address: str) -> None:
            self.family = family
            self.address = address

    printed = {
        "lo0": [Entry(2, "127.0.0.1"), Entry(psutil.AF_LINK, "00:00:00:00:00:00")],
        "en0": [Entry(psutil.AF_LINK, "3C-22-FB-00-00-01"), Entry(2, "10.0.0.7")],
    }
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: printed)
    found = read_addresses("macos")
    assert found == Addresses(("10.0.0.7",), (("en0", "3c:22:fb:00:00:01"),), "psutil")


def test_default_route_is_the_kernels_with_and_without_netifaces(monkeypatch: pytest.MonkeyPatch) -> None:
    with_it = LiveMachine().default_route()
    monkeypatch.setitem(sys.modules, "netifaces", None)
    assert LiveMachine().default_route() == with_it


def test_default_route_with_the_least_metric_wins() -> None:
    if sys.byteorder != "little":
        pytest.skip("the sample is of a little-endian machine")
    head = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
    rows = (
        "wlan0 00000000 0101A8C0 0003 0 0 600 00000000 0 0 0\n"
        "eth0 00000000 010200C0 0003 0 0 100 00000000 0 0 0\n"
        "eth0 000200C0 00000000 0001 0 0 100 00FFFFFF 0 0 0\n"
    )
    assert parse_routes(head + rows) == "eth0 via 192.0.2.1"
    assert parse_routes(head) == parse_routes("") == ""
    assert parse_routes(head + "eth0 00000000 XYZ 0003 0 0 100 00000000 0 0 0\n") == ""


_HEAD = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
_HALVES = "tun0 00000000 010200C0 0003 0 0 0 00000080 0 0 0\ntun0 00000080 010200C0 0003 0 0 0 00000080 0 0 0\n"


@pytest.mark.skipif(sys.byteorder != "little", reason="the samples are of a little-endian machine")
@pytest.mark.parametrize("installed", [False, True])
@pytest.mark.parametrize(
    ("rows", "route"),
    [
        # The kernel prints the first of several gateways; netifaces knows neither that route nor one without a gateway.
        ("eth0 00000000 010200C0 0003 0 0 0 00000000 0 0 0\n", "eth0 via 192.0.2.1"),
        ("ppp0 00000000 00000000 0001 0 0 0 00000000 0 0 0\n", "ppp0"),
        ("wg0 00000000 00000000 0001 0 0 5 00000000 0 0 0\neth0 00000000 010200C0 0003 0 0 9 00000000 0 0 0\n", "wg0"),
        (_HALVES, ""),
        ("", ""),
    ],
    ids=["several gateways", "no gateway", "least metric without gateway", "two halves", "none"],
)  # fmt: skip
def test_a_default_route_that_netifaces_misses_is_found(
    monkeypatch: pytest.MonkeyPatch, rows: str, route: str, installed: bool
) -> None:
    library = SimpleNamespace(AF_INET=2, gateways=lambda: {"default": {}})
    monkeypatch.setitem(sys.modules, "netifaces", library if installed else None)
    machine = unix_machine()
    machine.snapshot["files"]["/proc/net/route"] = {"text": _HEAD + rows}
    assert read_default_route(machine) == route


def test_snapshot_may_hold_addresses_as_output_of_tools() -> None:
    machine = unix_machine()
    machine.snapshot["addresses"] = {
        "ip": "1: lo: <UP>\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n"
        "    inet 127.0.0.1/8 scope host lo\n2: eth0: <UP>\n"
        "    link/ether 02:00:00:00:00:07 brd ff:ff:ff:ff:ff:ff\n    inet 192.0.2.7/24 scope global eth0\n"
    }
    collection = collect(machine)
    assert collection["ipaddress-info"].value == "192.0.2.7"
    assert collection["macaddr-info"].value == "02:00:00:00:00:07"
    assert collection["ipaddress-info"].status == Status.PRESENT
    assert collection["ipaddress-info"].source == "text of ip"
