"""Which members of a WMI class differ between two sides, from the output of wmic, PowerShell's JSON, or WMI objects.

A member stands for one primitive cause. Its values are not printed: serial numbers are among them.
"""

from __future__ import annotations

from fingerprint.errors import FingerprintError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.explanation.sources import Sources

    _Rows = list[dict[str, str]]

OTHER = "windows-values"
# Attribute -> member -> the cause that its difference speaks for. Any other member is "what Windows reads differs".
_CAUSES: dict[str, dict[str, str]] = {
    "processor-hash": {
        "Name": "processor", "Caption": "processor", "Manufacturer": "processor", "MaxClockSpeed": "text-noise",
    },
    "memory-hash": {"Capacity": "memory-replaced", "DeviceLocator": "memory-moved", "Tag": "memory-moved"},
    "bios-hash": {
        "SMBIOSBIOSVersion": "firmware", "Version": "firmware", "Name": "firmware", "Manufacturer": "firmware",
        "SerialNumber": "system-identity",
    },
    "system-hash": {
        "Domain": "windows-domain", "Name": "host-name", "Model": "system-data", "Manufacturer": "system-data",
    },
    "uuid": {"UUID": "system-identity"},
    "disk-info": {
        "Model": "disks", "Caption": "disks", "Size": "disks", "DeviceID": "disks", "Partitions": "file-systems",
    },
}  # fmt: skip
# Attribute -> the cause if there are more objects, and if there are fewer.
_COUNTS = {
    "processor-hash": ("processor-count", "processor-count"), "memory-hash": ("memory-added", "memory-removed"),
    "disk-info": ("disks", "disks"),
}  # fmt: skip


def differing(name: str, method: str, before: Sources, now: Sources) -> dict[str, list[str]]:
    """Return cause -> members that differ; {} if the outputs cannot be read, or only their form differs.

    Args:
        name: the attribute.
        method: the recipe that read both sides.
        before, now: both sides.
    """
    old, new = (_rows(name, method, side) for side in (before, now))
    if not old or not new:
        return {}
    if len(old) != len(new) and name in _COUNTS:
        return {_COUNTS[name][len(old) > len(new)]: [f"{len(old)} -> {len(new)} objects"]}
    found: dict[str, list[str]] = {}
    for member in dict.fromkeys(label for row in (*old, *new) for label in row):
        if [row.get(member, "") for row in old] != [row.get(member, "") for row in new]:
            found.setdefault(_CAUSES.get(name, {}).get(member, OTHER), []).append(member)
    return found


def _rows(name: str, method: str, side: Sources) -> _Rows:
    """Return the members of each object as text; [] if they were not recorded, or have another form."""
    from fingerprint._core import JsonError, loads
    from fingerprint.collectors.ssm_windows import commands, wql_members
    from fingerprint.collectors.wql import STRUCTURES, Unloadable
    from fingerprint.machine.parsers import decode_console, parse_wmic_table

    machine = side.machine
    try:
        if method == "wql":
            return [_as_text(wql_members(machine, name))]
        asked = commands(machine.windows_directory(), method == "json")[list(STRUCTURES).index(name)]
        [result] = machine.run([asked], 0.0)
        output = decode_console(result.stdout)
        if method != "json":
            return parse_wmic_table(output)
        made = loads(output.encode("utf-8"))
    except (OSError, UnicodeError, JsonError, Unloadable, FingerprintError):
        return []
    return [_as_text(one) for one in (made if isinstance(made, list) else [made]) if isinstance(one, dict)]


def _as_text(members: dict[str, object]) -> dict[str, str]:
    return {str(label): str(value) for label, value in members.items()}
