"""SMBIOS tables, decoded structure by structure; a malformed one costs itself, and is told.

`decode` makes the values of `fingerprint.smbios.table`; `stable_values` goes from the bytes to the values of
scheme `stable` without making any object in between.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_DecodeASCII
from libc.stdlib cimport free, malloc
from libc.string cimport strlen

from fingerprint.smbios import names
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


cdef extern from "smbios.h":
    ctypedef struct smbios_walk:
        const unsigned char *table
        size_t length
        size_t at
        unsigned long count
        unsigned long seen
        int stop_at_marker
        int ended

    ctypedef struct smbios_structure:
        int type
        int handle
        size_t length
        const unsigned char *data

    enum:
        SMBIOS_STRUCTURE
        SMBIOS_SHORT
        SMBIOS_TRUNCATED
        SMBIOS_TEXT
        SMBIOS_NOT_SPECIFIED
        SMBIOS_BAD_INDEX

    int smbios_next(smbios_walk *walk, smbios_structure *found) nogil
    int smbios_text(const smbios_structure *found, size_t offset, const unsigned char **text, size_t *length) nogil
    int smbios_numbered(const smbios_structure *found, size_t number, const unsigned char **text, size_t *length) nogil
    int smbios_has(const smbios_structure *found, size_t offset, size_t size) nogil
    unsigned long long smbios_number(const smbios_structure *found, size_t offset, size_t size) nogil
    int smbios_entry(const unsigned char *entry, size_t length, unsigned long *version, size_t *table,
                     unsigned long *count, int *third) nogil


cdef extern from "stable_values.h":
    ctypedef struct part_list:
        char (*parts)[280]
        size_t count
        size_t room

    ctypedef struct stable_facts:
        char system_uuid[33]
        char system_serial[33]
        char board_serial[33]
        char chassis_serial[33]
        char cloud_instance[33]
        char platform[33]
        char board[33]
        char processor[33]
        char memory[33]
        char firmware[33]
        const char *hypervisor
        part_list memory_serials

    enum:
        ELEMENT_DIGITS

    size_t join_parts(const part_list *list, char *to) nogil
    int stable_of_table(smbios_walk *walk, stable_facts *facts, part_list *processors, part_list *modules) nogil


cdef size_t DUMP_TABLE_AT = 32
cdef size_t WINDOWS_HEADER = 8
cdef unsigned long UNKNOWN_VERSION = 0xFFFFFF


cdef int begin(smbios_walk *walk, bytes table, entry_point, version, unsigned long *told) except -1:
    """Set a walk up over a table; `told` gets its version as major << 16 | minor << 8 | revision."""
    cdef size_t length = PyBytes_GET_SIZE(table), declared = 0
    cdef unsigned long count = 0
    cdef int third = 1
    cdef bytes entry
    told[0] = UNKNOWN_VERSION
    if entry_point is not None:
        entry = entry_point
        if smbios_entry(<const unsigned char *>PyBytes_AS_STRING(entry), PyBytes_GET_SIZE(entry), told, &declared,
                        &count, &third):
            raise ValueError("it is no SMBIOS entry point")
        if declared and declared < length:
            length = declared
    if version is not None:
        told[0] = version[0] << 16 | version[1] << 8 | version[2]
    if length < 4:
        raise ValueError(f"an SMBIOS table has at least one structure of 4 bytes, this one {length} bytes")
    walk.table = <const unsigned char *>PyBytes_AS_STRING(table)
    walk.length = length
    walk.at = 0
    walk.count = count
    walk.seen = 0
    walk.stop_at_marker = third
    walk.ended = 0
    return 0


cdef tuple split_dump(bytes data):
    """Return (table, entry point) of a file of `dmidecode --dump-bin`."""
    for magic in (b"_SM3_", b"_SM_", b"_DMI_"):
        if data.startswith(magic):
            return data[DUMP_TABLE_AT:], data[:DUMP_TABLE_AT]
    raise ValueError("it begins with no SMBIOS entry point, as a dump does")


cdef tuple split_windows(bytes data):
    """Return (table, version) of what GetSystemFirmwareTable gives: calling method, version, revision, length."""
    if len(data) < WINDOWS_HEADER:
        raise ValueError("it is shorter than the header of Windows' raw SMBIOS data")
    length = int.from_bytes(data[4:8], "little")
    return data[WINDOWS_HEADER:WINDOWS_HEADER + length], (data[1], data[2], data[3])


cdef text(const smbios_structure *found, size_t offset):
    """Return the text whose number stands at an offset, as dmidecode prints it; None beyond the structure."""
    cdef const unsigned char *at
    cdef size_t length
    cdef int kind = smbios_text(found, offset, &at, &length)
    if kind == SMBIOS_TEXT:
        return printable(at, length)
    if kind == SMBIOS_NOT_SPECIFIED:
        return ""
    return "<BAD INDEX>" if kind == SMBIOS_BAD_INDEX else None


cdef str printable(const unsigned char *at, size_t length):
    cdef bytes raw = at[:length]
    return bytes([c if 32 <= c < 127 else 46 for c in raw]).decode("ascii")


cdef number(const smbios_structure *found, size_t offset, size_t size):
    return smbios_number(found, offset, size) if smbios_has(found, offset, size) else None


cdef large(const smbios_structure *found, size_t offset):
    """Return a size of 8 bytes; None where it is not known or not there."""
    value = number(found, offset, 8)
    return None if value == 0xFFFFFFFFFFFFFFFF else value


cdef bios(const smbios_structure *s):
    if s.length < 0x12:
        return Bios(handle=s.handle)
    fields = {
        "handle": s.handle, "vendor": text(s, 4), "version": text(s, 5), "release_date": text(s, 8),
        "characteristics": bios_characteristics(s),
    }
    segment = smbios_number(s, 6, 2)
    if segment:
        fields["address"] = segment << 4
        fields["runtime_bytes"] = (0x10000 - segment) << 4
    if s.data[9] != 0xFF:
        fields["rom_bytes"] = (s.data[9] + 1) << 16
    else:
        # The size is 16 MB or more, and newer tables say how much.
        extended = smbios_number(s, 0x18, 2) if s.length >= 0x1A else 16
        if extended >> 14 < 2:
            fields["rom_bytes"] = (extended & 0x3FFF) << (20 + 10 * (extended >> 14))
    if s.length >= 0x18:
        for name, at in (("revision", 0x14), ("firmware_revision", 0x16)):
            if s.data[<int>at] != 0xFF and s.data[<int>at + 1] != 0xFF:
                fields[name] = f"{s.data[<int>at]}.{s.data[<int>at + 1]}"
    return Bios(**fields)


cdef tuple bios_characteristics(const smbios_structure *s):
    told = smbios_number(s, 0x0A, 8)
    if told & 8:
        found = ("BIOS characteristics not supported",)
    else:
        found = names.bits(names.BIOS_CHARACTERISTICS, told, 4)
    if s.length >= 0x13:
        found += names.bits(names.BIOS_EXTENSION_1, s.data[0x12])
    if s.length >= 0x14:
        found += names.bits(names.BIOS_EXTENSION_2, s.data[0x13])
    return found


cdef system(const smbios_structure *s, unsigned long version):
    if s.length < 8:
        return System(handle=s.handle)
    fields = {
        "handle": s.handle, "manufacturer": text(s, 4), "product": text(s, 5), "version": text(s, 6),
        "serial": text(s, 7), "sku": text(s, 0x19), "family": text(s, 0x1A),
    }
    if s.length < 0x1B:
        # Both came with 2.4, in one step.
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


cdef str uuid_text(bytes raw, bint little_endian):
    """Return the text of a UUID. Its first three fields are little-endian from SMBIOS 2.6 on."""
    parts = (raw[:4], raw[4:6], raw[6:8])
    if little_endian:
        parts = tuple(part[::-1] for part in parts)
    return "-".join(part.hex() for part in (*parts, raw[8:10], raw[10:]))


cdef baseboard(const smbios_structure *s):
    if s.length < 8:
        return Baseboard(handle=s.handle)
    fields = {
        "handle": s.handle, "manufacturer": text(s, 4), "product": text(s, 5), "version": text(s, 6),
        "serial": text(s, 7), "asset_tag": text(s, 8),
    }
    if s.length >= 0x0A:
        fields["features"] = names.bits(names.BOARD_FEATURES, s.data[9])
    if s.length >= 0x0E:
        fields["location"] = text(s, 0x0A)
        fields["chassis_handle"] = number(s, 0x0B, 2)
        fields["kind"] = names.named(names.BOARD_KIND, s.data[0x0D])
    if s.length >= 0x0F and s.length >= 0x0F + 2 * <size_t>s.data[0x0E]:
        fields["contained"] = tuple(number(s, 0x0F + 2 * i, 2) for i in range(s.data[0x0E]))
    return Baseboard(**fields)


cdef chassis(const smbios_structure *s):
    cdef size_t count, size, i, at
    if s.length < 9:
        return Chassis(handle=s.handle)
    fields = {
        "handle": s.handle, "manufacturer": text(s, 4), "kind": names.named(names.CHASSIS_KIND, s.data[5] & 0x7F),
        "lock": bool(s.data[5] & 0x80), "version": text(s, 6), "serial": text(s, 7), "asset_tag": text(s, 8),
    }
    if s.length >= 0x0D:
        for name, offset in (("boot_up_state", 9), ("power_supply_state", 10), ("thermal_state", 11)):
            fields[name] = names.named(names.CHASSIS_STATE, s.data[<int>offset])
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


cdef processor(const smbios_structure *s, unsigned long version):
    if s.length < 0x1A:
        return Processor(handle=s.handle)
    code = smbios_number(s, 0x28, 2) if s.data[6] == 0xFE and s.length >= 0x2A else s.data[6]
    fields = {
        "handle": s.handle, "socket": text(s, 4), "kind": names.named(names.PROCESSOR_KIND, s.data[5]),
        "family": family(code, text(s, 7), version), "family_code": code, "manufacturer": text(s, 7),
        "id": s.data[8:16].hex(), "version": text(s, 0x10), "volts": volts(s.data[0x11]),
        "external_mhz": number(s, 0x12, 2), "max_mhz": number(s, 0x14, 2), "current_mhz": number(s, 0x16, 2),
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
            count = s.data[<int>short]
            if count == 0xFF and smbios_has(s, long_, 2):
                count = number(s, long_, 2)
            fields[name] = count or None
        fields["characteristics"] = names.bits(names.PROCESSOR_CHARACTERISTICS, number(s, 0x26, 2) >> 2)
    return Processor(**fields)


cdef family(code, maker, unsigned long version):
    if code == 0x30 and (version >> 8) == 0x0200 and maker and maker.startswith("Intel"):
        return "Pentium Pro"
    if code == 0xBE:
        # Two makers took the number at the same time.
        if maker and maker.startswith("Intel"):
            return "Core 2"
        return "K7" if maker and maker.startswith("AMD") else "Core 2 or K7"
    return names.FAMILY.get(code, names.OUT_OF_SPEC)


cdef tuple volts(int code):
    if code & 0x80:
        return ((code & 0x7F) / 10,)
    return tuple(volt for i, volt in enumerate((5.0, 3.3, 2.9)) if code >> i & 1)


cdef memory_array(const smbios_structure *s):
    if s.length < 0x0F:
        return MemoryArray(handle=s.handle)
    place = s.data[4]
    capacity = smbios_number(s, 7, 4)
    if capacity == 0x80000000:
        total = number(s, 0x0F, 8) if s.length >= 0x17 else None
    else:
        total = capacity << 10
    return MemoryArray(
        handle=s.handle,
        location=names.named(names.ARRAY_LOCATION_PC98, place, 0xA0) if place >= 0xA0
        else names.named(names.ARRAY_LOCATION, place),
        use=names.named(names.ARRAY_USE, s.data[5]),
        error_correction=names.named(names.ERROR_CORRECTION, s.data[6]),
        capacity_bytes=total, error_handle=number(s, 0x0B, 2), devices=number(s, 0x0D, 2),
    )


cdef size_of_device(const smbios_structure *s):
    """Return the size in bytes, 0 for an empty slot, None if it is not known."""
    code = smbios_number(s, 0x0C, 2)
    if code == 0x7FFF and s.length >= 0x20:
        return (smbios_number(s, 0x1C, 4) & 0x7FFFFFFF) << 20
    if code == 0xFFFF:
        return None
    return (code & 0x7FFF) << (10 if code & 0x8000 else 20)


cdef memory_device(const smbios_structure *s):
    if s.length < 0x15:
        return MemoryDevice(handle=s.handle)
    fields = {
        "handle": s.handle, "array_handle": number(s, 4, 2), "error_handle": number(s, 6, 2),
        "total_width": known(number(s, 8, 2)), "data_width": known(number(s, 0x0A, 2)),
        "size_bytes": size_of_device(s), "form_factor": names.named(names.FORM_FACTOR, s.data[0x0E]),
        "set": s.data[0x0F], "locator": text(s, 0x10), "bank": text(s, 0x11),
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
            firmware_version=text(s, 0x2B), module_manufacturer_id=number(s, 0x2C, 2),
            module_product_id=number(s, 0x2E, 2), controller_manufacturer_id=number(s, 0x30, 2),
            controller_product_id=number(s, 0x32, 2),
        )
    fields.update(
        non_volatile_bytes=large(s, 0x34), volatile_bytes=large(s, 0x3C), cache_bytes=large(s, 0x44),
        logical_bytes=large(s, 0x4C),
    )
    return MemoryDevice(**fields)


cdef known(width):
    return 0 if width == 0xFFFF else width


cdef speed(const smbios_structure *s, size_t offset, size_t extended):
    value = number(s, offset, 2)
    if value == 0xFFFF:
        return number(s, extended, 4) or 0
    return value


cdef tuple oem_strings(const smbios_structure *s):
    return tuple(counted(s, i) for i in range(1, s.data[4] + 1)) if s.length >= 5 else ()


cdef counted(const smbios_structure *s, size_t wanted):
    """Return the text with a number, as dmidecode prints it."""
    cdef const unsigned char *at
    cdef size_t length
    cdef int kind = smbios_numbered(s, wanted, &at, &length)
    return printable(at, length) if kind == SMBIOS_TEXT else "<BAD INDEX>"


def decode(bytes table, bytes entry_point=None, version=None):
    """Return the structures of a raw table.

    Args:
        table: the bytes of the table.
        entry_point: the entry point that goes with it: its version, length and count; None for as many
            structures as there are, up to the end marker.
        version: (major, minor, revision) in place of what the entry point tells.

    Raises:
        ValueError: there is no table, or the entry point is none. What is malformed within a table is told
            in `problems`.
    """
    cdef smbios_walk walk
    cdef smbios_structure found
    cdef unsigned long told
    cdef int kind
    begin(&walk, table, entry_point, version, &told)
    fields = {}
    several = {2: [], 3: [], 4: [], 11: [], 16: [], 17: []}
    further, problems = [], []
    while True:
        kind = smbios_next(&walk, &found)
        if kind == SMBIOS_SHORT:
            problems.append(f"the structure at byte {walk.at} has {found.length} bytes; the table is broken from there on")
        if kind == SMBIOS_TRUNCATED:
            problems.append(f"the structure at byte {walk.at} (type {found.type}) runs out of the table")
        if kind != SMBIOS_STRUCTURE:
            break
        if found.type == 0 and "bios" not in fields:
            fields["bios"] = bios(&found)
        elif found.type == 1 and "system" not in fields:
            fields["system"] = system(&found, told)
        elif found.type == 0:
            further.append(bios(&found))
        elif found.type == 1:
            further.append(system(&found, told))
        elif found.type == 2:
            several[2].append(baseboard(&found))
        elif found.type == 3:
            several[3].append(chassis(&found))
        elif found.type == 4:
            several[4].append(processor(&found, told))
        elif found.type == 11:
            several[11].append(oem_strings(&found))
        elif found.type == 16:
            several[16].append(memory_array(&found))
        elif found.type == 17:
            several[17].append(memory_device(&found))
    if walk.count and walk.seen < walk.count and not problems:
        problems.append(f"the entry point counts {walk.count} structures, and there are {walk.seen}")
    return SmbiosTable(
        version=None if told == UNKNOWN_VERSION else (told >> 16, told >> 8 & 0xFF, told & 0xFF),
        baseboards=tuple(several[2]), chassis=tuple(several[3]), processors=tuple(several[4]),
        oem_strings=tuple(several[11]), memory_arrays=tuple(several[16]), memory_devices=tuple(several[17]),
        further=tuple(further), problems=tuple(problems), **fields,
    )


def decode_dump(bytes data):
    """Return the structures in a file of `dmidecode --dump-bin`. Raises ValueError if it is none."""
    table, entry_point = split_dump(data)
    return decode(table, entry_point)


def decode_windows(bytes data):
    """Return the structures in what Windows' GetSystemFirmwareTable gives. Raises ValueError if it is none."""
    table, version = split_windows(data)
    return decode(table, None, version)


