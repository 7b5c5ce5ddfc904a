"""What the causes and events of an explanation claim, for `benchmarks/explain.py`.

`CLAIMS` is the only part that depends on the names of `fingerprint.explanation`: a row for each name, and for each
claim the facts of which one makes it true.
"""

from __future__ import annotations

import re
from typing import Any

from explain_truth import ADDED, FIRMWARE, MOVED, NOISE, PROCESSOR, REMOVED, REPLACED, SYSTEM, TOOL

SAME_ADDRESS, NEW_ADDRESS, REBOOT = "same address", "new address", "reboot"
# Facts that are true of no pair.
NO_REBOOT, KERNEL, CARD, ORDER, DISKS = (
    "no reboot",
    "other kernel",
    "other card",
    "other interface first",
    "other disks",
)
RENAMED, OTHER_ID, OTHER_UUID, OTHER_MACHINE = "renamed", "other machine ID", "other UUID", "another machine"
NO_TABLE, VIRTUAL, RECIPE, AGENT = "no table", "virtual machine", "Windows recipe", "only the agent restarted"
CIRCUMSTANCES = frozenset((
    SAME_ADDRESS, NEW_ADDRESS, REBOOT, NO_REBOOT, KERNEL, CARD, ORDER, DISKS, RENAMED, OTHER_ID, OTHER_UUID,
    OTHER_MACHINE, NO_TABLE, VIRTUAL, RECIPE, AGENT,
))  # fmt: skip


def _all(*claims: str | tuple[str, ...]) -> tuple[frozenset[str], ...]:
    """Return claims that must all hold; of a tuple of facts one must."""
    return tuple(frozenset((claim,) if isinstance(claim, str) else claim) for claim in claims)


_ANY_MODULES = (ADDED, REMOVED, REPLACED, MOVED)
CLAIMS: dict[str, tuple[frozenset[str], ...]] = {
    "": (),
    # Events, by their titles.
    "agent-restart": _all(AGENT), "reboot": _all(REBOOT, SAME_ADDRESS), "time-zone": _all(NO_REBOOT),
    "dhcp-lease": _all(NEW_ADDRESS, NO_REBOOT), "reboot-dhcp": _all(REBOOT, NEW_ADDRESS),
    "kernel-update": _all(KERNEL, REBOOT), "tool-upgrade": _all(TOOL, REBOOT, SAME_ADDRESS),
    "os-upgrade": _all(TOOL, NEW_ADDRESS), "tool-installed": _all(NO_TABLE, NEW_ADDRESS),
    "ram-added": _all((ADDED, REMOVED), REBOOT, NEW_ADDRESS), "firmware-update": _all(FIRMWARE, REBOOT, NEW_ADDRESS),
    "nic-swap": _all(CARD, REBOOT, NEW_ADDRESS), "host-renamed": _all(RENAMED), "docker-first": _all(ORDER),
    "disk-added": _all(DISKS), "live-migration": _all(VIRTUAL), "cold-move": _all(VIRTUAL),
    "clone": _all(OTHER_MACHINE), "clone-renamed": _all(OTHER_MACHINE), "clone-new-id": _all(OTHER_MACHINE),
    "vm-hardware-upgrade": _all(VIRTUAL), "cross-hypervisor-move": _all(VIRTUAL, NEW_ADDRESS),
    "cross-hypervisor-same-ip": _all(VIRTUAL, SAME_ADDRESS), "container-recreated": _all(NO_TABLE),
    "container-without-id": _all(NO_TABLE), "sd-card-copied": _all(OTHER_MACHINE),
    "volatile-machine-id": _all(OTHER_ID), "wmic-to-cim": _all(RECIPE), "recipe-to-wql": _all(RECIPE),
    "recipe-to-wmic": _all(RECIPE), "type-ids-moved": _all(RECIPE), "domain-join": _all(RECIPE),
    "windows-disk-added": _all(RECIPE), "windows-clone-new-uuid": _all(RECIPE), "windows-clone-same-uuid": _all(RECIPE),
    # Facts of the causes of single attributes.
    "fact tool-version": _all(TOOL), "fact modules": _all(_ANY_MODULES), "fact firmware": _all(FIRMWARE),
    "fact processor": _all(PROCESSOR), "fact system": _all((SYSTEM, FIRMWARE)), "fact uuid": _all(OTHER_UUID),
    "fact uuid-turned": _all(OTHER_UUID), "fact maker": _all(SYSTEM), "fact nic": _all(CARD), "fact mac": _all(CARD),
    "fact other-first": _all(ORDER), "fact filesystems": _all(DISKS), "fact address": _all(NEW_ADDRESS),
    "fact renamed": _all(RENAMED), "fact other-id": _all(OTHER_ID), "fact table-gone": _all(NO_TABLE),
    "fact table-appeared": _all(NO_TABLE), "fact tool-gone": _all(NO_TABLE), "fact tool-appeared": _all(NO_TABLE),
    "noise": _all(NOISE), "text added, removed or replaced": _all((ADDED, REMOVED, REPLACED)),
    "text moved": _all(_ANY_MODULES),
}  # fmt: skip


def causes_of(explanation: Any) -> list[str]:
    """Return the names of the causes that an explanation puts forward, the first one first."""
    found = [event.name for event in explanation.events[:1]]
    facts = {fact for cause in explanation.causes for fact in cause.facts}
    # There is no event for a difference of the text alone.
    if "hardware-equal" in facts and not facts & {"tool-version", "modules", "firmware", "processor", "system"}:
        found.append("noise")
    return found


def asserted(explanation: Any) -> list[str]:
    """Return the further statements of an explanation: the facts of its causes, and words for memory modules."""
    facts = dict.fromkeys(fact for cause in explanation.causes for fact in cause.facts)
    found = [f"fact {fact}" for fact in facts if f"fact {fact}" in CLAIMS]
    memory = next((cause.text for cause in explanation.causes if cause.name == "memory-hash"), "")
    if re.search(r"\b(added|removed|replaced)\b", memory):
        found.append("text added, removed or replaced")
    if re.search(r"\bmoved\b", memory):
        found.append("text moved")
    return found
