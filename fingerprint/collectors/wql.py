"""The hash recipe of agents from 3.3.1311 on Windows from 10.0.26100: WMI objects, digested in Go's gob encoding.

    digest("uuid", {"UUID": "4C4C4544-0051-3610-8052-B4C04F4A4D31"}, 64)

The agent queries six classes of WMI, loads the first object of each into a structure, and stores the base64 of the
MD5 of the gob stream of that structure: a message that defines its type, and a message with the members that are not
zero. The format is documented at https://pkg.go.dev/encoding/gob#hdr-Encoding_Details.

Go assigns type ids in a process at their first use: 64 to 69 in the order of `STRUCTURES`. A query that fails assigns
none, so that all later ids move by one for the life of that process (`type_ids`).
"""

from __future__ import annotations

from fingerprint._io.text import replace_surrogates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Lower ids belong to Go's own types.
FIRST_TYPE_ID = 64
_TEXT = 0
_UINT16, _UINT32, _UINT64 = 16, 32, 64
# The ids of Go's own types for an unsigned integer and for a string.
_UINT_TYPE, _STRING_TYPE = 3, 6
# Attribute -> class, and its members with their bits, `_TEXT` for a string. Order and spelling are in the digest.
STRUCTURES: dict[str, tuple[str, tuple[tuple[str, int], ...]]] = {
    "uuid": ("Win32_ComputerSystemProduct", (("UUID", _TEXT),)),
    "processor-hash": (
        "Win32_Processor",
        (
            ("Caption", _TEXT), ("DeviceID", _TEXT), ("Manufacturer", _TEXT), ("MaxClockSpeed", _UINT32),
            ("Name", _TEXT), ("SocketDesignation", _TEXT),
        ),
    ),
    "memory-hash": (
        "Win32_PhysicalMemory",
        (
            ("Capacity", _UINT64), ("DeviceLocator", _TEXT), ("MemoryType", _UINT16), ("Name", _TEXT), ("Tag", _TEXT),
            ("TotalWidth", _UINT16),
        ),
    ),
    "bios-hash": (
        "Win32_BIOS",
        (
            ("Manufacturer", _TEXT), ("Name", _TEXT), ("SerialNumber", _TEXT), ("SMBIOSBIOSVersion", _TEXT),
            ("Version", _TEXT),
        ),
    ),
    "system-hash": (
        "Win32_ComputerSystem",
        (
            ("DNSHostName", _TEXT), ("Domain", _TEXT), ("Manufacturer", _TEXT), ("Model", _TEXT), ("Name", _TEXT),
            ("PrimaryOwnerName", _TEXT), ("TotalPhysicalMemory", _UINT64),
        ),
    ),
    "disk-info": (
        "Win32_DiskDrive",
        (
            ("Caption", _TEXT), ("DeviceID", _TEXT), ("Model", _TEXT), ("Partitions", _UINT32), ("Size", _UINT64),
        ),
    ),
}  # fmt: skip
# The agent's query for the version of Windows, which is in no digest.
OPERATING_SYSTEM = ("Win32_OperatingSystem", (("Caption", _TEXT), ("OperatingSystemSKU", _UINT32), ("Version", _TEXT)))


class Unloadable(ValueError):
    """A member of a WMI object that the agent cannot load into its structure; the query fails for the agent."""


def digest(attribute: str, members: Mapping[str, object] | None, type_id: int | None) -> str:
    """Return the value that the agent stores for one attribute.

    Args:
        attribute: its key in the hardware hash: "uuid", "processor-hash", "memory-hash", "bios-hash", "system-hash"
            or "disk-info".
        members: of the first object of its class, from WMI: str, int, or None for null; a missing one is zero, and {}
            the structure of a class without objects. None: the query failed.
        type_id: the id that the agent's process assigned to the type, 64 or more; None if the query failed.

    Returns:
        24 characters of base64; "" for a failed query, and for members that the agent cannot load.

    Raises:
        ValueError: there is no such attribute, or Go does not assign such an id.
    """
    if attribute not in STRUCTURES:
        raise ValueError(f"no WMI class for the attribute {attribute!r}: must be one of {', '.join(STRUCTURES)}")
    if members is None or type_id is None:
        return ""
    if not isinstance(type_id, int) or isinstance(type_id, bool) or type_id < FIRST_TYPE_ID:
        raise ValueError(f"invalid type id {type_id!r}: must be {FIRST_TYPE_ID} or more")
    from fingerprint._core import md5_base64

    try:
        return md5_base64(_stream(attribute, members, type_id))
    except Unloadable:
        return ""


def digests(answers: Mapping[str, Mapping[str, object] | None]) -> dict[str, str]:
    """Return the values of all six attributes as a process stores them at its first collection.

    Args:
        answers: attribute -> members, as for `digest`; the query of a missing one failed.
    """
    ids = type_ids(answers)
    return {name: digest(name, answers.get(name), ids.get(name)) for name in STRUCTURES}


