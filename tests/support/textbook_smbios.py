"""Reference decoder of raw SMBIOS tables, to verify the native one: an immutable value for each structure.

It follows DMTF DSP0134 and dmidecode, and is itself verified with dmidecode's output. Longer than 400 lines:
one function for each type of structure, in the order of the standard.
"""

from __future__ import annotations

from typing import Any

import smbios_names as names
from fingerprint.smbios.table import (
    Baseboard,
    Bios,
    Chassis,
    MemoryArray,
    MemoryDevice,
    Processor,
    SmbiosTable,
    System,
)

UNKNOWN_VERSION = 0xFFFFFF
DUMP_TABLE_AT = 32
WINDOWS_HEADER = 8
# Versions that some makers encode wrongly: 2.31 is 2.3, 2.33 too, 2.51 is 2.6.
MEANT = {0x021F: 0x0203, 0x0221: 0x0203, 0x0233: 0x0206}


class Structure:
    """One structure of a table: its formatted area, and the strings after it."""

    def __init__(self, data: bytes, strings: bytes) -> None:
        self.type = data[0]
        self.length = len(data)
        self.handle = int.from_bytes(data[2:4], "little")
        self.data = data
        self.strings = strings


def entry(data: bytes) -> tuple[int, int, int, bool]:
    """Return version, length of the table, count of structures, and whether an end marker ends the table."""
    if len(data) >= 24 and data.startswith(b"_SM3_"):
        if data[6] > 32 or data[6] > len(data):
            raise ValueError("it is no SMBIOS entry point")
        return data[7] << 16 | data[8] << 8 | data[9], int.from_bytes(data[12:16], "little"), 0, True
    if len(data) >= 31 and data.startswith(b"_SM_"):
        both = data[6] << 8 | data[7]
        length, count = int.from_bytes(data[22:24], "little"), int.from_bytes(data[28:30], "little")
        return MEANT.get(both, both) << 8, length, count, False
    if len(data) >= 15 and data.startswith(b"_DMI_"):
        length, count = int.from_bytes(data[6:8], "little"), int.from_bytes(data[12:14], "little")
        return (data[14] >> 4) << 16 | (data[14] & 15) << 8, length, count, False
    raise ValueError("it is no SMBIOS entry point")


def counted(s: Structure, wanted: int) -> str:
    """Return the string with a number, as dmidecode prints it."""
    rest = s.strings
    while wanted > 1 and rest and rest[0]:
        rest = rest.partition(b"\0")[2]
        wanted -= 1
    if not rest or not rest[0]:
        return "<BAD INDEX>"
    return "".join(chr(c) if 32 <= c < 127 else "." for c in rest.partition(b"\0")[0])


def text(s: Structure, offset: int) -> str | None:
    """Return the string whose number is at an offset; None beyond the structure."""
    if offset >= s.length:
        return None
    return counted(s, s.data[offset]) if s.data[offset] else ""


def smbios_number(s: Structure, offset: int, size: int) -> int:
    return int.from_bytes(s.data[offset : offset + size], "little")


def smbios_has(s: Structure, offset: int, size: int) -> bool:
    return offset + size <= s.length


def number(s: Structure, offset: int, size: int) -> Any:
    return smbios_number(s, offset, size) if smbios_has(s, offset, size) else None


def large(s: Structure, offset: int) -> Any:
    """Return a size of 8 bytes; None if it is unknown or missing."""
    value = number(s, offset, 8)
    return None if value == 0xFFFFFFFFFFFFFFFF else value


