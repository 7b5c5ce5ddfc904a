"""Data of the kernel and the processor: parsers of dumps, and this host compared with its own files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint import _core
from fingerprint.machine.base import NotThisMachine
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.network import read_links, read_outgoing_address

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="netlink and /sys are Linux's")
ROOT = pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="making interfaces needs root")


def attribute(kind: int, value: bytes) -> bytes:
    body = (4 + len(value)).to_bytes(2, sys.byteorder) + kind.to_bytes(2, sys.byteorder) + value
    return body + bytes(-len(body) % 4)


def message(*attributes: bytes, kind: int = 16, hardware: int = 1) -> bytes:
    body = bytes(2) + hardware.to_bytes(2, sys.byteorder) + bytes(12) + b"".join(attributes)
    length = (16 + len(body)).to_bytes(4, sys.byteorder)
    return length + kind.to_bytes(2, sys.byteorder) + bytes(10) + body


ETHERNET = message(
    attribute(3, b"eth0\0"),
    attribute(1, b"\x02\0\0\0\0\x01"),
    attribute(54, b"\x02\0\0\0\0\x02"),
    attribute(57, b"pci\0"),
)
BRIDGE = message(attribute(3, b"br0\0"), attribute(1, b"\x02\0\0\0\0\x03"), attribute(18, attribute(1, b"bridge\0")))


def test_a_link_has_its_permanent_address_and_its_bus() -> None:
    assert _core.parse_links(ETHERNET + BRIDGE) == [
        ("eth0", "", "pci", 1, b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02"),
        ("br0", "bridge", "", 1, b"\x02\0\0\0\0\x03", b""),
    ]


def test_other_messages_of_a_dump_are_ignored() -> None:
    assert _core.parse_links(message(kind=3) + ETHERNET)[0][0] == "eth0"


def test_a_truncated_dump_is_an_error() -> None:
    with pytest.raises(OSError, match="netlink"):
        _core.parse_links(ETHERNET[:-4])


def test_a_string_longer_than_the_kernel_allows_is_truncated() -> None:
    [link] = _core.parse_links(message(attribute(3, b"n" * 200), attribute(1, b"\x02" * 40)))
    assert link[0] == "n" * 31
    assert link[4] == b""


@given(st.binary(max_size=200), st.integers(0, 150), st.integers(1, 8))
def test_no_dump_raises_other_errors_than_os_error(noise: bytes, at: int, count: int) -> None:
    dump = (ETHERNET + BRIDGE)[:at] + noise + (ETHERNET + BRIDGE)[at + count :]
    try:
        links = _core.parse_links(dump)
    except OSError:
        return
    assert all(len(name) < 32 and len(address) <= 32 for name, _, _, _, address, _ in links)


@LINUX
def test_the_links_are_those_of_the_kernels_own_files() -> None:
    found = {link.name: link for link in read_links("linux")}
    listed = {path.name for path in Path("/sys/class/net").iterdir() if (path / "ifindex").exists()}
    assert found.keys() == listed - {"lo"}
    for name, link in found.items():
        address = Path("/sys/class/net", name, "address").read_text().strip()
        assert link.address == (address if address.strip("0:") and len(address) == 17 else "")
        assert bool(link.bus) == Path("/sys/class/net", name, "device").exists()


@ROOT
def test_a_software_interface_has_no_bus_and_keeps_the_order() -> None:
    """In a separate network namespace: bridge and veth have addresses, which are not those of the machine."""
    script = (
        "import subprocess\n"
        "for words in ('link add br9 type bridge', 'link add v1 type veth peer name v2'):\n"
        "    subprocess.run(['ip', *words.split()], check=True)\n"
        "from fingerprint.machine.network import read_links, read_outgoing_address\n"
        "print([(link.name, link.bus, bool(link.address)) for link in read_links('linux')])\n"
        "print(repr(read_outgoing_address('linux')))\n"
    )
    command = ["unshare", "-n", sys.executable, "-I", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    if "unshare" in done.stderr or "ip" in done.stderr.split("\n")[-2:]:
        pytest.skip("this kernel makes no namespaces or no such interfaces")
    assert done.returncode == 0, done.stderr
    links, outgoing = done.stdout.splitlines()
    assert "('br9', '', True)" in links
    assert "('v1', '', True)" in links
    assert outgoing == "''"


@LINUX
def test_the_outgoing_address_is_one_of_the_machine() -> None:
    address = read_outgoing_address("linux")
    assert address == "" or address in LiveMachine().addresses().ipv4 or ":" in address


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="only Linux has /proc/cpuinfo")
def test_the_processor_is_that_of_cpuinfo() -> None:
    try:
        brand, identity, _ = _core.processor()
    except OSError:
        pytest.skip("this processor has no CPUID")
    text = Path("/proc/cpuinfo").read_text()
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    assert brand == fields["model name"]
    signature = int.from_bytes(bytes.fromhex(identity)[:4], "little")
    assert signature & 15 == int(fields["stepping"])


def test_a_copied_disk_has_no_kernel_data(tmp_path: Path) -> None:
    """Remains of /sys, /dev or /run on a copied disk are not facts of its machine."""
    (tmp_path / "sys/firmware/dmi/tables").mkdir(parents=True)
    (tmp_path / "sys/firmware/dmi/tables/DMI").write_bytes(b"old")
    machine = LiveMachine(root=str(tmp_path))
    for ask in (
        lambda: machine.read_file("/sys/firmware/dmi/tables/DMI"),
        lambda: machine.list_directory("/dev/disk/by-id"),
        lambda: machine.exists("/run/.containerenv"),
        machine.links,
        machine.outgoing_address,
        machine.processor_id,
    ):
        with pytest.raises(NotThisMachine):
            ask()
