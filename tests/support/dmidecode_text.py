"""Print decoded structures as dmidecode 3.4 does, to verify the textbook decoder.

Each function returns the lines of one structure, label and value, in dmidecode's order. Values that dmidecode
derives from a field (signature and flags of a processor) are derived here independently. Longer than 400 lines: one
function for each type of structure.
"""

from __future__ import annotations

from typing import Any

from fingerprint.smbios.table import (
    Baseboard,
    Bios,
    Chassis,
    MemoryArray,
    MemoryDevice,
    Processor,
    SmbiosTable,
    Structure,
    System,
)
from smbios_names import BOARD_KIND

Lines = list[tuple[str, Any]]

KINDS = (0, 1, 2, 3, 4, 11, 16, 17)
_FLAGS = (
    "FPU (Floating-point unit on-chip)", "VME (Virtual mode extension)", "DE (Debugging extension)",
    "PSE (Page size extension)", "TSC (Time stamp counter)", "MSR (Model specific registers)",
    "PAE (Physical address extension)", "MCE (Machine check exception)", "CX8 (CMPXCHG8 instruction supported)",
    "APIC (On-chip APIC hardware supported)", "", "SEP (Fast system call)", "MTRR (Memory type range registers)",
    "PGE (Page global enable)", "MCA (Machine check architecture)", "CMOV (Conditional move instruction supported)",
    "PAT (Page attribute table)", "PSE-36 (36-bit page size extension)",
    "PSN (Processor serial number present and enabled)", "CLFSH (CLFLUSH instruction supported)", "",
    "DS (Debug store)", "ACPI (ACPI supported)", "MMX (MMX technology supported)",
    "FXSR (FXSAVE and FXSTOR instructions supported)", "SSE (Streaming SIMD extensions)",
    "SSE2 (Streaming SIMD extensions 2)", "SS (Self-snoop)", "HTT (Multi-threading)",
    "TM (Thermal monitor supported)", "", "PBE (Pending break enabled)",
)  # fmt: skip
_INTEL = (
    (0x0B, 0x15),
    (0x28, 0x2F),
    (0xA1, 0xB3),
    (0xB5, 0xB5),
    (0xB9, 0xC7),
    (0xCD, 0xCF),
    (0xD2, 0xDB),
    (0xDD, 0xE0),
)
_AMD = ((0x18, 0x1D), (0x1F, 0x1F), (0x38, 0x3F), (0x46, 0x4F), (0x66, 0x6B), (0x83, 0x8F), (0xB6, 0xB7), (0xE4, 0xEF))
_INTEL_NAMES = ("Pentium III MMX", "Intel(R) Core(TM)2", "Intel(R) Pentium(R)", "Genuine Intel(R) CPU U1400")
_AMD_NAMES = ("AMD Athlon(TM)", "AMD Opteron(tm)", "Dual-Core AMD Opteron(tm)")
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB", "ZB")


def size(count: int) -> str:
    """Return a size in the largest unit, or in the next smaller one to avoid a fraction."""
    limbs = [count >> (10 * i) & 0x3FF for i in range(7)]
    top = max((i for i, limb in enumerate(limbs) if limb), default=0)
    if top > 0 and limbs[top - 1]:
        return f"{limbs[top - 1] + (limbs[top] << 10)} {_UNITS[top - 1]}"
    return f"{limbs[top]} {_UNITS[top]}"


def text(value: str | None) -> str:
    return "Not Specified" if value == "" else str(value)


def several(values: tuple[str, ...]) -> Any:
    return list(values) if values else "None"


def spaced(values: tuple[str, ...]) -> str:
    return " ".join(values) if values else "None"


def unknown(number: int, unit: str) -> str:
    return f"{number} {unit}" if number else "Unknown"


def handle(number: int, special: dict[int, str]) -> str:
    return special.get(number, f"0x{number:04X}")