def bios(s: Structure) -> Any:
    if s.length < 0x12:
        return Bios(handle=s.handle)
    fields = {
        "handle": s.handle,
        "vendor": text(s, 4),
        "version": text(s, 5),
        "release_date": text(s, 8),
        "characteristics": bios_characteristics(s),
    }
    segment = smbios_number(s, 6, 2)
    if segment:
        fields["address"] = segment << 4
        fields["runtime_bytes"] = (0x10000 - segment) << 4
    if s.data[9] != 0xFF:
        fields["rom_bytes"] = (s.data[9] + 1) << 16
    else:
        # The size is 16 MB or more; newer tables have it in another field.
        extended = smbios_number(s, 0x18, 2) if s.length >= 0x1A else 16
        if extended >> 14 < 2:
            fields["rom_bytes"] = (extended & 0x3FFF) << (20 + 10 * (extended >> 14))
    if s.length >= 0x18:
        for name, at in (("revision", 0x14), ("firmware_revision", 0x16)):
            if s.data[at] != 0xFF and s.data[at + 1] != 0xFF:
                fields[name] = f"{s.data[at]}.{s.data[at + 1]}"
    return Bios(**fields)


def bios_characteristics(s: Structure) -> Any:
    bits = smbios_number(s, 0x0A, 8)
    found = ("BIOS characteristics not supported",) if bits & 8 else names.bits(names.BIOS_CHARACTERISTICS, bits, 4)
    if s.length >= 0x13:
        found += names.bits(names.BIOS_EXTENSION_1, s.data[0x12])
    if s.length >= 0x14:
        found += names.bits(names.BIOS_EXTENSION_2, s.data[0x13])
    return found


def system(s: Structure, version: int) -> Any:
    if s.length < 8:
        return System(handle=s.handle)
    fields = {
        "handle": s.handle,
        "manufacturer": text(s, 4),
        "product": text(s, 5),
        "version": text(s, 6),
        "serial": text(s, 7),
        "sku": text(s, 0x19),
        "family": text(s, 0x1A),
    }
    if s.length < 0x1B:
        # SMBIOS 2.4 added both fields.
        fields["sku"] = fields["family"] = None
    if s.length >= 0x19:
        raw = s.data[8:24]
        if raw == b"\xff" * 16:
            fields["uuid_note"] = "Not Present"
        elif raw == bytes(16):
            fields["uuid_note"] = "Not Settable"
        else:
            fields["uuid"] = uuid_text(raw, version >= 0x020600)
        fields["wake_up"] = names.named(names.WAKE_UP, s.data[0x18], 0)
    return System(**fields)


def uuid_text(raw: bytes, little_endian: bool) -> Any:
    """Return the text of a UUID. Its first three fields are little-endian from SMBIOS 2.6 on."""
    parts = (raw[:4], raw[4:6], raw[6:8])
    if little_endian:
        parts = tuple(part[::-1] for part in parts)
    return "-".join(part.hex() for part in (*parts, raw[8:10], raw[10:]))


def baseboard(s: Structure) -> Any:
    if s.length < 8:
        return Baseboard(handle=s.handle)
    fields = {
        "handle": s.handle,
        "manufacturer": text(s, 4),
        "product": text(s, 5),
        "version": text(s, 6),
        "serial": text(s, 7),
        "asset_tag": text(s, 8),
    }
    if s.length >= 0x0A:
        fields["features"] = names.bits(names.BOARD_FEATURES, s.data[9])
    if s.length >= 0x0E:
        fields["location"] = text(s, 0x0A)
        fields["chassis_handle"] = number(s, 0x0B, 2)
        fields["kind"] = names.named(names.BOARD_KIND, s.data[0x0D])
    if s.length >= 0x0F and s.length >= 0x0F + 2 * s.data[0x0E]:
        fields["contained"] = tuple(number(s, 0x0F + 2 * i, 2) for i in range(s.data[0x0E]))
    return Baseboard(**fields)


