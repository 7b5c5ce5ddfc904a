"""Describe the differences between two SMBIOS tables: modules, processors, firmware, ids. Serial numbers are masked.

A field counts only if both sides have it: what one of them does not name is not compared.
"""

from __future__ import annotations

from fingerprint._core import canonical_uuid, clean, clean_serial
from fingerprint._io.text import masked
from fingerprint.explanation.maker_names import same_maker
from fingerprint.explanation.modules import kind_of, module_changes, size
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.smbios.table import Processor, SmbiosTable, Structure

__all__ = ["Comparison", "compare", "differences", "size"]

# Kinds of differences.
FIRMWARE, PROCESSOR, COUNT, SETTING = "firmware", "processor", "processor-count", "processor-settings"
IDENTITY, UUID_TURNED, DESCRIPTION = "system-identity", "uuid-turned", "system-data"
_MAKER = ("vendor", "manufacturer")
_SECRET = ("serial", "uuid")
_BIOS = (
    ("vendor", "maker"), ("version", "version"), ("release_date", "date"), ("revision", "revision"),
    ("firmware_revision", "revision of the controller"),
)  # fmt: skip
_SYSTEM = (
    ("manufacturer", "maker"), ("product", "model"), ("version", "version"), ("serial", "serial number"),
    ("sku", "SKU"), ("family", "family"),
)  # fmt: skip
_SETTINGS = (("cores", "cores"), ("cores_enabled", "cores enabled"), ("threads", "threads"))
# Family by number in the processor's ID, from which on the extended model counts.
_EXTENDED_MODEL = (6, 15)


class Comparison(Value):
    """The hardware of one attribute on both sides.

    Attributes:
        found: (kind, text) of each difference.
        compared: whether a field that identifies hardware is known on both sides.
    """

    found: tuple[tuple[str, str], ...]
    compared: bool


def differences(name: str, before: SmbiosTable, now: SmbiosTable) -> list[str]:
    """Return the differences in the hardware of one attribute; [] if all fields that identify it are equal."""
    return [text for _, text in compare(name, before, now).found]


def compare(name: str, before: SmbiosTable, now: SmbiosTable, *, same_tool: bool = True) -> Comparison:
    """Return the differences in the hardware of one attribute.

    Args:
        name: the attribute.
        before, now: both sides.
        same_tool: whether one version of dmidecode printed both; others name families by other words.
    """
    if name == "memory-hash":
        changes = module_changes(before, now)
        kind = kind_of(changes)
        both = bool(before.memory_devices and now.memory_devices)
        return Comparison(tuple((kind, change.text) for change in changes), both)
    if name == "processor-hash":
        return _processors(before, now, same_tool)
    if name == "bios-hash":
        fields, compared = _fields(_BIOS, "BIOS", before.bios, now.bios)
        return Comparison(tuple((FIRMWARE, text) for _, text in fields), compared)
    return _system(before, now)


def _system(before: SmbiosTable, now: SmbiosTable) -> Comparison:
    changes, compared = _fields(_SYSTEM, "", before.system, now.system)
    found = []
    for field, text in changes:
        # A number that appears where a placeholder was says nothing about another unit.
        known = all(side.system and clean_serial(side.system.serial) for side in (before, now))
        found.append((IDENTITY if field == "serial" and known else DESCRIPTION, text))
    old = before.system.uuid if before.system else None
    new = now.system.uuid if now.system else None
    one, other = canonical_uuid(old), canonical_uuid(new)
    if old != new and one and one == other:
        found.append((UUID_TURNED, "UUID has its bytes in another order"))
    elif old != new and (one or other):
        found.append((IDENTITY if one and other else DESCRIPTION, f"UUID {_shown(old, True)} -> {_shown(new, True)}"))
    return Comparison(tuple(found), compared or bool(one and other))


