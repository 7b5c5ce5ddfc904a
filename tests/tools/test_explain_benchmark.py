"""benchmarks/explain.py: the true changes of two states, and the comparison of an explanation with them."""

from __future__ import annotations

import gzip
import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from fingerprint.explanation.primitives import TITLES
from paths import ROOT

BENCHMARKS = ROOT / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not here")

BIOS = """\
Handle 0x0000, DMI type 0, 24 bytes
BIOS Information
\tVendor: Example Firmware
\tVersion: X1.07
\tRelease Date: 02/03/2019
\tROM Size: 16384 kB
\tBIOS Revision: 5.12
\tFirmware Revision: 1.9"""
SYSTEM = """\
Handle 0x0001, DMI type 1, 27 bytes
System Information
\tManufacturer: Example Inc.
\tProduct Name: Model 7
\tVersion: 1.0
\tSerial Number: --
\tUUID: --
\tWake-up Type: Power Switch
\tSKU Number: To Be Filled By O.E.M.
\tFamily: Models

Handle 0x0002, DMI type 15, 29 bytes
System Event Log
\tChange Token: 0x00000001"""
PROCESSOR = """\
Handle 0x0004, DMI type 4, 42 bytes
Processor Information
\tSocket Designation: CPU1
\tManufacturer: Example
\tID: A5 06 01 00 FF FB EB BF
\tVersion: Example CPU 920 @ 2.67GHz
\tVoltage: 1.2 V
\tCurrent Speed: 2666 MHz
\tStatus: Populated, Enabled
\tCore Count: 4
\tCore Enabled: 4"""
SLOTS = ("DIMM_A1", "DIMM_A2", "DIMM_B1", "DIMM_B2")
EMPTY = ("No Module Installed", "Not Specified")
OLD = {"DIMM_A1": ("8192 MB", "EX8G-A"), "DIMM_B1": ("8192 MB", "EX8G-B")}


def memory(modules: dict[str, tuple[str, str]], slots: tuple[str, ...] = SLOTS, first: int = 0x10) -> str:
    found = [f"Handle 0x{first:04X}, DMI type 16, 23 bytes\nPhysical Memory Array\n\tNumber Of Devices: {len(slots)}"]
    for number, slot in enumerate(slots, first + 1):
        size, part = modules.get(slot, EMPTY)
        found.append(
            f"Handle 0x{number:04X}, DMI type 17, 40 bytes\nMemory Device\n\tArray Handle: 0x{first:04X}\n"
            f"\tSize: {size}\n\tLocator: {slot}\n\tBank Locator: BANK\n"
            f"\tType: DDR4\n\tSerial Number: --\n\tPart Number: {part}"
        )
    return "\n\n".join(found)


def state(**sections: str) -> dict[str, str]:
    return {"bios": BIOS, "system": SYSTEM, "processor": PROCESSOR, "memory": memory(OLD), **sections}


@pytest.fixture
def modules_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def module(name: str) -> ModuleType:
        return importlib.import_module(name)

    return module


A, B = OLD["DIMM_A1"], OLD["DIMM_B1"]
OTHER = ("8 GB", "OT8G-C")


