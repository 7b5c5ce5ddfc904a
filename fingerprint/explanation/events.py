"""Find the event that caused a difference: each one of `attributes.events` is scored by facts for and against it."""

from __future__ import annotations

from fingerprint.attributes.events import DMI, EVENTS, SHORT_NAMES, Event, Setting, Truth
from fingerprint.attributes.stable import PHYSICAL
from fingerprint.explanation.causes import TABLE_APPEARED, TABLE_GONE, silence_then
from fingerprint.types import Status, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from fingerprint.explanation.causes import Cause, Context
    from fingerprint.rules.stable import StableVerdict

SHOWN = 3
# Fact -> (its text, the events that it supports, those that it contradicts).
_FACTS: dict[str, tuple[str, str, str]] = {
    "tool-version": (
        "dmidecode has another version", "tool-upgrade os-upgrade",
        "tool-installed ram-added firmware-update clone clone-renamed reboot-dhcp nic-swap",
    ),
    "hardware-equal": (
        "the hardware fields are equal",
        "tool-upgrade os-upgrade wmic-to-cim recipe-to-wql recipe-to-wmic type-ids-moved",
        "tool-installed clone clone-renamed cross-hypervisor-move cross-hypervisor-same-ip",
    ),
    "all-dmi": ("all four DMI values changed at once", "tool-upgrade os-upgrade", "tool-installed ram-added"),
    "tool-appeared": ("there were no DMI values then", "tool-installed", "os-upgrade tool-upgrade"),
    "tool-gone": ("there are no DMI values now", "tool-installed", "os-upgrade tool-upgrade"),
    "modules": ("memory modules differ", "ram-added domain-join", "os-upgrade tool-upgrade clone clone-renamed"),
    "firmware": ("the firmware's version or date differs", "firmware-update vm-hardware-upgrade", "ram-added"),
    "uuid": (
        "the system UUID differs",
        "clone clone-renamed clone-new-id cross-hypervisor-move cross-hypervisor-same-ip",
        "os-upgrade tool-upgrade ram-added firmware-update cold-move reboot-dhcp",
    ),
    "uuid-turned": ("the UUID has its bytes in another order", "vm-hardware-upgrade", "clone clone-renamed"),
    "maker": (
        "maker or model differ", "cross-hypervisor-move cross-hypervisor-same-ip",
        "clone clone-renamed os-upgrade tool-upgrade",
    ),
    "nic": (
        "the old hardware address is gone", "nic-swap clone clone-renamed sd-card-copied", "docker-first os-upgrade",
    ),
    "other-first": ("the old address is still there, and another comes first", "docker-first", "nic-swap clone"),
    "no-table": ("there is no SMBIOS table, as on most boards", "sd-card-copied", ""),
    "times": ("of the disks only the times of the links differ", "reboot reboot-dhcp time-zone", "disk-added"),
    "filesystems": ("file systems came or went", "disk-added", "reboot time-zone"),
    "address": ("the IP address is another one", "dhcp-lease reboot-dhcp", ""),
    "method-json": (
        "the agent hashes PowerShell's JSON now", "wmic-to-cim",
        "recipe-to-wql recipe-to-wmic windows-clone-new-uuid type-ids-moved",
    ),
    "method-wmic": (
        "the agent hashes wmic's text now", "recipe-to-wmic",
        "wmic-to-cim recipe-to-wql windows-clone-new-uuid type-ids-moved",
    ),
    "method-wql": (
        "the agent hashes WMI objects now, as from 3.3.1311", "recipe-to-wql",
        "wmic-to-cim recipe-to-wmic windows-clone-new-uuid type-ids-moved",
    ),
    "type-ids": (
        "the WMI objects are equal, with other type ids", "type-ids-moved",
        "wmic-to-cim recipe-to-wql recipe-to-wmic windows-clone-new-uuid",
    ),
    "other-id": ("the machine ID is another one", "clone-new-id volatile-machine-id", ""),
    "kernel": ("the kernel is another one", "kernel-update os-upgrade", "reboot reboot-dhcp time-zone dhcp-lease"),
    "rebooted": (
        "the machine was started since", "reboot reboot-dhcp kernel-update os-upgrade", "time-zone dhcp-lease",
    ),
}  # fmt: skip
_FIT, _SPEAKS, _CONTRADICTS, _LACKS, _VERDICT = 4, 2, 4, 2, 6


class ProbableEvent(Value):
    """An event that may have caused the difference.

    Attributes:
        name, title: of the event.
        truth: "same", "other" or "undecidable": whether it leaves the same machine.
        fits: whether it changes exactly what changed.
        in_favour, against: facts as text.
    """

    name: str
    title: str
    truth: str
    fits: bool
    in_favour: tuple[str, ...]
    against: tuple[str, ...]