def _fields(
    fields: tuple[tuple[str, str], ...], title: str, before: Structure | None, now: Structure | None
) -> tuple[list[tuple[str, str]], bool]:
    """Return (field, text) of each field that differs, and whether one is known on both sides."""
    if before is None or now is None:
        return ([] if before is now else [("", f"{title or 'system'} is on one side only")]), False
    found, compared = [], False
    for field, word in fields:
        old, new = getattr(before, field), getattr(now, field)
        # A line that an older dmidecode or table does not have.
        if old is None or new is None:
            continue
        compared = compared or bool(_comparable(old) and _comparable(new))
        if _comparable(old) != _comparable(new) and not (field in _MAKER and same_maker(old, new)):
            change = f"{word} {_shown(old, field in _SECRET)} -> {_shown(new, field in _SECRET)}"
            found.append((field, f"{title} {change}".strip()))
    return found, compared


def _comparable(value: object) -> object:
    return clean(value) if isinstance(value, str) else value


def _shown(value: object, secret: bool) -> str:
    if value in (None, ""):
        return "(none)"
    text = str(value).strip()
    return masked(text) if secret else text


def _processors(before: SmbiosTable, now: SmbiosTable, same_tool: bool) -> Comparison:
    old, new = _populated(before), _populated(now)
    if len(old) != len(new) and old and new:
        return Comparison(((COUNT, f"{len(old)} -> {len(new)} processors"),), True)
    found: list[tuple[str, str]] = []
    compared = False
    for one, other in zip(old, new, strict=False):
        changes, known = _processor(one, other, same_tool)
        found += changes
        compared = compared or known
    return Comparison(tuple(dict.fromkeys(found)), compared)


def _populated(table: SmbiosTable) -> list[Processor]:
    # A machine has a processor: a table in which all sockets are empty does not know.
    return [p for p in table.processors if p.populated is not False] or list(table.processors)


def _processor(one: Processor, other: Processor, same_tool: bool) -> tuple[list[tuple[str, str]], bool]:
    """Return the differences of two processors, and whether ID or model is known on both sides."""
    socket = (one.socket or "") if clean(one.socket) else "processor"
    found = []
    ids = _signature(one), _signature(other)
    models = clean(one.version), clean(other.version)
    serials = clean_serial(one.serial), clean_serial(other.serial)
    if all(ids) and ids[0] != ids[1]:
        found.append((PROCESSOR, f"{socket} {_decoded(ids[0])} -> {_decoded(ids[1])}"))
    if all(models) and not models[0].startswith(models[1]) and not models[1].startswith(models[0]):
        found.append((PROCESSOR, f"{socket} model {_shown(one.version, False)} -> {_shown(other.version, False)}"))
    elif all(serials) and serials[0] != serials[1]:
        found.append((PROCESSOR, f"{socket} serial number {masked(serials[0])} -> {masked(serials[1])}"))
    by_family = same_tool and not all(ids) and not all(models) and one.family and other.family
    if by_family and one.family != other.family:
        found.append((PROCESSOR, f"{socket} family {one.family} -> {other.family}"))
    # With an ID that is equal they are settings of the firmware.
    kind = SETTING if (all(ids) and ids[0] == ids[1]) or all(models) else PROCESSOR
    if not found:
        changes, _ = _fields(_SETTINGS, socket, one, other)
        found = [(kind, text) for _, text in changes]
    return found, all(ids) or all(models)


def _signature(processor: Processor) -> str:
    """Return the part of the ID with family, model and stepping; "" if unknown. The flags behind it are settings."""
    digits = (processor.id or "")[:8]
    return digits if digits.strip("0") else ""


def _decoded(signature: str) -> str:
    """Return family, model and stepping of a processor of x86; the digits for another one."""
    value = int.from_bytes(bytes.fromhex(signature), "little")
    family, model, stepping = value >> 8 & 15, value >> 4 & 15, value & 15
    if value >> 28 or not family:
        return f"ID {signature}"
    if family in _EXTENDED_MODEL:
        model += (value >> 16 & 15) << 4
    if family == 15:
        family += value >> 20 & 255
    return f"family {family}, model {model}, stepping {stepping}"
