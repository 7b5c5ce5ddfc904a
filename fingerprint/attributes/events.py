"""The events of machines and the attributes that they change, for simulation, advice and explanation.

One row per event, for both schemes; docs/events.md prints it. `may` has the attributes that change on some machines
only.
"""

from __future__ import annotations

from fingerprint.types import Value, Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import ClassVar


class Truth(Vocabulary):
    """Whether it is the same machine after an event. UNDECIDABLE: a move and a copy change the same attributes."""

    SAME: ClassVar[Truth]
    OTHER: ClassVar[Truth]
    UNDECIDABLE: ClassVar[Truth]


Truth.define(SAME="same", OTHER="other", UNDECIDABLE="undecidable")


class Setting(Vocabulary):
    """The kind of machine that an event is for."""

    PHYSICAL: ClassVar[Setting]
    VIRTUAL: ClassVar[Setting]
    BOARD: ClassVar[Setting]
    CONTAINER: ClassVar[Setting]
    WINDOWS: ClassVar[Setting]


Setting.define(PHYSICAL="physical", VIRTUAL="virtual", BOARD="board", CONTAINER="container", WINDOWS="windows")

# Short names of the attributes of scheme `ssm`, as the command line takes them.
SHORT_NAMES = {
    "id": "machine-id", "uuid": "uuid", "cpu": "processor-hash", "mem": "memory-hash", "bios": "bios-hash",
    "sys": "system-hash", "host": "hostname-info", "ip": "ipaddress-info", "mac": "macaddr-info", "disk": "disk-info",
}  # fmt: skip
DMI = ("processor-hash", "memory-hash", "bios-hash", "system-hash")
ALIASES = {"dhcp": "dhcp-lease", "dmidecode-upgrade": "tool-upgrade", "vm-migration": "cold-move", "ram": "ram-added"}
# Attributes that no machine of a setting has: their values are "" before and after.
EMPTY = {
    Setting.PHYSICAL: (), Setting.VIRTUAL: (), Setting.WINDOWS: (), Setting.BOARD: DMI, Setting.CONTAINER: DMI,
}  # fmt: skip


class Event(Value):
    """One event.

    Attributes:
        name: its name on the command line.
        title: a description for users.
        setting: the kind of machine that the row is for.
        truth: whether it is the same machine afterwards.
        ssm, ssm_may: attributes of scheme `ssm` that change, and those that change on some machines.
        stable, stable_may: the same of scheme `stable`.
        outcome: the right verdict of scheme `stable`: "same", "different" or "cannot-tell".
        signs: how it differs from other events, for users.
        id_missing: whether the hardware ID is "" before and after.
    """

    name: str
    title: str
    setting: Setting
    truth: Truth
    ssm: tuple[str, ...]
    stable: tuple[str, ...]
    outcome: str
    signs: str
    ssm_may: tuple[str, ...]
    stable_may: tuple[str, ...]
    id_missing: bool


def _event(
    name: str, title: str, setting: Setting, truth: Truth, ssm: str, stable: str, outcome: str, signs: str, *,
    ssm_may: str = "", stable_may: str = "", id_missing: bool = False,
) -> Event:  # fmt: skip
    """Return an event; attributes are separated by blanks, those of scheme `ssm` have their short names."""
    return Event(
        name, title, setting, truth, _full(ssm.split()), tuple(stable.split()), outcome, signs,
        _full(ssm_may.split()), tuple(stable_may.split()), id_missing,
    )  # fmt: skip


