"""The order of addresses on Windows: lists of adapters, recorded and built, against what the real agent took."""

from __future__ import annotations

import ctypes
import errno
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapter_buffers import LOOPBACK, built, recorded, structures
from fingerprint import collect
from fingerprint.machine import network, windows_addresses
from fingerprint.machine.base import Addresses
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.windows_addresses import adapters, listed, parse_adapters
from fingerprint.types import Fault, Status
from shared import VECTORS, needs_vectors
from windows_machines import windows_snapshot

BASE = 0x1000
MAC = bytes.fromhex("021122334455")
CARD = ("Ethernet", MAC, ("10.1.2.3",))
TUNNEL = ("wg0", b"", ("10.8.0.2",))
Name = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
Address = st.ip_addresses(v=4).map(str) | st.just("2001:db8::5")
LISTS = st.lists(
    st.tuples(Name, st.binary(max_size=8), st.lists(Address, max_size=4).map(tuple)), min_size=1, max_size=5
)


def cases() -> list[dict[str, Any]]:
    path = VECTORS / "windows" / "gates_and_network.json"
    return json.loads(path.read_text())["network"] if path.exists() else []


def addresses_of(monkeypatch: pytest.MonkeyPatch, data: bytes, base: int = BASE) -> Addresses:
    monkeypatch.setattr(windows_addresses, "adapters", lambda: tuple(parse_adapters(data, base, 8)))
    return network.read_addresses("windows")


class Live(RecordedMachine):
    """A recorded Windows machine with the addresses of this one, which has Windows as its platform."""

    def addresses(self) -> Addresses:
        return network.read_addresses("windows")


