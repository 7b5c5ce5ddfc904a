"""Scheme stable against the processes that the reference starts: a table to its values, and a complete collection."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fingerprint import collect
from fingerprint._core import stable_values
from fingerprint.machine.live import LiveMachine
from fingerprint.rules.stable import decide

GROUPS = ("processor", "memory", "bios", "system")
FIVE = [
    *[["/usr/sbin/dmidecode", "-t", group] for group in GROUPS],
    ["/usr/bin/ls", "-l", "/dev/disk/by-uuid"],
]
TABLE_BYTES = 4096
DUMP_HEADER = 32

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the commands are those of Linux")


def structure(kind: int, length: int, strings: dict[int, str], numbers: dict[int, bytes]) -> bytes:
    body = bytearray(length)
    body[0:4] = bytes([kind, length, kind, 0])
    for number, offset in enumerate(strings, 1):
        body[offset] = number
    for offset, value in numbers.items():
        body[offset : offset + len(value)] = value
    return bytes(body) + (b"".join(text.encode() + b"\0" for text in strings.values()) or b"\0") + b"\0"


def server() -> bytes:
    """Return the table of a server with two processors and eight memory modules, filled up to 4 KB."""
    uuid = bytes(range(40, 56))
    table = structure(0, 26, {4: "Maker Inc.", 5: "2.4.0", 8: "11/02/2024"}, {})
    table += structure(1, 27, {4: "Maker Inc.", 5: "Rack 210", 6: "1", 7: "NW2107X4"}, {8: uuid})
    table += structure(2, 15, {4: "Maker Inc.", 5: "NB-210", 6: "A01", 7: "BX9982K7"}, {})
    table += structure(3, 22, {4: "Maker Inc.", 7: "NW2107X4"}, {5: b"\x17"})
    for socket in ("CPU1", "CPU2"):
        strings = {4: socket, 7: "Maker", 0x10: "Quadro Core Z9 @ 2.60GHz"}
        table += structure(4, 48, strings, {8: bytes.fromhex("57060500fffbebbf"), 0x18: b"\x41"})
    for slot in range(8):
        strings = {0x10: f"DIMM_A{slot}", 0x17: "Maker", 0x18: f"4F10A2{slot:02X}", 0x1A: "NWD4-8G"}
        table += structure(17, 40, strings, {0x0C: (8192).to_bytes(2, "little"), 0x12: b"\x1a"})
    table += structure(11, 5, {}, {4: b"\1"})[:-2]
    table += b"x" * (TABLE_BYTES - len(table) - 2 - 6) + b"\0\0"
    return table + structure(127, 4, {}, {})


def dump(table: bytes) -> bytes:
    """Return what `dmidecode --dump-bin` writes of a table."""
    entry = bytearray(b"_SM3_\0\x18\3\2\0\1\0" + len(table).to_bytes(4, "little") + DUMP_HEADER.to_bytes(8, "little"))
    entry[5] = -sum(entry) & 0xFF
    return bytes(entry).ljust(DUMP_HEADER, b"\0") + table


def run(commands: list[list[str]]) -> None:
    for command in commands:
        try:
            subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        except FileNotFoundError:
            # dmidecode is not installed here; the claim is then about what is left.
            continue


@pytest.mark.skipif(not shutil.which("dmidecode"), reason="dmidecode is not installed")
def test_a_table_to_its_values(versus: Callable[..., None], short: bool, tmp_path: Path) -> None:
    table = server()
    (tmp_path / "DMI").write_bytes(table)
    (tmp_path / "dump.bin").write_bytes(dump(table))
    four = [["/usr/sbin/dmidecode", "--from-dump", str(tmp_path / "dump.bin"), "-t", group] for group in GROUPS]
    printed = subprocess.run(four[1], capture_output=True, text=True, check=True).stdout
    assert printed.count("Size: 8 GB") == 8
    machine, path = LiveMachine(), str(tmp_path / "DMI")
    assert len(stable_values(machine.read_file(path))) >= 9
    versus(
        "an SMBIOS table of 4 KB, from file to values",
        lambda: stable_values(machine.read_file(path)),
        lambda: run(four),
        rounds=20 if short else 200,
        calls=100,
        target=300,
    )


def test_complete_collection_with_its_verdict(versus: Callable[..., None], short: bool) -> None:
    machine = LiveMachine()
    saved = collect(machine, scheme="stable").hardware_hash
    versus(
        "a collection of scheme stable, with its verdict",
        lambda: decide(saved, collect(machine, scheme="stable").hardware_hash),
        lambda: run(FIVE),
        rounds=20 if short else 200,
        calls=20,
        target=40,
    )


def test_a_single_collection_with_its_verdict(versus: Callable[..., None], short: bool) -> None:
    """As a process meets it that does other things in between: with cold caches."""
    machine = LiveMachine()
    saved = collect(machine, scheme="stable").hardware_hash
    versus(
        "a single collection of scheme stable, with its verdict",
        lambda: decide(saved, collect(machine, scheme="stable").hardware_hash),
        lambda: run(FIVE),
        rounds=50 if short else 300,
    )