def bios(s: Bios) -> Lines:
    if s.vendor is None:
        return []
    lines: Lines = [("Vendor", text(s.vendor)), ("Version", text(s.version)), ("Release Date", text(s.release_date))]
    if s.address is not None:
        lines += [("Address", f"0x{s.address:04X}"), ("Runtime Size", bios_size(s.runtime_bytes or 0))]
    # Only the newer field, which counts in MB, can hold a 0.
    rom = {None: "<OUT OF SPEC>", 0: "0 MB"}
    lines.append(("ROM Size", rom[s.rom_bytes] if s.rom_bytes in rom else size(s.rom_bytes or 0)))
    lines.append(("Characteristics", list(s.characteristics or ()) or ""))
    lines += [("BIOS Revision", s.revision)] if s.revision else []
    lines += [("Firmware Revision", s.firmware_revision)] if s.firmware_revision else []
    return lines


def bios_size(count: int) -> str:
    return f"{count} bytes" if count & 0x3FF else f"{count >> 10} kB"


def system(s: System) -> Lines:
    if s.manufacturer is None:
        return []
    lines: Lines = [
        ("Manufacturer", text(s.manufacturer)), ("Product Name", text(s.product)), ("Version", text(s.version)),
        ("Serial Number", text(s.serial)),
    ]  # fmt: skip
    if s.wake_up is not None:
        lines += [("UUID", s.uuid or s.uuid_note), ("Wake-up Type", s.wake_up)]
    if s.sku is not None:
        lines += [("SKU Number", text(s.sku)), ("Family", text(s.family))]
    return lines


def baseboard(s: Baseboard) -> Lines:
    if s.manufacturer is None:
        return []
    lines: Lines = [
        ("Manufacturer", text(s.manufacturer)), ("Product Name", text(s.product)), ("Version", text(s.version)),
        ("Serial Number", text(s.serial)),
    ]  # fmt: skip
    lines += [("Asset Tag", text(s.asset_tag))] if s.asset_tag is not None else []
    lines += [("Features", several(s.features))] if s.features is not None else []
    if s.kind is not None:
        lines += [
            ("Location In Chassis", text(s.location)), ("Chassis Handle", f"0x{s.chassis_handle:04X}"),
            ("Type", s.kind),
        ]  # fmt: skip
    if s.contained is not None:
        lines.append(("Contained Object Handles", (str(len(s.contained)), [f"0x{n:04X}" for n in s.contained])))
    return lines


def chassis(s: Chassis) -> Lines:
    if s.manufacturer is None:
        return []
    lines: Lines = [
        ("Manufacturer", text(s.manufacturer)), ("Type", s.kind), ("Lock", "Present" if s.lock else "Not Present"),
        ("Version", text(s.version)), ("Serial Number", text(s.serial)), ("Asset Tag", text(s.asset_tag)),
    ]  # fmt: skip
    if s.boot_up_state is not None:
        lines += [
            ("Boot-up State", s.boot_up_state), ("Power Supply State", s.power_supply_state),
            ("Thermal State", s.thermal_state), ("Security Status", s.security_status),
        ]  # fmt: skip
    lines += [("OEM Information", f"0x{s.oem_information:08X}")] if s.oem_information is not None else []
    if s.height is not None:
        lines += [
            ("Height", f"{s.height} U" if s.height else "Unspecified"),
            ("Number Of Power Cords", str(s.power_cords or "Unspecified")),
        ]
    if s.contained is not None:
        elements = [
            f"{element(kind)} ({least if least == most else f'{least}-{most}'})" for kind, least, most in s.contained
        ]
        lines.append(("Contained Elements", (str(len(s.contained)), elements)))
    lines += [("SKU Number", text(s.sku))] if s.sku is not None else []
    return lines


def element(kind: int) -> str:
    if kind & 0x80:
        return {17: "Memory Device", 4: "Processor", 39: "Power Supply"}.get(kind & 0x7F, f"type {kind & 0x7F}")
    return BOARD_KIND[kind - 1] if 1 <= kind <= len(BOARD_KIND) else "<OUT OF SPEC>"


