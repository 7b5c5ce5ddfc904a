"""Recorded machines from the sections of a pair of the corpus, for `benchmarks/explain.py`.

Both sides are one physical machine: machine ID, name, interfaces, disks, UUID and serial number are equal. The second
side was started later; what else differs is the pair's.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from explain_truth import modules, structures

from fingerprint.testing.machines import DMIDECODE, GROUPS, unix_snapshot

IDENTITY = UUID("8d2f4c1a-7b3e-4f60-9a55-c01dbeef4711")
SERIAL, BOARD_SERIAL = "5CG9231XKP", "PKNRK048JB30"
CARDS = (("eno1", "3c:52:82:5f:10:a7"), ("eno2", "3c:52:82:5f:10:a8"))
DISKS = ("0a1b2c3d-4e5f-4789-9abc-def012345678", "7C5E-1F3A")
BEFORE, NOW = ("2026-10-01T10:00:00Z", "Sep  1 10:00", 2_592_000), ("2026-11-20T12:00:00Z", "Nov 20 10:00", 7200)


def unmasked(sections: Mapping[str, str]) -> dict[str, str]:
    """Return sections with the identity of the machine in place of "--".

    The corpus has a digest in place of a line as well; a system without UUID gets its line back.
    """

    def with_identity(block: re.Match[str]) -> str:
        text = re.sub(r"(?m)^\tSerial Number: --$", f"\tSerial Number: {SERIAL}", block[0])
        if "\tUUID:" not in text:
            text = re.sub(r"(?m)^\t[0-9A-F]{32} *$", "\tUUID: --", text, count=1)
        return re.sub(r"(?m)^\tUUID: --$", f"\tUUID: {uuid}", text)

    uuid = str(IDENTITY)
    system = re.sub(r"(?ms)^Handle 0x[0-9A-F]+, DMI type 1,.*?(?=^Handle |\Z)", with_identity, sections["system"])
    return {**sections, "system": system}


def pair(row: Mapping[str, Any], addresses: tuple[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the snapshots of both sides of a row of drift/pairs_text.jsonl.gz.

    Args:
        row: the row, with `unmasked` sections.
        addresses: the address of each side.
    """
    old, new = (
        _snapshot(row[side], tool, smbios, address, *when)
        for side, tool, smbios, address, when in zip(
            ("old", "new"), row["dmidecode"], row["smbios"], addresses, (BEFORE, NOW), strict=True
        )
    )
    return old, new


def _snapshot(
    sections: Mapping[str, str], tool: str, smbios: str, address: str, at: str, link_time: str, uptime: int
) -> dict[str, Any]:
    listing = "".join(
        f"lrwxrwxrwx 1 root root 10 {link_time} {name} -> ../../sda{number}\n" for number, name in enumerate(DISKS, 1)
    )
    taken = unix_snapshot(ip=address, mac=CARDS[0][1], host_name="web-7", dmi="", disk=f"total 0\n{listing}")
    head = f"# dmidecode {tool}\nGetting SMBIOS data from sysfs.\nSMBIOS {smbios} present.\n\n"
    printed = {(DMIDECODE, "-t", group): f"{head}{sections[group]}\n\n" for group in GROUPS}
    for command in taken["commands"]:
        command["stdout"] = printed.get(tuple(command["argv"]), command["stdout"])
    taken["recordedAt"] = at
    taken["files"] |= {
        "/proc/uptime": {"text": f"{uptime}.0 1.0\n"},
        "/sys/firmware/dmi/tables/DMI": {"base64": b64encode(table(sections)).decode()},
    }
    taken["folders"] = {"/dev/disk/by-uuid": list(DISKS), "/dev/disk/by-id": ["ata-SSD_960_S4711AB"]}
    taken["addresses"]["links"] = [list(card) for card in CARDS]
    taken["links"] = [{"name": name, "address": mac, "permanent": mac, "bus": "pci"} for name, mac in CARDS]
    taken["outgoingAddress"] = address
    return taken


def table(sections: Mapping[str, str]) -> bytes:
    """Return a raw SMBIOS table with the values of dmidecode's output, and the identity of the machine."""
    bios, system, processors = (
        [s.fields for s in structures(sections[group]) if s.kind == kind]
        for group, kind in (("bios", 0), ("system", 1), ("processor", 4))
    )
    found = b""
    for one in bios[:1]:
        found += _structure(0, 24, {4: _text(one, "Vendor"), 5: _text(one, "Version"), 8: _text(one, "Release Date")})
    for one in system[:1]:
        found += _structure(
            1, 27, {4: _text(one, "Manufacturer"), 5: _text(one, "Product Name"), 7: SERIAL, 8: IDENTITY.bytes_le}
        )  # fmt: skip
        found += _structure(2, 15, {4: _text(one, "Manufacturer"), 5: _text(one, "Product Name"), 7: BOARD_SERIAL})
    for one in processors:
        if "Unpopulated" not in one.get("Status", ""):
            digits = "".join(one.get("ID", "").split())
            number = bytes.fromhex(digits) if len(digits) == 16 else bytes(8)
            found += _structure(4, 42, {8: number, 0x10: _text(one, "Version"), 0x18: b"\x41"})
    for slot, size, part in modules(sections["memory"]):
        # From 32 GB on the size is in another field.
        count = size >> 20
        sizes = {0x0C: b"\xff\x7f", 0x1C: count.to_bytes(4, "little")} if count >= 0x7FFF else {
            0x0C: count.to_bytes(2, "little")
        }  # fmt: skip
        found += _structure(17, 34, {**sizes, 0x10: slot, 0x12: b"\x1a", 0x1A: part})
    return found + _structure(127, 4, {})


def _text(fields: Mapping[str, str], label: str) -> str:
    value = fields.get(label, "").rstrip()
    return "" if value == "Not Specified" else value


def _structure(kind: int, length: int, fields: Mapping[int, bytes | str]) -> bytes:
    body, strings = bytearray(length - 4), []
    for offset, value in fields.items():
        if isinstance(value, str):
            strings += [value] if value else []
            value = bytes([len(strings) if value else 0])
        body[offset - 4 : offset - 4 + len(value)] = value
    tail = b"".join(text.encode("utf-8", "replace") + b"\0" for text in strings) or b"\0"
    return bytes([kind, length]) + (kind << 8).to_bytes(2, "little") + bytes(body) + tail + b"\0"
