"""dmidecode's text into structures: texts by hand in every form, arbitrary ones, and those of real machines."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint.smbios.dmidecode import dmidecode_version, parse_dmidecode
from fingerprint.smbios.table import SmbiosTable
from shared import CORPUS, needs_corpus

MB, GB = 1 << 20, 1 << 30

HEAD = """\
# dmidecode 3.4
Getting SMBIOS data from sysfs.
SMBIOS 3.1.1 present.
Table at 0x7A000000.

"""
BIOS = """\
Handle 0x0000, DMI type 0, 26 bytes
BIOS Information
\tVendor: Example Firmware
\tVersion: X1.07 \n\
\tRelease Date: 02/03/2019
\tROM Size: 16 MB
\tCharacteristics:
\t\tPCI is supported
\t\tVersion: of a list, not of the firmware
\tBIOS Revision: 5.12
\tFirmware Revision: 1.9

Handle 0x0001, DMI type 13, 22 bytes
BIOS Language Information
\tInstallable Languages: 1
\tVersion: en|US

"""
SYSTEM = """\
Handle 0x0010, DMI type 1, 27 bytes
System Information
\tManufacturer: Example Inc.
\tProduct Name: Model: 7
\tVersion: Not Specified
\tSerial Number: EX00042
\tUUID: 01234567-89AB-4CDE-8F01-23456789ABCD
\tWake-up Type: Power Switch
\tSKU Number: EX7
\tFamily:

Handle 0x0011, DMI type 2, 15 bytes
Base Board Information
\tManufacturer: Example Boards
\tProduct Name: EB-7
\tVersion: A01
\tSerial Number: /EX00042/EB1/
\tAsset Tag: --
\tFeatures:
\t\tBoard is a hosting board
\tLocation In Chassis: Not Specified
\tChassis Handle: 0x0012
\tType: Motherboard
\tContained Object Handles: 0

Handle 0x0012, DMI type 3, 22 bytes
Chassis Information
\tManufacturer: Example Inc.
\tType: Rack Mount Chassis
\tLock: Not Present
\tVersion: C2
\tSerial Number: EX00042
\tAsset Tag: AT-9
\tSKU Number: EXC

Handle 0x0013, DMI type 11, 5 bytes
OEM Strings
\tString 1: Example System
\tString 2: 1[0042]
\tString 3:  \n\

"""
PROCESSOR = """\
Handle 0x0020, DMI type 4, 48 bytes
Processor Information
\tSocket Designation: CPU0
\tType: Central Processor
\tFamily: Xeon
\tManufacturer: Example Silicon
\tID: A9 06 03 00 FF FB EB BF
\tSignature: Type 0, Family 6, Model 58, Stepping 9
\tFlags:
\t\tFPU (Floating-point unit on-chip)
\tVersion: Example CPU @ 2.40GHz
\tVoltage: 1.1 V
\tExternal Clock: 100 MHz
\tMax Speed: 3400 MHz
\tCurrent Speed: 2400 MHz
\tStatus: Populated, Enabled
\tUpgrade: Socket LGA1155
\tSerial Number: CPU-1
\tAsset Tag: CPU-2
\tPart Number: CPU-3
\tCore Count: 4
\tCore Enabled: 3
\tThread Count: 8

Handle 0x0021, DMI type 4, 48 bytes
Processor Information
\tSocket Designation: CPU1
\tType: Central Processor
\tID: 00 00 00 00 00 00 00 00
\tMax Speed: Unknown
\tStatus: Unpopulated

"""
MEMORY = """\
Handle 0x0030, DMI type 16, 23 bytes
Physical Memory Array
\tLocation: System Board Or Motherboard
\tUse: System Memory
\tError Correction Type: Multi-bit ECC
\tMaximum Capacity: 3 TB
\tError Information Handle: Not Provided
\tNumber Of Devices: 4