def processor(s: Processor, version: tuple[int, int, int] | None) -> Lines:
    if s.socket is None:
        return []
    raw = bytes.fromhex(s.id or "")
    lines: Lines = [
        ("Socket Designation", text(s.socket)), ("Type", s.kind), ("Family", s.family),
        ("Manufacturer", text(s.manufacturer)), ("ID", " ".join(f"{byte:02X}" for byte in raw)),
        *signature(s, raw), ("Version", text(s.version)),
        ("Voltage", " ".join(f"{volt:.1f} V" for volt in s.volts or ()) or "Unknown"),
        ("External Clock", unknown(s.external_mhz or 0, "MHz")), ("Max Speed", unknown(s.max_mhz or 0, "MHz")),
        ("Current Speed", unknown(s.current_mhz or 0, "MHz")),
        ("Status", f"Populated, {s.status}" if s.populated else "Unpopulated"), ("Upgrade", s.upgrade),
    ]  # fmt: skip
    if s.l1 is not None:
        for level, cache in ((1, s.l1), (2, s.l2), (3, s.l3)):
            none = "Not Provided" if version is None or version >= (2, 3, 0) else f"No L{level} Cache"
            lines.append((f"L{level} Cache Handle", handle(cache or 0, {0xFFFF: none})))
    if s.serial is not None:
        lines += [
            ("Serial Number", text(s.serial)), ("Asset Tag", text(s.asset_tag)), ("Part Number", text(s.part_number))
        ]  # fmt: skip
    lines += [("Core Count", str(s.cores))] if s.cores else []
    lines += [("Core Enabled", str(s.cores_enabled))] if s.cores_enabled else []
    lines += [("Thread Count", str(s.threads))] if s.threads else []
    lines += [("Characteristics", several(s.characteristics))] if s.characteristics is not None else []
    return lines


def signature(s: Processor, raw: bytes) -> Lines:
    eax, edx = int.from_bytes(raw[:4], "little"), int.from_bytes(raw[4:], "little")
    code, name = s.family_code or 0, text(s.version)
    dx = eax & 0xFFFF
    if code == 5:
        return [
            (
                "Signature",
                f"Type {dx >> 12}, Family {dx >> 8 & 15}, Major Stepping {dx >> 4 & 15}, Minor Stepping {dx & 15}",
            )
        ]
    intel = any(low <= code <= high for low, high in _INTEL) or (code in (1, 2) and name.startswith(_INTEL_NAMES))
    amd = any(low <= code <= high for low, high in _AMD) or (code in (1, 2) and name.startswith(_AMD_NAMES))
    if code == 6:
        intel = dx & 0x0F00 == 0x0400 and (dx & 0xF0 == 0x40 or dx & 0xF0 >= 0x70) and dx & 15 >= 3
        if not intel:
            return [
                ("Signature", f"Type {dx >> 12 & 3}, Family {dx >> 8 & 15}, Model {dx >> 4 & 15}, Stepping {dx & 15}")
            ]
    if 0x100 <= code <= 0x101 or 0x118 <= code <= 0x119:
        return arm_signature(eax)
    if intel:
        signature = (
            f"Type {eax >> 12 & 3}, Family {(eax >> 20 & 0xFF) + (eax >> 8 & 15)}, "
            f"Model {(eax >> 12 & 0xF0) + (eax >> 4 & 15)}, Stepping {eax & 15}"
        )
    elif amd:
        extended = eax >> 8 & 15 == 15
        signature = (
            f"Family {(eax >> 8 & 15) + ((eax >> 20 & 0xFF) if extended else 0)}, "
            f"Model {(eax >> 4 & 15) | ((eax >> 12 & 0xF0) if extended else 0)}, Stepping {eax & 15}"
        )
    else:
        return []
    flags = [flag for i, flag in enumerate(_FLAGS) if flag and edx >> i & 1]
    return [("Signature", signature), ("Flags", flags if edx & 0xBFEFFBFF else "None")]


