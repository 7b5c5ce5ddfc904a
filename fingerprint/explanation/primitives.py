"""The primitive causes of differences, in the order in which they are printed. Data.

A cause that names a lasting change of the machine comes before what only shows in the text, and that before what each
start and each network change.
"""

from __future__ import annotations

# Name -> title.
TITLES: dict[str, str] = {
    "wmi-broken": "Windows does not answer: WMI or wmic is broken",
    "source-unreadable": "sources cannot be read, and the agent reads empty values",
    "hash-recipe": "the agent hashes other output of Windows",
    "wmi-type-ids": "a WMI query of the agent failed once, so that its hashes have other type ids",
    "table-gone": "the SMBIOS table is gone",
    "table-appeared": "an SMBIOS table appeared",
    "tool-gone": "dmidecode prints nothing any more",
    "tool-appeared": "dmidecode prints something now, and did not then",
    "tool-version": "dmidecode has another version",
    "other-hardware": "the hardware is that of another machine",
    "hypervisor": "the machine runs on another hypervisor",
    "main-board": "the main board was replaced",
    "system-identity": "the system has another UUID or serial number",
    "uuid-turned": "the firmware writes the bytes of the UUID in another order",
    "processor": "the processor was replaced",
    "processor-count": "processors were added or removed",
    "memory-replaced": "memory modules were replaced",
    "memory-added": "memory modules were added",
    "memory-removed": "memory modules were removed",
    "memory-moved": "memory modules were moved to other slots",
    "firmware": "the firmware has another version",
    "structures-gone": "the SMBIOS table lacks structures that it had",
    "structures-appeared": "the SMBIOS table has structures that it lacked",
    "processor-settings": "the firmware shows the processor otherwise",
    "system-data": "the firmware describes the system otherwise",
    "machine-id-invalid": "the machine ID identifies no machine",
    "machine-id": "the machine ID is another one",
    "container": "the container was created again",
    "disks": "disks were added, removed or replaced",
    "windows-domain": "Windows is in another domain or workgroup",
    "windows-values": "what Windows reads differs",
    "file-systems": "file systems were added or removed",
    "network-card": "another network card",
    "bond-fail-over": "a bond took the address of its other card",
    "made-address": "the hardware address is made again at each start",
    "interface-order": "another interface or address comes first",
    "host-name": "another host name",
    "text-noise": "only fields that vary, or the order, differ in the text",
    "address": "another IP address",
    "value-gone": "a value is empty now",
    "value-appeared": "a value was empty then",
    "kernel": "another kernel",
    "device-names": "disks have other device names",
    "reboot": "a restart: the disk links were made again",
    "link-times": "the times of the disk links are written otherwise",
}
# What each start changes. On another machine the links are those of its own start.
OF_A_START = ("reboot", "link-times", "device-names")
_ORDER = {name: number for number, name in enumerate(TITLES)}
# Causes that are differences of hardware: on another machine they are all one cause.
HARDWARE = frozenset((
    "system-identity", "uuid-turned", "processor", "processor-count", "memory-replaced", "memory-added",
    "memory-removed", "memory-moved", "firmware", "processor-settings", "structures-gone", "structures-appeared",
    "system-data", "text-form", "text-noise", "network-card", "windows-values",
))  # fmt: skip


def order_of(name: str) -> int:
    """Return where a cause is printed: small numbers come first."""
    return _ORDER[name]
