# SMBIOS tables: the values of scheme `stable`, and the identifiers of the machine.

cdef size_t WINDOWS_HEADER = 8
cdef unsigned long UNKNOWN_VERSION = 0xFFFFFF
cdef unsigned long VERSION_2_6 = 0x020600


cdef int _begin_walk(smbios_walk *walk, bytes table, entry_point, version, unsigned long *release) except -1:
    """Begin to read a table; `release` gets its version as major << 16 | minor << 8 | revision."""
    cdef size_t length = len(table), declared = 0
    cdef unsigned long count = 0
    cdef int third = 1
    cdef bytes entry
    release[0] = UNKNOWN_VERSION
    if entry_point is not None:
        entry = entry_point
        if smbios_entry(<const unsigned char *>PyBytes_AsString(entry), len(entry), release, &declared,
                        &count, &third):
            raise ValueError("not an SMBIOS entry point")
        if declared and declared < length:
            length = declared
    if version is not None:
        release[0] = version[0] << 16 | version[1] << 8 | version[2]
    if length < 4:
        raise ValueError(f"not an SMBIOS table: {length} bytes, fewer than one structure has (4)")
    walk.table = <const unsigned char *>PyBytes_AsString(table)
    walk.length = length
    walk.at = 0
    walk.count = count
    walk.seen = 0
    walk.stop_at_marker = third
    walk.ended = 0
    return 0


cdef tuple _split_windows(bytes data):
    """Return (table, version) of the data of GetSystemFirmwareTable, whose header has method, version and length."""
    if len(data) < WINDOWS_HEADER:
        raise ValueError(f"not the raw SMBIOS data of Windows: {len(data)} bytes, fewer than its header has (8)")
    length = int.from_bytes(data[4:8], "little")
    return data[WINDOWS_HEADER:WINDOWS_HEADER + length], (data[1], data[2], data[3])


cdef str _printable(const unsigned char *at, size_t length):
    cdef bytes raw = at[:length]
    return bytes([c if 32 <= c < 127 else 46 for c in raw]).decode("ascii")


cdef int _add_text(list found, str kind, const smbios_structure *structure, size_t offset) except -1:
    """Add the string whose number is at an offset, if there is one."""
    cdef const unsigned char *at
    cdef size_t length
    if smbios_text(structure, offset, &at, &length) == SMBIOS_TEXT:
        found.append((kind, _printable(at, length)))
    return 0


cdef int _add_uuid(list found, const smbios_structure *structure, unsigned long release) except -1:
    """Add the UUID of a system as dmidecode prints it: since SMBIOS 2.6 its first three fields are little-endian."""
    cdef bytes raw = structure.data[8:24]
    if raw == b"\xff" * 16 or raw == bytes(16):
        return 0
    parts = (raw[:4], raw[4:6], raw[6:8])
    if release >= VERSION_2_6:
        parts = tuple([part[::-1] for part in parts])
    found.append(("uuid", "-".join([part.hex() for part in (*parts, raw[8:10], raw[10:])])))
    return 0


cdef int _add_oem_strings(list found, const smbios_structure *structure) except -1:
    cdef const unsigned char *at
    cdef size_t length, number
    if structure.length < 5:
        return 0
    for number in range(1, structure.data[4] + <size_t>1):
        if smbios_numbered(structure, number, &at, &length) == SMBIOS_TEXT:
            found.append(("oem", _printable(at, length)))
    return 0