def arm_signature(midr: int) -> Lines:
    if not midr:
        return []
    return [(
        "Signature",
        f"Implementor 0x{midr >> 24:02x}, Variant 0x{midr >> 20 & 15:x}, Architecture {midr >> 16 & 15}, "
        f"Part 0x{midr >> 4 & 0xFFF:03x}, Revision {midr & 15}",
    )]  # fmt: skip


def memory_array(s: MemoryArray) -> Lines:
    if s.location is None:
        return []
    return [
        ("Location", s.location), ("Use", s.use), ("Error Correction Type", s.error_correction),
        ("Maximum Capacity", "Unknown" if s.capacity_bytes is None else size(s.capacity_bytes)),
        ("Error Information Handle", handle(s.error_handle or 0, {0xFFFE: "Not Provided", 0xFFFF: "No Error"})),
        ("Number Of Devices", str(s.devices)),
    ]  # fmt: skip


def memory_device(s: MemoryDevice) -> Lines:
    if s.form_factor is None:
        return []
    sized = {None: "Unknown", 0: "No Module Installed"}
    lines: Lines = [
        ("Array Handle", f"0x{s.array_handle:04X}"),
        ("Error Information Handle", handle(s.error_handle or 0, {0xFFFE: "Not Provided", 0xFFFF: "No Error"})),
        ("Total Width", unknown(s.total_width or 0, "bits")), ("Data Width", unknown(s.data_width or 0, "bits")),
        ("Size", sized[s.size_bytes] if s.size_bytes in sized else size(s.size_bytes or 0)),
        ("Form Factor", s.form_factor), ("Set", {0: "None", 255: "Unknown"}.get(s.set or 0, str(s.set))),
        ("Locator", text(s.locator)), ("Bank Locator", text(s.bank)), ("Type", s.kind),
        ("Type Detail", spaced(s.detail or ())),
    ]  # fmt: skip
    if s.size_bytes == 0:
        # dmidecode prints no more for an empty slot.
        return lines
    lines += [("Speed", unknown(s.speed, "MT/s"))] if s.speed is not None else []
    if s.manufacturer is not None:
        lines += [
            ("Manufacturer", text(s.manufacturer)), ("Serial Number", text(s.serial)),
            ("Asset Tag", text(s.asset_tag)), ("Part Number", text(s.part_number)),
        ]  # fmt: skip
    lines += [("Rank", str(s.rank or "Unknown"))] if s.rank is not None else []
    if s.configured_speed is not None:
        lines.append(("Configured Memory Speed", unknown(s.configured_speed, "MT/s")))
    if s.minimum_mv is not None:
        for label, mv in (("Minimum", s.minimum_mv), ("Maximum", s.maximum_mv), ("Configured", s.configured_mv)):
            volts = f"{mv / 1000:g} V" if mv and mv % 100 else f"{(mv or 0) / 1000:.1f} V"
            lines.append((f"{label} Voltage", volts if mv else "Unknown"))
    if s.technology is not None:
        lines += [
            ("Memory Technology", s.technology), ("Memory Operating Mode Capability", spaced(s.modes or ())),
            ("Firmware Version", text(s.firmware_version)),
            ("Module Manufacturer ID", manufacturer_id(s.module_manufacturer_id or 0)),
            ("Module Product ID", product_id(s.module_product_id or 0)),
            ("Memory Subsystem Controller Manufacturer ID", manufacturer_id(s.controller_manufacturer_id or 0)),
            ("Memory Subsystem Controller Product ID", product_id(s.controller_product_id or 0)),
        ]  # fmt: skip
    return lines


def sizes_of_device(s: MemoryDevice, length: int) -> Lines:
    """Return the four sizes of SMBIOS 3.2; the length of the structure decides which are present."""
    lines: Lines = []
    if s.size_bytes == 0:
        return lines
    for label, value, end in (
        ("Non-Volatile Size", s.non_volatile_bytes, 0x3C), ("Volatile Size", s.volatile_bytes, 0x44),
        ("Cache Size", s.cache_bytes, 0x4C), ("Logical Size", s.logical_bytes, 0x54),
    ):  # fmt: skip
        if length >= end:
            lines.append((label, "Unknown" if value is None else size(value) if value else "None"))
    return lines


