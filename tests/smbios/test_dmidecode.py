"""Output of dmidecode read into structures: forms written by hand, and arbitrary lines."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmidecode_output import BIOS, COMPLETE, HEAD, MEMORY, PROCESSOR, SYSTEM
from fingerprint.smbios.dmidecode import dmidecode_version, parse_dmidecode
from fingerprint.smbios.table import SmbiosTable

MB, GB = 1 << 20, 1 << 30


def without_handles(table: SmbiosTable) -> list[Any]:
    """Return the fields of a table that `-q` prints, too."""
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
    def test_the_fields_of_identity_and_explanation_are_filled(self) -> None:
        table = parse_dmidecode(COMPLETE)
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
        full, empty = parse_dmidecode(COMPLETE).processors
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

    def test_an_empty_slot_has_size_0_and_an_unknown_size_none(self) -> None:
        table = parse_dmidecode(COMPLETE)
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
        ("printed", "size"),
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
    def test_sizes_of_all_versions_are_bytes(self, printed: str, size: int | None) -> None:
        assert parse_dmidecode(MEMORY.replace("8192 MB", printed)).memory_devices[0].size_bytes == size

    @pytest.mark.parametrize(
        ("printed", "speed"),
        [("1600 MT/s", 1600), ("1600 MHz", 1600), ("533 MHz (1.9 ns)", 533), ("Unknown", None), ("", None)],
    )
    def test_speeds_of_all_versions_are_numbers(self, printed: str, speed: int | None) -> None:
        assert parse_dmidecode(MEMORY.replace("2400 MT/s", printed)).memory_devices[0].speed == speed

    @pytest.mark.parametrize(
        ("printed", "uuid"),
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
    def test_the_uuid_is_lower_case_and_none_if_missing(self, printed: str, uuid: str | None) -> None:
        system = parse_dmidecode(SYSTEM.replace("01234567-89AB-4CDE-8F01-23456789ABCD", printed)).system
        assert system is not None
        assert system.uuid == uuid

    def test_the_first_firmware_is_that_of_the_board(self) -> None:
        """Old servers list the firmware of their adapters after it."""
        adapter = "Handle 0x0002, DMI type 0, 19 bytes\nBIOS Information\n\tVendor: Example Adapter\n\n"
        bios = parse_dmidecode(HEAD + BIOS + adapter).bios
        assert bios is not None
        assert bios.vendor == "Example Firmware"


class TestForms:
    WANTED = without_handles(parse_dmidecode(COMPLETE))

    def test_groups_in_a_row_give_the_complete_table(self) -> None:
        groups = "".join(HEAD + group for group in (PROCESSOR, MEMORY, BIOS, SYSTEM))
        assert parse_dmidecode(groups) == parse_dmidecode(COMPLETE)

    def test_structures_of_two_runs_count_once(self) -> None:
        assert parse_dmidecode(COMPLETE + HEAD + MEMORY + HEAD + PROCESSOR) == parse_dmidecode(COMPLETE)

    def test_equal_structures_of_one_run_are_all_counted(self) -> None:
        """Some firmware gives all its slots one handle."""
        module = MEMORY.split("\n\n")[1] + "\n\n"
        assert len(parse_dmidecode(HEAD + module + module).memory_devices) == 2

    def test_output_without_head_lines_is_read(self) -> None:
        table = parse_dmidecode(COMPLETE.removeprefix(HEAD))
        assert without_handles(table) == self.WANTED
        assert table.version is None

    def test_quiet_output_is_read(self) -> None:
        """-q prints no handles, no types and no head."""
        quiet = re.sub(r"Handle 0x.*\n", "", COMPLETE.removeprefix(HEAD))
        assert without_handles(parse_dmidecode(quiet)) == self.WANTED

    @pytest.mark.parametrize("end", ["\r\n", "\r\r\n", "\n"])
    def test_all_line_endings_are_read(self, end: str) -> None:
        assert parse_dmidecode(COMPLETE.replace("\n", end)) == parse_dmidecode(COMPLETE)

    def test_blanks_in_place_of_tabs_are_read(self) -> None:
        assert without_handles(parse_dmidecode(COMPLETE.replace("\t", " " * 8))) == self.WANTED
        assert without_handles(parse_dmidecode(COMPLETE.expandtabs(4))) == self.WANTED

    def test_output_before_version_2_7_is_read(self) -> None:
        """Handle, type and title have one line each, increasingly indented, without blank lines between structures."""
        old = re.sub(r"(?m)^(?!Handle)(?=.)", "\t", COMPLETE.removeprefix(HEAD))
        old = re.sub(r"(Handle 0x\w+), (DMI type \d+, \d+ bytes)", r"\1\n\t\2.", old).replace("\n\n", "\n")
        assert without_handles(parse_dmidecode("# dmidecode 2.2\nSMBIOS 2.3 present.\n" + old)) == self.WANTED

    def test_output_before_version_2_1_is_read(self) -> None:
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

    def test_the_dump_of_bytes_in_the_output_is_ignored(self) -> None:
        """`dmidecode -u` prints the bytes of a structure in place of its fields."""
        undecoded = (
            "Handle 0x0010, DMI type 1, 27 bytes\n\tHeader and Data:\n\t\t01 1B 10 00\n\tStrings:\n\t\tExample\n\n"
        )
        table = parse_dmidecode(HEAD + undecoded + MEMORY)
        assert table.system is None
        assert len(table.memory_devices) == 2

    def test_a_truncated_text_has_the_structures_before_the_cut(self) -> None:
        for cut in range(0, len(COMPLETE), 7):
            table = parse_dmidecode(COMPLETE[:cut])
            assert len(table.processors) == COMPLETE[:cut].count("\nProcessor Information\n")


class TestComplaints:
    def test_an_error_of_dmidecode_is_a_problem(self) -> None:
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
    def test_a_missing_table_differs_from_an_empty_one(self, said: str) -> None:
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
    def test_the_tool_version_is_read(self, line: str, version: str) -> None:
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
    def test_the_table_version_is_corrected(self, line: str, version: tuple[int, int, int] | None) -> None:
        assert parse_dmidecode(f"# dmidecode 3.4\n{line}\n").version == version


PIECES = st.sampled_from([line + "\n" for line in COMPLETE.split("\n")] + ["\t<TRUNCATED>\n", "\t:\n", "Handle 0x\n"])


class TestArbitrary:
    @given(st.text())
    def test_any_text_is_accepted(self, text: str) -> None:
        assert isinstance(parse_dmidecode(text), SmbiosTable)
        assert isinstance(dmidecode_version(text), str)

    @given(st.lists(PIECES | st.text(max_size=20), max_size=60))
    def test_lines_in_any_order_are_accepted(self, lines: list[str]) -> None:
        table = parse_dmidecode("".join(lines))
        assert len(table.memory_devices) <= sum("emory Device" in line for line in lines) + "".join(lines).count(
            "emory Device"
        )

    @given(st.data())
    def test_the_order_of_groups_does_not_matter(self, data: st.DataObject) -> None:
        groups = data.draw(st.permutations([BIOS, SYSTEM, PROCESSOR, MEMORY]))
        assert parse_dmidecode(HEAD + "".join(groups)) == parse_dmidecode(COMPLETE)
