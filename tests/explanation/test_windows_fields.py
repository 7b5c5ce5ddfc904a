"""Windows: which members of WMI differ, by each recipe, and the cause that each stands for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from event_machines import WINDOWS_DIRECTORY, snapshot, windows
from fingerprint.collectors.ssm_windows import commands
from fingerprint.collectors.wql import STRUCTURES
from fingerprint.explanation import explain_snapshots
from fingerprint.machine.recorded import RecordedMachine

USUAL: dict[str, list[dict[str, str]]] = {
    "uuid": [{"UUID": "8D2F4C1A-7B3E-4F60-9A55-C01DBEEF4711"}],
    "processor-hash": [{"Caption": "x64 Family 6 Model 85", "MaxClockSpeed": "2600", "Name": "Quadro Core Z9"}],
    "memory-hash": [{"Capacity": "8589934592", "DeviceLocator": "RAM slot #0", "Tag": "Physical Memory 0"}],
    "bios-hash": [{"Manufacturer": "VMware, Inc.", "SerialNumber": "VMware-8d 2f", "SMBIOSBIOSVersion": "VMW71.00V"}],
    "system-hash": [{"Domain": "WORKGROUP", "Model": "VMware7,1", "Name": "WEB-7", "PrimaryOwnerName": "Admin",
                     "TotalPhysicalMemory": "8589397888"}],
    "disk-info": [{"Model": "NVMe Disk", "Partitions": "3", "Size": "64420392960"}],
}  # fmt: skip


def table(rows: list[dict[str, str]]) -> str:
    """Return the table that wmic prints."""
    widths = {title: max(len(title), *(len(row[title]) for row in rows)) + 2 for title in rows[0]}
    lines = [rows[0].keys(), *(row.values() for row in rows)]
    return "".join(
        "".join(f"{cell:{width}}" for cell, width in zip(line, widths.values(), strict=True)) + "\r\r\n"
        for line in lines
    )


def recorded(method: str, values: dict[str, list[dict[str, str]]], at: str) -> RecordedMachine:
    taken: dict[str, Any] = snapshot(windows(windows_method=method), at)
    outputs = {}
    for as_json in (False, True):
        for argv, name in zip(commands(WINDOWS_DIRECTORY, as_json), STRUCTURES, strict=True):
            outputs[argv] = (
                json.dumps(values[name][0] if len(values[name]) == 1 else values[name])
                if as_json
                else table(values[name])
            )
    for command in taken["commands"]:
        command["stdout"] = outputs.get(tuple(command["argv"]), command["stdout"])
    return RecordedMachine(taken)


@pytest.mark.parametrize("method", ["wmic", "cim"])
@pytest.mark.parametrize(
    ("attribute", "member", "cause"),
    [
        ("processor-hash", "Name", "processor"), ("processor-hash", "MaxClockSpeed", "text-noise"),
        ("memory-hash", "Capacity", "memory-replaced"), ("memory-hash", "DeviceLocator", "memory-moved"),
        ("bios-hash", "SMBIOSBIOSVersion", "firmware"), ("bios-hash", "SerialNumber", "system-identity"),
        ("system-hash", "Domain", "windows-domain"), ("system-hash", "Model", "system-data"),
        ("system-hash", "PrimaryOwnerName", "windows-values"), ("disk-info", "Model", "disks"),
        ("disk-info", "Partitions", "file-systems"),
    ],
)  # fmt: skip
def test_a_member_stands_for_its_cause(method: str, attribute: str, member: str, cause: str) -> None:
    other = {**USUAL, attribute: [{**USUAL[attribute][0], member: "4711"}]}
    sides = recorded(method, USUAL, "2026-11-01T00:00:00Z"), recorded(method, other, "2026-11-24T12:00:00Z")
    [found] = explain_snapshots(*sides).composition.causes
    assert (found.name, found.attributes) == (cause, (attribute,))
    assert member in found.evidence[0]


@pytest.mark.parametrize("method", ["wmic", "cim"])
@pytest.mark.parametrize(
    ("attribute", "more", "fewer"),
    [
        ("memory-hash", "memory-added", "memory-removed"), ("disk-info", "disks", "disks"),
        ("processor-hash", "processor-count", "processor-count"),
    ],
)  # fmt: skip
def test_more_and_fewer_objects_are_counted(method: str, attribute: str, more: str, fewer: str) -> None:
    two = {**USUAL, attribute: USUAL[attribute] * 2}
    one, other = recorded(method, USUAL, "2026-11-01T00:00:00Z"), recorded(method, two, "2026-11-24T12:00:00Z")
    assert [cause.name for cause in explain_snapshots(one, other).composition.causes] == [more]
    assert [cause.name for cause in explain_snapshots(other, one).composition.causes] == [fewer]


def test_no_value_shows_but_the_names_of_members() -> None:
    other = {**USUAL, "bios-hash": [{**USUAL["bios-hash"][0], "SerialNumber": "VMware-1f 6e"}]}
    sides = recorded("wmic", USUAL, "2026-11-01T00:00:00Z"), recorded("wmic", other, "2026-11-24T12:00:00Z")
    found = explain_snapshots(*sides)
    assert "VMware-1f 6e" not in repr(found.composition) + repr(found.causes)
