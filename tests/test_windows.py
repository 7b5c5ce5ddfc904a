"""Scheme `ssm` on Windows, by recorded machines: wmic or CIM, the wait for WMI, and what PowerShell may answer."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from fingerprint import collect, match
from fingerprint.collect import windows_commands
from fingerprint.collect.facts import facts
from fingerprint.collect.recorded import RecordedMachine
from fingerprint.collect.windows import commands, uses_cim, windows_version
from fingerprint.errors import CollectError
from fingerprint.model import Status
from shared import VECTORS, needs_vectors
from windows_machines import FOLDER, NAMES, UUID, cim_text, windows_snapshot, wmic_text


def digest(data: bytes) -> str:
    return b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


@pytest.mark.parametrize(("version", "text"), [("10.0.20348", wmic_text), ("10.0.26100", cim_text)])
def test_the_text_of_wmic_or_cim_is_hashed_as_it_stands(version: str, text: Any) -> None:
    collection = collect(RecordedMachine(windows_snapshot(version)))
    assert collection.sid_key == "uuid"
    for name in NAMES:
        assert collection[name].value == digest(text(name)), name
        assert version in collection[name].tool
    assert collection["hostname-info"].value == "WEB-7"
    assert collection["ipaddress-info"].value == "10.0.0.7"
    assert collection["macaddr-info"].value == "02:00:00:00:00:07"


@pytest.mark.parametrize(
    ("version", "cim"),
    [
        ("10.0.26040", True), ("10.0.26039", False), ("10.0.26100", True), ("11.0.26040", True),
        ("9.9.99999", False), ("10.1.26040", True), ("11.0.100", False), ("6.1.7601", False), ("", False),
    ],
)  # fmt: skip
def test_each_part_of_the_version_is_held_against_its_own(version: str, cim: bool) -> None:
    assert uses_cim(version) == cim


@pytest.mark.parametrize(
    "stdout",
    ["", "Version", "Version : 10.0", "Version : 10.0.26100.1", "Version : 10.0.x", "a : b : 10.0.26100", "Version : "],
)
def test_an_odd_answer_of_powershell_means_wmic(stdout: str) -> None:
    snapshot = windows_snapshot()
    snapshot["commands"][0]["stdout"] = stdout
    collection = collect(RecordedMachine(snapshot))
    assert collection["uuid"].value == digest(wmic_text("uuid"))


@pytest.mark.parametrize("changes", [{"returncode": 1}, {"returncode": None, "problem": "not-found"}])
def test_a_failing_or_missing_powershell_means_wmic(changes: dict[str, Any]) -> None:
    snapshot = windows_snapshot()
    snapshot["commands"][0].update(changes)
    assert collect(RecordedMachine(snapshot))["uuid"].value == digest(wmic_text("uuid"))


def test_a_hanging_powershell_decides_nothing() -> None:
    """The reference would wait for ever; wmic in its place would change every hash of a slow machine."""
    snapshot = windows_snapshot("10.0.26100")
    snapshot["commands"][0].update(returncode=None, stdout="", problem="timeout")
    with pytest.raises(CollectError, match="did not tell the version"):
        collect(RecordedMachine(snapshot))


def test_the_commands_are_those_of_the_reference() -> None:
    assert commands(FOLDER, by_cim=False)[0] == (r"C:\Windows\System32\wbem\wmic.exe", "csproduct", "get", "UUID")
    shell = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
    assert commands(FOLDER, by_cim=True)[1] == (
        shell,
        "Get-CimInstance -ClassName WIN32_PROCESSOR | Select-Object Caption, DeviceID, Manufacturer, MaxClockSpeed, "
        "Name, SocketDesignation | ConvertTo-Json",
    )
    assert all(len(argv) == 2 for argv in commands(FOLDER, by_cim=True))


class Starting(RecordedMachine):
    """A machine whose WMI service runs from the n-th question on."""

    def __init__(self, after: int) -> None:
        super().__init__(windows_snapshot())
        self.asked = 0
        self._after = after

    def service_state(self, name: str) -> str:
        self.asked += 1
        return "running" if self.asked > self._after else "start_pending"


@pytest.mark.parametrize(("after", "seconds"), [(0, 0), (1, 15), (4, 60)])
def test_wmi_is_waited_for_in_steps_of_15_seconds(after: int, seconds: int) -> None:
    machine = Starting(after)
    assert collect(machine)["uuid"].value
    assert machine.monotonic() == seconds


def test_after_five_looks_the_collection_fails() -> None:
    machine = Starting(5)
    with pytest.raises(CollectError, match="start_pending"):
        collect(machine)
    assert (machine.asked, machine.monotonic()) == (5, 75)


def test_a_service_that_cannot_be_asked_for_fails_the_collection() -> None:
    with pytest.raises(CollectError, match="Winmgmt could not be read"):
        collect(RecordedMachine(windows_snapshot(services={})))


def test_the_change_from_wmic_to_cim_is_another_hardware_id_with_the_same_uuid_behind_it() -> None:
    before, after = (RecordedMachine(windows_snapshot(v)) for v in ("10.0.20348", "10.0.26100"))
    verdict = match(collect(before).hardware_hash, collect(after).hardware_hash, 1, sid_key="uuid")
    assert verdict.reason == "SID_DIFFERS"
    assert facts(before)["system UUID"] == facts(after)["system UUID"] == UUID


def test_a_failing_wmic_is_told_per_attribute() -> None:
    snapshot = windows_snapshot()
    snapshot["commands"][1].update(returncode=44135, stdout="", stderr="Alias not found!")
    attribute = collect(RecordedMachine(snapshot))["uuid"]
    assert (attribute.value, attribute.status) == ("", Status.FAILED)
    assert "Alias not found!" in attribute.reason


def test_the_version_is_read_from_the_list_that_powershell_prints() -> None:
    assert windows_version(RecordedMachine(windows_snapshot("10.0.19045")), 5) == "10.0.19045"


@needs_vectors
def test_the_samples_of_the_reference_hash_alike() -> None:
    import json

    from fingerprint._digest import md5_base64

    samples = json.loads((VECTORS / "md5_b64.json").read_text())
    windows = [s for s in samples if "UUID" in s.get("text", "")]
    assert len(windows) >= 2
    assert all(md5_base64(bytes.fromhex(s["bytes_hex"])) == s["md5_b64"] for s in windows)


# The runner is made of parts that work on every system, so real processes try it here.
SH = "/bin/sh"
needs_sh = pytest.mark.skipif(not os.path.exists(SH), reason="the stubs are shell scripts")


@needs_sh
def test_the_runner_runs_commands_at_once_and_keeps_their_order() -> None:
    started = time.monotonic()
    results = windows_commands.run([(SH, "-c", f"sleep 0.4; echo {n}; exit {n}") for n in range(4)], 10)
    assert time.monotonic() - started < 1.5
    assert [r.stdout for r in results] == [b"0\n", b"1\n", b"2\n", b"3\n"]
    assert [r.returncode for r in results] == [0, 1, 2, 3]
    assert windows_commands.run([], 1) == []


@needs_sh
def test_the_runner_ends_what_hangs_floods_or_is_not_there(tmp_path: Path) -> None:
    marker = tmp_path / "survivor"
    script = tmp_path / "script"
    script.write_text("not a program")
    hanging, flood, missing, denied = windows_commands.run(
        [
            (SH, "-c", f"(sleep 2; touch {marker}) & wait"),
            (SH, "-c", "exec cat /dev/zero"),
            (str(tmp_path / "none"),),
            (str(script),),
        ],
        1,
    )
    assert [r.problem for r in (hanging, flood, missing, denied)] == ["timeout", "too-long", "not-found", "denied"]
    assert (hanging.stdout, flood.stdout) == (b"", b"")
    time.sleep(1.5)
    assert not marker.exists()


@needs_sh
def test_the_runner_does_not_wait_for_a_grandchild_that_keeps_the_output_open() -> None:
    started = time.monotonic()
    [result] = windows_commands.run([(SH, "-c", "echo out; sleep 3 & echo err >&2")], 10)
    assert time.monotonic() - started < 2
    assert (result.stdout, result.stderr, result.succeeded) == (b"out\n", "err\n", True)


def test_the_native_calls_ask_windows_by_its_own_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no Windows here; a stand-in for kernel32 records how it is asked."""
    import ctypes

    from fingerprint.collect import windows_native

    asked = []

    class Kernel32:
        def GetComputerNameExW(self, kind: int, text: Any, length: Any) -> int:
            asked.append(kind)
            if text is None:
                length._obj.value = 6
                return 0
            text.value = "WEB-7"
            return 1

        def GetSystemWindowsDirectoryW(self, text: Any, length: int) -> int:
            text.value = FOLDER
            return len(FOLDER)

    monkeypatch.setattr(ctypes, "WinDLL", lambda name, use_last_error: Kernel32(), raising=False)
    assert windows_native.physical_host_name() == "WEB-7"
    assert windows_native.windows_folder() == FOLDER
    assert asked == [5, 5]


def test_a_service_is_asked_for_by_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    from fingerprint.collect import windows_native

    class Service:
        def __init__(self, name: str) -> None:
            if name != "Winmgmt":
                raise psutil.NoSuchProcess(0, name)

        def status(self) -> str:
            return "running"

    monkeypatch.setattr(psutil, "win_service_get", Service, raising=False)
    assert windows_native.service_state("Winmgmt") == "running"
    with pytest.raises(OSError, match="nope"):
        windows_native.service_state("nope")


def test_no_windows_module_is_needed_elsewhere() -> None:
    probe = "import sys, fingerprint; fingerprint.collect(); print([m for m in sys.modules if 'windows' in m])"
    done = subprocess.run([sys.executable, "-I", "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