def stable_values(bytes table, bytes entry_point=None):
    """Return what a raw table says of the attributes of scheme `stable`; those that it does not tell are left out.

    Raises:
        ValueError: there is no table, or the entry point is none.
    """
    cdef smbios_walk walk
    cdef unsigned long told
    begin(&walk, table, entry_point, None, &told)
    return values_of(&walk)


def stable_values_of_windows(bytes data):
    """Return the same of what Windows' GetSystemFirmwareTable gives. Raises ValueError if it is none."""
    table, _ = split_windows(data)
    return stable_values(table)


cdef dict values_of(smbios_walk *walk):
    cdef stable_facts facts
    cdef part_list processors
    cdef part_list modules
    cdef int result
    processors.parts = modules.parts = NULL
    processors.count = processors.room = modules.count = modules.room = 0
    with nogil:
        result = stable_of_table(walk, &facts, &processors, &modules)
    free(processors.parts)
    free(modules.parts)
    try:
        if result:
            raise MemoryError
        found = {}
        put(found, "system-uuid", facts.system_uuid)
        put(found, "system-serial", facts.system_serial)
        put(found, "board-serial", facts.board_serial)
        put(found, "chassis-serial", facts.chassis_serial)
        put(found, "cloud-instance", facts.cloud_instance)
        put(found, "platform", facts.platform)
        put(found, "board", facts.board)
        put(found, "processor", facts.processor)
        put(found, "memory", facts.memory)
        put(found, "firmware", facts.firmware)
        put(found, "hypervisor", facts.hypervisor)
        if facts.memory_serials.count:
            found["memory-serials"] = joined(&facts.memory_serials)
        return found
    finally:
        free(facts.memory_serials.parts)


cdef str joined(const part_list *serials):
    cdef char *text = <char *>malloc(serials.count * (ELEMENT_DIGITS + 1))
    if text == NULL:
        raise MemoryError
    try:
        return PyUnicode_DecodeASCII(text, <Py_ssize_t>join_parts(serials, text), NULL)
    finally:
        free(text)


cdef int put(dict found, str name, const char *value) except -1:
    if value[0]:
        found[name] = PyUnicode_DecodeASCII(value, <Py_ssize_t>strlen(value), NULL)
    return 0
