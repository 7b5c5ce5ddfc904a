"""Recorded Windows machines that answer wmic, PowerShell and WMI, with an agent of any version."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from fingerprint.collectors.ssm_windows import VERSION_QUERY, commands
from fingerprint.collectors.wql import OPERATING_SYSTEM, STRUCTURES
from fingerprint.machine.wmi import powershell_path

WINDOWS_DIRECTORY = r"C:\Windows"
UUID = "4C4C4544-0042-3510-8054-B7C04F4D3732"
NAMES = ("uuid", "processor-hash", "memory-hash", "bios-hash", "system-hash", "disk-info")
NEWEST = "3.3.5828.0"
# Recipe on Windows Server 2025 -> the first agent that uses it.
AGENTS = {"wmic": "3.3.987.0", "json": "3.3.1142.0", "wql": "3.3.1311.0"}
OBJECTS: dict[str, list[dict[str, Any]]] = {
    "uuid": [{"UUID": UUID}],
    "processor-hash": [{
        "Caption": "Intel64 Family 6 Model 85 Stepping 7", "DeviceID": "CPU0", "Manufacturer": "GenuineIntel",
        "MaxClockSpeed": 2500, "Name": "Intel(R) Xeon(R) CPU", "SocketDesignation": "CPU 0"}],
    "memory-hash": [{
        "Capacity": "17179869184", "DeviceLocator": "DIMM 0", "MemoryType": 0, "Name": "Physical Memory",
        "Tag": "Physical Memory 0", "TotalWidth": 64}],
    "bios-hash": [{
        "Manufacturer": "Dell Inc.", "Name": "2.1.5", "SerialNumber": "5B7M732", "SMBIOSBIOSVersion": "2.1.5",
        "Version": "DELL   - 1072009"}],
    "system-hash": [{
        "DNSHostName": "web-7", "Domain": "WORKGROUP", "Manufacturer": "Dell Inc.", "Model": "PowerEdge R640",
        "Name": "WEB-7", "PrimaryOwnerName": None, "TotalPhysicalMemory": "137438953472"}],
    "disk-info": [{
        "Caption": "Samsung SSD 870", "DeviceID": "\\\\.\\PHYSICALDRIVE0", "Model": "Samsung SSD 870", "Partitions": 3,
        "Size": "512105932800"}],
}  # fmt: skip


def wmic_text(name: str) -> bytes:
    """Return a table as wmic pads it; lines end with CR CR LF."""
    if name == "uuid":
        return b"UUID                                  \r\r\n" + UUID.encode() + b"  \r\r\n\r\r\n"
    return f"Caption    Name  \r\r\n{name[:9]}  box   \r\r\n\r\r\n".encode()


def cim_text(name: str) -> bytes:
    if name == "uuid":
        return f'{{\r\n    "UUID":  "{UUID}"\r\n}}\r\n'.encode()
    return f'{{\r\n    "Name":  "{name}"\r\n}}\r\n'.encode()


def wmi_classes(version: str | None, objects: dict[str, Any]) -> dict[str, Any]:
    """Return the answers of WMI: attribute -> its objects, or the error of its class."""
    system = {"Caption": "Windows Server", "OperatingSystemSKU": 7, "Version": version}
    return {OPERATING_SYSTEM[0]: [system], **{STRUCTURES[name][0]: deepcopy(objects[name]) for name in NAMES}}


def windows_snapshot(
    version: str | None = "10.0.20348",
    *,
    agent: str | None = NEWEST,
    objects: dict[str, Any] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """Return a Windows machine.

    Args:
        version: of Windows, by WMI and PowerShell; None for a PowerShell that fails.
        agent: the version of its agent; None for a snapshot without it.
        objects: what WMI has of each attribute, where it is not `OBJECTS`; {} for a snapshot of before WMI was asked.
        changes: of the snapshot.
    """
    answer: dict[str, Any] = {
        "argv": [powershell_path(WINDOWS_DIRECTORY), VERSION_QUERY],
        "returncode": 0,
        "seconds": 0.4,
    }
    if version is None:
        answer.update(returncode=1, stdout="")
    else:
        answer["stdout"] = f"\r\n\r\nVersion : {version}\r\n\r\n\r\n\r\n"
    recorded = [answer]
    for as_json, text in ((False, wmic_text), (True, cim_text)):
        for name, argv in zip(NAMES, commands(WINDOWS_DIRECTORY, as_json), strict=True):
            recorded.append({"argv": list(argv), "returncode": 0, "stdout": text(name).decode(), "seconds": 0.2})
    found: dict[str, Any] = {
        "schemaVersion": 1, "platform": "windows", "kernel": "Windows", "recordedAt": "2026-11-24T00:00:00Z",
        "hostName": "WEB-7", "files": {}, "commands": recorded,
        "addresses": {"ipv4": ["10.0.0.7"], "links": [["Ethernet", "02:00:00:00:00:07"]], "source": "psutil"},
        "services": {"Winmgmt": "running"}, "windowsFolder": WINDOWS_DIRECTORY,
    }  # fmt: skip
    if agent is not None:
        found["agentVersion"] = agent
    if objects != {}:
        found["wmi"] = wmi_classes(version, {**OBJECTS, **(objects or {})})
    return {**found, **changes}