def manufacturer_id(code: int) -> str:
    return f"Bank {(code & 0x7F) + 1}, Hex 0x{code >> 8:02X}" if code else "Unknown"


def product_id(code: int) -> str:
    return f"0x{code:04X}" if code else "Unknown"


def compared(table: SmbiosTable, golden: str) -> tuple[int, list[str]]:
    """Compare a table with dmidecode's output. Return the number of compared fields, and each difference."""
    ours = printed(table)
    for number, strings in enumerate(table.oem_strings):
        lines: Lines = [(f"String {i}", text) for i, text in enumerate(strings, 1)]
        ours.setdefault(11, []).append((number, lines, None))
    fields, differences = 0, []
    for kind, handle_, length, lines in parsed(golden):
        if kind not in KINDS:
            continue
        fields += len(lines)
        mine = ours.get(kind, [])
        if not mine:
            differences.append(f"type {kind}, handle 0x{handle_:04X}: not decoded")
            continue
        number, found, structure = mine.pop(0)
        if isinstance(structure, MemoryDevice) and found:
            found = found + sizes_of_device(structure, length)
        if structure is not None and number != handle_:
            differences.append(f"type {kind}: handle 0x{number:04X} instead of 0x{handle_:04X}")
        if _comparable(found) != _comparable(lines):
            differences.append(f"type {kind}, handle 0x{handle_:04X}: {found} instead of {lines}")
    differences += [f"type {kind}: {len(left)} more than dmidecode has" for kind, left in ours.items() if left]
    return fields, differences


def _comparable(lines: Lines) -> Lines:
    return [(label, value[0] if isinstance(value, tuple) and not value[1] else value) for label, value in lines]


def printed(table: SmbiosTable) -> dict[int, list[tuple[int, Lines, Structure | None]]]:
    """Return type -> (handle, lines, structure) of each structure that the decoder knows."""
    found: dict[int, list[tuple[int, Lines, Structure | None]]] = {}

    def put(kind: int, structure: Any, lines: Lines) -> None:
        found.setdefault(kind, []).append((structure.handle, lines, structure))

    if table.bios:
        put(0, table.bios, bios(table.bios))
    if table.system:
        put(1, table.system, system(table.system))
    for structure in table.further:
        if isinstance(structure, Bios):
            put(0, structure, bios(structure))
        elif isinstance(structure, System):
            put(1, structure, system(structure))
    for board in table.baseboards:
        put(2, board, baseboard(board))
    for case in table.chassis:
        put(3, case, chassis(case))
    for cpu in table.processors:
        put(4, cpu, processor(cpu, table.version))
    for array in table.memory_arrays:
        put(16, array, memory_array(array))
    for device in table.memory_devices:
        put(17, device, memory_device(device))
    return found


def parsed(golden: str) -> list[tuple[int, int, int, Lines]]:
    """Return (type, handle, length, lines) of each structure in dmidecode's text."""
    found: list[tuple[int, int, int, Lines]] = []
    lines: Lines = []
    for line in golden.split("\n"):
        if line.startswith("Handle 0x") and "DMI type" in line:
            parts = line.replace(",", "").split()
            lines = []
            found.append((int(parts[4]), int(parts[1], 16), int(parts[5]), lines))
        elif line.startswith("\t\t") and lines:
            label, value = lines[-1]
            listed = value[1] if isinstance(value, tuple) else []
            head = value[0] if isinstance(value, tuple) else value
            lines[-1] = (label, (head, [*listed, line[2:]]))
        elif line.startswith("\t"):
            label, _, value = line[1:].partition(":")
            lines.append((label, value.removeprefix(" ")))
    return [
        (kind, number, length, [(label, _plain(value)) for label, value in fields])
        for kind, number, length, fields in found
    ]


def _plain(value: Any) -> Any:
    """Return the list under a label that has no value of its own."""
    return value[1] if isinstance(value, tuple) and not value[0] else value
