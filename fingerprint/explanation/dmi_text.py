"""Compare two outputs of dmidecode line by line: which fields differ that no structure holds, and how they vary.

Fields that vary at each start, although nothing changed, are known by type and label; others come from the firmware.
"""

from __future__ import annotations

from fingerprint.smbios.dmidecode_fields import byte_size, leading_number
from fingerprint.smbios.table import MemoryDevice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    _Line = tuple[int, str, str]

# Type -> labels whose values vary from start to start; measured on pairs of real machines.
VOLATILE: dict[int, frozenset[str]] = {
    1: frozenset(("Wake-up Type",)),
    3: frozenset(("Boot-up State", "Power Supply State", "Thermal State", "Security Status")),
    4: frozenset((
        "Current Speed", "Max Speed", "External Clock", "Voltage", "L1 Cache Handle", "L2 Cache Handle",
        "L3 Cache Handle", "Status",
    )),
    5: frozenset(("Error Information Handle",)),
    6: frozenset(("Current Speed", "Error Status", "Bank Connections")),
    13: frozenset(("Currently Installed Language",)),
    15: frozenset(("Change Token", "Area Length", "Access Address", "Status")),
    16: frozenset(("Error Information Handle",)),
    17: frozenset((
        "Speed", "Configured Memory Speed", "Configured Clock Speed", "Configured Voltage", "Minimum Voltage",
        "Maximum Voltage", "Array Handle", "Error Information Handle", "Memory Array Handle",
    )),
    32: frozenset(("Status",)),
}  # fmt: skip
_MODULE = 6
_SHOWN = 4


class TextDifference:
    """The fields that differ between two outputs.

    Attributes:
        labels: the labels of the lines that are on one side only, in the order of the text.
        steady: the labels among them that do not vary from start to start.
    """

    def __init__(self, before: str, now: str) -> None:
        old, new = list(_lines(before)), list(_lines(now))
        self.labels: list[str] = []
        self.steady: list[str] = []
        for kind, label, _ in _only_in_one(old, new):
            if label not in self.labels:
                self.labels.append(label)
            if label not in VOLATILE.get(kind, ()) and label not in self.steady:
                self.steady.append(label)

    @property
    def text(self) -> str:
        """The labels as text, at most four of them."""
        more = len(self.labels) - _SHOWN
        return ", ".join(self.labels[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _only_in_one(old: list[_Line], new: list[_Line]) -> Iterable[_Line]:
    """Return the lines that one side has more often than the other."""
    counts: dict[_Line, int] = {}
    for line in old:
        counts[line] = counts.get(line, 0) + 1
    for line in new:
        counts[line] = counts.get(line, 0) - 1
    return [line for line, count in counts.items() if count]


def _lines(text: str) -> Iterable[_Line]:
    """Yield the type of the structure, label and value of each field; a list below a field has the field's label."""
    kind, label = -1, ""
    for line in text.split("\n"):
        if line.startswith("Handle 0x"):
            kind = leading_number(line.partition("DMI type ")[2]) or 0
        elif line.startswith("\t\t"):
            yield kind, label, line.strip()
        elif line.startswith("\t"):
            label, _, value = line.strip().partition(":")
            yield kind, label, value.strip()


def modules_of_type_6(text: str) -> tuple[MemoryDevice, ...]:
    """Return the modules of the structures of type 6, which old firmware has in place of type 17."""
    found: list[MemoryDevice] = []
    slot = ""
    for kind, label, value in _lines(text):
        if kind != _MODULE:
            continue
        if label == "Socket Designation":
            slot = value
        elif label == "Installed Size":
            # Behind the size there is the kind of the connection: "1024 MB (Double-bank Connection)".
            size = byte_size(value.partition("(")[0])
            found.append(MemoryDevice(locator=slot, size_bytes=size))
    return tuple(found)