def probable(
    context: Context, causes: Collection[Cause], stable: StableVerdict | None, circumstances: Collection[str]
) -> tuple[ProbableEvent, ...]:
    """Return the events that may have caused the difference, the most probable first; () without a difference.

    Args:
        context: both sides.
        causes: of each attribute.
        stable: the verdict of scheme `stable`; None without one.
        circumstances: other facts: "rebooted", "kernel".
    """
    names = set(SHORT_NAMES.values())
    # No event adds or removes a table, and without one modules, firmware and ids are not known.
    usable = [cause for cause in causes if not {TABLE_GONE, TABLE_APPEARED} & set(cause.facts)]
    changed = {cause.name for cause in usable if cause.state == "changed"} & names
    if not changed:
        return ()
    # An event that changes an unreadable attribute is not guessed.
    unread = {cause.name for cause in causes if cause.state == "unknown"} & names
    facts = list(dict.fromkeys(fact for cause in causes for fact in cause.facts))
    facts += circumstances
    settings = _settings(context, stable)
    # By the record's recipe it is the same machine: skip events that lead to another one.
    same = context.change is not None and context.change.verdict.match
    weighed = []
    for order, event in enumerate(EVENTS):
        if same and event.truth == Truth.OTHER:
            continue
        if event.setting in settings and event.name != "agent-restart" and not unread & set(event.ssm):
            points, found = _weigh(event, changed, facts, stable)
            if points > 0:
                weighed.append((-points, order, found))
    return tuple(found for _, _, found in sorted(weighed, key=lambda one: one[:2])[:SHOWN])


def _settings(context: Context, stable: StableVerdict | None) -> tuple[Setting, ...]:
    if context.collection.platform == "windows":
        return (Setting.WINDOWS,)
    read = {a.name: a for a in context.collection}
    without = all(name in read and read[name].status == Status.ABSENT for name in DMI)
    saved = {row.name for row in context.verdict.rows if row.saved and not silence_then(row.name, context)}
    if without and not saved & set(DMI):
        # A system on a hypervisor, such as WSL, is no board.
        board = () if _on_a_hypervisor(stable) else (Setting.BOARD,)
        return (Setting.CONTAINER, *board, Setting.PHYSICAL, Setting.VIRTUAL)
    if stable is not None and not stable.virtual:
        return (Setting.PHYSICAL,)
    return (Setting.PHYSICAL, Setting.VIRTUAL)


def _on_a_hypervisor(stable: StableVerdict | None) -> bool:
    rows = stable.rows if stable is not None else ()
    return any({row.saved, row.current} - {"", PHYSICAL} for row in rows if row.name == "hypervisor")


def _weigh(
    event: Event, changed: set[str], facts: list[str], stable: StableVerdict | None
) -> tuple[int, ProbableEvent]:
    lacking = set(event.ssm) - changed
    unexplained = changed - set(event.ssm) - set(event.ssm_may)
    fits = not lacking and not unexplained
    points = _FIT if fits else -_LACKS * len(lacking) - _LACKS * len(unexplained)
    # An event that explains more attributes ranks higher.
    points += len(changed & set(event.ssm))
    in_favour = [f"it changes exactly these attributes ({_names(changed)})"] if fits else []
    against = [f"it would change {_names(lacking)}, too"] if lacking else []
    against += [f"it does not explain {_names(unexplained)}"] if unexplained else []
    for fact in facts:
        text, speaks_for, speaks_against = _FACTS.get(fact, ("", "", ""))
        if event.name in speaks_for.split():
            points += _SPEAKS
            in_favour.append(text)
        elif event.name in speaks_against.split():
            points -= _CONTRADICTS
            against.append(text)
    if stable is not None:
        outcome = str(stable.outcome)
        says = {"same": Truth.SAME, "different": Truth.OTHER}.get(outcome)
        if says is not None and event.truth != Truth.UNDECIDABLE:
            agrees = event.truth == says
            points += _VERDICT // 2 if agrees else -_VERDICT
            word = "this is the same machine" if says == Truth.SAME else "this is another machine"
            (in_favour if agrees else against).append(f"by scheme stable {word}")
    return points, ProbableEvent(
        event.name, event.title, str(event.truth), fits, tuple(in_favour), tuple(against)
    )  # fmt: skip


def _names(names: Collection[str]) -> str:
    short = {full: name for name, full in SHORT_NAMES.items()}
    return ", ".join(sorted(short[name] for name in names))
