"""List the adapters of Windows in the order of GetAdaptersAddresses, in which the agent reads its addresses.

The agent's runtime (Go's package net) requests all families and takes every adapter, including one that is down and one
without a hardware address (WireGuard, PPP). psutil sorts by family, and such adapters come last there.

The list is read from the buffer by offsets, each of which is checked against its bounds:
https://learn.microsoft.com/windows/win32/api/iptypes/ns-iptypes-ip_adapter_addresses_lh
"""

from __future__ import annotations

import errno

from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    # Fills the buffer at an address, with a length in bytes; returns an error code, and the length that it needs.
    Fill = Callable[[int, int], tuple[int, int]]

SOURCE = "GetAdaptersAddresses"
# The first size that Microsoft recommends. Adapters may appear between two calls, so that more than two are needed.
_FIRST_BYTES = 15_000
_CALLS_TRIED = 8
_ERROR_ACCESS_DENIED, _ERROR_NOT_ENOUGH_MEMORY, _ERROR_BUFFER_OVERFLOW, _ERROR_NO_DATA = 5, 8, 111, 232
_AF_UNSPEC, _AF_INET = 0, 2
# GAA_FLAG_INCLUDE_PREFIX and GAA_FLAG_INCLUDE_GATEWAYS, as the agent's runtime has it.
_FLAGS = 0x10 | 0x80
_LOAD_LIBRARY_SEARCH_SYSTEM32 = 0x800
# Of IP_ADAPTER_ADDRESSES_LH and IP_ADAPTER_UNICAST_ADDRESS_LH: pointers begin at byte 8, and these are their numbers.
_POINTERS_AT = 8
_NEXT, _FIRST_UNICAST, _FRIENDLY_NAME, _BEHIND_POINTERS = 0, 2, 8, 9
_NEXT_UNICAST, _SOCKET_ADDRESS = 0, 1
# PhysicalAddress, then its length.
_PHYSICAL_BYTES = 8
# sockaddr_in: family, port, address.
_IPV4_AT, _IPV4_END = 4, 8


class Adapter(Value):
    """One adapter.

    Attributes:
        name: the display name of its connection.
        address: its hardware address with colons, "" without one.
        ipv4: its dotted IPv4 addresses, loopback ones among them.
    """

    name: str
    address: str
    ipv4: tuple[str, ...]


def adapters() -> tuple[Adapter, ...]:
    """Return the adapters of this host in the order of Windows.

    Raises:
        OSError: Windows did not list them, or the list is invalid.
    """
    import ctypes

    # By getattr: type checkers on other systems do not know WinDLL.
    library = getattr(ctypes, "WinDLL")("iphlpapi", winmode=_LOAD_LIBRARY_SEARCH_SYSTEM32)  # noqa: B009

    def fill(address: int, length: int) -> tuple[int, int]:
        size = ctypes.c_uint32(length)
        code = library.GetAdaptersAddresses(
            ctypes.c_uint32(_AF_UNSPEC), ctypes.c_uint32(_FLAGS), None, ctypes.c_void_p(address), ctypes.byref(size)
        )
        return code & 0xFFFFFFFF, size.value

    return listed(fill)


def listed(fill: Fill) -> tuple[Adapter, ...]:
    """Return the adapters that a call puts into a buffer, which grows while the call says that it is too small.

    Args:
        fill: the call.

    Raises:
        OSError: as `adapters`.
    """
    import ctypes

    size = _FIRST_BYTES
    for _ in range(_CALLS_TRIED):
        buffer = ctypes.create_string_buffer(size)
        code, needed = fill(ctypes.addressof(buffer), size)
        if code == _ERROR_BUFFER_OVERFLOW:
            size = max(needed, 2 * size)
            continue
        if code == _ERROR_NO_DATA:
            return ()
        if code:
            number = {_ERROR_ACCESS_DENIED: errno.EACCES, _ERROR_NOT_ENOUGH_MEMORY: errno.ENOMEM}.get(code, errno.EIO)
            raise OSError(number, f"{SOURCE} failed with error {code}")
        # Without adapters the length is 0.
        data = buffer.raw if needed else b""
        return tuple(parse_adapters(data, ctypes.addressof(buffer), ctypes.sizeof(ctypes.c_void_p)))
    raise OSError(errno.EAGAIN, f"{SOURCE} found no buffer large enough: the adapters kept changing")


def parse_adapters(data: bytes, base: int, width: int) -> Iterator[Adapter]:
    """Yield the adapters in a buffer that GetAdaptersAddresses filled, in its order.

    Args:
        data: the bytes of the buffer; b"" for a list without adapters.
        base: the address of the buffer, to which its pointers refer.
        width: bytes of a pointer, 4 or 8.

    Raises:
        OSError: the list is invalid.
    """
    reader = _Buffer(data, base, width)
    for at in reader.chain(base if data else 0, _NEXT):
        physical = at + _POINTERS_AT + _BEHIND_POINTERS * width
        physical_length = reader.number(physical + _PHYSICAL_BYTES, 4)
        if physical_length > _PHYSICAL_BYTES:
            raise _invalid_list(f"a hardware address of {physical_length} bytes")
        ipv4 = []
        for unicast in reader.chain(reader.pointer(at, _FIRST_UNICAST), _NEXT_UNICAST):
            address = reader.pointer(unicast, _SOCKET_ADDRESS)
            length = reader.number(unicast + _POINTERS_AT + (_SOCKET_ADDRESS + 1) * width, 4)
            if length >= _IPV4_END and reader.number(address, 2) == _AF_INET:
                ipv4.append(".".join(map(str, reader.bytes(address, _IPV4_END)[_IPV4_AT:])))
        name = reader.text(reader.pointer(at, _FRIENDLY_NAME))
        yield Adapter(name, reader.bytes(physical, physical_length).hex(":") if physical_length else "", tuple(ipv4))


class _Buffer:
    """Bytes with pointers into themselves. The methods raise OSError for a pointer that leads out of them."""

    def __init__(self, data: bytes, base: int, width: int) -> None:
        self._data, self._base, self._width = data, base, width

    def bytes(self, address: int, count: int) -> bytes:
        at = address - self._base
        if at < 0 or at + count > len(self._data):
            raise _invalid_list("a pointer that leads out of it")
        return self._data[at : at + count]

    def number(self, address: int, count: int) -> int:
        return int.from_bytes(self.bytes(address, count), "little")

    def pointer(self, structure: int, number: int) -> int:
        """Return the n-th pointer of a structure, 0 for none."""
        return self.number(structure + _POINTERS_AT + number * self._width, self._width)

    def chain(self, first: int, number: int) -> Iterator[int]:
        """Yield the addresses of structures that are linked by their n-th pointer."""
        seen = set()
        while first:
            if first in seen:
                raise _invalid_list("a structure that leads to itself")
            seen.add(first)
            yield first
            first = self.pointer(first, number)

    def text(self, address: int) -> str:
        """Return a string of UTF-16 up to its NUL, "" for none."""
        if not address:
            return ""
        at = address - self._base
        self.bytes(address, 2)
        end = next((end for end in range(at, len(self._data) - 1, 2) if self._data[end : end + 2] == b"\0\0"), None)
        if end is None:
            raise _invalid_list("a name without an end")
        return self._data[at:end].decode("utf-16-le", "replace")


def _invalid_list(what: str) -> OSError:
    # Without an error number, as the agent's runtime follows the pointers and may read a value.
    return OSError(None, f"{SOURCE} returned an invalid list of adapters: {what}")
