"""Name the events of `attributes.events` that the causes found amount to: the history first, then each cause."""

from __future__ import annotations

from fingerprint.attributes.events import DMI, SHORT_NAMES, Truth
from fingerprint.explanation.history import TRUTHS, Identity
from fingerprint.explanation.primitives import HARDWARE
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from fingerprint.explanation.causes import Context
    from fingerprint.explanation.composition import Composition, PrimitiveCause

SHOWN = 3
# Event -> the causes that it needs. The first events of a cause are those that need more causes, too.
_NEEDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("os-upgrade", ("tool-version", "address")),
    ("os-upgrade", ("tool-version", "kernel")),
    ("tool-upgrade", ("tool-version",)),
    ("tool-installed", ("tool-gone",)),
    ("tool-installed", ("tool-appeared",)),
    ("type-ids-moved", ("wmi-type-ids",)),
    ("processor-replaced", ("processor",)),
    ("processor-replaced", ("processor-count",)),
    ("ram-added", ("memory-added",)),
    ("ram-added", ("memory-removed",)),
    ("ram-added", ("memory-replaced",)),
    ("ram-added", ("memory-moved",)),
    ("vm-hardware-upgrade", ("uuid-turned", "firmware")),
    ("vm-hardware-upgrade", ("uuid-turned",)),
    ("firmware-update", ("firmware",)),
    ("domain-join", ("windows-domain",)),
    ("windows-disk-added", ("disks",)),
    ("disk-added", ("file-systems",)),
    ("nic-swap", ("network-card",)),
    ("docker-first", ("interface-order",)),
    ("host-renamed", ("host-name",)),
    ("kernel-update", ("kernel",)),
    ("reboot-dhcp", ("reboot", "address")),
    ("reboot", ("reboot",)),
    ("time-zone", ("link-times",)),
    ("dhcp-lease", ("address",)),
)
# Recipe of the agent now -> event, where it read no value of Windows before.
_AFTER_NOTHING = {"json": "server-2025-cim", "wql": "recipe-to-wql"}
_RECIPES = {"json": "wmic-to-cim", "wql": "recipe-to-wql", "wmic": "recipe-to-wmic"}
# What may happen together with any event, and what no event of the table is about.
_BESIDE = frozenset((
    "address", "reboot", "link-times", "device-names", "kernel", "text-noise", "made-address", "bond-fail-over",
    "table-gone", "table-appeared", "structures-gone", "structures-appeared",
))  # fmt: skip


class ProbableEvent(Value):
    """An event that the causes amount to.

    Attributes:
        name: of `attributes.events`.
        title: its causes, for users; only what was found.
        truth: "same", "other" or "undecidable": whether it is the same machine by scheme `stable`; without evidence
            "same" for an event that does not touch the hardware.
        fits: whether it explains all that changed, with what may happen together with any event.
        in_favour, against: facts as text.
    """

    name: str
    title: str
    truth: str
    fits: bool
    in_favour: tuple[str, ...]
    against: tuple[str, ...]


def probable(context: Context, found: Composition) -> tuple[ProbableEvent, ...]:
    """Return the events that the causes amount to, the most comprehensive first; () without a difference.

    Args:
        context: both sides.
        found: the causes.
    """
    events = []
    by_name = {cause.name: cause for cause in found.causes}
    used: set[str] = set()
    if found.history is not None and found.history.name != "another-machine":
        used.update(by_name)
        events.append(_event(found.history.name, found.history.title, found.causes, found, found.history.evidence))
    for name, needs in (*_by_attributes(context, by_name), *_NEEDS):
        if by_name.keys() >= set(needs) and not used.issuperset(needs):
            used.update(needs)
            causes = [by_name[need] for need in needs]
            events.append(_event(name, ", ".join(cause.title for cause in causes), causes, found))
    return tuple(events[:SHOWN])


def _by_attributes(context: Context, causes: dict[str, PrimitiveCause]) -> list[tuple[str, tuple[str, ...]]]:
    """Return the events that depend on the attributes of their cause, or on the recipe, each with its causes."""
    found: list[tuple[str, tuple[str, ...]]] = []
    if "hash-recipe" in causes:
        found.append((_RECIPES.get(context.collection.recipe, "recipe-to-wql"), ("hash-recipe",)))
    appeared = causes.get("value-appeared")
    if appeared and "uuid" in appeared.attributes and context.collection.recipe in _AFTER_NOTHING:
        found.append((_AFTER_NOTHING[context.collection.recipe], ("value-appeared",)))
    unreadable = causes.get("source-unreadable")
    if unreadable and set(unreadable.attributes) == set(DMI):
        found.append(("table-hidden", ("source-unreadable",)))
    if "windows-values" in causes:
        only_disks = set(causes["windows-values"].attributes) == {"disk-info"}
        found.append(("windows-disk-added" if only_disks else "domain-join", ("windows-values",)))
    return found


def _event(
    name: str, title: str, causes: Iterable[PrimitiveCause], found: Composition, evidence: tuple[str, ...] = ()
) -> ProbableEvent:
    own = {cause.name for cause in causes}
    left = [a for c in found.causes if c.name not in own | _BESIDE for a in c.attributes] + list(found.unexplained)
    explained = {a for c in found.causes if c.name in own for a in c.attributes}
    left = [attribute for attribute in dict.fromkeys(left) if attribute not in explained]
    in_favour = list(dict.fromkeys((*evidence, *(text for cause in causes for text in cause.evidence))))
    if found.identity != Identity.UNDECIDABLE:
        word = "the same" if found.identity == Identity.SAME else "another"
        in_favour.append(f"by scheme stable this is {word} machine")
    # Where the hardware does not decide, only an event that has nothing to do with it is one of the same machine.
    truth = TRUTHS[found.identity]
    if truth == Truth.UNDECIDABLE and not evidence and not own & HARDWARE:
        truth = Truth.SAME
    return ProbableEvent(
        name, title, str(truth), not left, tuple(in_favour),
        (f"it does not explain {_names(left)}",) if left else (),
    )  # fmt: skip


def _names(names: Iterable[str]) -> str:
    short = {full: name for name, full in SHORT_NAMES.items()}
    return ", ".join(sorted(short.get(name, name) for name in names))
