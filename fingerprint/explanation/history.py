"""The questions above the causes: is it the same machine (scheme `stable` alone), and how did it come to differ."""

from __future__ import annotations

from fingerprint.attributes.events import Truth
from fingerprint.attributes.stable import CONTAINERS, PHYSICAL
from fingerprint.rules.stable import Agreement, Outcome
from fingerprint.types import Value, Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

    from fingerprint.rules.stable import StableRow, StableVerdict


class Identity(Vocabulary):
    """Whether it is the same machine."""

    SAME: ClassVar[Identity]
    ANOTHER: ClassVar[Identity]
    UNDECIDABLE: ClassVar[Identity]


Identity.define(SAME="same", ANOTHER="another", UNDECIDABLE="undecidable")
TRUTHS = {Identity.SAME: Truth.SAME, Identity.ANOTHER: Truth.OTHER, Identity.UNDECIDABLE: Truth.UNDECIDABLE}
_IDENTITIES = {Outcome.SAME: Identity.SAME, Outcome.DIFFERENT: Identity.ANOTHER}
_DISK = "the disk, or a copy of it, is in another machine"
_HARDWARE = ("system-serial", "board-serial", "disk-serials", "memory-serials", "cloud-instance")
# The names of histories of containers.
OF_CONTAINERS = frozenset(("container-recreated", "container-without-id", "lxc-copied"))
_CARD = "the card or disk of a board, or a copy of it, is in another board"


def identity_of(stable: StableVerdict | None) -> Identity:
    """Return whether it is the same machine by scheme `stable`; undecidable without evidence."""
    return Identity.UNDECIDABLE if stable is None else _IDENTITIES.get(stable.outcome, Identity.UNDECIDABLE)


class History(Value):
    """What happened to the machine itself.

    Attributes:
        name: its key, that of an event of `attributes.events` where there is one.
        title: for users.
        evidence: the facts that speak for it.
    """

    name: str
    title: str
    evidence: tuple[str, ...]


class Rows:
    """The attributes of scheme `stable` on both sides."""

    def __init__(self, stable: StableVerdict) -> None:
        self.identity = identity_of(stable)
        self._rows = {row.name: row for row in stable.rows}

    def row(self, name: str) -> StableRow:
        return self._rows[name]

    def equal(self, name: str) -> bool:
        """Whether both sides have the attribute, and it is equal or overlaps."""
        row = self._rows[name]
        return bool(row.saved and row.current) and (row.agreement == Agreement.AGREES or row.saved == row.current)

    def differ(self, name: str) -> bool:
        """Whether both sides have the attribute, and it differs."""
        row = self._rows[name]
        return bool(row.saved and row.current) and not self.equal(name)

    def replaced(self, name: str) -> bool:
        """Whether two sets have no element in common, or two values differ."""
        row = self._rows[name]
        return self.differ(name) and not set(row.saved.split()) & set(row.current.split())

    def missing(self, name: str) -> bool:
        """Whether an attribute of before is missing now."""
        row = self._rows[name]
        return bool(row.saved) and row.agreement == Agreement.ABSENT

    @property
    def hypervisors(self) -> tuple[str, str]:
        """What the two sides run on; "" if unknown."""
        row = self._rows["hypervisor"]
        return row.saved, row.current

    @property
    def on_hypervisor(self) -> bool:
        """Whether a side is known to run on a hypervisor or in a container."""
        return bool(set(self.hypervisors) - {"", PHYSICAL})

    def facts(self, *names: str) -> tuple[str, ...]:
        """Return which of the attributes are equal and which differ, as text."""
        equal = ", ".join(name for name in names if self.equal(name))
        differ = ", ".join(name for name in names if self.differ(name))
        return tuple(text for text in (differ and f"different: {differ}", equal and f"equal: {equal}") if text)


