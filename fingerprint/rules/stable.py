"""Scheme `stable`: values that change only with the machine, and a verdict with three outcomes.

The values come from structured facts of any source: a raw SMBIOS table and the output of any dmidecode give equal
values. `attributes.stable` has the points for and against each attribute. Pure functions: no I/O.
"""

from __future__ import annotations

from fingerprint._core import canonical_uuid, clean, clean_serial, hypervisor_of, set_of, value_of
from fingerprint.attributes.stable import (
    CIRCUMSTANCE_LIMIT,
    CONTAINERS,
    DECIDING_POINTS,
    PHYSICAL,
    STRENGTHS,
    Group,
)
from fingerprint.types import Value, Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import ClassVar

    from fingerprint.smbios.table import SmbiosTable
    from fingerprint.types import HardwareHash

    _Values = Mapping[str, str] | HardwareHash

    _Entry = tuple[str, "Group", str, str, "Agreement", int]


class Outcome(Vocabulary):
    """The result of the evidence."""

    SAME: ClassVar[Outcome]
    DIFFERENT: ClassVar[Outcome]
    CANNOT_TELL: ClassVar[Outcome]


Outcome.define(SAME="same", DIFFERENT="different", CANNOT_TELL="cannot-tell")


_GENERATION_DIFFERS = (
    "the generation ID of the virtual machine differs: it was reverted, restored or failed over, or is a copy with the "
    "UUID and addresses of the original"
)


class Agreement(Vocabulary):
    """The result for one attribute.

    VOID: both sides have it, but it is no evidence here (hardware under another hypervisor, or of a container's host;
    the generation of a physical machine); ABSENT: one side does not have it; UNKNOWN: it is unreadable now.
    """

    AGREES: ClassVar[Agreement]
    DIFFERS: ClassVar[Agreement]
    VOID: ClassVar[Agreement]
    ABSENT: ClassVar[Agreement]
    UNKNOWN: ClassVar[Agreement]


Agreement.define(AGREES="agrees", DIFFERS="differs", VOID="void", ABSENT="absent", UNKNOWN="unknown")


class StableRow(Value):
    """One attribute in the verdict; `points` are those before the limit on circumstances."""

    _hidden = ("saved", "current")
    name: str
    group: Group
    saved: str
    current: str
    agreement: Agreement
    points: int


class StableVerdict(Value):
    """Whether this is the same machine by scheme `stable`. It is true if the outcome is "same".

    Attributes:
        outcome: same, different or cannot-tell.
        identity: points of the identity-bearing attributes.
        circumstance: points of the other attributes, limited.
        virtual: whether a side is a virtual machine or a container, or not known to be physical.
        void: why identity-bearing hardware is no evidence here; "" if it is.
        turning: whether unreadable attributes could change the outcome, so that it is cannot-tell.
        entries: (name, group, saved, current, agreement, points) of each attribute; see `rows`.
    """

    _hidden = ("entries",)
    outcome: Outcome
    identity: int
    circumstance: int
    virtual: bool
    void: str
    turning: bool
    entries: tuple[_Entry, ...]

    def __bool__(self) -> bool:
        return self.outcome == Outcome.SAME

    @property
    def points(self) -> int:
        """The points that are compared with the deciding points."""
        return self.identity + self.circumstance

    @property
    def rows(self) -> tuple[StableRow, ...]:
        """One row per attribute, in the order of `attributes.stable`."""
        return tuple(StableRow(*entry) for entry in self.entries)

    @property
    def why(self) -> str:
        """The reason in one sentence."""
        if self.turning:
            unread = (name for name, _, _, _, agreement, _ in self.entries if agreement == Agreement.UNKNOWN)
            return f"unreadable attributes could change the outcome: {', '.join(unread)}"
        if self.void:
            return self.void
        agree = self._hardware(Agreement.AGREES)
        differ = self._hardware(Agreement.DIFFERS)
        if not agree and not differ:
            return "no identity-bearing hardware is known on both sides"
        if self.outcome == Outcome.SAME:
            return f"{agree} agree" + (f", against {differ}" if differ else "")
        if _outcome(self.identity, self.circumstance) == Outcome.SAME:
            return f"{agree} agree, but {_GENERATION_DIFFERS}"
        if self.outcome == Outcome.DIFFERENT:
            return f"{differ} differ" + (f", against {agree}" if agree else "")
        if agree and differ:
            return f"{agree} agree and {differ} differ"
        return f"{agree} agree, which is not enough" if agree else f"{differ} differ, which is not enough"

    def _hardware(self, wanted: Agreement) -> str:
        return ", ".join(
            name for name, group, _, _, agreement, _ in self.entries if group == Group.IDENTITY and agreement == wanted
        )