def type_ids(answers: Mapping[str, Mapping[str, object] | None]) -> dict[str, int]:
    """Return the type ids that a process assigns at its first collection; a class whose query failed gets none."""
    assigned: dict[str, int] = {}
    for name in STRUCTURES:
        if _loads(name, answers.get(name)):
            assigned[name] = FIRST_TYPE_ID + len(assigned)
    return assigned


def type_id_of(attribute: str, members: Mapping[str, object] | None, value: str) -> int | None:
    """Return the type id with which members have a digest, None if no id that an agent assigns gives it.

    An agent whose first query failed has other ids than a restarted one, see `type_ids`.
    """
    if members is None or not value:
        return None
    # One more id than types, because Go 1.19 and earlier begin at 65.
    candidates = range(FIRST_TYPE_ID, FIRST_TYPE_ID + len(STRUCTURES) + 1)
    return next((one for one in candidates if digest(attribute, members, one) == value), None)


def first_object(attribute: str, objects: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """Return the members of the first object in the answer of WMI, {} without objects.

    Raises:
        Unloadable: an object lacks a member or has one of another type. The agent loads all objects.
    """
    return _first(STRUCTURES[attribute][1], objects)


def system_version(objects: Sequence[Mapping[str, object]]) -> str:
    """Return the version of Windows in the answer of WMI for `OPERATING_SYSTEM`, "" without one.

    Raises:
        Unloadable: as `first_object`; the agent then assumes an old Windows.
    """
    version = _first(OPERATING_SYSTEM[1], objects).get("Version")
    return version.strip() if isinstance(version, str) else ""


def _first(members: Sequence[tuple[str, int]], objects: Sequence[Mapping[str, object]]) -> dict[str, object]:
    for position, one in enumerate(objects, 1):
        for name, bits in members:
            if name not in one:
                raise Unloadable(f"object {position} has no member {name}")
            _loaded(name, one[name], bits)
    return {name: objects[0][name] for name, _ in members} if objects else {}


def _loads(attribute: str, members: Mapping[str, object] | None) -> bool:
    if members is None:
        return False
    try:
        for name, bits in STRUCTURES[attribute][1]:
            _loaded(name, members.get(name), bits)
    except Unloadable:
        return False
    return True


def _loaded(name: str, value: object, bits: int) -> str | int:
    """Return a member as the agent's structure holds it: a number wraps into its bits, null is zero."""
    if value is None:
        return 0 if bits else ""
    if isinstance(value, str):
        if not bits:
            return value
        # WMI returns 64-bit integers as strings.
        digits = value.lstrip("0") or "0"
        if not (value.isascii() and value.isdigit() and len(digits) <= 20 and int(digits) < 1 << 64):
            raise Unloadable(f"{name} is {value[:40]!r}, which is not a number")
        return int(digits) & ((1 << bits) - 1)
    if isinstance(value, int) and not isinstance(value, bool) and bits and -(1 << 63) <= value < 1 << 64:
        return value & ((1 << bits) - 1)
    raise Unloadable(f"{name} is {str(value)[:40]!r}, which is not a {'number' if bits else 'string'}")


def _stream(attribute: str, members: Mapping[str, object], type_id: int) -> bytes:
    name, fields = STRUCTURES[attribute]
    # A wireType with its field StructT (the third) set: the name and id of the type, then its fields.
    definition = b"\x03\x01\x01" + _text(name) + b"\x01" + _signed(type_id) + b"\x00"
    definition += b"\x01" + _unsigned(len(fields))
    for field, bits in fields:
        definition += b"\x01" + _text(field) + b"\x01" + _signed(_UINT_TYPE if bits else _STRING_TYPE) + b"\x00"
    value, last = b"", -1
    for position, (field, bits) in enumerate(fields):
        loaded = _loaded(field, members.get(field), bits)
        if loaded:
            # A member is announced by its distance from the one before; zero ones are left out.
            value += _unsigned(position - last)
            value += _unsigned(loaded) if isinstance(loaded, int) else _text(loaded)
            last = position
    return _message(-type_id, definition + b"\x00\x00") + _message(type_id, value + b"\x00")


def _message(type_id: int, body: bytes) -> bytes:
    body = _signed(type_id) + body
    return _unsigned(len(body)) + body


def _text(text: str) -> bytes:
    data = replace_surrogates(text).encode("utf-8")
    return _unsigned(len(data)) + data


def _unsigned(number: int) -> bytes:
    """Return a number below 128 as its byte, else the negated count of its bytes and the bytes, highest first."""
    if number < 128:
        return bytes((number,))
    length = (number.bit_length() + 7) // 8
    return bytes((256 - length,)) + number.to_bytes(length, "big")


def _signed(number: int) -> bytes:
    """Return a number shifted by one bit, which says whether the others are complemented."""
    return _unsigned(~number << 1 | 1 if number < 0 else number << 1)
