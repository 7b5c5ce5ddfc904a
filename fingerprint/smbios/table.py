"""The hardware as its SMBIOS table describes it: one immutable value per structure.

The native decoder (`_smbios`) makes these from a raw table, `smbios_text` from what dmidecode
printed, so that both can be compared. Source of names and units: DMTF DSP0134.
"""

from __future__ import annotations

from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Structure(Value):
    """Base of the structures: fields by name, None where the table does not tell.

    A text field that the table leaves out (string number 0) is "".
    """

    __slots__ = ()

    def __init__(self, **fields: Any) -> None:
        self._set(**dict.fromkeys(self.__slots__))
        self._set(**fields)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self._fields())


def _restored(kind: type[Structure], fields: tuple[Any, ...]) -> Structure:
    return kind(**dict(zip(kind.__slots__, fields, strict=True)))


class Bios(Structure):
    """Type 0. `address` and the sizes in bytes; `revision` such as "4.6"; `characteristics` as dmidecode words them."""

    __slots__ = (
        "handle", "vendor", "version", "release_date", "address", "runtime_bytes", "rom_bytes",
        "characteristics", "revision", "firmware_revision",
    )  # fmt: skip
    handle: int | None
    vendor: str | None
    version: str | None
    release_date: str | None
    address: int | None
    runtime_bytes: int | None
    rom_bytes: int | None
    characteristics: tuple[str, ...] | None
    revision: str | None
    firmware_revision: str | None


class System(Structure):
    """Type 1. `uuid` is lower-case text with dashes in the byte order that dmidecode prints for this
    table's version; None if it is all one ("Not Present") or all zero ("Not Settable"), which `uuid_note` tells."""

    __slots__ = (
        "handle", "manufacturer", "product", "version", "serial", "uuid", "uuid_note", "wake_up", "sku",
        "family",
    )  # fmt: skip
    _hidden = ("serial", "uuid")
    handle: int | None
    manufacturer: str | None
    product: str | None
    version: str | None
    serial: str | None
    uuid: str | None
    uuid_note: str | None
    wake_up: str | None
    sku: str | None
    family: str | None


class Baseboard(Structure):
    """Type 2. `contained` are the handles of what is on it."""

    __slots__ = (
        "handle", "manufacturer", "product", "version", "serial", "asset_tag", "features", "location",
        "chassis_handle", "kind", "contained",
    )  # fmt: skip
    _hidden = ("serial", "asset_tag")
    handle: int | None
    manufacturer: str | None
    product: str | None
    version: str | None
    serial: str | None
    asset_tag: str | None
    features: tuple[str, ...] | None
    location: str | None
    chassis_handle: int | None
    kind: str | None
    contained: tuple[int, ...] | None


class Chassis(Structure):
    """Type 3. `height` in rack units and `power_cords`: 0 where it is not specified; `contained` are
    (kind, least, most) of what may be in it."""

    __slots__ = (
        "handle", "manufacturer", "kind", "lock", "version", "serial", "asset_tag", "boot_up_state",
        "power_supply_state", "thermal_state", "security_status", "oem_information", "height", "power_cords",
        "contained", "sku",
    )  # fmt: skip
    _hidden = ("serial", "asset_tag")
    handle: int | None
    manufacturer: str | None
    kind: str | None
    lock: bool | None
    version: str | None
    serial: str | None
    asset_tag: str | None
    boot_up_state: str | None
    power_supply_state: str | None
    thermal_state: str | None
    security_status: str | None
    oem_information: int | None
    height: int | None
    power_cords: int | None
    contained: tuple[tuple[int, int, int], ...] | None
    sku: str | None


class Processor(Structure):
    """Type 4, one per socket. `id` is the 8 bytes as 16 hexadecimal digits, in the order of the table;
    `populated` is False for an empty socket; `volts` are those that it takes; clocks and speeds in MHz, 0 if
    not known; `l1`, `l2`, `l3` are handles of its caches, 0xFFFF for none."""

    __slots__ = (
        "handle", "socket", "kind", "family", "family_code", "manufacturer", "id", "version", "volts",
        "external_mhz", "max_mhz", "current_mhz", "populated", "status", "upgrade", "l1", "l2", "l3",
        "serial", "asset_tag", "part_number", "cores", "cores_enabled", "threads", "characteristics",
    )  # fmt: skip
    _hidden = ("serial", "asset_tag")
    handle: int | None
    socket: str | None
    kind: str | None
    family: str | None
    family_code: int | None
    manufacturer: str | None
    id: str | None
    version: str | None
    volts: tuple[float, ...] | None
    external_mhz: int | None
    max_mhz: int | None
    current_mhz: int | None
    populated: bool | None
    status: str | None
    upgrade: str | None
    l1: int | None
    l2: int | None
    l3: int | None
    serial: str | None
    asset_tag: str | None
    part_number: str | None
    cores: int | None
    cores_enabled: int | None
    threads: int | None
    characteristics: tuple[str, ...] | None