def board_replaced(rows: Rows) -> bool:
    """Return whether the main board is another one and the rest of the machine is not."""
    if rows.on_hypervisor or any(map(rows.equal, ("system-uuid", "board-serial"))) or rows.differ("platform"):
        return False
    # A UUID alone may be written again by the firmware; a board has network cards, too.
    if not (rows.differ("board-serial") or (rows.differ("system-uuid") and rows.differ("mac-addresses"))):
        return False
    # Modules and processor stay in the case, and an image on other hardware has neither.
    return (rows.equal("memory-serials") or rows.equal("system-serial")) and not rows.replaced("disk-serials")


def history_of(
    rows: Rows, *, changed: frozenset[str], same_id: bool, windows: bool, no_table: bool, same_table: bool
) -> History | None:
    """Return what happened to the machine itself; None if nothing shows that.

    Args:
        rows: both sides by scheme `stable`.
        changed: the attributes of scheme `ssm` that changed.
        same_id: whether the hardware ID is equal on both sides, and not empty.
        windows: whether it is a system of Windows.
        no_table: whether there is no SMBIOS table, then as now.
        same_table: whether dmidecode prints a table, and some of it did not change.
    """
    then, now = rows.hypervisors
    if {then, now} & set(CONTAINERS):
        return _container(then, now, changed, same_id, same_table)
    if then and now and then != now:
        return _moved_between(rows, then, now, changed)
    if rows.identity == Identity.ANOTHER:
        return _another(rows, changed, same_id, windows, no_table)
    if board_replaced(rows):
        facts = rows.facts("system-uuid", "board-serial", "memory-serials", "system-serial", "disk-serials")
        blank = rows.missing("system-serial")
        title = "the main board was replaced" + (", without the serial number of the system" if blank else "")
        return History("board-replaced-blank" if blank else "board-replaced", title, facts)
    if rows.differ("vm-generation-id") and rows.equal("system-uuid") and rows.equal("mac-addresses"):
        title = (
            "the virtual machine was reverted to a snapshot or restored, or it is a copy with its UUID and addresses"
        )
        return History("generation-id-changed", title,
                       rows.facts("vm-generation-id", "system-uuid", "mac-addresses"))  # fmt: skip
    if rows.identity == Identity.SAME:
        return _same(rows, changed, windows, no_table)
    other_card = "macaddr-info" in changed and not rows.equal("mac-addresses")
    if same_id and other_card and not rows.on_hypervisor and not any(map(rows.equal, _HARDWARE)) and not windows:
        # Without a serial number only the network card speaks for other hardware.
        facts = rows.facts("machine-id", "mac-addresses", *_HARDWARE)
        if no_table:
            facts = "there is no SMBIOS table, as on most boards", *facts
            return History("sd-card-copied", f"{_CARD}; or its network card was replaced", facts)
        return History("disk-moved", f"{_DISK}; or the network card was replaced", facts)
    if no_table and not rows.on_hypervisor and rows.differ("system-serial"):
        return History("pi-replaced", "the board was replaced, with the card or disk of the old one",
                       rows.facts("machine-id", "mac-addresses", *_HARDWARE))  # fmt: skip
    if not rows.on_hypervisor and (rows.differ("system-serial") or rows.differ("system-uuid")):
        return History("board-replaced", "the main board was replaced, or the disks are in another machine",
                       rows.facts("system-uuid", "mac-addresses", *_HARDWARE))  # fmt: skip
    if windows and same_id and rows.replaced("mac-addresses"):
        facts = rows.facts("system-uuid", "mac-addresses")
        title = "a copy of a Windows machine that kept its UUID, or other network interfaces"
        return History("windows-clone-same-uuid", title, facts)
    return None


def _container(then: str, now: str, changed: frozenset[str], same_id: bool, same_table: bool) -> History | None:
    if "hostname-info" not in changed or not {"macaddr-info", "ipaddress-info"} & changed:
        return None
    fact = f"it runs in a container ({now or then})"
    if same_table and "lxc" in (then, now):
        title = "the container was copied, or created again on its host"
        return History("lxc-copied", title, (fact, "the SMBIOS table is that of its host"))
    name = "container-recreated" if same_id or "machine-id" in changed else "container-without-id"
    return History(name, "the container was created again, or it is another one", (fact,))