def decide(saved: _Values, current: _Values, unreadable: Collection[str] = ()) -> StableVerdict:
    """Compare the attributes of a machine with saved ones, and return the verdict.

    `same` requires at least 6 points, and a positive sum of identity-bearing hardware; `different` requires at most -6,
    and a negative sum. An unreadable attribute counts 0; if it could change the outcome, the outcome is `cannot-tell`.
    So it is where it would be `same`, and the generation of the virtual machine differs.

    Args:
        saved: the saved value of each name; "" and missing mean absent.
        current: the current value of each name.
        unreadable: the names whose current value is unknown.
    """
    host = {saved.get("hypervisor", ""), current.get("hypervisor", "")} - {""}
    virtual = host != {PHYSICAL}
    void = _void_reason(saved, current, host, virtual)
    entries: list[_Entry] = []
    identity = circumstance = 0
    # The points of all unreadable attributes, if they agreed and if they differed.
    open_identity, open_circumstance = [0, 0], [0, 0]
    generation = Agreement.ABSENT
    for strength in STRENGTHS:
        name, group = strength.name, strength.group
        before, now = saved.get(name, ""), current.get(name, "")
        of_hardware = group == Group.IDENTITY
        for_it, against = strength.virtual if virtual else strength.physical
        points = 0
        if before and name in unreadable:
            agreement = Agreement.UNKNOWN
            if not (void and of_hardware):
                open_points = open_identity if of_hardware else open_circumstance
                open_points[0] += for_it
                open_points[1] -= against
        elif not before or not now:
            agreement = Agreement.ABSENT
        elif (void and of_hardware) or (group == Group.GENERATION and (void or not virtual)):
            agreement = Agreement.VOID
        elif before == now or (strength.several and _overlap(before, now)):
            agreement, points = Agreement.AGREES, for_it
        else:
            agreement, points = Agreement.DIFFERS, -against
        if group == Group.GENERATION:
            generation = agreement
        elif of_hardware:
            identity += points
        else:
            circumstance += points
        entries.append((name, group, before, now, agreement, points))
    outcome = _outcome(identity, circumstance)
    turning = outcome != Outcome.CANNOT_TELL and any(
        _outcome(identity + open_identity[way], circumstance + open_circumstance[way]) != outcome for way in (0, 1)
    )
    if outcome == Outcome.SAME and virtual:
        turning = turning or generation == Agreement.UNKNOWN
        if generation == Agreement.DIFFERS:
            outcome = Outcome.CANNOT_TELL
    return StableVerdict(
        Outcome.CANNOT_TELL if turning else outcome, identity, _limited(circumstance), virtual, void, turning,
        tuple(entries),
    )  # fmt: skip


def _void_reason(saved: _Values, current: _Values, host: set[str], virtual: bool) -> str:
    if not virtual:
        return ""
    if not host.isdisjoint(CONTAINERS):
        return "the hardware is that of the container's host"
    before, now = saved.get("platform", ""), current.get("platform", "")
    if len(host) > 1 or (before and now and before != now):
        return "the kind of machine or hypervisor changed, and both a move and a copy change the IDs of the hardware"
    return ""


def _limited(circumstance: int) -> int:
    return max(-CIRCUMSTANCE_LIMIT, min(CIRCUMSTANCE_LIMIT, circumstance))


def _outcome(identity: int, circumstance: int) -> Outcome:
    points = identity + _limited(circumstance)
    if identity > 0 and points >= DECIDING_POINTS:
        return Outcome.SAME
    if identity < 0 and points <= -DECIDING_POINTS:
        return Outcome.DIFFERENT
    return Outcome.CANNOT_TELL


def _overlap(saved: str, current: str) -> bool:
    before, now = set(saved.split()), set(current.split())
    common = len(before & now)
    # A value of blanks alone has no element, and would match every other one.
    return common > 0 and 2 * common >= min(len(before), len(now))


def smbios_values(table: SmbiosTable) -> dict[str, str]:
    """Return the values of the attributes in an SMBIOS table; attributes without a value are left out."""
    # Not at the start: the table is decoded for evidence in the form of text only.
    from fingerprint.smbios.table import SAYS_VIRTUAL

    found: dict[str, str] = {}
    bios, system = table.bios, table.system
    board = table.baseboards[0] if table.baseboards else None
    chassis = table.chassis[0] if table.chassis else None
    serials: list[str] = []
    for name, structure in (("system-serial", system), ("board-serial", board), ("chassis-serial", chassis)):
        serial = clean_serial(structure.serial) if structure else ""
        # Many makers write one number into all three fields; it counts as evidence once.
        if serial and serial not in serials:
            serials.append(serial)
            found[name] = value_of(name, serial)
    if system:
        found["system-uuid"] = value_of("system-uuid", canonical_uuid(system.uuid))
        found["platform"] = value_of("platform", clean(system.manufacturer), clean(system.product))
    if board:
        found["board"] = value_of("board", clean(board.manufacturer), clean(board.product))
        tag = clean(board.asset_tag)
        if tag.startswith("i-") and len(tag) >= 10 and not tag[2:].strip("0123456789abcdef"):
            found["cloud-instance"] = value_of("cloud-instance", tag)
    if bios:
        found["firmware"] = value_of("firmware", clean(bios.vendor), clean(bios.version), clean(bios.release_date))
    sockets = [(clean(p.version), (p.id or "")[:8]) for p in table.processors if p.populated is not False]
    found["processor"] = value_of("processor", *sorted(f"{name}\1{id}" for name, id in sockets if name or id))
    modules = [d for d in table.memory_devices if d.size_bytes and d.kind != "Flash"]
    found["memory"] = value_of("memory", *sorted(f"{m.size_bytes}\1{clean(m.part_number)}" for m in modules))
    found["memory-serials"] = set_of("memory-serials", (clean_serial(m.serial) for m in modules))
    if system or bios:
        populated = (p for p in table.processors if p.populated is not False)
        found["hypervisor"] = hypervisor_of(
            system.manufacturer if system else None, system.product if system else None,
            bios.vendor if bios else None, board.manufacturer if board else None,
            board.product if board else None, chassis.manufacturer if chassis else None,
            next((p.manufacturer for p in populated if clean(p.manufacturer)), None),
            says_virtual=bios is not None and SAYS_VIRTUAL in (bios.characteristics or ()),
        ) or (PHYSICAL if found.get("firmware") else "")  # fmt: skip
    return {name: value for name, value in found.items() if value}
