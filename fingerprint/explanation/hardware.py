"""Describe the differences between two SMBIOS tables: modules, firmware, ids. Serial numbers are masked."""

from __future__ import annotations

from fingerprint._core import canonical_uuid, clean
from fingerprint._io.text import masked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from fingerprint.smbios.table import MemoryDevice, SmbiosTable, Structure

_SECRET = ("serial", "uuid")
_FIELDS = {
    "bios-hash": (("vendor", "maker"), ("version", "version"), ("release_date", "date"), ("revision", "revision")),
    "system-hash": (
        ("manufacturer", "maker"), ("product", "model"), ("version", "version"), ("serial", "serial number"),
        ("sku", "SKU"), ("family", "family"),
    ),
    "processor-hash": (("version", "model"), ("cores", "cores"), ("cores_enabled", "cores enabled")),
}  # fmt: skip


def differences(name: str, before: SmbiosTable, now: SmbiosTable) -> list[str]:
    """Return the differences in the hardware of one attribute; [] if all fields that identify it are equal."""
    if name == "memory-hash":
        return _modules(before, now)
    if name == "processor-hash":
        return _processors(before, now)
    if name == "bios-hash":
        return _fields(name, "BIOS", before.bios, now.bios)
    found = _fields(name, "", before.system, now.system)
    old = before.system.uuid if before.system else None
    new = now.system.uuid if now.system else None
    if old != new:
        turned = bool(canonical_uuid(old)) and canonical_uuid(old) == canonical_uuid(new)
        found.append(
            "UUID has its bytes in another order" if turned else f"UUID {_shown(old, True)} -> {_shown(new, True)}"
        )
    return found


def _fields(name: str, title: str, before: Structure | None, now: Structure | None) -> list[str]:
    if before is None or now is None:
        return [] if before is now else [f"{title or 'system'} is on one side only"]
    found = []
    for field, word in _FIELDS[name]:
        old, new = getattr(before, field), getattr(now, field)
        if _comparable(old) != _comparable(new):
            change = f"{word} {_shown(old, field in _SECRET)} -> {_shown(new, field in _SECRET)}"
            found.append(f"{title} {change}".strip())
    return found


def _comparable(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def _shown(value: object, secret: bool) -> str:
    if value in (None, ""):
        return "(none)"
    return masked(str(value)) if secret else str(value)


def _processors(before: SmbiosTable, now: SmbiosTable) -> list[str]:
    old = [p for p in before.processors if p.populated is not False]
    new = [p for p in now.processors if p.populated is not False]
    if len(old) != len(new):
        return [f"{len(old)} -> {len(new)} processors"]
    found: list[str] = []
    for one, other in zip(old, new, strict=True):
        found += _fields("processor-hash", one.socket or "processor", one, other)
    return list(dict.fromkeys(found))


def _modules(before: SmbiosTable, now: SmbiosTable) -> list[str]:
    old, new = _by_slot(before.memory_devices), _by_slot(now.memory_devices)
    found = []
    for slot in dict.fromkeys([*old, *new]):
        one, other = old.get(slot), new.get(slot)
        if one is None and other is not None:
            found.append(f"{slot} {size(other.size_bytes or 0)} added")
        elif other is None and one is not None:
            found.append(f"{slot} {size(one.size_bytes or 0)} removed")
        elif one is not None and other is not None and _module(one) != _module(other):
            if one.size_bytes != other.size_bytes:
                found.append(f"{slot} {size(one.size_bytes or 0)} -> {size(other.size_bytes or 0)}")
            else:
                found.append(f"{slot} {size(one.size_bytes or 0)} replaced by another module")
    return found


def _by_slot(devices: Iterable[MemoryDevice]) -> dict[str, MemoryDevice]:
    found: dict[str, MemoryDevice] = {}
    for device in devices:
        if device.size_bytes:
            slot = device.locator or "a slot"
            # Two boards of one machine may have slots of the same name.
            while slot in found:
                slot += "'"
            found[slot] = device
    return found


def _module(device: MemoryDevice) -> tuple[object, ...]:
    return device.size_bytes, clean(device.part_number), clean(device.serial)


def size(count: int) -> str:
    """Return a number of bytes with a unit, such as "8 GB"."""
    for unit, bytes_ in (("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if count >= bytes_ and count % bytes_ == 0:
            return f"{count // bytes_} {unit}"
    return f"{count} bytes"