def _full(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(SHORT_NAMES[name] for name in names)


def event_of(name: str) -> Event | None:
    """Return the event with a name or alias; None if there is none."""
    name = ALIASES.get(name, name)
    return next((event for event in EVENTS if event.name == name), None)


def attribute_of(name: str) -> str | None:
    """Return the full name of an attribute of scheme `ssm` for its short or full name, None if there is none."""
    return SHORT_NAMES.get(name) or (name if name in SHORT_NAMES.values() else None)


_NEW_HARDWARE = "system-uuid system-serial mac-addresses"
_PHYSICAL, _VIRTUAL, _WINDOWS = Setting.PHYSICAL, Setting.VIRTUAL, Setting.WINDOWS

EVENTS = (
    _event("agent-restart", "the agent was restarted", _PHYSICAL, Truth.SAME, "", "", "same", "nothing differs"),
    _event("reboot", "reboot, same address", _PHYSICAL, Truth.SAME, "disk", "", "same",
           "only the times of the disk links differ, and they are those of the last start"),
    _event("time-zone", "another time zone, or half a year without a reboot", _PHYSICAL, Truth.SAME, "disk", "", "same",
           "only the times in the listing of the disk links differ, and the machine was not started since"),
    _event("dhcp-lease", "new address, no reboot", _PHYSICAL, Truth.SAME, "ip", "ip-address", "same",
           "only the address differs"),
    _event("reboot-dhcp", "reboot and new address", _PHYSICAL, Truth.SAME, "ip disk", "ip-address", "same",
           "address and the times of the disk links differ"),
    _event("kernel-update", "kernel update and reboot", _PHYSICAL, Truth.SAME, "disk", "ip-address", "same",
           "as a reboot; another first interface shows in the MAC address", ssm_may="ip mac"),
    _event("tool-upgrade", "dmidecode was upgraded, reboot, same address", _PHYSICAL, Truth.SAME,
           "cpu mem bios sys disk", "", "same",
           "all four DMI values differ at once, by the version in their first line"),
    _event("os-upgrade", "upgrade of the operating system and new address", _PHYSICAL, Truth.SAME,
           "cpu mem bios sys ip disk", "ip-address", "same",
           "all four DMI values, address and disk differ at once; hardware ID, name and MAC stayed"),
    _event("tool-installed", "dmidecode was installed or removed, new address", _PHYSICAL, Truth.SAME,
           "cpu mem bios sys ip", "ip-address", "same", "all four DMI values are empty on one side", ssm_may="disk"),
    _event("ram-added", "memory added or removed, reboot and new address", _PHYSICAL, Truth.SAME, "mem ip disk",
           "memory ip-address", "same", "of the DMI values the memory differs", ssm_may="sys",
           stable_may="memory-serials"),
    _event("firmware-update", "firmware update, reboot and new address", _PHYSICAL, Truth.SAME, "bios ip disk",
           "firmware ip-address", "same", "the version or date of the firmware differs", ssm_may="cpu mem sys",
           stable_may="memory processor"),
    _event("processor-replaced", "processor replaced, reboot and new address", _PHYSICAL, Truth.SAME, "cpu ip disk",
           "processor ip-address", "same", "of the DMI values the processor differs: its ID or model",
           ssm_may="bios sys", stable_may="firmware"),
    _event("board-replaced", "main board replaced, with its serial number written again", _PHYSICAL,
           Truth.UNDECIDABLE, "sys ip mac disk", "system-uuid board-serial mac-addresses ip-address", "cannot-tell",
           "UUID, board and MAC differ; modules, disks or the serial number of the system stayed",
           ssm_may="bios cpu mem", stable_may="system-serial firmware chassis-serial"),
    _event("board-replaced-blank", "main board replaced, without a serial number of the system", _PHYSICAL,
           Truth.UNDECIDABLE, "sys ip mac disk", "system-uuid system-serial board-serial mac-addresses ip-address",
           "cannot-tell", "UUID, board and MAC differ, and the firmware has no serial number of the system",
           ssm_may="bios cpu mem", stable_may="firmware chassis-serial"),
    _event("disk-moved", "the disk, or a copy of it, in another physical machine", _PHYSICAL, Truth.OTHER,
           "mem sys ip mac disk", f"{_NEW_HARDWARE} board-serial memory-serials ip-address", "different",
           "serial numbers, modules and MAC differ, and the machine ID is the same", ssm_may="cpu bios host",
           stable_may="disk-serials platform board processor memory firmware chassis-serial hostname"),
    _event("image-on-other-model", "copy of the disk on a physical machine of another model", _PHYSICAL, Truth.OTHER,
           "cpu mem bios sys ip mac disk",
           f"{_NEW_HARDWARE} board-serial disk-serials memory-serials platform board processor memory firmware "
           "ip-address", "different",
           "maker or model differ, with all serial numbers and MAC; machine ID and file systems are the same",
           ssm_may="host", stable_may="chassis-serial hostname"),
    _event("machine-id-regenerated", "the machine ID was made again on the same hardware", _PHYSICAL, Truth.SAME,
           "id disk", "machine-id", "same", "the machine ID differs; hardware and file systems stayed", ssm_may="ip",
           stable_may="ip-address"),
    _event("reinstalled", "the system was installed again on the same hardware", _PHYSICAL, Truth.SAME, "id disk",
           "machine-id filesystem-uuids", "same", "machine ID and file systems differ; the hardware stayed",
           ssm_may="host ip cpu mem bios sys", stable_may="hostname ip-address"),
    _event("backup-restored", "a backup was restored to another disk of the same machine", _PHYSICAL, Truth.SAME,
           "disk", "disk-serials", "same", "the disks differ; their file systems and the other hardware stayed",
           ssm_may="ip host", stable_may="ip-address hostname"),
    _event("nic-swap", "network card replaced, reboot and new address", _PHYSICAL, Truth.SAME, "ip mac disk",
           "mac-addresses ip-address", "same", "MAC and IP differ; the DMI values stayed"),
    _event("host-renamed", "the host was renamed", _PHYSICAL, Truth.SAME, "host", "hostname", "same",
           "only the host name differs"),
    _event("docker-first", "a bridge or tunnel is now the first interface", _PHYSICAL, Truth.SAME, "ip mac", "", "same",
           "MAC and IP are those of a software interface, or were"),
    _event("disk-added", "USB stick, new partition or new file system", _PHYSICAL, Truth.SAME, "disk", "", "same",
           "the listing has a UUID more, or less", stable_may="filesystem-uuids"),
    _event("table-hidden", "kernel lockdown hides the SMBIOS table from an old dmidecode, reboot, same address",
           _PHYSICAL, Truth.SAME, "cpu mem bios sys disk", "", "same",
           "all four DMI values are empty now: dmidecode is there and /dev/mem is closed"),
    _event("live-migration", "live migration, same address", _VIRTUAL, Truth.SAME, "", "", "same", "nothing differs",
           stable_may="processor"),
    _event("cold-move", "virtual machine moved to another host, and started there", _VIRTUAL, Truth.SAME, "disk", "",
           "same", "UUID and MAC stayed", ssm_may="cpu ip", stable_may="processor ip-address firmware"),
    _event("cold-resize", "virtual machine resized while off, new address", _VIRTUAL, Truth.SAME, "mem ip disk",
           "memory ip-address", "same", "of the DMI values the memory differs; UUID and MAC stayed", ssm_may="cpu sys",
           stable_may="processor"),
    _event("cloud-stop-start", "cloud instance stopped, and started on another host", _VIRTUAL, Truth.SAME,
           "cpu disk", "processor", "same", "UUID, MAC and instance id stayed", ssm_may="ip bios",
           stable_may="ip-address firmware"),
    _event("snapshot-reverted", "virtual machine reverted to a snapshot with its memory, no readable generation ID",
           _VIRTUAL, Truth.SAME, "", "", "same", "nothing differs: the record on the disk is reverted, too",
           ssm_may="disk ip host", stable_may="ip-address hostname"),
    _event("generation-id-changed", "another generation ID of the virtual machine, started again at the same address",
           _VIRTUAL, Truth.UNDECIDABLE, "disk", "vm-generation-id", "cannot-tell",
           "UUID and MAC stayed: a revert to a snapshot, a restore, or a copy that kept both", ssm_may="ip host",
           stable_may="ip-address hostname"),
    _event("vtpm-replaced", "the virtual TPM was cleared or replaced", _VIRTUAL, Truth.SAME, "", "", "same",
           "nothing differs but what a reboot changes: neither scheme reads the TPM", ssm_may="disk"),
    _event("clone", "copy of a virtual machine, with its machine ID and name", _VIRTUAL, Truth.OTHER, "sys ip mac disk",
           f"{_NEW_HARDWARE} ip-address", "different", "UUID and MAC differ, and the machine ID is the same"),
    _event("clone-renamed", "copy of a virtual machine, with its machine ID and another name", _VIRTUAL, Truth.OTHER,
           "sys host ip mac disk", f"{_NEW_HARDWARE} ip-address hostname", "different",
           "UUID, MAC and name differ, and the machine ID is the same"),
    _event("clone-new-id", "copy of a machine, with a machine ID of its own", _VIRTUAL, Truth.OTHER,
           "id sys host ip mac disk", f"machine-id {_NEW_HARDWARE} ip-address hostname", "different",
           "the machine ID differs, and so does the hardware"),
    _event("template-cloud-init", "machine from a template with cloud-init, which left the machine ID", _VIRTUAL,
           Truth.OTHER, "mem sys host ip mac disk", f"{_NEW_HARDWARE} memory ip-address hostname", "different",
           "UUID, MAC, name and memory differ, and the machine ID is the same", ssm_may="cpu id",
           stable_may="machine-id processor"),
    _event("vm-hardware-upgrade", "upgrade of the virtual hardware (VMware 13 turns the UUID's bytes)", _VIRTUAL,
           Truth.SAME, "bios sys disk", "firmware", "same", "the UUID has the same bytes in another order",
           ssm_may="cpu mem", stable_may="processor memory"),
    _event("cross-hypervisor-move", "move to another hypervisor, new address", _VIRTUAL, Truth.UNDECIDABLE,
           "cpu mem bios sys ip mac disk",
           f"{_NEW_HARDWARE} platform board processor memory firmware hypervisor ip-address", "cannot-tell",
           "maker and model are those of another hypervisor; the machine ID and name stayed",
           stable_may="disk-serials memory-serials"),
    _event("cross-hypervisor-same-ip", "move to another hypervisor, same address", _VIRTUAL, Truth.UNDECIDABLE,
           "cpu mem bios sys mac disk", f"{_NEW_HARDWARE} platform board processor memory firmware hypervisor",
           "cannot-tell", "maker and model are those of another hypervisor", stable_may="disk-serials memory-serials"),
    _event("container-recreated", "container recreated, with its machine ID kept", Setting.CONTAINER, Truth.UNDECIDABLE,
           "host ip mac", "hostname ip-address", "cannot-tell", "no DMI values; name, IP and MAC differ"),
    _event("container-without-id", "container recreated, without a machine ID", Setting.CONTAINER, Truth.UNDECIDABLE,
           "host ip mac", "hostname ip-address", "cannot-tell", "neither machine ID nor DMI values", id_missing=True),
    _event("lxc-copied", "LXC container copied or created again on its host, whose UUID and serial numbers it shows",
           Setting.CONTAINER, Truth.UNDECIDABLE, "host ip mac", "hostname ip-address", "cannot-tell",
           "name, IP and MAC differ; the DMI values are those of the host"),
    _event("sd-card-copied", "the SD card of a board was copied into another board", Setting.BOARD, Truth.OTHER,
           "ip mac disk", "system-serial mac-addresses ip-address", "different",
           "the serial number of the board and its MAC differ", ssm_may="host", stable_may="hostname filesystem-uuids"),
    _event("pi-replaced", "a board was replaced by one of its model, with its SD card", Setting.BOARD,
           Truth.UNDECIDABLE, "ip mac disk", "system-serial mac-addresses ip-address", "cannot-tell",
           "the serial number of the board and its MAC differ, and that of the card stayed", ssm_may="host",
           stable_may="hostname"),
    _event("volatile-machine-id", "the machine ID is regenerated at each start", Setting.BOARD, Truth.SAME, "id disk",
           "machine-id", "same", "the machine ID differs and the hardware stayed", ssm_may="ip",
           stable_may="ip-address"),
    _event("wmic-to-cim", "the agent hashes PowerShell's JSON instead of wmic's text (3.3.1142 to 3.3.1229)", _WINDOWS,
           Truth.SAME, "uuid cpu mem bios sys disk", "", "same",
           "all hashed values differ at once, and the hardware ID with them"),
    _event("server-2025-cim", "update of an agent that found no wmic on Server 2025 (3.3.1142 to 3.3.1229)", _WINDOWS,
           Truth.SAME, "uuid cpu mem bios sys disk", "", "same",
           "all hashed values were empty, and the hardware ID with them"),
    _event("recipe-to-wql", "the agent hashes WMI objects now (update past 3.3.1311, or of Windows to 10.0.26100)",
           _WINDOWS, Truth.SAME, "uuid cpu mem bios sys disk", "", "same",
           "all hashed values differ at once, and the saved ones are this host's by the recipe of before"),
    _event("recipe-to-wmic", "the agent hashes wmic's text again (3.3.1230 to 3.3.1310, or an older agent)", _WINDOWS,
           Truth.SAME, "uuid cpu mem bios sys disk", "", "same",
           "all hashed values differ at once, and the saved ones are this host's by the recipe of before"),
    _event("type-ids-moved", "a WMI query of the agent failed once, so that its hashes have other type ids", _WINDOWS,
           Truth.SAME, "mem bios sys disk", "", "same",
           "the saved values are those of the same WMI objects with other type ids", ssm_may="uuid cpu"),
    _event("domain-join", "Windows joined a domain, was renamed, or got other memory", _WINDOWS, Truth.SAME, "sys", "",
           "same", "the system value holds domain, names and memory", ssm_may="mem host",
           stable_may="memory memory-serials hostname"),
    _event("windows-disk-added", "a disk or partition was added to Windows", _WINDOWS, Truth.SAME, "disk", "", "same",
           "only the disks differ", stable_may="disk-serials"),
    _event("windows-clone-new-uuid", "copy of a Windows machine with a UUID of its own", _WINDOWS, Truth.OTHER,
           "uuid sys host ip mac", f"{_NEW_HARDWARE} ip-address hostname", "different",
           "the UUID differs, and MachineGuid is the same"),
    _event("windows-unsysprepped", "Windows image on another physical machine, without sysprep", _WINDOWS, Truth.OTHER,
           "uuid cpu mem bios sys ip mac disk",
           f"{_NEW_HARDWARE} board-serial memory-serials platform board processor memory firmware ip-address",
           "different", "all hardware differs; MachineGuid and name are the same", ssm_may="host",
           stable_may="chassis-serial hostname"),
    _event("windows-clone-same-uuid", "copy of a Windows machine that kept its UUID", _WINDOWS, Truth.UNDECIDABLE,
           "ip mac", "mac-addresses ip-address", "cannot-tell",
           "the UUID stayed and all MAC addresses differ: a copy, or new interfaces", ssm_may="host",
           stable_may="hostname"),
)  # fmt: skip