def smbios_identifiers(bytes table, bytes entry_point=None, version=None):
    """Return the identifiers in a raw table, each as (kind, text as dmidecode prints it).

    Kinds are "serial" and "asset" (of system, boards, chassis, processors and memory modules), "uuid" of the system,
    and "oem" (the maker's own strings). Fields that are not specified, and everything after a malformed structure,
    are left out.

    Args:
        table: the bytes of the table.
        entry_point: the entry point of the table, for version, length and count; None for all structures up to the
            end marker.
        version: (major, minor, revision) in place of that of the entry point.

    Raises:
        ValueError: the bytes are not a table, or not an entry point.
    """
    cdef smbios_walk walk
    cdef smbios_structure s
    cdef unsigned long release
    cdef list found = [], oem = []
    _begin_walk(&walk, table, entry_point, version, &release)
    while smbios_next(&walk, &s) == SMBIOS_STRUCTURE:
        # A structure shorter than its type requires is ignored.
        if s.type == 1 and s.length >= 8:
            _add_text(found, "serial", &s, 7)
            if s.length >= 0x19:
                _add_uuid(found, &s, release)
        elif s.type == 2 and s.length >= 8 or s.type == 3 and s.length >= 9:
            _add_text(found, "serial", &s, 7)
            _add_text(found, "asset", &s, 8)
        elif s.type == 4 and s.length >= 0x23:
            _add_text(found, "serial", &s, 0x20)
            _add_text(found, "asset", &s, 0x21)
        elif s.type == 17 and s.length >= 0x1B:
            _add_text(found, "serial", &s, 0x18)
            _add_text(found, "asset", &s, 0x19)
        elif s.type == 11:
            _add_oem_strings(oem, &s)
    return found + oem


def smbios_identifiers_of_windows(bytes data):
    """Return the same for the data of Windows' GetSystemFirmwareTable. Raises ValueError for other data."""
    table, version = _split_windows(data)
    return smbios_identifiers(table, None, version)


def stable_values(bytes table, bytes entry_point=None):
    """Return the values of scheme `stable` in a raw table; attributes without a value are left out.

    Raises:
        ValueError: the bytes are not a table, or not an entry point.
    """
    cdef smbios_walk walk
    cdef unsigned long release
    _begin_walk(&walk, table, entry_point, None, &release)
    return _values_of(&walk)


def stable_values_of_windows(bytes data):
    """Return the same for the data of Windows' GetSystemFirmwareTable. Raises ValueError for other data."""
    table, _ = _split_windows(data)
    return stable_values(table)


cdef dict _values_of(smbios_walk *walk):
    cdef stable_facts facts
    cdef part_list processors
    cdef part_list modules
    cdef int result
    processors.parts = modules.parts = NULL
    processors.count = processors.capacity = modules.count = modules.capacity = 0
    with nogil:
        result = stable_of_table(walk, &facts, &processors, &modules)
    free(processors.parts)
    free(modules.parts)
    try:
        if result:
            raise MemoryError
        found = {}
        _put_value_of(found, "system-uuid", facts.system_uuid)
        _put_value_of(found, "system-serial", facts.system_serial)
        _put_value_of(found, "board-serial", facts.board_serial)
        _put_value_of(found, "chassis-serial", facts.chassis_serial)
        _put_value_of(found, "cloud-instance", facts.cloud_instance)
        _put_value_of(found, "platform", facts.platform)
        _put_value_of(found, "board", facts.board)
        _put_value_of(found, "processor", facts.processor)
        _put_value_of(found, "memory", facts.memory)
        _put_value_of(found, "firmware", facts.firmware)
        _put_value_of(found, "hypervisor", facts.hypervisor)
        if facts.memory_serials.count:
            found["memory-serials"] = _joined(&facts.memory_serials)
        return found
    finally:
        free(facts.memory_serials.parts)


cdef str _joined(const part_list *serials):
    cdef char *text = <char *>malloc(serials.count * (ELEMENT_DIGITS + 1))
    if text == NULL:
        raise MemoryError
    try:
        return PyUnicode_DecodeASCII(text, <Py_ssize_t>join_parts(serials, text), NULL)
    finally:
        free(text)


cdef int _put_value_of(dict found, str name, const char *value) except -1:
    if value[0]:
        found[name] = PyUnicode_DecodeASCII(value, <Py_ssize_t>strlen(value), NULL)
    return 0