class MemoryArray(Structure):
    """Type 16. `error_handle` is 0xFFFE where none is provided, 0xFFFF without an error."""

    __slots__ = (
        "handle", "location", "use", "error_correction", "capacity_bytes", "error_handle", "devices",
    )  # fmt: skip
    handle: int | None
    location: str | None
    use: str | None
    error_correction: str | None
    capacity_bytes: int | None
    error_handle: int | None
    devices: int | None


class MemoryDevice(Structure):
    """Type 17, one per slot. `size_bytes` is 0 for an empty slot, None if not known; `kind` such as "DDR4";
    widths in bits and speeds in MT/s, 0 if not known; `set` is 0 for none, 255 if not known; voltages in mV; the
    ids are numbers as the table has them; sizes in bytes, None if not known."""

    __slots__ = (
        "handle", "array_handle", "error_handle", "total_width", "data_width", "size_bytes", "form_factor",
        "set", "locator", "bank", "kind", "detail", "speed", "manufacturer", "serial", "asset_tag",
        "part_number", "rank", "configured_speed", "minimum_mv", "maximum_mv", "configured_mv", "technology",
        "modes", "firmware_version", "module_manufacturer_id", "module_product_id",
        "controller_manufacturer_id", "controller_product_id", "non_volatile_bytes", "volatile_bytes",
        "cache_bytes", "logical_bytes",
    )  # fmt: skip
    _hidden = ("serial", "asset_tag")
    handle: int | None
    array_handle: int | None
    error_handle: int | None
    total_width: int | None
    data_width: int | None
    size_bytes: int | None
    form_factor: str | None
    set: int | None
    locator: str | None
    bank: str | None
    kind: str | None
    detail: tuple[str, ...] | None
    speed: int | None
    manufacturer: str | None
    serial: str | None
    asset_tag: str | None
    part_number: str | None
    rank: int | None
    configured_speed: int | None
    minimum_mv: int | None
    maximum_mv: int | None
    configured_mv: int | None
    technology: str | None
    modes: tuple[str, ...] | None
    firmware_version: str | None
    module_manufacturer_id: int | None
    module_product_id: int | None
    controller_manufacturer_id: int | None
    controller_product_id: int | None
    non_volatile_bytes: int | None
    volatile_bytes: int | None
    cache_bytes: int | None
    logical_bytes: int | None


class SmbiosTable(Structure):
    """A decoded table. Attributes: `version` as (major, minor, revision), None if not known; tuples
    of structures in the table's order; `further`: BIOS and system structures after the
    first; `oem_strings`: for each type 11, its texts; `problems`: what was malformed,
    one text each, () for a sound table."""

    __slots__ = (
        "version", "bios", "system", "baseboards", "chassis", "processors", "memory_arrays", "memory_devices",
        "oem_strings", "further", "problems",
    )  # fmt: skip
    _hidden = ("oem_strings", "further")
    version: tuple[int, int, int] | None
    bios: Bios | None
    system: System | None
    baseboards: tuple[Baseboard, ...]
    chassis: tuple[Chassis, ...]
    processors: tuple[Processor, ...]
    memory_arrays: tuple[MemoryArray, ...]
    memory_devices: tuple[MemoryDevice, ...]
    oem_strings: tuple[tuple[str, ...], ...]
    further: tuple[Structure, ...]
    problems: tuple[str, ...]

    def __init__(self, **fields: Any) -> None:
        super().__init__(
            **{
                "baseboards": (), "chassis": (), "processors": (), "memory_arrays": (), "memory_devices": (),
                "oem_strings": (), "further": (), "problems": (),
                **fields,
            }
        )  # fmt: skip
