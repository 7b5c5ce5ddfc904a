"""When the verdict of scheme `stable` is certain enough to decide against the rules of the agent: named conditions.

A verdict is a sum of points, and a sum can come from weak parts. Here each condition must hold by itself.
Pure functions, no I/O; docs/guard.md prints the table.
"""

from __future__ import annotations

from fingerprint.attributes.stable import Group
from fingerprint.rules.stable import Agreement, Outcome
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.rules.stable import StableVerdict

# Written by the maker, the hypervisor or the cloud, one for each machine.
_UNIQUE = ("system-uuid", "system-serial", "cloud-instance")
# A disk can be put into another machine.
_MOVED_ALONE = ("disk-serials",)
_SAME, _DIFFERENT = (Outcome.SAME,), (Outcome.DIFFERENT,)
_BOTH = (Outcome.SAME, Outcome.DIFFERENT)


class Condition(Value):
    """What must hold for a certain verdict.

    Attributes:
        name: its key.
        outcomes: the certain outcomes that require it.
        text: what must hold.
        forged: what a copier would have to forge, and whether he can.
    """

    name: str
    outcomes: tuple[Outcome, ...]
    text: str
    forged: str


CONDITIONS = (
    Condition(
        "outcome", _BOTH, "scheme `stable` has this outcome, whatever the unreadable attributes are",
        "Enough values of the original. What a copy of a disk brings along (machine ID, file systems, name, address) "
        "counts for at most 4 points, and 6 decide.",
    ),
    Condition(
        "kind", _BOTH, "both sides say what they run on, it is the same, and it is no container",
        "Nothing: a container shows the hardware of its host, and its copy there does, too. Therefore containers are "
        "never certain, nor is a move between two kinds of machine or hypervisor.",
    ),
    Condition(
        "readable", _BOTH, "each identity-bearing attribute that was known can be read now",
        "A source that fails: by its mode, a start with lockdown, or a user without rights. Then nothing is certain.",
    ),
    Condition(
        "unique-hardware", _SAME, "physical: two identity-bearing attributes other than the disks agree, one of them a "
        "UUID, serial number or instance ID of the machine; virtual: its UUID and a MAC address, or its instance ID",
        "Values in the firmware of another machine. A copier of a disk or an image cannot; whoever controls the "
        "hypervisor can give two virtual machines one UUID and one MAC address.",
    ),
    Condition(
        "no-contradiction", _SAME, "no UUID, serial number or instance ID of the machine differs, nor its maker and "
        "model",
        "As above.",
    ),
    Condition(
        "other-hardware", _DIFFERENT, "physical: two identity-bearing attributes other than the disks differ, one of "
        "them a UUID, serial number or instance ID of the machine; virtual: its UUID and a MAC address, or its "
        "instance ID",
        "Nothing: a copy gains nothing by other hardware. A new main board without its serial number does, "
        "therefore the next condition. A virtual machine that was imported again may have another UUID, and serial "
        "numbers that are made from it.",
    ),
    Condition(
        "nothing-kept", _DIFFERENT, "physical: no identity-bearing attribute other than the disks agrees; virtual: "
        "neither its UUID nor a MAC address nor its instance ID agrees",
        "Physical: one piece of the original's hardware, such as a memory module. Virtual: the UUID or a MAC address "
        "of the original, which whoever controls the hypervisor can set. Then it is not certain, and the rules decide.",
    ),
)  # fmt: skip
_NAMES = {outcome: tuple(one.name for one in CONDITIONS if outcome in one.outcomes) for outcome in _BOTH}


class Ruling(Value):
    """Whether a verdict of scheme `stable` is certain.

    Attributes:
        outcome: same or different where it is certain, else cannot-tell.
        failed: names of the conditions that do not hold for the outcome of the verdict; () for a certain one, and
            without an outcome.
        why: the reason, a sentence without a full stop.
    """

    outcome: Outcome
    failed: tuple[str, ...]
    why: str

    @property
    def is_same(self) -> bool:
        """Whether it is certainly the same machine."""
        return self.outcome == Outcome.SAME

    @property
    def is_different(self) -> bool:
        """Whether it is certainly another machine."""
        return self.outcome == Outcome.DIFFERENT


NO_EVIDENCE = "nothing was kept when the record was made, so that scheme stable has nothing to compare"


def rule_on(verdict: StableVerdict | None) -> Ruling:
    """Return whether a verdict is certain.

    Args:
        verdict: of scheme `stable` over the evidence of the very record and the machine; None without evidence.
    """
    if verdict is None:
        return Ruling(Outcome.CANNOT_TELL, (), NO_EVIDENCE)
    if verdict.outcome == Outcome.CANNOT_TELL:
        return Ruling(Outcome.CANNOT_TELL, ("outcome",) if verdict.turning else (), verdict.why)
    rows = {row.name: row for row in verdict.rows}
    hardware = [row for row in verdict.rows if row.group == Group.IDENTITY and row.name not in _MOVED_ALONE]
    # Without points: modules of a virtual machine. Its serial numbers are made from the UUID, and prove nothing more.
    agree = {row.name for row in hardware if row.points > 0}
    differ = {row.name for row in hardware if row.points < 0}
    unique, other = (_identify(names, verdict.virtual) for names in (agree, differ))
    contradicted = not differ.isdisjoint(_UNIQUE) or rows["platform"].agreement == Agreement.DIFFERS
    holds = {
        "outcome": True,
        "kind": not verdict.void and rows["hypervisor"].agreement == Agreement.AGREES,
        "readable": all(row.agreement != Agreement.UNKNOWN for row in hardware),
        "unique-hardware": unique,
        "no-contradiction": not contradicted,
        "other-hardware": other,
        "nothing-kept": not agree,
    }
    failed = tuple(name for name in _NAMES[verdict.outcome] if not holds[name])
    if failed:
        [missing] = (one.text for one in CONDITIONS if one.name == failed[0])
        why = f"{verdict.outcome} by scheme stable, but not certain, as this does not hold: {missing}"
        return Ruling(Outcome.CANNOT_TELL, failed, why)
    return Ruling(verdict.outcome, (), verdict.why)


def _identify(names: set[str], virtual: bool) -> bool:
    """Return whether attributes are enough to identify a machine, or to distinguish it from another one."""
    if virtual:
        return names.issuperset(("system-uuid", "mac-addresses")) or "cloud-instance" in names
    return len(names) > 1 and not names.isdisjoint(_UNIQUE)
