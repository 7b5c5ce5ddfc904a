"""The structures of an SMBIOS table, one immutable value for each.

`smbios.dmidecode` makes them from the output of dmidecode. For a raw table `_core.stable_values` and
`_core.smbios_identifiers` return the values of scheme `stable` and the identifiers directly. Source of names and units:
DMTF DSP0134.
"""

from __future__ import annotations

from fingerprint.types import Value

# A characteristic of the firmware (type 0, byte 0x13, bit 4), as dmidecode prints it.
SAYS_VIRTUAL = "System is a virtual machine"


class Structure(Value):
    """Base class of the structures: fields by name, None if the source does not have them.

    A text field that the table does not specify (string number 0) is "".
    """


class Bios(Structure):
    """Type 0. `address` and the sizes in bytes; `revision` such as "4.6"; `characteristics` as dmidecode prints."""

    handle: int | None = None
    vendor: str | None = None
    version: str | None = None
    release_date: str | None = None
    address: int | None = None
    runtime_bytes: int | None = None
    rom_bytes: int | None = None
    characteristics: tuple[str, ...] | None = None
    revision: str | None = None
    firmware_revision: str | None = None


class System(Structure):
    """Type 1. `uuid` is lower-case text with dashes in the byte order that dmidecode prints for this
    table's version; None if its bits are all one ("Not Present") or all zero ("Not Settable"), as `uuid_note` says."""

    _hidden = ("serial", "uuid")
    handle: int | None = None
    manufacturer: str | None = None
    product: str | None = None
    version: str | None = None
    serial: str | None = None
    uuid: str | None = None
    uuid_note: str | None = None
    wake_up: str | None = None
    sku: str | None = None
    family: str | None = None


class Baseboard(Structure):
    """Type 2. `contained` are the handles of the objects on it."""

    _hidden = ("serial", "asset_tag")
    handle: int | None = None
    manufacturer: str | None = None
    product: str | None = None
    version: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    features: tuple[str, ...] | None = None
    location: str | None = None
    chassis_handle: int | None = None
    kind: str | None = None
    contained: tuple[int, ...] | None = None


class Chassis(Structure):
    """Type 3. `height` in rack units and `power_cords`: 0 if not specified; `contained` are (kind, least, most) of the
    elements that it can contain."""

    _hidden = ("serial", "asset_tag")
    handle: int | None = None
    manufacturer: str | None = None
    kind: str | None = None
    lock: bool | None = None
    version: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    boot_up_state: str | None = None
    power_supply_state: str | None = None
    thermal_state: str | None = None
    security_status: str | None = None
    oem_information: int | None = None
    height: int | None = None
    power_cords: int | None = None
    contained: tuple[tuple[int, int, int], ...] | None = None
    sku: str | None = None


class Processor(Structure):
    """Type 4, one per socket. `id` is the 8 bytes as 16 hexadecimal digits, in the order of the table;
    `populated` is False for an empty socket; `volts` are the supported voltages; clocks and speeds in MHz, 0 if
    unknown; `l1`, `l2`, `l3` are handles of its caches, 0xFFFF for none."""

    _hidden = ("serial", "asset_tag")
    handle: int | None = None
    socket: str | None = None
    kind: str | None = None
    family: str | None = None
    family_code: int | None = None
    manufacturer: str | None = None
    id: str | None = None
    version: str | None = None
    volts: tuple[float, ...] | None = None
    external_mhz: int | None = None
    max_mhz: int | None = None
    current_mhz: int | None = None
    populated: bool | None = None
    status: str | None = None
    upgrade: str | None = None
    l1: int | None = None
    l2: int | None = None
    l3: int | None = None
    serial: str | None = None
    asset_tag: str | None = None
    part_number: str | None = None
    cores: int | None = None
    cores_enabled: int | None = None
    threads: int | None = None
    characteristics: tuple[str, ...] | None = None


class MemoryArray(Structure):
    """Type 16. `error_handle` is 0xFFFE if none is provided, 0xFFFF without an error."""

    handle: int | None = None
    location: str | None = None
    use: str | None = None
    error_correction: str | None = None
    capacity_bytes: int | None = None
    error_handle: int | None = None
    devices: int | None = None


class MemoryDevice(Structure):
    """Type 17, one per slot. `size_bytes` is 0 for an empty slot, None if unknown; `kind` such as "DDR4";
    widths in bits and speeds in MT/s, 0 if unknown; `set` is 0 for none, 255 if unknown; voltages in mV; the
    IDs are the numbers in the table; sizes in bytes, None if unknown."""

    _hidden = ("serial", "asset_tag")
    handle: int | None = None
    array_handle: int | None = None
    error_handle: int | None = None
    total_width: int | None = None
    data_width: int | None = None
    size_bytes: int | None = None
    form_factor: str | None = None
    set: int | None = None
    locator: str | None = None
    bank: str | None = None
    kind: str | None = None
    detail: tuple[str, ...] | None = None
    speed: int | None = None
    manufacturer: str | None = None
    serial: str | None = None
    asset_tag: str | None = None
    part_number: str | None = None
    rank: int | None = None
    configured_speed: int | None = None
    minimum_mv: int | None = None
    maximum_mv: int | None = None
    configured_mv: int | None = None
    technology: str | None = None
    modes: tuple[str, ...] | None = None
    firmware_version: str | None = None
    module_manufacturer_id: int | None = None
    module_product_id: int | None = None
    controller_manufacturer_id: int | None = None
    controller_product_id: int | None = None
    non_volatile_bytes: int | None = None
    volatile_bytes: int | None = None
    cache_bytes: int | None = None
    logical_bytes: int | None = None


class SmbiosTable(Structure):
    """A decoded table.

    Attributes:
        version: (major, minor, revision), None if unknown.
        bios, system: the first structure of type 0 and 1.
        baseboards, chassis, processors, memory_arrays, memory_devices: the structures in the table's order.
        oem_strings: the strings of each structure of type 11.
        further: BIOS and system structures after the first.
        problems: a message for each malformed part, () for a valid table.
    """

    _hidden = ("oem_strings", "further")
    version: tuple[int, int, int] | None = None
    bios: Bios | None = None
    system: System | None = None
    baseboards: tuple[Baseboard, ...] = ()
    chassis: tuple[Chassis, ...] = ()
    processors: tuple[Processor, ...] = ()
    memory_arrays: tuple[MemoryArray, ...] = ()
    memory_devices: tuple[MemoryDevice, ...] = ()
    oem_strings: tuple[tuple[str, ...], ...] = ()
    further: tuple[Structure, ...] = ()
    problems: tuple[str, ...] = ()
