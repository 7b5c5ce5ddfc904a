"""The fields of dmidecode's output: which label fills which attribute of a structure, and how its text is read."""

from __future__ import annotations

from fingerprint.smbios.table import Baseboard, Bios, Chassis, MemoryArray, MemoryDevice, Processor, System

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from fingerprint.smbios.table import Structure

    _Fields = dict[str, tuple[str, Callable[[str], Any]]]

BIOS = 0
_UNITS = {"bytes": 1, "byte": 1, "kb": 1 << 10, "k": 1 << 10, "mb": 1 << 20, "m": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}
_UNITS |= {"pb": 1 << 50, "eb": 1 << 60}
# No number of a table is longer, and Python rejects the conversion of very long ones.
_MOST_DIGITS = 20


def number(text: str) -> int | None:
    """Return a text of decimal digits as an int; None for other text or more than 20 digits."""
    return int(text) if 0 < len(text) <= _MOST_DIGITS and not text.strip("0123456789") else None


def hexadecimal(text: str) -> int | None:
    """Return a hexadecimal text, with or without "0x", as an int; None for other text or more than 20 digits."""
    digits = text.strip().lower().removeprefix("0x").rstrip(".")
    return int(digits, 16) if 0 < len(digits) <= _MOST_DIGITS and not digits.strip("0123456789abcdef") else None


def leading_number(text: str) -> int | None:
    """Return the number that a text begins with ("1600 MT/s", "400 MHz (2.5 ns)", "960K"); None without one."""
    text = text.strip()
    return number(text[: len(text) - len(text.lstrip("0123456789"))])


def text_of(value: str) -> str:
    """Return the text of a field; "" for "Not Specified"."""
    return "" if value.strip() == "Not Specified" else value


def byte_size(value: str) -> int | None:
    """Return a size such as "8192 MB" in bytes; 0 for "No Module Installed", None for other text."""
    value = value.strip()
    if value.lower() in ("no module installed", "not installed"):
        return 0
    count = leading_number(value)
    unit = value.lstrip("0123456789").strip().lower()
    return None if count is None or unit not in _UNITS else count * _UNITS[unit]


def _uuid(value: str) -> str | None:
    uuid = value.strip().lower()
    digits = uuid.replace("-", "")
    if uuid in ("", "not present", "not settable", "not specified") or (len(digits) == 32 and not digits.strip("0")):
        return None
    return None if len(digits) == 32 and not digits.strip("f") else uuid


def _processor_id(value: str) -> str | None:
    digits = "".join(value.split()).lower()
    return digits if len(digits) == 16 and not digits.strip("0123456789abcdef") else None


def _populated(value: str) -> bool | None:
    status = value.strip().lower()
    return {"unpopulated": False, "populated": True}.get(status.split(",")[0])


_UNIT: _Fields = {
    "manufacturer": ("manufacturer", text_of),
    "vendor": ("manufacturer", text_of),
    "serial number": ("serial", text_of),
}
_VERSION: _Fields = {"version": ("version", text_of)}
_PRODUCT: _Fields = {"product name": ("product", text_of), "product": ("product", text_of)}
_ASSET: _Fields = {"asset tag": ("asset_tag", text_of)}

# By type: the class, and for each label the attribute and how its text is read. dmidecode before 2.1 printed the
# labels that come second.
_KINDS: dict[int, tuple[type[Structure], _Fields]] = {
    0: (
        Bios,
        {
            "vendor": ("vendor", text_of),
            "version": ("version", text_of),
            "release date": ("release_date", text_of),
            "release": ("release_date", text_of),
            "rom size": ("rom_bytes", byte_size),
            "bios revision": ("revision", text_of),
            "firmware revision": ("firmware_revision", text_of),
        },
    ),
    1: (
        System,
        {
            **_UNIT,
            **_VERSION,
            **_PRODUCT,
            "uuid": ("uuid", _uuid),
            "wake-up type": ("wake_up", text_of),
            "sku number": ("sku", text_of),
            "family": ("family", text_of),
        },
    ),
    2: (
        Baseboard,
        {
            **_UNIT,
            **_VERSION,
            **_PRODUCT,
            **_ASSET,
            "location in chassis": ("location", text_of),
            "type": ("kind", text_of),
        },
    ),
    3: (
        Chassis,
        {
            **_UNIT,
            **_VERSION,
            **_ASSET,
            "type": ("kind", text_of),
            "chassis type": ("kind", text_of),
            "sku number": ("sku", text_of),
        },
    ),
    4: (
        Processor,
        {
            **_UNIT,
            **_VERSION,
            **_ASSET,
            "socket designation": ("socket", text_of),
            "type": ("kind", text_of),
            "processor type": ("kind", text_of),
            "family": ("family", text_of),
            "processor family": ("family", text_of),
            "processor manufacturer": ("manufacturer", text_of),
            "processor version": ("version", text_of),
            "id": ("id", _processor_id),
            "status": ("populated", _populated),
            "max speed": ("max_mhz", leading_number),
            "current speed": ("current_mhz", leading_number),
            "part number": ("part_number", text_of),
            "vendor part number": ("part_number", text_of),
            "core count": ("cores", leading_number),
            "core enabled": ("cores_enabled", leading_number),
            "thread count": ("threads", leading_number),
        },
    ),
    16: (
        MemoryArray,
        {
            "location": ("location", text_of),
            "use": ("use", text_of),
            "error correction type": ("error_correction", text_of),
            "maximum capacity": ("capacity_bytes", byte_size),
            "number of devices": ("devices", leading_number),
        },
    ),
    17: (
        MemoryDevice,
        {
            **_UNIT,
            **_ASSET,
            "array handle": ("array_handle", hexadecimal),
            "size": ("size_bytes", byte_size),
            "form factor": ("form_factor", text_of),
            "locator": ("locator", text_of),
            "bank locator": ("bank", text_of),
            "type": ("kind", text_of),
            "speed": ("speed", leading_number),
            "part number": ("part_number", text_of),
            "rank": ("rank", leading_number),
        },
    ),
}


def structure(kind: int, handle: int | None, values: Mapping[str, str], characteristics: Sequence[str]) -> Structure:
    """Return the structure of a type with the values that dmidecode printed for it.

    Args:
        kind: the type of the structure, 0 to 4, 16 or 17.
        handle: its handle; None if dmidecode did not print one.
        values: the text behind each lower-case label; unknown labels are ignored.
        characteristics: the list of that name of firmware.
    """
    made, labels = _KINDS[kind]
    fields: dict[str, Any] = {"handle": handle}
    for label, value in values.items():
        if label in labels:
            name, convert = labels[label]
            fields.setdefault(name, convert(value))
    if kind == BIOS and characteristics:
        fields["characteristics"] = tuple(characteristics)
    return made(**fields)
