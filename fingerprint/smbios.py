"""The hardware as its SMBIOS table describes it: one immutable value per structure.

The native decoder (`_smbios`) makes these from a raw table, `smbios_text` from what dmidecode
printed, so that both can be compared. Source of names and units: DMTF DSP0134.
"""

from __future__ import annotations

from fingerprint.model import Value

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
    """Type 0. Attributes: texts as printed; `rom_bytes` in bytes; `revision` such as "4.6"."""

    __slots__ = ("handle", "vendor", "version", "release_date", "rom_bytes", "revision", "firmware_revision")
    handle: int | None
    vendor: str | None
    version: str | None
    release_date: str | None
    rom_bytes: int | None
    revision: str | None
    firmware_revision: str | None


class System(Structure):
    """Type 1. `uuid` is lower-case text with dashes in the byte order that dmidecode prints for this
    table's version; None if it is all zero or all one ("Not Present", "Not Settable")."""

    __slots__ = ("handle", "manufacturer", "product", "version", "serial", "uuid", "wake_up", "sku", "family")
    _hidden = ("serial", "uuid")
    handle: int | None
    manufacturer: str | None
    product: str | None
    version: str | None
    serial: str | None
    uuid: str | None
    wake_up: str | None
    sku: str | None
    family: str | None


class Baseboard(Structure):
    """Type 2."""

    __slots__ = ("handle", "manufacturer", "product", "version", "serial", "asset_tag", "location", "kind")
    _hidden = ("serial", "asset_tag")
    handle: int | None
    manufacturer: str | None
    product: str | None
    version: str | None
    serial: str | None
    asset_tag: str | None
    location: str | None
    kind: str | None


class Chassis(Structure):
    """Type 3."""

    __slots__ = ("handle", "manufacturer", "kind", "version", "serial", "asset_tag", "sku")
    _hidden = ("serial", "asset_tag")
    handle: int | None
    manufacturer: str | None
    kind: str | None
    version: str | None
    serial: str | None
    asset_tag: str | None
    sku: str | None


class Processor(Structure):
    """Type 4, one per socket. `id` is the 8 bytes as 16 hexadecimal digits, in the order of the table;
    `populated` is False for an empty socket; speeds in MHz."""

    __slots__ = (
        "handle", "socket", "kind", "family", "manufacturer", "id", "version", "populated", "max_mhz", "current_mhz",
        "serial", "asset_tag", "part_number", "cores", "cores_enabled", "threads",
    )  # fmt: skip
    _hidden = ("serial", "asset_tag")
    handle: int | None
    socket: str | None
    kind: str | None
    family: str | None
    manufacturer: str | None
    id: str | None
    version: str | None
    populated: bool | None
    max_mhz: int | None
    current_mhz: int | None
    serial: str | None
    asset_tag: str | None
    part_number: str | None
    cores: int | None
    cores_enabled: int | None
    threads: int | None


class MemoryArray(Structure):
    """Type 16. `capacity_bytes` in bytes."""

    __slots__ = ("handle", "location", "use", "error_correction", "capacity_bytes", "devices")
    handle: int | None
    location: str | None
    use: str | None
    error_correction: str | None
    capacity_bytes: int | None
    devices: int | None


class MemoryDevice(Structure):
    """Type 17, one per slot. `size_bytes` in bytes: 0 for an empty slot, None if not known;
    `kind` such as "DDR4"; `speed` in MT/s."""

    __slots__ = (
        "handle", "array_handle", "size_bytes", "form_factor", "locator", "bank", "kind", "speed", "manufacturer",
        "serial", "asset_tag", "part_number", "rank",
    )  # fmt: skip
    _hidden = ("serial", "asset_tag")
    handle: int | None
    array_handle: int | None
    size_bytes: int | None
    form_factor: str | None
    locator: str | None
    bank: str | None
    kind: str | None
    speed: int | None
    manufacturer: str | None
    serial: str | None
    asset_tag: str | None
    part_number: str | None
    rank: int | None


class SmbiosTable(Structure):
    """A decoded table. Attributes: `version` as (major, minor, revision), None if not known; tuples
    of structures in the table's order; `oem_strings`: texts of type 11; `problems`: what was malformed,
    one text each, () for a sound table."""

    __slots__ = (
        "version", "bios", "system", "baseboards", "chassis", "processors", "memory_arrays", "memory_devices",
        "oem_strings", "problems",
    )  # fmt: skip
    _hidden = ("oem_strings",)
    version: tuple[int, int, int] | None
    bios: Bios | None
    system: System | None
    baseboards: tuple[Baseboard, ...]
    chassis: tuple[Chassis, ...]
    processors: tuple[Processor, ...]
    memory_arrays: tuple[MemoryArray, ...]
    memory_devices: tuple[MemoryDevice, ...]
    oem_strings: tuple[str, ...]
    problems: tuple[str, ...]

    def __init__(self, **fields: Any) -> None:
        super().__init__(
            **{
                "baseboards": (), "chassis": (), "processors": (), "memory_arrays": (), "memory_devices": (),
                "oem_strings": (), "problems": (),
                **fields,
            }
        )  # fmt: skip