def chassis(s: Structure) -> Any:
    if s.length < 9:
        return Chassis(handle=s.handle)
    fields = {
        "handle": s.handle,
        "manufacturer": text(s, 4),
        "kind": names.named(names.CHASSIS_KIND, s.data[5] & 0x7F),
        "lock": bool(s.data[5] & 0x80),
        "version": text(s, 6),
        "serial": text(s, 7),
        "asset_tag": text(s, 8),
    }
    if s.length >= 0x0D:
        for name, offset in (("boot_up_state", 9), ("power_supply_state", 10), ("thermal_state", 11)):
            fields[name] = names.named(names.CHASSIS_STATE, s.data[offset])
        fields["security_status"] = names.named(names.SECURITY_STATUS, s.data[12])
    fields["oem_information"] = number(s, 0x0D, 4)
    if s.length >= 0x13:
        fields["height"] = s.data[0x11]
        fields["power_cords"] = s.data[0x12]
    if s.length >= 0x15:
        count, size = s.data[0x13], s.data[0x14]
        at = 0x15 + count * size
        if s.length >= at:
            fields["contained"] = tuple(
                (s.data[0x15 + i * size], s.data[0x16 + i * size], s.data[0x17 + i * size])
                for i in range(count if size >= 3 else 0)
            )
            fields["sku"] = text(s, at)
    return Chassis(**fields)


def processor(s: Structure, version: int) -> Any:
    if s.length < 0x1A:
        return Processor(handle=s.handle)
    code = smbios_number(s, 0x28, 2) if s.data[6] == 0xFE and s.length >= 0x2A else s.data[6]
    fields = {
        "handle": s.handle,
        "socket": text(s, 4),
        "kind": names.named(names.PROCESSOR_KIND, s.data[5]),
        "family": family(code, text(s, 7), version),
        "family_code": code,
        "manufacturer": text(s, 7),
        "id": s.data[8:16].hex(),
        "version": text(s, 0x10),
        "volts": volts(s.data[0x11]),
        "external_mhz": number(s, 0x12, 2),
        "max_mhz": number(s, 0x14, 2),
        "current_mhz": number(s, 0x16, 2),
        "populated": bool(s.data[0x18] & 0x40),
        "status": names.named(names.PROCESSOR_STATUS, s.data[0x18] & 7, 0),
        "upgrade": names.named(names.UPGRADE, s.data[0x19]),
    }
    if s.length >= 0x20:
        fields.update(l1=number(s, 0x1A, 2), l2=number(s, 0x1C, 2), l3=number(s, 0x1E, 2))
    if s.length >= 0x23:
        fields.update(serial=text(s, 0x20), asset_tag=text(s, 0x21), part_number=text(s, 0x22))
    if s.length >= 0x28:
        for name, short, long_ in (("cores", 0x23, 0x2A), ("cores_enabled", 0x24, 0x2C), ("threads", 0x25, 0x2E)):
            count = s.data[short]
            if count == 0xFF and smbios_has(s, long_, 2):
                count = number(s, long_, 2)
            fields[name] = count or None
        fields["characteristics"] = names.bits(names.PROCESSOR_CHARACTERISTICS, number(s, 0x26, 2) >> 2)
    return Processor(**fields)


def family(code: int, maker: str | None, version: int) -> Any:
    if code == 0x30 and (version >> 8) == 0x0200 and maker and maker.startswith("Intel"):
        return "Pentium Pro"
    if code == 0xBE:
        # Two makers use the same number.
        if maker and maker.startswith("Intel"):
            return "Core 2"
        return "K7" if maker and maker.startswith("AMD") else "Core 2 or K7"
    return names.FAMILY.get(code, names.OUT_OF_SPEC)


def volts(code: int) -> Any:
    if code & 0x80:
        return ((code & 0x7F) / 10,)
    return tuple(volt for i, volt in enumerate((5.0, 3.3, 2.9)) if code >> i & 1)


def memory_array(s: Structure) -> Any:
    if s.length < 0x0F:
        return MemoryArray(handle=s.handle)
    place = s.data[4]
    capacity = smbios_number(s, 7, 4)
    total: int | None = capacity << 10
    if capacity == 0x80000000:
        total = number(s, 0x0F, 8) if s.length >= 0x17 else None
    return MemoryArray(
        handle=s.handle,
        location=names.named(names.ARRAY_LOCATION_PC98, place, 0xA0)
        if place >= 0xA0
        else names.named(names.ARRAY_LOCATION, place),
        use=names.named(names.ARRAY_USE, s.data[5]),
        error_correction=names.named(names.ERROR_CORRECTION, s.data[6]),
        capacity_bytes=total,
        error_handle=number(s, 0x0B, 2),
        devices=number(s, 0x0D, 2),
    )