def _moved_between(rows: Rows, then: str, now: str, changed: frozenset[str]) -> History:
    if then == PHYSICAL:
        title = "the system of a physical machine runs in a virtual one"
    elif now == PHYSICAL:
        title = "the system of a virtual machine runs on a physical one"
    else:
        title = "move to another hypervisor, or a copy there"
    name = "cross-hypervisor-move" if "ipaddress-info" in changed else "cross-hypervisor-same-ip"
    return History(name, title, (f"hypervisor {then} -> {now}", *rows.facts("machine-id", "filesystem-uuids")))


def _another(rows: Rows, changed: frozenset[str], same_id: bool, windows: bool, no_table: bool) -> History:
    installation = same_id or rows.equal("machine-id")
    facts = rows.facts(
        "machine-id", "filesystem-uuids", "disk-serials", "system-uuid", "system-serial", "board-serial",
        "mac-addresses", "memory-serials",
    )  # fmt: skip
    if windows and rows.equal("machine-id"):
        if not rows.on_hypervisor:
            return History("windows-unsysprepped", "Windows image on another physical machine, without sysprep", facts)
        return History("windows-clone-new-uuid", "copy of a Windows machine with a UUID of its own", facts)
    copied = installation or rows.equal("filesystem-uuids")
    if not copied:
        return History("another-machine", "another machine, with another installation", facts)
    if no_table and not rows.on_hypervisor:
        return History("sd-card-copied", _CARD, facts)
    if rows.on_hypervisor and not installation:
        return History("clone-new-id", "copy of a machine, with a machine ID of its own", facts)
    if rows.on_hypervisor:
        renamed = "hostname-info" in changed
        if renamed and "memory-hash" in changed and rows.differ("memory"):
            title = "another machine from the same disk or template, with its machine ID and other memory"
            return History("template-cloud-init", title, facts)
        title = f"copy of a virtual machine, with its machine ID and {'another' if renamed else 'its'} name"
        return History("clone-renamed" if renamed else "clone", title, facts)
    if board_replaced(rows):
        return History("board-replaced", "the main board was replaced, or the disks are in another machine", facts)
    if rows.equal("disk-serials"):
        return History("disk-moved", "the disks are in another machine", facts)
    if rows.replaced("disk-serials"):
        if rows.differ("platform"):
            title = "a copy of the disk, or a restored backup, runs on a machine of another model"
            return History("image-on-other-model", title, facts)
        title = "a copy of the disk, or a restored backup, runs on another machine"
        return History("disk-moved", title, facts)
    return History("disk-moved", _DISK, facts)


def _same(rows: Rows, changed: frozenset[str], windows: bool, no_table: bool) -> History | None:
    if rows.on_hypervisor and rows.differ("memory") and "memory-hash" in changed:
        return History("cold-resize", "the virtual machine was resized",
                       rows.facts("memory", "processor", "system-uuid", "mac-addresses"))  # fmt: skip
    if rows.on_hypervisor and rows.differ("processor") and "processor-hash" in changed:
        if rows.equal("cloud-instance"):
            return History("cloud-stop-start", "the instance of a cloud was stopped, and started on another host",
                           rows.facts("processor", "cloud-instance", "system-uuid", "mac-addresses"))  # fmt: skip
        return History("cold-move", "the virtual machine moved to another host of its hypervisor",
                       rows.facts("processor", "system-uuid", "mac-addresses"))  # fmt: skip
    if "machine-id" in changed:
        facts = rows.facts("machine-id", "filesystem-uuids", "system-uuid", "system-serial", "mac-addresses")
        if rows.replaced("filesystem-uuids"):
            return History("reinstalled", "the system was installed again on the same hardware", facts)
        name = "volatile-machine-id" if no_table else "machine-id-regenerated"
        return History(name, "the machine ID was made again on the same hardware", facts)
    if rows.replaced("disk-serials") and rows.equal("filesystem-uuids") and not windows:
        return History("backup-restored", "the system was restored or copied to other disks of the same machine",
                       rows.facts("disk-serials", "filesystem-uuids"))  # fmt: skip
    return None
