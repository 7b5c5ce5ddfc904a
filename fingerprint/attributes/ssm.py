"""The attributes of scheme `ssm`, one row each: name, meaning, source on each system, and caveat."""

from __future__ import annotations

from fingerprint.attributes.machine_id import MACHINE_ID_FILES
from fingerprint.types import Value

WINDOWS = "windows"
# The hardware IDs: of Unix and of Windows.
SID_KEYS = ("machine-id", "uuid")


class Row(Value):
    """The facts about one attribute.

    Attributes:
        name: the key in the hardware hash.
        meaning: the property of the machine that it stands for.
        unix: the source on Linux, macOS and the BSDs; "" if Unix has no such attribute.
        windows: the source on Windows (wmic form, docs/windows.md has the others); "" if Windows has no such attribute.
        caveat: what changes it although the machine is the same.
    """

    name: str
    meaning: str
    unix: str
    windows: str
    caveat: str


_TOOL = "on Unix it digests all output of dmidecode, including its version: an upgrade of dmidecode changes it"

# In the order in which the reference collects them.
CATALOGUE = (
    Row(
        "machine-id",
        "hardware ID of Unix",
        ", else ".join(MACHINE_ID_FILES),
        "",
        "cloned images share it, and a reset image gets a new one",
    ),
    Row(
        "uuid",
        "hardware ID of Windows",
        "",
        "wmic csproduct get UUID",
        "its hash recipe: an update of the agent past 3.3.1311, or of Windows to 10.0.26100, changes it on the same "
        "machine",
    ),
    Row("processor-hash", "processors", "dmidecode -t processor", "wmic cpu list brief", _TOOL),
    Row("memory-hash", "memory modules", "dmidecode -t memory", "wmic memorychip list brief", _TOOL),
    Row("bios-hash", "firmware", "dmidecode -t bios", "wmic bios list brief", _TOOL),
    Row(
        "system-hash",
        "maker, model, serial number and UUID",
        "dmidecode -t system",
        "wmic computersystem list brief",
        _TOOL + "; on Windows a renamed host or a new domain does, too",
    ),
    Row("hostname-info", "host name", "the kernel's host name", "physical DNS host name", "renaming the host"),
    Row(
        "ipaddress-info",
        "first IPv4 address that is not loopback",
        "the kernel's addresses, in its order",
        "the adapters' addresses, in their order",
        "a new lease, or an interface of docker, a bridge or a VPN that now comes first",
    ),
    Row(
        "macaddr-info",
        "first hardware address",
        "the kernel's interfaces, in its order",
        "the adapters, in their order",
        "a swapped adapter, or a virtual interface that now comes first",
    ),
    Row(
        "disk-info",
        "disks",
        "ls -l /dev/disk/by-uuid",
        "wmic diskdrive list brief",
        "on Unix the times of the links are in it: every reboot changes it, and so does the time zone",
    ),
)

_BY_NAME = {row.name: row for row in CATALOGUE}


def row_of(name: str) -> Row | None:
    """Return the row of an attribute, None for an unknown name."""
    return _BY_NAME.get(name)


def attributes_of(platform: str) -> tuple[str, ...]:
    """Return the names of the nine attributes of a platform, in the order of the catalogue."""
    return tuple(row.name for row in CATALOGUE if (row.windows if platform == WINDOWS else row.unix))


def sid_key(platform: str) -> str:
    """Return the key of the hardware ID on a platform: "machine-id" or "uuid"."""
    return SID_KEYS[platform == WINDOWS]