def size_of_device(s: Structure) -> Any:
    """Return the size in bytes, 0 for an empty slot, None if it is not known."""
    code = smbios_number(s, 0x0C, 2)
    if code == 0x7FFF and s.length >= 0x20:
        return (smbios_number(s, 0x1C, 4) & 0x7FFFFFFF) << 20
    if code == 0xFFFF:
        return None
    return (code & 0x7FFF) << (10 if code & 0x8000 else 20)


def memory_device(s: Structure) -> Any:
    if s.length < 0x15:
        return MemoryDevice(handle=s.handle)
    fields = {
        "handle": s.handle,
        "array_handle": number(s, 4, 2),
        "error_handle": number(s, 6, 2),
        "total_width": known(number(s, 8, 2)),
        "data_width": known(number(s, 0x0A, 2)),
        "size_bytes": size_of_device(s),
        "form_factor": names.named(names.FORM_FACTOR, s.data[0x0E]),
        "set": s.data[0x0F],
        "locator": text(s, 0x10),
        "bank": text(s, 0x11),
        "kind": names.named(names.MEMORY_KIND, s.data[0x12]),
        "detail": names.bits(names.MEMORY_DETAIL, number(s, 0x13, 2) >> 1),
    }
    if s.length >= 0x17:
        fields["speed"] = speed(s, 0x15, 0x54)
    if s.length >= 0x1B:
        fields.update(
            manufacturer=text(s, 0x17), serial=text(s, 0x18), asset_tag=text(s, 0x19), part_number=text(s, 0x1A)
        )
    if s.length >= 0x1C:
        fields["rank"] = s.data[0x1B] & 0x0F
    if s.length >= 0x22:
        fields["configured_speed"] = speed(s, 0x20, 0x58)
    if s.length >= 0x28:
        fields.update(minimum_mv=number(s, 0x22, 2), maximum_mv=number(s, 0x24, 2), configured_mv=number(s, 0x26, 2))
    if s.length >= 0x34:
        fields.update(
            technology=names.named(names.MEMORY_TECHNOLOGY, s.data[0x28]),
            modes=names.bits(names.MEMORY_MODE, number(s, 0x29, 2) >> 1),
            firmware_version=text(s, 0x2B),
            module_manufacturer_id=number(s, 0x2C, 2),
            module_product_id=number(s, 0x2E, 2),
            controller_manufacturer_id=number(s, 0x30, 2),
            controller_product_id=number(s, 0x32, 2),
        )
    fields.update(
        non_volatile_bytes=large(s, 0x34),
        volatile_bytes=large(s, 0x3C),
        cache_bytes=large(s, 0x44),
        logical_bytes=large(s, 0x4C),
    )
    return MemoryDevice(**fields)


def known(width: int | None) -> Any:
    return 0 if width == 0xFFFF else width


def speed(s: Structure, offset: int, extended: int) -> Any:
    value = number(s, offset, 2)
    if value == 0xFFFF:
        return number(s, extended, 4) or 0
    return value


def oem_strings(s: Structure) -> Any:
    return tuple(counted(s, i) for i in range(1, s.data[4] + 1)) if s.length >= 5 else ()


def structures(table: bytes, count: int, stop_at_marker: bool) -> tuple[list[Structure], int, str]:
    """Return the structures of a table, how many were begun, and what is wrong with it; "" for nothing."""
    found: list[Structure] = []
    at = seen = 0
    while len(table) - at >= 4 and not (count and seen >= count):
        length = table[at + 1]
        if length < 4:
            return found, seen, f"the structure at byte {at} has {length} bytes; the table is broken from there on"
        seen += 1
        end = table.find(b"\0\0", at + length)
        if end < 0:
            return found, seen, f"the structure at byte {at} (type {table[at]}) runs out of the table"
        found.append(Structure(table[at : at + length], table[at + length : end]))
        at = end + 2
        if found[-1].type == 127 and stop_at_marker:
            break
    return found, seen, ""


