"""The true changes between two states of a machine, from dmidecode's output alone.

The reference of `benchmarks/explain.py`: it shares no code with `fingerprint`, so that an error there cannot hide here.
The input is the output of each group without the three lines of its header.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

TOOL, FIRMWARE, PROCESSOR, SYSTEM = "tool version", "firmware", "processor", "system fields"
ADDED, REMOVED, REPLACED, MOVED = "modules added", "modules removed", "modules replaced", "modules moved"
NOISE, NOTHING = "text noise", "nothing"
MODULES = frozenset((ADDED, REMOVED, REPLACED, MOVED))
# In the order of the report.
CHANGES = (FIRMWARE, ADDED, REMOVED, REPLACED, MOVED, PROCESSOR, SYSTEM, TOOL, NOISE, NOTHING)

_UNKNOWN = re.compile(
    r"|-+|\.+|0+|f+|null|none|n/?a|unknown|undefined|other|invalid|(not )?applicable|xx+|123456.*"
    r"|(not|un) ?(specified|available|provided|defined|present|settable)"
    r"|\[?empty\]?|no dimm|(so)?dimm ?\d+|(module ?)?part ?number\d*|(array\d*_?|bank\d+_?)?part_?num(ber)?\d*"
    r"|to be filled.*|default string|system (version|sku|product name|manufacturer)|sku|o\.?e\.?m\.?"
)
_UNITS = {"kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}
_FIRMWARE_FIELDS = ("Vendor", "Version", "Release Date", "BIOS Revision", "Firmware Revision")
_SYSTEM_FIELDS = ("Manufacturer", "Product Name", "Version", "SKU Number", "Family", "UUID")


class Module(NamedTuple):
    """A memory module: its slot, its size in bytes and its part number, "" if unknown."""

    slot: str
    size: int
    part: str


class Truth(NamedTuple):
    """What changed between two states.

    Attributes:
        changes: of `CHANGES`; `NOTHING` and `NOISE` stand alone.
        also: other right names of what is different: two modules in two other slots are "replaced" as well as "removed"
            and "added", and a switched-off core is a difference of the processor.
    """

    changes: frozenset[str]
    also: frozenset[str] = frozenset()


class Structure(NamedTuple):
    """A structure of a table: its type and its fields, the first of each label."""

    kind: int
    fields: dict[str, str]


def structures(text: str) -> list[Structure]:
    """Return the structures that dmidecode printed, in their order."""
    found = []
    for block in re.split(r"(?m)^(?=Handle 0x)", text):
        head = re.match(r"Handle 0x[0-9A-Fa-f]+, DMI type (\d+)", block)
        if head:
            fields: dict[str, str] = {}
            for label, value in re.findall(r"(?m)^\t([^\t:\n][^:\n]*):[ \t]?(.*)$", block):
                fields.setdefault(label, value)
            found.append(Structure(int(head[1]), fields))
    return found


def known(value: str | None) -> str:
    """Return a value in lower case with single blanks; "" for a missing value and for a placeholder."""
    plain = " ".join((value or "").lower().split())
    return "" if _UNKNOWN.fullmatch(plain) else plain


def true_changes(
    old: Mapping[str, str], new: Mapping[str, str], tools: tuple[str, str], versions: tuple[str, str] = ("", "")
) -> Truth:
    """Return the changes between two states.

    Args:
        old, new: the output of the groups "bios", "system", "processor" and "memory".
        tools: the version of dmidecode on each side.
        versions: the version of SMBIOS on each side.
    """
    found = set()
    if tools[0] != tools[1]:
        found.add(TOOL)
    if _fields_differ(*_of_kind(old["bios"], new["bios"], 0), _FIRMWARE_FIELDS):
        found.add(FIRMWARE)
    if _fields_differ(*_of_kind(old["system"], new["system"], 1), _SYSTEM_FIELDS):
        found.add(SYSTEM)
    processors = _of_kind(old["processor"], new["processor"], 4)
    if _processors_differ(*processors):
        found.add(PROCESSOR)
    before, now = modules(old["memory"]), modules(new["memory"])
    # Without one slot in the output nothing is known of the modules.
    slots = _slots(old), _slots(new)
    of_modules = module_changes(before, now, *slots) if all(slots) else set()
    also = slot_changes(before, now) - of_modules if of_modules - {MOVED} else set()
    if PROCESSOR not in found and _cores(processors[0]) != _cores(processors[1]):
        also.add(PROCESSOR)
    found |= of_modules
    if not found:
        found.add(NOTHING if versions[0] == versions[1] and all(old[group] == new[group] for group in old) else NOISE)
    return Truth(frozenset(found), frozenset(also))


def _of_kind(old: str, new: str, kind: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    before, now = ([s.fields for s in structures(text) if s.kind == kind] for text in (old, new))
    return before, now


def _fields_differ(old: list[dict[str, str]], new: list[dict[str, str]], labels: Iterable[str]) -> bool:
    """Return whether a field of the first structure has another value, or has one on one side only."""
    if not old or not new:
        return False
    # A version of dmidecode that does not print a label says nothing about it.
    shared = [label for label in labels if label in old[0] and label in new[0]]
    return any(known(old[0][label]) != known(new[0][label]) for label in shared)


def _processors_differ(old: list[dict[str, str]], new: list[dict[str, str]]) -> bool:
    before, now = ([p for p in side if "Unpopulated" not in p.get("Status", "")] for side in (old, new))
    if len(before) != len(now):
        return bool(before and now)
    return any(_other_processor(one, other) for one, other in zip(before, now, strict=True))


def _cores(processors: list[dict[str, str]]) -> list[tuple[str | None, str | None]]:
    populated = (p for p in processors if "Unpopulated" not in p.get("Status", ""))
    return [(p.get("Core Count"), p.get("Core Enabled")) for p in populated]


def _other_processor(old: dict[str, str], new: dict[str, str]) -> bool:
    """Return whether two processors are of different models: by signature, or by name with an equal signature."""
    signatures = [_signature(side) for side in (old, new)]
    if all(signatures) and signatures[0] != signatures[1]:
        return True
    one, other = (re.sub(r"[^a-z0-9]", "", known(side.get("Version"))) for side in (old, new))
    return bool(one and other) and one not in other and other not in one


def _signature(processor: dict[str, str]) -> str:
    digits = processor.get("ID", "").split()[:4]
    return "" if not any(digit.strip("0") for digit in digits) else " ".join(digits).lower()


def modules(text: str) -> list[Module]:
    """Return the memory modules of a text."""
    found = []
    for structure in structures(text):
        fields = structure.fields
        if structure.kind != 17 or fields.get("Type") == "Flash":
            continue
        size = _size(fields.get("Size", ""))
        if size:
            found.append(Module(_slot(fields), size, _part(fields.get("Part Number"))))
    return found


def _slot(fields: Mapping[str, str]) -> str:
    return f"{fields.get('Locator', '').strip()}/{fields.get('Bank Locator', '').strip()}"


def _slots(side: Mapping[str, str]) -> list[str]:
    return [_slot(s.fields) for s in structures(side["memory"]) if s.kind == 17]


def _size(text: str) -> int:
    count, _, unit = text.strip().partition(" ")
    return int(count) * _UNITS.get(unit.lower(), 0) if count.isdigit() else 0


def _part(text: str | None) -> str:
    plain = known(text)
    if re.fullmatch(r"0x([0-9a-f]{2}){6,}", plain):
        decoded = bytes.fromhex(plain[2:]).decode("latin-1")
        plain = known(decoded) if decoded.strip("\0").isprintable() else plain
    return re.sub(r"[^a-z0-9]", "", plain)


def module_changes(
    old: list[Module], new: list[Module], old_slots: Iterable[str] = (), new_slots: Iterable[str] = ()
) -> set[str]:
    """Return the changes of the modules; a module of unknown part number equals any other of its size.

    Slots are compared only where both sides name the same ones: firmware updates rename them.
    """
    gone, came = list(old), list(new)
    # Those that stayed in their slots, then those in others, and with an unknown part number last.
    for fits in (
        lambda a, b: a == b,
        lambda a, b: a[1:] == b[1:] and a.part,
        lambda a, b: a.slot == b.slot and a.size == b.size and not (a.part and b.part),
        lambda a, b: a.size == b.size and not (a.part and b.part),
    ):
        for module in list(gone):
            match = next((other for other in came if fits(module, other)), None)
            if match is not None:
                gone.remove(module)
                came.remove(match)
    found = set()
    if gone and came:
        found.add(REPLACED)
    if len(came) > len(gone):
        found.add(ADDED)
    elif len(gone) > len(came):
        found.add(REMOVED)
    if not found and Counter(old_slots) == Counter(new_slots) and _in_other_slots(old, new):
        found.add(MOVED)
    return found


def _in_other_slots(old: list[Module], new: list[Module]) -> bool:
    """Return whether a slot has another module; one of unknown part number equals any other of its size."""
    sides: list[dict[tuple[str, int], list[str]]] = [{}, {}]
    for side, modules in zip(sides, (old, new), strict=True):
        for module in modules:
            side.setdefault(module[:2], []).append(module.part)
    before, now = sides
    if {slot: len(parts) for slot, parts in before.items()} != {slot: len(parts) for slot, parts in now.items()}:
        return True
    return any(all((*before[slot], *now[slot])) and sorted(before[slot]) != sorted(now[slot]) for slot in before)


def slot_changes(old: list[Module], new: list[Module]) -> set[str]:
    """Return the changes of the modules by slot: added to an empty one, removed from one, or replaced in one."""
    before, now = ({module.slot: module[1:] for module in side} for side in (old, new))
    found = {ADDED for slot in now if slot not in before} | {REMOVED for slot in before if slot not in now}
    return found | {REPLACED for slot in before if slot in now and before[slot] != now[slot]}