Handle 0x0031, DMI type 17, 40 bytes
Memory Device
\tArray Handle: 0x0030
\tSize: 8192 MB
\tForm Factor: DIMM
\tLocator: DIMM_A1
\tBank Locator: BANK 0
\tType: DDR4
\tType Detail: Synchronous
\tSpeed: 2400 MT/s
\tManufacturer: Example Memory
\tSerial Number: 0A0B0C0D
\tAsset Tag: DIMM_A1_AssetTag
\tPart Number: EM8G-2400   \n\
\tRank: 2

Handle 0x0032, DMI type 17, 40 bytes
Memory Device
\tArray Handle: 0x0030
\tSize: No Module Installed
\tLocator: DIMM_A2
\tType: Unknown
\tSpeed: Unknown
\tRank: Unknown

"""
WHOLE = HEAD + BIOS + SYSTEM + PROCESSOR + MEMORY


def without_handles(table: SmbiosTable) -> list[Any]:
    """The fields of a table that `-q` prints too."""
    structures = [table.bios, table.system, *table.baseboards, *table.chassis, *table.processors]
    structures += [*table.memory_arrays, *table.memory_devices]
    hidden = ("handle", "array_handle")
    kept = [
        (type(s).__name__, {name: getattr(s, name) for name in s.__slots__ if name not in hidden})
        for s in structures
        if s is not None
    ]
    return [kept, table.oem_strings]


class TestFields:
    def test_everything_that_identity_and_explanation_need_is_filled(self) -> None:
        table = parse_dmidecode(WHOLE)
        assert table.version == (3, 1, 1)
        bios = table.bios
        assert bios is not None
        assert (bios.handle, bios.vendor, bios.version, bios.release_date) == (
            0,
            "Example Firmware",
            "X1.07 ",
            "02/03/2019",
        )
        assert (bios.rom_bytes, bios.revision, bios.firmware_revision) == (16 * MB, "5.12", "1.9")
        system = table.system
        assert system is not None
        assert (system.manufacturer, system.product, system.version) == ("Example Inc.", "Model: 7", "")
        assert (system.serial, system.uuid) == ("EX00042", "01234567-89ab-4cde-8f01-23456789abcd")
        assert (system.wake_up, system.sku, system.family) == ("Power Switch", "EX7", "")
        (board,), (chassis,) = table.baseboards, table.chassis
        assert (board.product, board.serial, board.asset_tag) == ("EB-7", "/EX00042/EB1/", "--")
        assert (board.location, board.kind) == ("", "Motherboard")
        assert (chassis.kind, chassis.version, chassis.serial) == ("Rack Mount Chassis", "C2", "EX00042")
        assert (chassis.asset_tag, chassis.sku) == ("AT-9", "EXC")
        assert table.oem_strings == (("Example System", "1[0042]", " "),)
        assert table.problems == ()

    def test_an_empty_socket_is_one_without_speed(self) -> None:
        full, empty = parse_dmidecode(WHOLE).processors
        assert (full.socket, full.kind, full.family, full.id) == (
            "CPU0",
            "Central Processor",
            "Xeon",
            "a9060300fffbebbf",
        )
        assert (full.populated, full.max_mhz, full.current_mhz) == (True, 3400, 2400)
        assert (full.serial, full.asset_tag, full.part_number) == ("CPU-1", "CPU-2", "CPU-3")
        assert (full.cores, full.cores_enabled, full.threads) == (4, 3, 8)
        assert (empty.populated, empty.max_mhz, empty.version) == (False, None, None)

    def test_an_empty_slot_has_size_nought_and_an_unknown_size_is_not_known(self) -> None:
        table = parse_dmidecode(WHOLE)
        (array,) = table.memory_arrays
        assert (array.handle, array.capacity_bytes, array.devices) == (0x30, 3 << 40, 4)
        assert (array.location, array.use) == ("System Board Or Motherboard", "System Memory")
        assert array.error_correction == "Multi-bit ECC"
        module, empty = table.memory_devices
        assert (module.array_handle, module.size_bytes, module.speed, module.rank) == (0x30, 8 * GB, 2400, 2)
        assert (module.kind, module.form_factor, module.locator, module.bank) == ("DDR4", "DIMM", "DIMM_A1", "BANK 0")
        assert (module.manufacturer, module.serial, module.part_number) == (
            "Example Memory",
            "0A0B0C0D",
            "EM8G-2400   ",
        )
        assert (empty.size_bytes, empty.speed, empty.rank, empty.serial) == (0, None, None, None)
        unknown = parse_dmidecode(MEMORY.replace("8192 MB", "Unknown")).memory_devices[0]
        assert unknown.size_bytes is None

    @pytest.mark.parametrize(
        ("told", "size"),
        [
            ("8192 MB", 8 * GB),
            ("8 GB", 8 * GB),
            ("4096 kB", 4 * MB),
            ("4096 KB", 4 * MB),
            ("960K", 960 << 10),
            ("512 bytes", 512),
            ("2 TB", 2 << 40),
            ("0 bytes", 0),
            ("No Module Installed", 0),
            ("Not Installed", 0),
            ("Unknown", None),
            ("<OUT OF SPEC>", None),
            ("8 parsecs", None),
            ("9" * 5000 + " MB", None),
        ],
    )
    def test_sizes_of_all_versions_are_bytes(self, told: str, size: int | None) -> None:
        assert parse_dmidecode(MEMORY.replace("8192 MB", told)).memory_devices[0].size_bytes == size

    @pytest.mark.parametrize(
        ("told", "speed"),
        [("1600 MT/s", 1600), ("1600 MHz", 1600), ("533 MHz (1.9 ns)", 533), ("Unknown", None), ("", None)],
    )
    def test_speeds_of_all_versions_are_numbers(self, told: str, speed: int | None) -> None:
        assert parse_dmidecode(MEMORY.replace("2400 MT/s", told)).memory_devices[0].speed == speed

    @pytest.mark.parametrize(
        ("told", "uuid"),
        [
            ("Not Present", None),
            ("Not Settable", None),
            ("00000000-0000-0000-0000-000000000000", None),
            ("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", None),
            ("", None),
            ("--", "--"),
            ("44454C4C-3200-1031-8030-B2C04F31324A", "44454c4c-3200-1031-8030-b2c04f31324a"),
        ],
    )
    def test_uuid_is_lower_case_and_none_where_the_machine_has_none(self, told: str, uuid: str | None) -> None:
        system = parse_dmidecode(SYSTEM.replace("01234567-89AB-4CDE-8F01-23456789ABCD", told)).system
        assert system is not None
        assert system.uuid == uuid

    def test_the_first_firmware_is_that_of_the_board(self) -> None:
        """Old servers list those of their adapters after it."""
        adapter = "Handle 0x0002, DMI type 0, 19 bytes\nBIOS Information\n\tVendor: Example Adapter\n\n"
        bios = parse_dmidecode(HEAD + BIOS + adapter).bios
        assert bios is not None
        assert bios.vendor == "Example Firmware"


class TestForms:
    WANTED = without_handles(parse_dmidecode(WHOLE))

    def test_groups_one_after_another_give_the_same_as_the_whole(self) -> None:
        groups = "".join(HEAD + group for group in (PROCESSOR, MEMORY, BIOS, SYSTEM))
        assert parse_dmidecode(groups) == parse_dmidecode(WHOLE)

    def test_what_two_runs_tell_counts_once(self) -> None:
        assert parse_dmidecode(WHOLE + HEAD + MEMORY + HEAD + PROCESSOR) == parse_dmidecode(WHOLE)

    def test_equal_structures_of_one_run_are_all_counted(self) -> None:
        """Some firmware gives all its slots one handle."""
        module = MEMORY.split("\n\n")[1] + "\n\n"
        assert len(parse_dmidecode(HEAD + module + module).memory_devices) == 2

    def test_without_lines_at_the_head(self) -> None:
        table = parse_dmidecode(WHOLE.removeprefix(HEAD))
        assert without_handles(table) == self.WANTED
        assert table.version is None

    def test_quiet(self) -> None:
        """-q prints no handles, no types and no head."""
        quiet = re.sub(r"Handle 0x.*\n", "", WHOLE.removeprefix(HEAD))
        assert without_handles(parse_dmidecode(quiet)) == self.WANTED

    @pytest.mark.parametrize("end", ["\r\n", "\r\r\n", "\n"])
    def test_ends_of_lines(self, end: str) -> None:
        assert parse_dmidecode(WHOLE.replace("\n", end)) == parse_dmidecode(WHOLE)

    def test_blanks_instead_of_tabs(self) -> None:
        assert without_handles(parse_dmidecode(WHOLE.replace("\t", " " * 8))) == self.WANTED
        assert without_handles(parse_dmidecode(WHOLE.expandtabs(4))) == self.WANTED

    def test_before_version_2_7(self) -> None:
        """The handle, the type and the title had a line each, every one deeper, and no blank line between."""
        old = re.sub(r"(?m)^(?!Handle)(?=.)", "\t", WHOLE.removeprefix(HEAD))
        old = re.sub(r"(Handle 0x\w+), (DMI type \d+, \d+ bytes)", r"\1\n\t\2.", old).replace("\n\n", "\n")
        assert without_handles(parse_dmidecode("# dmidecode 2.2\nSMBIOS 2.3 present.\n" + old)) == self.WANTED

    def test_before_version_2_1(self) -> None:
        table = parse_dmidecode(
            "SYSID present.\nSMBIOS 2.3 present.\nDMI 2.1 present.\n2 structures occupying 60 bytes.\n"
            "Handle 0xDA00\n\tDMI type 218, 11 bytes.\nb2 00 17 00\t..... .\n"
            "Handle 0x0000\n\tDMI type 0, 20 bytes.\n\tBIOS Information Block\n\t\tVendor: Example Firmware\n"
            "\t\tVersion: A02\n\t\tRelease: 01/19/2005\n\t\tBIOS base: 0xF0000\n\t\tROM size: 960K\n"
            "\t\tCapabilities:\n\t\t\tFlags: 0x00\n"
            "Handle 0x0100\n\tDMI type 1, 25 bytes.\n\tSystem Information Block\n\t\tVendor: Example Inc.\n"
            "\t\tProduct: Model 5\n\t\tVersion: \n\t\tSerial Number: EX5\n"
            "Handle 0x0300\n\tDMI type 3, 17 bytes.\n\tChassis Information Block\n\t\tChassis Type: Tower\n"
            "\t\t\tLock present\n"
            "Handle 0x0400\n\tDMI type 4, 35 bytes.\n\tProcessor\n\t\tProcessor Type: Central Processor\n"
            "\t\tProcessor Manufacturer: Example Silicon\n\t\tVendor Part Number: \n"
            "Handle 0x0B00\n\tDMI type 11, 5 bytes.\n\tOEM Data\n\t\tExample System\n\t\t8[Example, Inc.]\n"
            "Handle 0x7E00\n\tDMI type 126, 49 bytes.\n\tInactive\n"
        )
        assert table.version == (2, 3, 0)
        assert table.bios is not None
        assert (table.bios.release_date, table.bios.rom_bytes) == ("01/19/2005", 960 << 10)
        assert table.system is not None
        assert (table.system.manufacturer, table.system.product, table.system.serial) == (
            "Example Inc.",
            "Model 5",
            "EX5",
        )
        assert table.chassis[0].kind == "Tower"
        assert (table.processors[0].kind, table.processors[0].manufacturer) == ("Central Processor", "Example Silicon")
        assert table.oem_strings == (("Example System", "8[Example, Inc.]"),)

    def test_the_form_of_bytes_tells_nothing_and_hides_nothing(self) -> None:
        """`dmidecode -u` prints the bytes of a structure in place of its fields."""
        undecoded = (
            "Handle 0x0010, DMI type 1, 27 bytes\n\tHeader and Data:\n\t\t01 1B 10 00\n\tStrings:\n\t\tExample\n\n"
        )
        table = parse_dmidecode(HEAD + undecoded + MEMORY)
        assert table.system is None
        assert len(table.memory_devices) == 2

    def test_a_text_cut_anywhere_tells_the_structures_before_the_cut(self) -> None:
        for cut in range(0, len(WHOLE), 7):
            table = parse_dmidecode(WHOLE[:cut])
            assert len(table.processors) == WHOLE[:cut].count("\nProcessor Information\n")


class TestComplaints:
    def test_what_dmidecode_says_of_a_broken_table_is_a_problem(self) -> None:
        table = parse_dmidecode(
            HEAD + BIOS + "Handle 0x0040, DMI type 17, 34 bytes\n\t<TRUNCATED>\n\n"
            "Handle 0x0041, DMI type 4, 34 bytes\nProcessor Information\n\t<TRUNCATED>\n\n"
            "Wrong DMI structures count: 9 announced, only 3 decoded.\n"
            "Invalid entry length (0). DMI table is broken! Stop.\n\n"
        )
        assert table.problems == (
            "a structure of type 17, handle 0x0040, is truncated",
            "a structure of type 4, handle 0x0041, is truncated",
            "Wrong DMI structures count: 9 announced, only 3 decoded.",
            "Invalid entry length (0). DMI table is broken! Stop.",
        )
        assert table.memory_devices == ()

    @pytest.mark.parametrize(
        "said",
        [
            "# No SMBIOS nor DMI entry point found, sorry.",
            "/dev/mem: Permission denied",
            "/sys/firmware/dmi/tables/smbios_entry_point: Permission denied",
        ],
    )
    def test_no_table_is_told_apart_from_an_empty_one(self, said: str) -> None:
        table = parse_dmidecode("# dmidecode 3.4\n" + said + "\n")
        assert table.problems == (said.removeprefix("# "),)
        assert table == SmbiosTable(problems=table.problems)


class TestVersions:
    @pytest.mark.parametrize(
        ("line", "version"),
        [
            ("# dmidecode 3.4", "3.4"),
            (" dmidecode 2.6", "2.6"),
            ("# dmidecode 3.3-gitd64af977\r", "3.3-gitd64af977"),
            ("# dmidecode", ""),
            ("SMBIOS 2.3 present.", ""),
            ("", ""),
        ],
    )
    def test_of_the_tool(self, line: str, version: str) -> None:
        assert dmidecode_version(f"\n{line}\nSMBIOS 2.4 present.\n") == version

    @pytest.mark.parametrize(
        ("line", "version"),
        [
            ("SMBIOS 2.3 present.", (2, 3, 0)),
            ("SMBIOS 3.2.1 present.", (3, 2, 1)),
            ("SMBIOS 2.31 present.", (2, 3, 0)),
            ("SMBIOS 2.33 present.", (2, 3, 0)),
            ("SMBIOS 2.51 present.", (2, 6, 0)),
            ("Legacy DMI 2.0 present.", (2, 0, 0)),
            ("SMBIOS x.y present.", None),
            ("# SMBIOS implementations newer than version 3.0 are not", None),
        ],
    )
    def test_of_the_table_with_what_tables_state_by_mistake(
        self, line: str, version: tuple[int, int, int] | None
    ) -> None:
        assert parse_dmidecode(f"# dmidecode 3.4\n{line}\n").version == version


PIECES = st.sampled_from([line + "\n" for line in WHOLE.split("\n")] + ["\t<TRUNCATED>\n", "\t:\n", "Handle 0x\n"])


class TestArbitrary:
    @given(st.text())
    def test_any_text_is_taken(self, text: str) -> None:
        assert isinstance(parse_dmidecode(text), SmbiosTable)
        assert isinstance(dmidecode_version(text), str)

    @given(st.lists(PIECES | st.text(max_size=20), max_size=60))
    def test_lines_in_any_order_are_taken(self, lines: list[str]) -> None:
        table = parse_dmidecode("".join(lines))
        assert len(table.memory_devices) <= sum("emory Device" in line for line in lines) + "".join(lines).count(
            "emory Device"
        )

    @given(st.data())
    def test_the_order_of_groups_does_not_matter(self, data: st.DataObject) -> None:
        groups = data.draw(st.permutations([BIOS, SYSTEM, PROCESSOR, MEMORY]))
        assert parse_dmidecode(HEAD + "".join(groups)) == parse_dmidecode(WHOLE)


TEXTS = sorted(CORPUS.glob("dmidecode-text/*/*"))
GOLDEN = sorted(CORPUS.glob("smbios/*/golden"))
# Those of unusual form, read off by eye: version, product, serial, UUID, processors filled and all, modules
# filled and all, MB of memory.
BY_EYE = {
    "pan.prod.spamlab.co.uk": ((2, 3, 0), "PowerEdge 1850", "5Z2W981", None, (0, 2), (0, 6), 0),
    "openbsd-3.8": (
        (2, 3, 0), "PowerEdge 1800", "2K1012J", "44454c4c-4b00-1031-8030-b2c04f31324a", (1, 2), (2, 6), 1024,
    ),
    "freebsd-6.2": ((2, 3, 0), " ", " ", None, (1, 1), (1, 1), 512),
    "macos-battery": ((3, 0, 0), None, None, None, (0, 0), (0, 0), 0),
    "windows-2008-with-2-different-cpus": ((2, 7, 0), None, None, None, (2, 2), (0, 0), 0),
    "windows-hyperV-2019": (
        (3, 1, 0), "Virtual Machine", "3135-4298-3414-7021-8716-7514-85", "f78a0579-5bf5-4de9-a5c7-b5ad2023449b",
        (1, 1), (2, 2), 4096,
    ),
    "rhel-6.3-esx-1vcpu": (
        (2, 4, 0), "VMware Virtual Platform", "VMware-56 4d 60 49 9d 7d 6e 8b-4a 41 7b 2d b1 47 ab a7",
        "564d6049-9d7d-6e8b-4a41-7b2db147aba7", (64, 64), (1, 64), 512,
    ),
    "dmi_decode_virtualbox": (
        (2, 5, 0), "VirtualBox", "0", "784198ec-5827-476e-9e24-b0e98e8958f5", (0, 0), (0, 0), 0,
    ),
}  # fmt: skip


def read(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


def plain(value: str) -> str:
    return value.strip().replace("Not Specified", "")


def told(text: str, kind: int, title: str) -> int:
    """How many structures with a title a text has, counted the plain way."""
    return len(re.findall(rf"DMI type {kind},[^\n]*\n\s*{title}", text))


@needs_corpus
class TestRealMachines:
    @pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.name)
    def test_every_structure_of_a_text_is_found(self, path: Path) -> None:
        text = read(path)
        table = parse_dmidecode(text)
        assert (table.bios is not None) == bool(told(text, 0, "BIOS Info"))
        assert (table.system is not None) == bool(told(text, 1, "System Info"))
        assert len(table.baseboards) == told(text, 2, "B")
        assert len(table.chassis) == told(text, 3, "Chassis")
        assert len(table.processors) == told(text, 4, "Processor")
        assert len(table.memory_arrays) == told(text, 16, "Physical")
        assert len(table.memory_devices) == told(text, 17, "Memory Device")
        assert table.version is not None
        assert dmidecode_version(text) or path.name == "pan.prod.spamlab.co.uk"

    # Of the one that is left out the lines are not indented; its values are among those read off by eye.
    @pytest.mark.parametrize("path", [p for p in TEXTS if not p.name.startswith("pan.")], ids=lambda p: p.name)
    def test_every_value_of_a_text_is_in_it(self, path: Path) -> None:
        """Counted the plain way: by the lines of the text, whatever their structure."""
        text = read(path)
        table = parse_dmidecode(text)
        sizes = re.findall(r"(?m)^\s+Size: (\d+) ([MG]B)\s*$", text)
        mb = sum(int(count) * (1024 if unit == "GB" else 1) for count, unit in sizes)
        assert sum((d.size_bytes or 0) for d in table.memory_devices if (d.size_bytes or 0) >= MB) == mb * MB
        ids = ["".join(found.lower().split()) for found in re.findall(r"(?m)^\s+ID: ((?:[0-9A-F]{2} ?){8})\s*$", text)]
        assert [p.id for p in table.processors if p.id] == ids
        assert [p.populated for p in table.processors].count(False) == len(
            re.findall(r"(?m)^\s+Status: Unpopulated", text)
        )
        uuids = [u.lower() for u in re.findall(r"(?m)^\s+UUID: ([0-9A-Fa-f]\S+)\s*$", text)]
        assert uuids == ([table.system.uuid] if table.system and table.system.uuid else [])
        for title, unit in (
            ("System Information", table.system),
            ("Base Board Information", next(iter(table.baseboards), None)),
            ("Chassis Information", next(iter(table.chassis), None)),
        ):
            block = re.search(rf"{title}[^\n]*\n((?:[ \t]+[^\n]*\n)*)", text)
            first = re.search(r"Serial Number:([^\n]*)", block[1] if block else "")
            assert ((unit.serial or "") if unit else "").strip() == plain(first[1] if first else "")
        kinds = re.findall(r"DMI type 17,[^\n]*\n[^\n]*\n((?:[ \t]+[^\n]*\n?)*)", text.replace("\r", ""))
        parts = [plain(part) for kind in kinds for part in re.findall(r"(?m)^\s+Part Number:(.*)$", kind)]
        assert [d.part_number.strip() for d in table.memory_devices if d.part_number is not None] == parts

    @pytest.mark.parametrize("name", BY_EYE)
    def test_texts_of_unusual_form(self, name: str) -> None:
        table = parse_dmidecode(read(next(path for path in TEXTS if path.name == name)))
        system = table.system
        filled = [d for d in table.memory_devices if d.size_bytes]
        assert BY_EYE[name] == (
            table.version,
            system.product if system else None,
            system.serial if system else None,
            system.uuid if system else None,
            ([p.populated for p in table.processors].count(True), len(table.processors)),
            (len(filled), len(table.memory_devices)),
            sum(d.size_bytes or 0 for d in filled) // MB,
        )

    @pytest.mark.parametrize("folder", GOLDEN, ids=lambda p: p.parent.name)
    def test_groups_tell_the_same_as_the_whole(self, folder: Path) -> None:
        whole = parse_dmidecode(read(folder / "full.txt"))
        groups = parse_dmidecode("".join(read(folder / f"{g}.txt") for g in ("bios", "system", "processor", "memory")))
        for name in ("version", "bios", "system", "processors", "memory_arrays", "memory_devices"):
            assert getattr(groups, name) == getattr(whole, name), name

    @pytest.mark.parametrize("folder", GOLDEN, ids=lambda p: p.parent.name)
    def test_every_structure_of_a_golden_text_is_found(self, folder: Path) -> None:
        text = read(folder / "full.txt")
        table = parse_dmidecode(text)
        counts = [len(s) for s in (table.baseboards, table.chassis, table.processors)]
        counts += [len(table.memory_arrays), len(table.memory_devices)]
        assert counts == [len(re.findall(rf"DMI type {kind},", text)) for kind in (2, 3, 4, 16, 17)]
        assert dmidecode_version(text) == "3.4"

    def test_pairs_over_time_keep_their_processors_and_models(self) -> None:
        """The texts are groups without heads. A machine keeps its model; its sockets may be told otherwise."""
        with gzip.open(CORPUS / "drift" / "pairs_text.jsonl.gz", "rt", encoding="utf-8") as lines:
            pairs = [json.loads(line) for line in lines]
        models = [0, 0]
        for pair in pairs:
            sides = [parse_dmidecode("\n\n".join(pair[side].values())) for side in ("old", "new")]
            for side, name in zip(sides, ("old", "new"), strict=True):
                text = pair[name]
                assert len(side.processors) == text.get("processor", "").count("Processor Information")
                assert len(side.memory_devices) == text.get("memory", "").count("Memory Device\n")
                assert (side.bios is None) == ("BIOS Information\n" not in text.get("bios", ""))
            if sides[0].system and sides[1].system:
                models[sides[0].system.product == sides[1].system.product] += 1
        assert models[True] > 100 * models[False]
