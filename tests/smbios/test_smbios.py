"""The native readers of SMBIOS tables against a slow decoder, and the decoder against dmidecode's output.

No bytes make the readers leave a table.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmidecode_text import compared
from fingerprint._core import (
    smbios_identifiers,
    smbios_identifiers_of_windows,
    stable_values,
    stable_values_of_windows,
)
from fingerprint.rules.stable import smbios_values
from fingerprint.smbios.dmidecode import parse_dmidecode
from fingerprint.smbios.table import SmbiosTable
from shared import SHARED
from textbook_smbios import decode, identifiers_of, split_dump, split_windows

CORPUS = SHARED / "corpus" / "smbios"
MACHINES = sorted(path.parent for path in CORPUS.glob("*/dump.bin")) if CORPUS.exists() else []
needs_corpus = pytest.mark.skipif(not MACHINES, reason="the recorded tables are not part of the repository")


def structure(kind: int, formatted: bytes, *strings: bytes, handle: int = 0) -> bytes:
    """Return one structure of a table."""
    head = bytes([kind, 4 + len(formatted)]) + handle.to_bytes(2, "little") + formatted
    return head + (b"".join(text + b"\0" for text in strings) or b"\0") + b"\0"


UUID = bytes(range(16, 32))
SYSTEM = structure(
    1, bytes([1, 2, 3, 4]) + UUID + bytes([6, 5, 6]), b"Maker", b"Box", b"1", b"S-4711", b"SKU", b"Kin", handle=1
)
BIOS = structure(0, bytes([1, 2, 0, 0xE0, 3, 0x0F]) + bytes(8), b"Maker", b"1.0", b"01/02/2020")
END = structure(127, b"")
TABLE = BIOS + SYSTEM + END


def entry_point(table: bytes, version: tuple[int, int] = (2, 8), count: int = 3) -> bytes:
    body = bytearray(b"_SM_\0\x1f" + bytes(version) + bytes(23))
    body[16:21] = b"_DMI_"
    body[22:24] = len(table).to_bytes(2, "little")
    body[28:30] = count.to_bytes(2, "little")
    return bytes(body)


@needs_corpus
@pytest.mark.parametrize("machine", MACHINES, ids=lambda path: path.name)
def test_every_field_is_dmidecodes(machine: Path) -> None:
    """For all fields of BIOS, system, board, chassis, processor, OEM strings, memory arrays and devices."""
    table = decode((machine / "sysfs/DMI").read_bytes(), (machine / "sysfs/smbios_entry_point").read_bytes())
    golden = (machine / "golden/full.txt").read_text("ascii", "replace")
    fields, differences = compared(table, golden)
    assert differences == []
    assert fields > 20


@needs_corpus
@pytest.mark.parametrize("machine", MACHINES, ids=lambda path: path.name)
def test_a_dump_file_holds_the_table_of_sysfs(machine: Path) -> None:
    table = decode((machine / "sysfs/DMI").read_bytes(), (machine / "sysfs/smbios_entry_point").read_bytes())
    dumped, entry = split_dump((machine / "dump.bin").read_bytes())
    assert decode(dumped, entry) == table
    assert stable_values(dumped, entry) == smbios_values(table)
    assert sorted(smbios_identifiers(dumped, entry)) == identifiers_of(table)


@needs_corpus
@pytest.mark.parametrize("machine", MACHINES, ids=lambda path: path.name)
def test_the_values_of_the_bytes_are_those_of_the_structures(machine: Path) -> None:
    table, entry = (machine / "sysfs/DMI").read_bytes(), (machine / "sysfs/smbios_entry_point").read_bytes()
    values = stable_values(table, entry)
    assert values == smbios_values(decode(table, entry))
    assert len(values) >= 4


@needs_corpus
@pytest.mark.parametrize("machine", MACHINES, ids=lambda path: path.name)
def test_the_identifiers_of_the_bytes_are_those_of_dmidecode(machine: Path) -> None:
    text = (machine / "golden/full.txt").read_text("ascii", "replace")
    table, entry = (machine / "sysfs/DMI").read_bytes(), (machine / "sysfs/smbios_entry_point").read_bytes()
    found = smbios_identifiers(table, entry)
    assert sorted(found) == identifiers_of(decode(table, entry))
    printed = {(kind, value.strip()) for kind, value in identifiers_of(parse_dmidecode(text))}
    # dmidecode prints no strings of a memory slot without a module.
    empty = {value.strip() for m in decode(table, entry).memory_devices if not m.size_bytes
             for value in (m.serial, m.asset_tag) if value}  # fmt: skip
    nothing = {"", "Not Specified", *empty}
    assert {pair for pair in printed if pair[1] not in nothing} == {
        (kind, value.strip()) for kind, value in found if value.strip() not in nothing
    }
    assert printed - {(kind, value.strip()) for kind, value in found} == set()


@needs_corpus
@pytest.mark.parametrize("machine", MACHINES, ids=lambda path: path.name)
def test_dmidecodes_text_gives_the_values_of_the_bytes(machine: Path) -> None:
    """Old evidence as text can be compared with a table; the text is from dmidecode 3.4."""
    text = (machine / "golden/full.txt").read_text("utf-8", "replace")
    table, entry = (machine / "sysfs/DMI").read_bytes(), (machine / "sysfs/smbios_entry_point").read_bytes()
    assert smbios_values(parse_dmidecode(text)) == stable_values(table, entry)


@needs_corpus
@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_the_values_of_a_malformed_table_are_those_of_structures(data: st.DataObject) -> None:
    machine = data.draw(st.sampled_from(MACHINES))
    table = bytearray((machine / "sysfs/DMI").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        table[data.draw(st.integers(0, len(table) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(table[: data.draw(st.integers(4, len(table)))])
    assert stable_values(cut) == smbios_values(decode(cut))
    assert sorted(smbios_identifiers(cut)) == identifiers_of(decode(cut))


@needs_corpus
def test_serial_numbers_are_those_of_the_list_of_machines() -> None:
    listed = {entry["name"]: entry for entry in json.loads((CORPUS / "manifest.json").read_text())}
    compared = 0
    for machine in MACHINES:
        serial = listed[machine.name]["serial"]
        system = decode(*split_dump((machine / "dump.bin").read_bytes())).system
        if system and system.serial and serial not in (None, "Not Specified"):
            assert system.serial == serial, machine.name
            assert ("serial", serial) in smbios_identifiers(*split_dump((machine / "dump.bin").read_bytes()))
            compared += 1
    assert compared > 0


def test_a_table_has_its_version() -> None:
    table = decode(TABLE, entry_point(TABLE))
    assert table.version == (2, 8, 0)
    assert table.bios is not None
    assert (table.bios.vendor, table.bios.rom_bytes, table.bios.address) == ("Maker", 1 << 20, 0xE0000)
    assert table.system is not None
    assert (table.system.product, table.system.serial, table.system.family) == ("Box", "S-4711", "Kin")
    assert table.problems == ()


@pytest.mark.parametrize(("version", "begin"), [((2, 5), "10111213-1415-1617-"), ((2, 6), "13121110-1514-1716-")])
def test_the_first_fields_of_a_uuid_are_little_endian_since_2_6(version: tuple[int, int], begin: str) -> None:
    table = decode(TABLE, entry_point(TABLE, version))
    assert table.system is not None
    assert str(table.system.uuid).startswith(begin)


@pytest.mark.parametrize(("stated", "meant"), [((2, 31), (2, 3, 0)), ((2, 33), (2, 3, 0)), ((2, 51), (2, 6, 0))])
def test_wrong_versions_of_makers_are_corrected(stated: tuple[int, int], meant: tuple[int, int, int]) -> None:
    assert decode(TABLE, entry_point(TABLE, stated)).version == meant


def test_the_table_of_windows_has_its_own_header() -> None:
    data = bytes([0, 3, 2, 1]) + len(TABLE).to_bytes(4, "little") + TABLE
    cut, version = split_windows(data)
    table = decode(cut, version=version)
    assert table.version == (3, 2, 1)
    assert stable_values_of_windows(data) == stable_values(TABLE) == smbios_values(table)
    assert smbios_identifiers_of_windows(data) == smbios_identifiers(TABLE, version=(3, 2, 1))
    assert ("serial", "S-4711") in smbios_identifiers_of_windows(data)


@pytest.mark.parametrize("uuid", [bytes(16), b"\xff" * 16])
def test_a_uuid_that_is_not_set_is_none(uuid: bytes) -> None:
    table = decode(structure(1, bytes([1, 1, 1, 1]) + uuid + bytes([6]), b"x") + END)
    assert table.system is not None
    assert table.system.uuid is None
    assert table.system.uuid_note == ("Not Present" if uuid[0] else "Not Settable")


def test_a_short_structure_has_its_existing_fields() -> None:
    """A system of SMBIOS 2.0 has no UUID; one shorter than 8 bytes is ignored."""
    table = decode(structure(1, bytes([1, 2, 0, 9]), b"Maker", b"Box") + END)
    assert table.system is not None
    assert (table.system.product, table.system.version, table.system.serial) == ("Box", "", "<BAD INDEX>")
    assert (table.system.uuid, table.system.sku) == (None, None)
    assert decode(structure(1, b"\1", b"Maker") + END).system == decode(structure(1, b"", b"Maker") + END).system


def test_a_malformed_structure_ends_the_table_with_a_problem() -> None:
    table = decode(BIOS + bytes([1, 2, 0, 0]) + SYSTEM)
    assert table.bios is not None
    assert table.system is None
    assert table.problems == (f"the structure at byte {len(BIOS)} has 2 bytes; the table is broken from there on",)


def test_strings_beyond_the_table_are_a_problem() -> None:
    table = decode(BIOS + SYSTEM[:-2])
    assert table.system is None
    assert "runs out of the table" in table.problems[0]


def test_a_count_above_the_structures_is_a_problem() -> None:
    assert "counts 9" in decode(TABLE, entry_point(TABLE, count=9)).problems[0]


def test_unprintable_characters_become_dots() -> None:
    table = decode(structure(0, bytes([1, 1, 0, 0, 1, 0]) + bytes(8), b"Ma\xe4\x01r ") + END)
    assert table.bios is not None
    assert table.bios.vendor == "Ma..r "


@pytest.mark.parametrize("data", [b"", b"\1", b"\0\0\0"])
def test_other_bytes_than_a_table_are_rejected(data: bytes) -> None:
    for read in (decode, stable_values, smbios_identifiers):
        with pytest.raises(ValueError, match="table"):
            read(data)
        with pytest.raises(ValueError, match="entry point"):
            read(TABLE, data)
    for read_windows in (stable_values_of_windows, smbios_identifiers_of_windows):
        with pytest.raises(ValueError, match="header"):
            read_windows(data)


def test_serial_numbers_do_not_show_in_a_repr() -> None:
    table = decode(TABLE)
    assert "S-4711" not in repr(table)
    assert "10111213" not in repr(table).replace("-", "")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_raise_other_errors_than_value_error(data: bytes, marked: bool) -> None:
    entry = (b"_SM3_" * marked + data)[:32]
    for read in (stable_values, smbios_identifiers):
        for attempt in (lambda read=read: read(data), lambda read=read: read(data[8:], entry)):
            with contextlib.suppress(ValueError):
                attempt()
    for read_windows in (stable_values_of_windows, smbios_identifiers_of_windows):
        with contextlib.suppress(ValueError):
            read_windows(data)
    if len(data) >= 4:
        assert stable_values(data) == smbios_values(decode(data))
        assert sorted(smbios_identifiers(data)) == identifiers_of(decode(data))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_mutated_table_is_decoded_structure_by_structure(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(TABLE) - 1))
    byte = data.draw(st.integers(0, 255))
    mutated = TABLE[:at] + bytes([byte]) + TABLE[at + 1 : data.draw(st.integers(at + 1, len(TABLE)))]
    if len(mutated) >= 4:
        assert isinstance(decode(mutated), SmbiosTable)
        assert stable_values(mutated) == smbios_values(decode(mutated))
        assert sorted(smbios_identifiers(mutated)) == identifiers_of(decode(mutated))
