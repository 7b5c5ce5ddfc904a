"""Recorded output of dmidecode of real machines, read into structures."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

import pytest

from fingerprint.smbios.dmidecode import dmidecode_version, parse_dmidecode
from shared import CORPUS, needs_corpus

MB = 1 << 20
OUTPUTS = sorted(CORPUS.glob("dmidecode-text/*/*"))
GOLDEN = sorted(CORPUS.glob("smbios/*/golden"))
# Outputs of unusual form, read by a person: version, product, serial, UUID, processors filled and all, modules
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


def count_of(text: str, kind: int, title: str) -> int:
    """Return how many structures with a title a text has, by its lines."""
    return len(re.findall(rf"DMI type {kind},[^\n]*\n\s*{title}", text))


@needs_corpus
class TestRealMachines:
    @pytest.mark.parametrize("path", OUTPUTS, ids=lambda p: p.name)
    def test_every_structure_of_a_text_is_found(self, path: Path) -> None:
        text = read(path)
        table = parse_dmidecode(text)
        assert (table.bios is not None) == bool(count_of(text, 0, "BIOS Info"))
        assert (table.system is not None) == bool(count_of(text, 1, "System Info"))
        assert len(table.baseboards) == count_of(text, 2, "B")
        assert len(table.chassis) == count_of(text, 3, "Chassis")
        assert len(table.processors) == count_of(text, 4, "Processor")
        assert len(table.memory_arrays) == count_of(text, 16, "Physical")
        assert len(table.memory_devices) == count_of(text, 17, "Memory Device")
        assert table.version is not None
        assert dmidecode_version(text) or path.name == "pan.prod.spamlab.co.uk"

    # The lines of the one that is left out are not indented; its values are in BY_EYE.
    @pytest.mark.parametrize("path", [p for p in OUTPUTS if not p.name.startswith("pan.")], ids=lambda p: p.name)
    def test_every_value_of_a_text_is_in_it(self, path: Path) -> None:
        """Counted by the lines of the text, independent of their structure."""
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
    def test_unusual_forms_of_output_are_read(self, name: str) -> None:
        table = parse_dmidecode(read(next(path for path in OUTPUTS if path.name == name)))
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

    @pytest.mark.parametrize("directory", GOLDEN, ids=lambda p: p.parent.name)
    def test_groups_agree_with_the_complete_output(self, directory: Path) -> None:
        complete = parse_dmidecode(read(directory / "full.txt"))
        groups = parse_dmidecode(
            "".join(read(directory / f"{g}.txt") for g in ("bios", "system", "processor", "memory"))
        )
        for name in ("version", "bios", "system", "processors", "memory_arrays", "memory_devices"):
            assert getattr(groups, name) == getattr(complete, name), name

    @pytest.mark.parametrize("directory", GOLDEN, ids=lambda p: p.parent.name)
    def test_every_structure_of_a_golden_text_is_found(self, directory: Path) -> None:
        text = read(directory / "full.txt")
        table = parse_dmidecode(text)
        counts = [len(s) for s in (table.baseboards, table.chassis, table.processors)]
        counts += [len(table.memory_arrays), len(table.memory_devices)]
        assert counts == [len(re.findall(rf"DMI type {kind},", text)) for kind in (2, 3, 4, 16, 17)]
        assert dmidecode_version(text) == "3.4"

    def test_pairs_over_time_keep_their_processors_and_models(self) -> None:
        """The outputs are groups without heads. A machine keeps its model; its sockets may be printed differently."""
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