@pytest.mark.parametrize("number", range(len(cases())), ids=lambda number: cases()[number]["case"])
@needs_vectors
def test_the_addresses_are_those_that_the_real_agent_took(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data, base = recorded()[number]
    addresses_of(monkeypatch, data, base)
    collection = collect(Live(windows_snapshot()))
    _, ipv4, hardware = cases()[number]["agent"]
    assert collection["ipaddress-info"].value == ipv4
    assert collection["macaddr-info"].value == hardware
    for name, value in (("ipaddress-info", ipv4), ("macaddr-info", hardware)):
        assert collection[name].status == (Status.PRESENT if value else Status.ABSENT)
        assert "GetAdaptersAddresses" in collection[name].source


@pytest.mark.parametrize(
    ("found", "ipv4", "link"),
    [
        ([LOOPBACK, TUNNEL, CARD], "10.8.0.2", "Ethernet"), ([LOOPBACK, CARD, TUNNEL], "10.1.2.3", "Ethernet"),
        ([("lo", b"", ("127.0.0.1", "10.9.9.9")), CARD], "10.9.9.9", "Ethernet"),
        ([("ppp", b"", ("fe80::1", "172.16.0.1")), CARD], "172.16.0.1", "Ethernet"),
        ([("a", MAC, ("fe80::1",)), CARD], "10.1.2.3", "a"), ([("a", MAC, ()), CARD], "10.1.2.3", "a"),
        ([("teredo", bytes(7) + b"\xe0", ()), CARD], "10.1.2.3", "teredo"),
        ([("zeros", bytes(6), ("10.4.4.4",)), CARD], "10.4.4.4", "zeros"), ([LOOPBACK], "", ""),
        ([TUNNEL], "10.8.0.2", ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("width", [4, 8])
def test_the_first_of_each_in_the_order_of_windows_counts(
    found: Any, ipv4: str, link: str, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = built(found, BASE, width)
    monkeypatch.setattr(windows_addresses, "adapters", lambda: tuple(parse_adapters(data, BASE, width)))
    reported = network.read_addresses("windows")
    assert (reported.ipv4[:1], [name for name, _ in reported.links[:1]]) == (
        (ipv4,) if ipv4 else (),
        [link] if link else [],
    )


def test_scheme_stable_has_the_interfaces_without_zero_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses_of(monkeypatch, built([LOOPBACK, TUNNEL, ("zeros", bytes(6), ()), CARD], BASE))
    [link] = network.read_links("windows")
    assert (link.name, link.address) == ("Ethernet", "02:11:22:33:44:55")


@given(LISTS, st.sampled_from([4, 8]), st.integers(0, 1 << 31))
def test_a_list_is_read_as_it_was_laid_out(found: Any, width: int, base: int) -> None:
    reported = parse_adapters(built(found, base + 8, width), base + 8, width)
    assert [(one.name, one.address, one.ipv4) for one in reported] == [
        (name, hardware.hex(":"), tuple(a for a in addresses if ":" not in a)) for name, hardware, addresses in found
    ]


@given(LISTS, st.data())
def test_a_damaged_list_is_read_or_refused(found: Any, data: st.DataObject) -> None:
    """Neither another error, nor an end that never comes, nor a read outside of the buffer."""
    complete = bytearray(built(found, BASE))
    for _ in range(data.draw(st.integers(1, 4))):
        complete[data.draw(st.integers(0, len(complete) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(complete[: data.draw(st.integers(1, len(complete)))])
    reported = ""
    try:
        assert all(isinstance(one.name, str) for one in parse_adapters(cut, BASE, 8))
    except OSError as error:
        reported = str(error.strerror)
    assert reported == "" or "returned an invalid list of adapters" in reported


@pytest.mark.parametrize("member", ["Next", "FirstUnicastAddress", "FriendlyName", "PhysicalAddressLength"])
@pytest.mark.parametrize("value", [1, BASE - 8, BASE + 100_000, 0xFFFFFFFF])
def test_pointer_out_of_the_buffer_is_reported(member: str, value: int) -> None:
    adapter, _ = structures(8)
    data = built([CARD], BASE)
    one = adapter.from_buffer_copy(data)
    setattr(one, member, value)
    broken = bytes(one) + data[ctypes.sizeof(adapter) :]
    if (member, value) == ("PhysicalAddressLength", 1):
        assert next(parse_adapters(broken, BASE, 8)).address == "02"
        return
    with pytest.raises(OSError, match="returned an invalid list of adapters"):
        tuple(parse_adapters(broken, BASE, 8))


def test_a_list_that_leads_to_itself_has_an_end() -> None:
    adapter, _ = structures(8)
    data = built([CARD], BASE)
    one = adapter.from_buffer_copy(data)
    one.Next = BASE
    with pytest.raises(OSError, match="a structure that leads to itself"):
        tuple(parse_adapters(bytes(one) + data[ctypes.sizeof(adapter) :], BASE, 8))


class Windows:
    """iphlpapi as its documentation has it, over real memory: it wants so many bytes, and more at each call."""

    def __init__(self, found: Any, wanted: int = 0, more: int = 0, code: int = 0) -> None:
        self.found, self.wanted, self.more, self.code = found, wanted, more, code
        self.sizes: list[int] = []

    def GetAdaptersAddresses(self, family: Any, flags: Any, reserved: Any, buffer: Any, size: Any) -> int:
        # All families, with prefixes and gateways: what Go's package net asks for.
        assert (family.value, flags.value, reserved) == (0, 0x90, None)
        self.sizes.append(size._obj.value)
        self.wanted += self.more
        if self.code:
            return self.code
        data = built(self.found, buffer.value)
        needed = max(self.wanted, len(data))
        if needed > size._obj.value:
            size._obj.value = needed
            return 111
        ctypes.memmove(buffer.value, data, len(data))
        return 0


def load(monkeypatch: pytest.MonkeyPatch, windows: Windows) -> None:
    def library(name: str, winmode: int) -> Windows:
        # From the directory of Windows only.
        assert (name, winmode) == ("iphlpapi", 0x800)
        return windows

    monkeypatch.setattr(ctypes, "WinDLL", library, raising=False)


@pytest.mark.parametrize(("wanted", "more", "calls"), [(0, 0, 1), (15_001, 0, 2), (400_000, 0, 2), (15_000, 20_000, 4)])
def test_the_buffer_grows_until_it_holds_the_list(
    wanted: int, more: int, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = Windows([LOOPBACK, TUNNEL, CARD], wanted, more)
    load(monkeypatch, windows)
    assert [one.name for one in adapters()] == [LOOPBACK[0], "wg0", "Ethernet"]
    assert len(windows.sizes) == calls
    assert windows.sizes[0] == 15_000


def test_many_adapters_need_a_second_call(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [(f"Ethernet {number}", MAC, ("10.0.0.1", "fe80::1")) for number in range(200)]
    windows = Windows(many)
    load(monkeypatch, windows)
    assert [one.name for one in adapters()] == [name for name, _, _ in many]
    assert len(windows.sizes) == 2


def test_adapters_that_never_hold_still_are_given_up() -> None:
    sizes: list[int] = []

    def fill(address: int, size: int) -> tuple[int, int]:
        sizes.append(size)
        return 111, size + 1

    with pytest.raises(OSError, match="kept changing") as caught:
        listed(fill)
    assert caught.value.errno == errno.EAGAIN
    assert len(sizes) <= 8


@pytest.mark.parametrize(
    ("code", "number", "fault"),
    [(5, errno.EACCES, Fault.SOURCE), (8, errno.ENOMEM, Fault.ENVIRONMENT), (87, errno.EIO, Fault.SOURCE),
     (1228, errno.EIO, Fault.SOURCE), (-1, errno.EIO, Fault.SOURCE)],
)  # fmt: skip
def test_error_of_windows_is_reported(code: int, number: int, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    load(monkeypatch, Windows([CARD], code=code))
    with pytest.raises(OSError, match=f"error {code & 0xFFFFFFFF}") as caught:
        adapters()
    assert caught.value.errno == number
    collection = collect(Live(windows_snapshot(takenBy={"uid": None, "asAgent": True, "rawIo": True})))
    for name in ("ipaddress-info", "macaddr-info"):
        assert collection[name].value == ""
        assert collection[name].unreadable
        assert collection[name].fault == fault


def test_a_machine_without_adapters_has_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    load(monkeypatch, Windows([], code=232))
    assert network.read_addresses("windows") == Addresses((), (), "GetAdaptersAddresses")


@pytest.mark.skipif(not shutil.which("x86_64-w64-mingw32-gcc"), reason="the headers of Windows are mingw's")
def test_the_structures_are_those_of_the_headers_of_windows(tmp_path: Path) -> None:
    checks = [
        f"_Static_assert(offsetof({name}, {field}) == {getattr(structure, field).offset}, \"{field}\");"
        for name, structure in zip(
            ("IP_ADAPTER_ADDRESSES_LH", "IP_ADAPTER_UNICAST_ADDRESS_LH"), structures(8), strict=True
        )
        for field, _ in structure._fields_
    ]  # fmt: skip
    checks.append('_Static_assert(offsetof(struct sockaddr_in, sin_addr) == 4, "sin_addr");')
    source = tmp_path / "offsets.c"
    head = ("#include <winsock2.h>", "#include <iphlpapi.h>", "#include <stddef.h>")
    source.write_text("\n".join([*head, *checks]) + "\n")
    done = subprocess.run(
        ["x86_64-w64-mingw32-gcc", "-D_WIN32_WINNT=0x0A00", "-fsyntax-only", str(source)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
