"""Compare the memory modules of two SMBIOS tables: which were added, removed, replaced, or moved to another slot."""

from __future__ import annotations

from fingerprint._core import clean, clean_serial
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fingerprint.smbios.table import MemoryDevice, SmbiosTable

    _Slots = dict[str, MemoryDevice]

ADDED, REMOVED, REPLACED, MOVED = "memory-added", "memory-removed", "memory-replaced", "memory-moved"
# Flash of the firmware is listed like a module.
_NO_MODULE = "Flash"


class ModuleChange(Value):
    """What happened to one module: `kind` is ADDED, REMOVED, REPLACED or MOVED, `text` says which one."""

    kind: str
    text: str


def module_changes(before: SmbiosTable, now: SmbiosTable) -> list[ModuleChange]:
    """Return the changes of modules; [] if all are equal as far as both sides name size, part and serial number.

    A slot of unknown size is not compared. Slots that all have other names are compared in their order.
    """
    old, new = _slots(before), _slots(now)
    renamed = _renamed(old, new)
    unknown = {slot for slots in (old, new) for slot, device in slots.items() if device.size_bytes is None}
    left, right = ({s: d for s, d in slots.items() if d.size_bytes and s not in unknown} for slots in (old, new))
    _take(left, right, _equal_here)
    here, there = set(left), set(right)

    def to_a_free_slot(slot: str, one: MemoryDevice, target: str, other: MemoryDevice) -> bool:
        return slot not in there and target not in here and _perhaps_equal(slot, one, target, other)

    found = [
        ModuleChange(MOVED, f"{size(device.size_bytes or 0)} moved from {slot} to {target}")
        for similar in (to_a_free_slot, _certainly_equal, _perhaps_equal)
        for slot, target, device in _take(left, right, similar)
        if not renamed
    ]
    if renamed:
        # Without common names a module stays where it is: the order of the table is that of the board.
        pairs = list(zip(list(left), list(right), strict=False))
    else:
        pairs = [(slot, slot) for slot in left if slot in right]
    for slot, target in pairs:
        found.append(_replaced(target, left.pop(slot), right.pop(target)))
    found += [ModuleChange(REMOVED, f"{slot} {size(one.size_bytes or 0)} removed") for slot, one in left.items()]
    found += [ModuleChange(ADDED, f"{slot} {size(one.size_bytes or 0)} added") for slot, one in right.items()]
    return found


def kind_of(changes: Iterable[ModuleChange]) -> str:
    """Return the kind of several changes: modules that moved count less than others, and a mixture is a replacement."""
    kinds = {change.kind for change in changes}
    rest = kinds - {MOVED}
    return MOVED if not rest else rest.pop() if len(rest) == 1 else REPLACED


def _replaced(slot: str, one: MemoryDevice, other: MemoryDevice) -> ModuleChange:
    old, new = size(one.size_bytes or 0), size(other.size_bytes or 0)
    return ModuleChange(
        REPLACED, f"{slot} {old} replaced by another module" if old == new else f"{slot} {old} -> {new}"
    )


def _take(
    left: _Slots, right: _Slots, similar: Callable[[str, MemoryDevice, str, MemoryDevice], bool]
) -> list[tuple[str, str, MemoryDevice]]:
    """Remove the pairs of similar modules from both sides, and return them."""
    found = []
    for slot, one in list(left.items()):
        target = next((name for name, other in right.items() if similar(slot, one, name, other)), None)
        if target is not None:
            found.append((slot, target, one))
            del left[slot], right[target]
    return found


def _equal_here(slot: str, one: MemoryDevice, target: str, other: MemoryDevice) -> bool:
    return slot == target and _perhaps_equal(slot, one, target, other)


def _certainly_equal(slot: str, one: MemoryDevice, target: str, other: MemoryDevice) -> bool:
    known = (_same_text(clean(one.part_number), clean(other.part_number)),
             _same_text(clean_serial(one.serial), clean_serial(other.serial)))  # fmt: skip
    return one.size_bytes == other.size_bytes and True in known and False not in known


def _perhaps_equal(slot: str, one: MemoryDevice, target: str, other: MemoryDevice) -> bool:
    return one.size_bytes == other.size_bytes and False not in (
        _same_text(clean(one.part_number), clean(other.part_number)),
        _same_text(clean_serial(one.serial), clean_serial(other.serial)),
    )


def _same_text(one: str, other: str) -> bool | None:
    """Return whether two values are equal, or one is the other cut off; None if a side does not have it."""
    return one.startswith(other) or other.startswith(one) if one and other else None


def _slots(table: SmbiosTable) -> _Slots:
    """Return the slots by name; those with one name on two boards or channels have the bank in front."""
    devices = [device for device in table.memory_devices if device.kind != _NO_MODULE]
    names = [device.locator or "a slot" for device in devices]
    found: _Slots = {}
    for name, device in zip(names, devices, strict=True):
        slot = f"{device.bank} {name}" if names.count(name) > 1 and clean(device.bank) else name
        while slot in found:
            slot += "'"
        found[slot] = device
    return found


def _renamed(old: _Slots, new: _Slots) -> bool:
    return bool(old) and bool(new) and not set(old) & set(new)


def size(count: int) -> str:
    """Return a number of bytes with a unit, such as "8 GB"."""
    for unit, bytes_ in (("TB", 1 << 40), ("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10)):
        if count >= bytes_ and count % bytes_ == 0:
            return f"{count // bytes_} {unit}"
    return f"{count} bytes"