def decode(table: bytes, entry_point: bytes | None = None, version: tuple[int, int, int] | None = None) -> SmbiosTable:
    """Return the structures of a raw table.

    Args:
        table: the bytes of the table.
        entry_point: the entry point that goes with it: its version, length and count; None for as many
            structures as there are, up to the end marker.
        version: (major, minor, revision) in place of that of the entry point.

    Raises:
        ValueError: there is no table, or the entry point is invalid. Malformed parts of a table are in `problems`.
    """
    release, length, count, stop = entry(entry_point) if entry_point is not None else (UNKNOWN_VERSION, 0, 0, True)
    if length:
        table = table[:length]
    if version is not None:
        release = version[0] << 16 | version[1] << 8 | version[2]
    if len(table) < 4:
        raise ValueError("an SMBIOS table has at least one structure of 4 bytes")
    found, seen, problem = structures(table, count, stop)
    if count and seen < count and not problem:
        problem = f"the entry point counts {count} structures, and there are {seen}"
    firsts = {kind: next((s for s in found if s.type == kind), None) for kind in (0, 1)}
    read: dict[int, Any] = {
        0: bios, 1: lambda s: system(s, release), 2: baseboard, 3: chassis, 4: lambda s: processor(s, release),
        11: oem_strings, 16: memory_array, 17: memory_device,
    }  # fmt: skip
    several = {kind: tuple(read[kind](s) for s in found if s.type == kind) for kind in (2, 3, 4, 11, 16, 17)}
    return SmbiosTable(
        version=None if release == UNKNOWN_VERSION else (release >> 16, release >> 8 & 0xFF, release & 0xFF),
        bios=firsts[0] and bios(firsts[0]),
        system=firsts[1] and system(firsts[1], release),
        baseboards=several[2], chassis=several[3], processors=several[4],
        oem_strings=several[11], memory_arrays=several[16], memory_devices=several[17],
        further=tuple(read[s.type](s) for s in found if s.type in firsts and s is not firsts[s.type]),
        problems=(problem,) if problem else (),
    )  # fmt: skip


def split_dump(data: bytes) -> tuple[bytes, bytes]:
    """Return (table, entry point) of a file of `dmidecode --dump-bin`."""
    if not data.startswith((b"_SM3_", b"_SM_", b"_DMI_")):
        raise ValueError("it begins with no SMBIOS entry point, as a dump does")
    return data[DUMP_TABLE_AT:], data[:DUMP_TABLE_AT]


def split_windows(data: bytes) -> tuple[bytes, tuple[int, int, int]]:
    """Return (table, version) of what Windows' GetSystemFirmwareTable gives."""
    if len(data) < WINDOWS_HEADER:
        raise ValueError("it is shorter than the header of Windows' raw SMBIOS data")
    return data[WINDOWS_HEADER : WINDOWS_HEADER + int.from_bytes(data[4:8], "little")], (data[1], data[2], data[3])


def identifiers_of(table: SmbiosTable) -> list[tuple[str, str]]:
    """Return the values of a decoded table that identify the machine, as (kind, value), sorted."""
    found = []
    for s in (
        table.system, *table.baseboards, *table.chassis, *table.processors, *table.memory_devices, *table.further,
    ):  # fmt: skip
        for kind, name in (("serial", "serial"), ("uuid", "uuid"), ("asset", "asset_tag")):
            found.append((kind, getattr(s, name, None)))
    found += [("oem", value) for strings in table.oem_strings for value in strings]
    return sorted((kind, value) for kind, value in found if value and value != "<BAD INDEX>")