@pytest.mark.parametrize(
    ("new", "changes"),
    [
        ({}, "nothing"),
        ({"bios": BIOS.replace("X1.07", "X1.08")}, "firmware"),
        ({"bios": BIOS.replace("02/03/2019", "05/06/2021")}, "firmware"),
        ({"bios": BIOS.replace("Revision: 1.9", "Revision: 1.10")}, "firmware"),
        ({"bios": BIOS.replace("16384 kB", "16 MB")}, "text noise"),
        ({"bios": BIOS.replace("Example Firmware", "Example  Firmware ")}, "text noise"),
        ({"system": SYSTEM.replace("00001", "00002")}, "text noise"),
        ({"system": SYSTEM.replace("Power Switch", "LAN Remote")}, "text noise"),
        ({"system": SYSTEM.replace("To Be Filled By O.E.M.", "Default string")}, "text noise"),
        ({"system": SYSTEM.replace("To Be Filled By O.E.M.", "EX-7")}, "system fields"),
        ({"system": SYSTEM.replace("Model 7", "Model 9")}, "system fields"),
        ({"processor": PROCESSOR.replace("1.2 V", "0.9 V").replace("2666", "1200")}, "text noise"),
        ({"processor": PROCESSOR.replace("A5 06 01", "C2 06 02")}, "processor"),
        ({"processor": PROCESSOR.replace("CPU 920", "CPU 940")}, "processor"),
        ({"processor": PROCESSOR.replace("FF FB EB BF", "FF FB EB 1F")}, "text noise"),
        ({"processor": PROCESSOR.replace("Enabled: 4", "Enabled: 2")}, "text noise"),
        ({"processor": PROCESSOR + "\n\n" + PROCESSOR.replace("0x0004", "0x0005")}, "processor"),
        ({"memory": memory({**OLD, "DIMM_A2": OTHER})}, "modules added"),
        ({"memory": memory({"DIMM_A1": A})}, "modules removed"),
        ({"memory": memory({"DIMM_A1": A, "DIMM_B1": OTHER})}, "modules replaced"),
        ({"memory": memory({"DIMM_A1": ("16 GB", A[1]), "DIMM_B1": B})}, "modules replaced"),
        ({"memory": memory({"DIMM_A1": B, "DIMM_B1": A})}, "modules moved"),
        ({"memory": memory({"DIMM_A2": A, "DIMM_B2": B})}, "modules moved"),
        ({"memory": memory({"DIMM_A1": OTHER, "DIMM_A2": OTHER, "DIMM_B1": B})}, "modules added modules replaced"),
        # Another form of the same: a unit, blanks, handles, the order, or a part number that is not known any more.
        ({"memory": memory({"DIMM_A1": ("8 GB", "EX8G-A  "), "DIMM_B1": ("8 GB", "EX8G-B")})}, "text noise"),
        ({"memory": memory({"DIMM_A1": ("8 GB", "Unknown"), "DIMM_B1": B})}, "text noise"),
        ({"memory": memory({"DIMM_A1": ("8 GB", "0x455838472D41"), "DIMM_B1": B})}, "text noise"),
        ({"memory": memory({"DIMM_A1": ("8 GB", "SODIMM000"), "DIMM_B1": ("8 GB", "SODIMM001")})}, "text noise"),
        ({"memory": memory({}, slots=())}, "text noise"), ({"memory": ""}, "text noise"),
        ({"memory": memory(OLD, first=0x40)}, "text noise"),
        ({"memory": memory(OLD, slots=SLOTS[::-1])}, "text noise"),
        # A firmware update that renames the slots moves no module.
        ({"memory": memory({"A0": A, "B0": B}, slots=("A0", "A1", "B0", "B1"))}, "text noise"),
        (
            {"memory": memory({"DIMM_A1": A}), "bios": BIOS.replace("X1.07", "X2")}, "firmware modules removed",
        ),
    ],
)  # fmt: skip
def test_each_change_is_found_in_the_output(new: dict[str, str], changes: str, modules_of: Any) -> None:
    truth = modules_of("explain_truth")
    for tools in (("3.3", "3.3"), ("3.3", "3.6")):
        found = truth.true_changes(state(), state(**new), tools).changes
        expected = {name for name in truth.CHANGES if name in changes}
        if tools[0] != tools[1]:
            expected = expected - {truth.NOISE, truth.NOTHING} | {truth.TOOL}
        assert found == expected


def test_another_version_of_the_table_is_text_noise(modules_of: Any) -> None:
    truth = modules_of("explain_truth")
    assert truth.true_changes(state(), state(), ("3.3", "3.3"), ("3.1.1", "3.2.0")).changes == {truth.NOISE}


def test_modules_in_other_slots_have_several_right_names(modules_of: Any) -> None:
    truth = modules_of("explain_truth")
    found = truth.true_changes(state(), state(memory=memory({"DIMM_A2": OTHER, "DIMM_B2": OTHER})), ("3", "3"))
    assert (found.changes, found.also) == ({truth.REPLACED}, {truth.ADDED, truth.REMOVED})


def test_each_cause_has_its_claims(modules_of: Any) -> None:
    claims = modules_of("explain_claims").CLAIMS
    assert set(TITLES) <= set(claims)


def explained(*causes: str, title: str = "", history: str = "", memory: str = "") -> SimpleNamespace:
    """An explanation with some causes, the title of an event, a history, and the cause of the memory's value."""
    made = SimpleNamespace(
        causes=[SimpleNamespace(name=name, title=TITLES[name]) for name in causes],
        history=SimpleNamespace(name=history) if history else None,
    )
    return SimpleNamespace(
        composition=made, events=[SimpleNamespace(title=title)], changed=(),
        causes=[SimpleNamespace(name="memory-hash", text=memory)],
    )  # fmt: skip


FIRMWARE = {"bios": BIOS.replace("X1.07", "X1.08")}
MOVED = {"memory": memory({"DIMM_A1": B, "DIMM_B1": A})}
IN_OTHERS = {"memory": memory({"DIMM_A2": OTHER, "DIMM_B2": OTHER})}
NOISE = {"system": SYSTEM.replace("00001", "00002")}


