"""What the causes of an explanation claim, for `benchmarks/explain.py`.

`CLAIMS` and `WORDS` are the only parts that depend on the names and titles of `fingerprint.explanation`: for each cause
its claims, and for each claim the facts of which one makes it true.
"""

from __future__ import annotations

import re
from typing import Any

from explain_truth import ADDED, FIRMWARE, MOVED, NOISE, PROCESSOR, REMOVED, REPLACED, SYSTEM, TOOL

SAME_ADDRESS, NEW_ADDRESS, REBOOT = "same address", "new address", "reboot"
# Of a pair with any difference in the text, whether or not it has another cause.
OTHER_TEXT = "other text"
# Facts that are true of no pair.
NO_REBOOT, KERNEL, CARD, ORDER, DISKS = (
    "no reboot",
    "other kernel",
    "other card",
    "other interface first",
    "other disks",
)
RENAMED, OTHER_ID, OTHER_UUID, OTHER_MACHINE = "renamed", "other machine ID", "other UUID", "another machine"
NO_TABLE, VIRTUAL, WINDOWS, CONTAINER = "no table", "virtual machine", "Windows", "container"
CIRCUMSTANCES = frozenset((
    SAME_ADDRESS, NEW_ADDRESS, REBOOT, NO_REBOOT, KERNEL, CARD, ORDER, DISKS, RENAMED, OTHER_ID, OTHER_UUID,
    OTHER_MACHINE, NO_TABLE, VIRTUAL, WINDOWS, CONTAINER,
))  # fmt: skip

Claims = tuple[frozenset[str], ...]


def _all(*claims: str | tuple[str, ...]) -> Claims:
    """Return claims that must all hold; of a tuple of facts one must."""
    return tuple(frozenset((claim,) if isinstance(claim, str) else claim) for claim in claims)


# Those with `OTHER_TEXT` are statements about the text; they are right for a pair that has only text noise.
_OF_TEXT = (NOISE, OTHER_TEXT)
CLAIMS: dict[str, Claims] = {
    "wmi-broken": _all(WINDOWS), "hash-recipe": _all(WINDOWS), "wmi-type-ids": _all(WINDOWS),
    "windows-values": _all(WINDOWS), "windows-domain": _all(WINDOWS), "disks": _all(DISKS),
    "table-gone": _all(NO_TABLE), "table-appeared": _all(NO_TABLE),
    "source-unreadable": _all(NO_TABLE),
    "tool-gone": _all(NO_TABLE), "tool-appeared": _all(NO_TABLE), "value-gone": _all(NO_TABLE),
    "value-appeared": _all(NO_TABLE), "container": _all(CONTAINER), "tool-version": _all(TOOL),
    "other-hardware": _all(OTHER_MACHINE), "hypervisor": _all(VIRTUAL), "main-board": _all(OTHER_UUID),
    "system-identity": _all(OTHER_UUID), "uuid-turned": _all(OTHER_UUID), "processor": _all(PROCESSOR),
    "processor-count": _all(PROCESSOR), "memory-replaced": _all(REPLACED), "memory-added": _all(ADDED),
    "memory-removed": _all(REMOVED), "memory-moved": _all(MOVED), "firmware": _all(FIRMWARE),
    "structures-gone": _all(_OF_TEXT), "structures-appeared": _all(_OF_TEXT), "processor-settings": _all(_OF_TEXT),
    "system-data": _all((SYSTEM, FIRMWARE, *_OF_TEXT)), "text-noise": _all(_OF_TEXT),
    "machine-id-invalid": _all(OTHER_ID), "machine-id": _all(OTHER_ID), "file-systems": _all(DISKS),
    "network-card": _all(CARD), "bond-fail-over": _all(ORDER), "made-address": _all(ORDER),
    "interface-order": _all(ORDER), "host-name": _all(RENAMED), "address": _all(NEW_ADDRESS),
    "kernel": _all(KERNEL), "device-names": _all(DISKS), "reboot": _all(REBOOT), "link-times": _all(NO_REBOOT),
}  # fmt: skip
# The history of a machine that only its parts changed has none of these.
HISTORY = _all(OTHER_MACHINE)
# What a title says, whatever its name.
WORDS: tuple[tuple[str, Claims], ...] = (
    ("(new|another|other) (IP )?address", _all(NEW_ADDRESS)), ("same address", _all(SAME_ADDRESS)),
    ("dmidecode (was upgraded|has another version)", _all(TOOL)),
    ("firmware (update|has another version)", _all(FIRMWARE)),
    ("modules were replaced", _all(REPLACED)), ("modules were added", _all(ADDED)),
    ("modules were removed", _all(REMOVED)), ("modules were moved", _all(MOVED)),
    ("processor was replaced|processors were", _all(PROCESSOR)), ("network card", _all(CARD)),
)  # fmt: skip
# The same for the details of the memory: a module in another slot was not replaced.
_MEMORY_WORDS: tuple[tuple[str, Claims], ...] = (
    (r"\b(added|removed|replaced)\b", _all((ADDED, REMOVED, REPLACED))),
    (r"\bmoved\b", _all((MOVED, ADDED, REMOVED, REPLACED))),
)


def causes_of(explanation: Any) -> list[tuple[str, Claims]]:
    """Return name and claims of each cause that an explanation puts forward, the first one first."""
    return [(cause.name, CLAIMS[cause.name]) for cause in explanation.composition.causes]


def asserted(explanation: Any) -> list[tuple[str, Claims]]:
    """Return name and claims of the further statements: the history, titles, and details of the memory."""
    made = explanation.composition
    titles = [*(event.title for event in explanation.events), *(cause.title for cause in made.causes)]
    found = [] if made.history is None else [(f"history {made.history.name}", HISTORY)]
    found += [(f"title: {words}", claims) for words, claims in WORDS for title in titles if re.search(words, title)]
    memory = next((cause.text for cause in explanation.causes if cause.name == "memory-hash"), "")
    found += [(f"memory: {words}", claims) for words, claims in _MEMORY_WORDS if re.search(words, memory)]
    return list(dict.fromkeys(found))
