"""The attributes of scheme `stable` and their points, as data; docs/stable.md explains them.

The points of an attribute that agrees speak for the same machine, those of one that differs against it. They follow
from what each event changes (docs/events.md), and were checked on real machines (docs/calibration.md).
"""

from __future__ import annotations

from fingerprint.attributes.machine_id import MACHINE_ID_FILES
from fingerprint.types import Value, Vocabulary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar

# A verdict is `same` from this many points up, and `different` from minus this many points down.
DECIDING_POINTS = 6
# Attributes other than identity-bearing hardware count at most this much for or against: copies share them.
CIRCUMSTANCE_LIMIT = 4


class Group(Vocabulary):
    """The kind of evidence that an attribute is."""

    IDENTITY: ClassVar[Group]
    COPYABLE: ClassVar[Group]
    PLACE: ClassVar[Group]
    DESCRIPTION: ClassVar[Group]
    GENERATION: ClassVar[Group]


Group.define(
    IDENTITY="identity", COPYABLE="copyable", PLACE="place", DESCRIPTION="description", GENERATION="generation"
)


class Strength(Value):
    """One attribute of scheme `stable`.

    Attributes:
        name: its key.
        group: IDENTITY (unique for each piece of hardware or virtual machine), COPYABLE (an identity that is copied
            with the disk), PLACE (given by the network or the owner), DESCRIPTION (the same for a model), GENERATION
            (new after a copy of a virtual machine, and after a revert to an earlier state of it: without points, but
            if it differs the outcome is not "same").
        physical: points if the two sides agree and if they differ, on physical hardware.
        virtual: the same if a side is a virtual machine.
        source: what it is read from on Linux.
        meaning: the property of the machine that it stands for.
        several: the value is a set; it agrees if at least half of the smaller side is on both sides.
    """

    name: str
    group: Group
    physical: tuple[int, int]
    virtual: tuple[int, int]
    source: str
    meaning: str
    several: bool = False


_SMBIOS = "the SMBIOS table"
# The page that QEMU gives to the guest; only root can read it.
VM_GENERATION_ID = "/sys/firmware/qemu_fw_cfg/by_name/etc/vmgenid_guid/raw"

STRENGTHS = (
    Strength("machine-id", Group.COPYABLE, (2, 1), (2, 1), MACHINE_ID_FILES[0], "the installation of the system"),
    Strength("system-uuid", Group.IDENTITY, (8, 8), (4, 8), _SMBIOS, "UUID of the board or virtual machine"),
    # Hypervisors derive the serial number of the system from its UUID, so it is no second piece of evidence.
    Strength(
        "system-serial", Group.IDENTITY, (8, 8), (0, 4), f"{_SMBIOS}, else the device tree", "serial number of the unit"
    ),
    Strength("board-serial", Group.IDENTITY, (4, 4), (0, 1), _SMBIOS, "serial number of the main board"),
    Strength("chassis-serial", Group.IDENTITY, (4, 3), (0, 1), _SMBIOS, "serial number of the case"),
    Strength("cloud-instance", Group.IDENTITY, (8, 8), (8, 8), _SMBIOS, "instance id that the cloud writes there"),
    Strength(
        "mac-addresses",
        Group.IDENTITY,
        (6, 4),
        (4, 4),
        "netlink",
        "permanent addresses of the physical interfaces",
        several=True,
    ),
    Strength(
        "disk-serials",
        Group.IDENTITY,
        (4, 3),
        (1, 1),
        "/dev/disk/by-id, else /sys/block",
        "serial numbers of the disks that are not on USB",
        several=True,
    ),
    Strength(
        "memory-serials", Group.IDENTITY, (4, 3), (0, 0), _SMBIOS, "serial numbers of the memory modules", several=True
    ),
    Strength(
        "vm-generation-id", Group.GENERATION, (0, 0), (0, 0), VM_GENERATION_ID, "state that a virtual machine came from"
    ),
    Strength(
        "filesystem-uuids",
        Group.COPYABLE,
        (1, 0),
        (1, 0),
        "/dev/disk/by-uuid",
        "UUIDs of the file systems",
        several=True,
    ),
    Strength("ip-address", Group.PLACE, (1, 0), (1, 0), "the default route", "address towards the network"),
    Strength("hostname", Group.PLACE, (1, 0), (1, 0), "the kernel", "name of the host"),
    Strength("platform", Group.DESCRIPTION, (1, 4), (1, 2), _SMBIOS, "maker and model"),
    Strength("board", Group.DESCRIPTION, (1, 2), (1, 0), _SMBIOS, "maker and model of the main board"),
    Strength("processor", Group.DESCRIPTION, (1, 2), (0, 0), f"{_SMBIOS}, else the processor", "model of each one"),
    Strength("memory", Group.DESCRIPTION, (1, 1), (0, 0), _SMBIOS, "size and part number of each module"),
    Strength("firmware", Group.DESCRIPTION, (1, 0), (0, 0), _SMBIOS, "maker, version and date of the firmware"),
    Strength(
        "hypervisor",
        Group.DESCRIPTION,
        (0, 0),
        (0, 0),
        f"{_SMBIOS}, the processor, marks of containers",
        'what it runs on: "none" is physical hardware',
    ),
)

# Identity-bearing hardware of a container is that of its host, which all containers there share.
CONTAINERS = ("docker", "podman", "lxc", "systemd-nspawn", "container")
PHYSICAL = "none"
