"""Lists of adapters as GetAdaptersAddresses lays them out, built by the structures of its documentation.

`recorded` has 21 that the call gave to CPython for Windows under wine, in name spaces of the network set up as for the
runs of the real agent.
"""

from __future__ import annotations

import ctypes
import json
import zlib
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Any

LOOPBACK = ("Loopback Pseudo-Interface 1", b"", ("127.0.0.1",))


def structures(width: int) -> tuple[Any, Any]:
    """Return IP_ADAPTER_ADDRESSES_LH, up to its type, and IP_ADAPTER_UNICAST_ADDRESS_LH, for pointers of a width."""
    pointer = {4: ctypes.c_uint32, 8: ctypes.c_uint64}[width]

    class SocketAddress(ctypes.LittleEndianStructure):
        _fields_ = [("lpSockaddr", pointer), ("iSockaddrLength", ctypes.c_int32)]

    class Unicast(ctypes.LittleEndianStructure):
        _fields_ = [
            ("Length", ctypes.c_uint32), ("Flags", ctypes.c_uint32), ("Next", pointer), ("Address", SocketAddress),
            ("PrefixOrigin", ctypes.c_int32), ("SuffixOrigin", ctypes.c_int32), ("DadState", ctypes.c_int32),
            ("ValidLifetime", ctypes.c_uint32), ("PreferredLifetime", ctypes.c_uint32),
            ("LeaseLifetime", ctypes.c_uint32), ("OnLinkPrefixLength", ctypes.c_uint8),
        ]  # fmt: skip

    class Adapter(ctypes.LittleEndianStructure):
        _fields_ = [
            ("Length", ctypes.c_uint32), ("IfIndex", ctypes.c_uint32), ("Next", pointer), ("AdapterName", pointer),
            ("FirstUnicastAddress", pointer), ("FirstAnycastAddress", pointer), ("FirstMulticastAddress", pointer),
            ("FirstDnsServerAddress", pointer), ("DnsSuffix", pointer), ("Description", pointer),
            ("FriendlyName", pointer), ("PhysicalAddress", ctypes.c_uint8 * 8),
            ("PhysicalAddressLength", ctypes.c_uint32), ("Flags", ctypes.c_uint32), ("Mtu", ctypes.c_uint32),
            ("IfType", ctypes.c_uint32),
        ]  # fmt: skip

    return Adapter, Unicast


def built(adapters: Sequence[tuple[str, bytes, Sequence[str]]], base: int, width: int = 8) -> bytes:
    """Return a buffer that begins at an address.

    Args:
        adapters: name, hardware address and addresses of each; one with a colon is of IPv6.
        base: the address.
        width: bytes of a pointer.
    """
    adapter_type, unicast_type = structures(width)
    data = bytearray()

    def put(part: Any) -> int:
        data.extend(bytes(-len(data) % 8))
        data.extend(bytes(part))
        return base + len(data) - len(bytes(part))

    def change(address: int, structure: Any) -> None:
        data[address - base : address - base + ctypes.sizeof(structure)] = bytes(structure)

    last: tuple[int, Any] | None = None
    for number, (name, hardware, addresses) in enumerate(adapters, 1):
        one = adapter_type(Length=ctypes.sizeof(adapter_type), IfIndex=number, PhysicalAddressLength=len(hardware))
        one.PhysicalAddress[:] = hardware.ljust(8, b"\0")
        at = put(one)
        if last is not None:
            last[1].Next = at
            change(*last)
        last = at, one
        one.FriendlyName = put(name.encode("utf-16-le", "surrogatepass") + b"\0\0")
        before: tuple[int, Any] | None = None
        for address in addresses:
            six = ":" in address
            rest = bytes(28) if six else bytes(2) + bytes(map(int, address.split("."))) + bytes(8)
            unicast = unicast_type(Length=ctypes.sizeof(unicast_type))
            unicast.Address.lpSockaddr = put((23 if six else 2).to_bytes(2, "little") + rest)
            unicast.Address.iSockaddrLength = 28 if six else 16
            of_it = put(unicast)
            if before is None:
                one.FirstUnicastAddress = of_it
            else:
                before[1].Next = of_it
                change(*before)
            before = of_it, unicast
        change(*last)
    return bytes(data)


def recorded() -> list[tuple[bytes, int]]:
    """Return each recorded buffer with its address."""
    lists = json.loads(Path(__file__).with_name("adapter_lists.json").read_text())
    return [(zlib.decompress(b64decode(one["zlib"])).ljust(one["bytes"], b"\0"), one["base"]) for one in lists]
