"""Recorded Windows machines that answer both wmic and CIM."""

from __future__ import annotations

from typing import Any

from fingerprint.collect.windows import VERSION_QUERY, commands, powershell

FOLDER = r"C:\Windows"
UUID = "4C4C4544-0042-3510-8054-B7C04F4D3732"
NAMES = ("uuid", "processor-hash", "memory-hash", "bios-hash", "system-hash", "disk-info")


def wmic_text(name: str) -> bytes:
    """A table as wmic pads it; lines end CR CR LF."""
    if name == "uuid":
        return b"UUID                                  \r\r\n" + UUID.encode() + b"  \r\r\n\r\r\n"
    return f"Caption    Name  \r\r\n{name[:9]}  box   \r\r\n\r\r\n".encode()


def cim_text(name: str) -> bytes:
    if name == "uuid":
        return f'{{\r\n    "UUID":  "{UUID}"\r\n}}\r\n'.encode()
    return f'{{\r\n    "Name":  "{name}"\r\n}}\r\n'.encode()


def windows_snapshot(version: str | None = "10.0.20348", **changes: Any) -> dict[str, Any]:
    """Return a Windows machine that answers both wmic and CIM; `version` None for a PowerShell that fails."""
    answer: dict[str, Any] = {"argv": [powershell(FOLDER), VERSION_QUERY], "returncode": 0, "seconds": 0.4}
    if version is None:
        answer.update(returncode=1, stdout="")
    else:
        answer["stdout"] = f"\r\n\r\nVersion : {version}\r\n\r\n\r\n\r\n"
    recorded = [answer]
    for by_cim, text in ((False, wmic_text), (True, cim_text)):
        for name, argv in zip(NAMES, commands(FOLDER, by_cim), strict=True):
            recorded.append({"argv": list(argv), "returncode": 0, "stdout": text(name).decode(), "seconds": 0.2})
    return {
        "schemaVersion": 1, "platform": "windows", "kernel": "Windows", "recordedAt": "2026-11-24T00:00:00Z",
        "hostName": "WEB-7", "files": {}, "commands": recorded,
        "addresses": {"ipv4": ["10.0.0.7"], "links": [["Ethernet", "02:00:00:00:00:07"]], "source": "psutil"},
        "services": {"Winmgmt": "running"}, "windowsFolder": FOLDER, **changes,
    }  # fmt: skip
