"""Scheme `stable`: values that only another machine changes, and a verdict with three outcomes.

The values come out of structured facts, whoever told them: a raw SMBIOS table or the text of any
dmidecode give the same ones. What speaks for and against is added up by `attributes.stable`; nothing here reads.
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

    _Judged = tuple[str, "Group", str, str, "Agreement", int]


class Outcome(Vocabulary):
    """What the evidence amounts to."""

    SAME: ClassVar[Outcome]
    DIFFERENT: ClassVar[Outcome]
    CANNOT_TELL: ClassVar[Outcome]


Outcome.define(SAME="same", DIFFERENT="different", CANNOT_TELL="cannot-tell")


class Agreement(Vocabulary):
    """How one attribute stands.

    VOID: known on both sides, but it says nothing here (hardware under another hypervisor, or of a host);
    ABSENT: a side does not have it; UNKNOWN: it is there now and could not be read.
    """

    AGREES: ClassVar[Agreement]
    DIFFERS: ClassVar[Agreement]
    VOID: ClassVar[Agreement]
    ABSENT: ClassVar[Agreement]
    UNKNOWN: ClassVar[Agreement]


Agreement.define(AGREES="agrees", DIFFERS="differs", VOID="void", ABSENT="absent", UNKNOWN="unknown")


class StableRow(Value):
    """One attribute in the verdict. Attributes: `points` as counted, before the limit on circumstances."""

    _hidden = ("saved", "current")
    name: str
    group: Group
    saved: str
    current: str
    agreement: Agreement
    points: int


class StableVerdict(Value):
    """Whether this is the same machine by scheme `stable`. It is true exactly when the outcome is "same".

    Attributes:
        outcome: same, different or cannot-tell.
        identity: points of the identity-bearing attributes.
        circumstance: points of the others, limited.
        virtual: whether a side is a virtual machine or a container, or not known to be physical.
        void: why identity-bearing hardware says nothing here; "" if it does.
        turning: whether attributes that could not be read could turn the outcome, so that it is cannot-tell.
        judged: (name, group, saved, current, agreement, points) of each attribute; see `rows`.
    """

    _hidden = ("judged",)
    outcome: Outcome
    identity: int
    circumstance: int
    virtual: bool
    void: str
    turning: bool
    judged: tuple[_Judged, ...]

    def __bool__(self) -> bool:
        return self.outcome == Outcome.SAME

    @property
    def points(self) -> int:
        """What was held against the deciding points."""
        return self.identity + self.circumstance

    @property
    def rows(self) -> tuple[StableRow, ...]:
        """One row per attribute, in the order of `attributes.stable`."""
        return tuple(StableRow(*judged) for judged in self.judged)

    @property
    def why(self) -> str:
        """The reason in one sentence."""
        if self.turning:
            unread = (name for name, _, _, _, agreement, _ in self.judged if agreement == Agreement.UNKNOWN)
            return f"{', '.join(unread)} could not be read and could turn it"
        if self.void:
            return self.void
        agree = self._hardware(Agreement.AGREES)
        differ = self._hardware(Agreement.DIFFERS)
        if not agree and not differ:
            return "no identity-bearing hardware is known on both sides"
        if self.outcome == Outcome.SAME:
            return f"{agree} agree" + (f", against {differ}" if differ else "")
        if self.outcome == Outcome.DIFFERENT:
            return f"{differ} differ" + (f", against {agree}" if agree else "")
        if agree and differ:
            return f"{agree} agree and {differ} differ"
        return f"{agree} agree, which is too little alone" if agree else f"{differ} differ, which is too little alone"

    def _hardware(self, wanted: Agreement) -> str:
        return ", ".join(
            name for name, group, _, _, agreement, _ in self.judged if group == Group.IDENTITY and agreement == wanted
        )


def decide(saved: _Values, current: _Values, unreadable: Collection[str] = ()) -> StableVerdict:
    """Hold the attributes of a machine against saved ones.

    `same` takes at least 6 points with identity-bearing hardware on balance in favour; `different`
    takes -6 with it against. An attribute that could not be read now counts for nothing, and where it
    could have turned the outcome, that is `cannot-tell`.

    Args:
        saved: name -> value as kept; "" and missing mean absent.
        current: the same as read now.
        unreadable: the names whose present value is unknown.
    """
    host = {saved.get("hypervisor", ""), current.get("hypervisor", "")} - {""}
    virtual = host != {PHYSICAL}
    void = _void_reason(saved, current, host, virtual)
    judged: list[_Judged] = []
    identity = circumstance = 0
    # For each unread attribute, what it would count if it agreed and if it differed.
    open_identity, open_circumstance = [0, 0], [0, 0]
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
        elif void and of_hardware:
            agreement = Agreement.VOID
        elif before == now or (strength.several and _overlap(before, now)):
            agreement, points = Agreement.AGREES, for_it
        else:
            agreement, points = Agreement.DIFFERS, -against
        if of_hardware:
            identity += points
        else:
            circumstance += points
        judged.append((name, group, before, now, agreement, points))
    outcome = _outcome(identity, circumstance)
    turning = outcome != Outcome.CANNOT_TELL and any(
        _outcome(identity + open_identity[way], circumstance + open_circumstance[way]) != outcome for way in (0, 1)
    )
    return StableVerdict(
        Outcome.CANNOT_TELL if turning else outcome, identity, _limited(circumstance), virtual, void, turning,
        tuple(judged),
    )  # fmt: skip


def _void_reason(saved: _Values, current: _Values, host: set[str], virtual: bool) -> str:
    if not virtual:
        return ""
    if not host.isdisjoint(CONTAINERS):
        return "in a container the hardware is its host's"
    before, now = saved.get("platform", ""), current.get("platform", "")
    if len(host) > 1 or (before and now and before != now):
        return "it runs on another kind of machine or hypervisor, which gives new ids to a moved machine as to a copy"
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
    return 2 * len(before & now) >= min(len(before), len(now))


def smbios_values(table: SmbiosTable) -> dict[str, str]:
    """Return what an SMBIOS table says of the attributes; those that it does not tell are left out."""
    found: dict[str, str] = {}
    bios, system = table.bios, table.system
    board = table.baseboards[0] if table.baseboards else None
    chassis = table.chassis[0] if table.chassis else None
    serials: list[str] = []
    for name, structure in (("system-serial", system), ("board-serial", board), ("chassis-serial", chassis)):
        serial = clean_serial(structure.serial) if structure else ""
        # Many makers write one number into all three; it is one witness.
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
        found["hypervisor"] = hypervisor_of(
            system.manufacturer if system else None,
            system.product if system else None,
            bios.vendor if bios else None,
            bios.version if bios else None,
        )
    return {name: value for name, value in found.items() if value}