@pytest.mark.parametrize(
    ("new", "tool", "found", "result"),
    [
        # result: first cause right, all named, number of contradicted claims; the address is the same.
        (FIRMWARE, "3.3", explained("firmware", "reboot"), (True, True, 0)),
        (FIRMWARE, "3.3", explained("firmware", "text-noise", "reboot"), (True, True, 0)),
        (FIRMWARE, "3.3", explained("text-noise", "firmware"), (False, False, 0)),
        (FIRMWARE, "3.3", explained("reboot"), (False, False, 0)),
        (FIRMWARE, "3.3", explained("firmware", "memory-added"), (True, True, 2)),
        (FIRMWARE, "3.3", explained("firmware", "address"), (True, True, 2)),
        (FIRMWARE, "3.3", explained("firmware", title="firmware update and new address"), (True, True, 1)),
        (FIRMWARE, "3.3", explained("firmware", history="clone"), (True, True, 1)),
        (FIRMWARE, "3.6", explained("tool-version", "firmware"), (True, True, 0)),
        (FIRMWARE, "3.6", explained("tool-version"), (True, False, 0)),
        (FIRMWARE, "3.3", explained("tool-version", "firmware"), (False, False, 2)),
        (MOVED, "3.3", explained("memory-moved", memory="two modules moved"), (True, True, 0)),
        (MOVED, "3.3", explained("memory-moved", memory="DIMM_A1 8 GB replaced by another module"), (True, True, 1)),
        (MOVED, "3.3", explained("memory-replaced"), (False, False, 2)),
        (IN_OTHERS, "3.3", explained("memory-replaced"), (True, True, 0)),
        (IN_OTHERS, "3.3", explained("memory-added", "memory-removed"), (True, True, 0)),
        (IN_OTHERS, "3.3", explained("memory-moved"), (False, False, 2)),
        (NOISE, "3.3", explained("text-noise"), (True, True, 0)),
        (NOISE, "3.3", explained("reboot"), (False, False, 0)),
        ({}, "3.3", explained("reboot"), (True, True, 0)),
        ({}, "3.3", explained("text-noise", "reboot"), (False, False, 1)),
        ({}, "3.3", explained("kernel"), (True, True, 1)),
    ],
)  # fmt: skip
def test_an_explanation_is_compared_with_the_truth(
    new: dict[str, str], tool: str, found: Any, result: tuple[bool, bool, int], modules_of: Any
) -> None:
    benchmark = modules_of("explain")
    truth = modules_of("explain_truth").true_changes(state(), state(**new), ("3.3", tool))
    counted = benchmark.Result(truth, False, found)
    assert (counted.right, counted.complete, len(counted.contradicted)) == result


def test_the_reference_imports_nothing_of_the_product(modules_of: Any) -> None:
    program = "import sys, explain_truth; sys.exit(any(name.startswith('fingerprint') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], cwd=BENCHMARKS, check=False).returncode == 0


def test_the_benchmark_counts_pairs_and_lists_the_wrong(tmp_path: Path) -> None:
    (tmp_path / "drift").mkdir()
    pairs = [state(), state(bios=BIOS.replace("X1.07", "X1.08"))]
    with gzip.open(tmp_path / "drift" / "pairs_text.jsonl.gz", "wt", encoding="utf-8") as out:
        for number, new in enumerate(pairs):
            row = {
                "machine": f"M{number}",
                "dmidecode": ["3.3"] * 2,
                "smbios": ["3.1.1"] * 2,
                "old": state(),
                "new": new,
            }
            out.write(json.dumps(row) + "\n")
    argv = [sys.executable, str(BENCHMARKS / "explain.py"), str(tmp_path), "--json", str(tmp_path / "out.json")]
    done = subprocess.run([*argv, "--list-wrong", "9"], capture_output=True, text=True, check=True)
    found = json.loads((tmp_path / "out.json").read_text())
    for title in ("same address", "new address"):
        rows = {row["change"]: row for row in found[title]["rows"]}
        assert {name: row["pairs"] for name, row in rows.items()} == {"firmware": 1, "nothing": 1, "all": 2}
        assert rows["nothing"]["first right"] == 1
        wrong = done.stderr.count(f", {title}: ")
        assert wrong >= rows["all"]["contradicted"]
        assert wrong >= 2 - rows["all"]["first right"]
    assert "| firmware | 1 |" in done.stdout
    limited = subprocess.run([*argv, "--limit", "1"], capture_output=True, text=True, check=True)
    assert "firmware" not in limited.stdout
