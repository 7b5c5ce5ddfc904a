"""Scheme `ssm` on Windows, by recorded machines: wmic or CIM, the wait for WMI, and what PowerShell may answer."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import textbook_gob
from fingerprint import collect, match
from fingerprint._core import loads
from fingerprint.collectors.facts import facts
from fingerprint.collectors.other_recipe import other_recipe
from fingerprint.collectors.ssm_windows import commands, windows_version
from fingerprint.collectors.wql import STRUCTURES
from fingerprint.errors import CollectError, SnapshotError
from fingerprint.machine import windows_processes
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.types import Status
from shared import VECTORS, needs_vectors
from windows_machines import AGENTS, NAMES, OBJECTS, UUID, WINDOWS_DIRECTORY, cim_text, windows_snapshot, wmic_text


def gates() -> list[dict[str, Any]]:
    path = VECTORS / "windows" / "gates_and_network.json"
    return json.loads(path.read_text())["versionGate"] if path.exists() else []


def runs() -> list[dict[str, Any]]:
    path = VECTORS / "windows" / "agent_runs.json"
    return json.loads(path.read_text()) if path.exists() else []


def digest(data: bytes) -> str:
    return b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def wql_value(name: str) -> str:
    return textbook_gob.digest(name, OBJECTS[name][0], 64 + NAMES.index(name))


@pytest.mark.parametrize(
    ("version", "agent", "recipe"),
    [
        ("10.0.20348", AGENTS["wql"], "wmic"), ("10.0.20348", None, "wmic"), ("10.0.26100", AGENTS["wmic"], "wmic"),
        ("10.0.26100", AGENTS["json"], "json"), ("10.0.26050", AGENTS["json"], "json"),
        ("10.0.26050", AGENTS["wql"], "wmic"), ("10.0.26100", AGENTS["wql"], "wql"), ("10.1.0", "3.3.4364.0", "wql"),
    ],
)  # fmt: skip
def test_the_values_are_those_of_the_installed_agent(version: str, agent: str | None, recipe: str) -> None:
    collection = collect(RecordedMachine(windows_snapshot(version, agent=agent)))
    assert collection.sid_key == "uuid"
    assert (collection.recipe, collection.doubt) == (recipe, "")
    for name in NAMES:
        text = {"wmic": wmic_text, "json": cim_text}.get(recipe)
        assert collection[name].value == (digest(text(name)) if text else wql_value(name)), name
        assert collection[name].status == Status.PRESENT
        assert version in collection[name].tool
        assert ("FROM Win32_" in collection[name].source) == (recipe == "wql")
    assert collection["hostname-info"].value == "WEB-7"
    assert collection["ipaddress-info"].value == "10.0.0.7"
    assert collection["macaddr-info"].value == "02:00:00:00:00:07"


def test_agent_version_is_read_only_if_it_matters() -> None:
    class Asked(RecordedMachine):
        asked = 0

        def agent_version(self) -> str:
            Asked.asked += 1
            return super().agent_version()

    collect(Asked(windows_snapshot("10.0.20348")))
    assert Asked.asked == 0
    collect(Asked(windows_snapshot("10.0.26100")))
    assert Asked.asked == 1


@pytest.mark.parametrize(
    ("agent", "why"),
    [
        (None, "the snapshot does not hold the version of the agent"), ("banana", "'banana' is not a version"),
        ({"error": "EIO", "message": "it prints no version"}, "it prints no version"), ("", "'' is not a version"),
    ],
)  # fmt: skip
def test_where_the_agents_version_is_not_known_that_is_said(agent: Any, why: str) -> None:
    collection = collect(RecordedMachine(windows_snapshot("10.0.26100", agent=agent)))
    assert collection.recipe == "wql"
    assert collection.doubt == (
        f"the version of the agent is unknown ({why}), and on Windows 10.0.26100 the hash depends on it: WQL is "
        "assumed, as the newest agents have it; older ones take wmic or PowerShell JSON"
    )


def test_without_an_agent_it_is_the_newest_ones_recipe() -> None:
    absent = {"error": "ENOENT", "message": "there is no service AmazonSSMAgent"}
    collection = collect(RecordedMachine(windows_snapshot("10.0.26100", agent=absent)))  # type: ignore[arg-type]
    assert (collection.recipe, collection.doubt) == ("wql", "")
    assert collection["uuid"].tool == "WQL on Windows 10.0.26100, agent not installed, as from 3.3.1311"


def test_snapshot_from_before_wmi_gives_its_own_values() -> None:
    """Evidence of records that earlier versions of ours made must go on accounting for them."""
    snapshot = windows_snapshot("10.0.26100", agent=None, objects={})
    del snapshot["commands"][1:7]
    collection = collect(RecordedMachine(snapshot))
    assert collection.recipe == "json"
    assert collection["uuid"].value == digest(cim_text("uuid"))
    assert "PowerShell JSON is assumed" not in collection.doubt
    assert collection.doubt


@pytest.mark.parametrize("gate", gates(), ids=lambda gate: repr(gate["version"]))
@needs_vectors
def test_the_gates_hold_for_recorded_machines(gate: dict[str, Any]) -> None:
    """What the real agent took for 24 answers of WMI: values, a failing class, no object, a member that is missing."""
    version = gate["version"]
    snapshot = windows_snapshot(version)
    classes = snapshot["wmi"]
    if version == "!none":
        classes["Win32_OperatingSystem"] = []
    elif version == "lacks":
        del classes["Win32_OperatingSystem"][0]["OperatingSystemSKU"]
        classes["Win32_OperatingSystem"][0]["Version"] = "10.0.26100"
    elif version and version.startswith("!fail"):
        classes["Win32_OperatingSystem"] = {"error": "EIO", "message": "WMI answers 80041010"}
    assert collect(RecordedMachine(snapshot)).recipe == gate["recipe"].lower()


@pytest.mark.parametrize("run", runs(), ids=lambda run: run["case"])
@needs_vectors
def test_a_recorded_machine_gives_what_the_real_agent_stored(run: dict[str, Any]) -> None:
    """All 45 runs; of those that go on after a failed attempt the last one is a process that starts anew."""
    agent = "3.3.1142.0" if "1142" in run["agentVersion"] else run["agentVersion"].split(" ")[0]
    snapshot = windows_snapshot(run["windowsVersion"], agent=agent)
    stored = dict(run["hardwareHash"])
    said = run.get("powershellVersionLine")
    snapshot["commands"][0].update({"stdout": said} if said is not None else {"returncode": 1, "stdout": ""})
    if run["recipe"] == "wql":
        for name in NAMES:
            answer = run["members"][name]
            if isinstance(answer, dict):
                answer = {"error": "EIO", "message": f"WMI answers {answer['queryFails']}"}
            snapshot["wmi"][STRUCTURES[name][0]] = answer
        if run["case"].startswith("uuid fails at the first attempt"):
            stored = run["before"]
    else:
        for entry in snapshot["commands"]:
            as_json = "ConvertTo-Json" in entry["argv"][-1]
            argvs = [list(argv) for argv in commands(WINDOWS_DIRECTORY, as_json)]
            if entry["argv"] in argvs and as_json == (run["recipe"] == "json"):
                name = NAMES[argvs.index(entry["argv"])]
                returned = run["members"][name]
                if "stdoutHex" not in returned:
                    # Of 200 kB only the length was kept.
                    stored[name] = digest(entry["stdout"].encode())
                    continue
                del entry["stdout"]
                entry.update(stdoutBase64=b64encode(bytes.fromhex(returned["stdoutHex"])).decode())
                entry["returncode"] = returned["exitCode"]
    snapshot["hostName"] = stored["hostname-info"]
    snapshot["addresses"] = {"ipv4": [stored["ipaddress-info"]], "links": [["e", stored["macaddr-info"]]]}
    collection = collect(RecordedMachine(snapshot))
    assert collection.recipe == run["recipe"]
    assert dict(collection.hardware_hash) == stored
    # Recorded once more, it plays back the same.
    recorder = Recorder(RecordedMachine(snapshot))
    assert collect(recorder).hardware_hash == collection.hardware_hash
    again = RecordedMachine(loads(recorder.text().encode()))
    assert collect(again).hardware_hash == collection.hardware_hash


@pytest.mark.parametrize(
    ("objects", "status", "fault", "words"),
    [
        ([], Status.ABSENT, "", "no object of this class"),
        ([{"UUID": None}], Status.ABSENT, "", "all its members are empty in WMI"),
        ([{}], Status.FAILED, "source", "this query fails for the agent: object 1 has no member UUID"),
        ([{"UUID": "A"}, {"UUID": 7}], Status.FAILED, "source", "UUID is '7', which is not a string"),
        ({"error": "EIO", "message": "WMI answers 80041010"}, Status.FAILED, "source", "WMI answers 80041010"),
        ({"error": "EACCES", "message": "access denied"}, Status.DENIED, "rights", "access denied"),
        ({"error": "ETIMEDOUT", "message": "no answer within 60 s"}, Status.FAILED, "time-limit", "no answer"),
        (
            {"error": "ENOTSUP", "message": "WMI could not be queried"},
            Status.FAILED,
            "not-asked",
            "could not be queried",
        ),
        (None, Status.FAILED, "not-asked", "the snapshot does not hold the WMI class"),
    ],
)
def test_odd_answer_of_wmi_is_reported(objects: Any, status: Status, fault: str, words: str) -> None:
    collection = collect(RecordedMachine(windows_snapshot("10.0.26100", objects={"uuid": objects})))
    attribute = collection["uuid"]
    assert (attribute.status, str(attribute.fault)) == (status, fault)
    assert words in attribute.reason
    # A query that fails for the agent, too, moves the ids of the others; one that failed only here does not.
    moved = 1 if fault == "source" else 0
    expected = textbook_gob.digest("processor-hash", OBJECTS["processor-hash"][0], 65 - moved)
    assert collection["processor-hash"].value == expected
    assert attribute.value == (textbook_gob.digest("uuid", {}, 64) if status == Status.ABSENT else "")
    assert bool(collection.id_warning) == (status == Status.ABSENT)


@pytest.mark.parametrize(
    "stdout",
    ["", "Version", "Version : 10.0", "Version : 10.0.26100.1", "Version : 10.0.x", "a : b : 10.0.26100", "Version : "],
)
def test_odd_answer_of_powershell_means_wmic_for_those_agents(stdout: str) -> None:
    snapshot = windows_snapshot("10.0.26100", agent=AGENTS["json"])
    snapshot["commands"][0]["stdout"] = stdout
    collection = collect(RecordedMachine(snapshot))
    assert collection["uuid"].value == digest(wmic_text("uuid"))


@pytest.mark.parametrize("changes", [{"returncode": 1}, {"returncode": None, "problem": "not-found"}])
def test_a_failing_or_missing_powershell_means_wmic_to_them(changes: dict[str, Any]) -> None:
    snapshot = windows_snapshot("10.0.26100", agent=AGENTS["json"])
    snapshot["commands"][0].update(changes)
    assert collect(RecordedMachine(snapshot))["uuid"].value == digest(wmic_text("uuid"))


def test_a_hanging_powershell_decides_nothing() -> None:
    """The reference would wait for ever; wmic in its place would change every hash of a slow machine."""
    snapshot = windows_snapshot("10.0.26100", agent=AGENTS["json"])
    snapshot["commands"][0].update(returncode=None, stdout="", problem="timeout")
    with pytest.raises(CollectError, match="did not print the version"):
        collect(RecordedMachine(snapshot))


def test_the_commands_are_those_of_the_reference() -> None:
    assert commands(WINDOWS_DIRECTORY, False)[0] == (r"C:\Windows\System32\wbem\wmic.exe", "csproduct", "get", "UUID")
    shell = r"C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe"
    assert commands(WINDOWS_DIRECTORY, True)[1] == (
        shell,
        "Get-CimInstance -ClassName WIN32_PROCESSOR | Select-Object Caption, DeviceID, Manufacturer, MaxClockSpeed, "
        "Name, SocketDesignation | ConvertTo-Json",
    )
    assert all(len(argv) == 2 for argv in commands(WINDOWS_DIRECTORY, True))


ODD = ["10.0.26100", "-1", "\ud83d", "\U0001f600", "3.3.1345.0", "18446744073709551616"]
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63) + 1, (1 << 64) - 1) | st.floats(allow_nan=False)
    | st.text(max_size=5) | st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(st.sampled_from(["UUID", "Version", "error", "x"]), inner, max_size=2),
    max_leaves=5,
)  # fmt: skip
CLASSES = ["Win32_OperatingSystem", *(class_name for class_name, _ in STRUCTURES.values())]


@settings(deadline=None, max_examples=200)
@given(
    st.dictionaries(st.sampled_from(CLASSES), VALUES, max_size=4),
    st.dictionaries(st.sampled_from([(c, m) for c, ms in STRUCTURES.values() for m, _ in ms]), VALUES, max_size=4),
    VALUES,
)
def test_any_answer_of_wmi_and_the_agent_is_reported_not_fatal(classes: Any, members: Any, agent: Any) -> None:
    """A collection with statuses and reasons, or an error that says what in the snapshot is wrong."""
    snapshot = windows_snapshot("10.0.26100", agent=agent)
    for (class_name, member), value in members.items():
        snapshot["wmi"][class_name][0][member] = value
    snapshot["wmi"].update(classes)
    try:
        collection = collect(RecordedMachine(snapshot))
    except (SnapshotError, CollectError) as error:
        failure = error
    else:
        failure = None
    if failure is not None:
        assert failure.remedy
        return
    assert collection.recipe in ("wmic", "json", "wql")
    for name in NAMES:
        one = collection[name]
        assert one.value or one.reason, name
    # Of what it can be sure there is no doubt, and a member that is no text gives no hash.
    saved = collect(RecordedMachine(windows_snapshot("10.0.26100", agent=AGENTS["wmic"]))).hardware_hash
    for uuid in (saved["uuid"], ""):
        # A class that only this asks for may be broken in the snapshot.
        with contextlib.suppress(SnapshotError):
            found = other_recipe(RecordedMachine(snapshot), collection, {**dict(saved.items()), "uuid": uuid}, 1.0)
            assert uuid or (found is not None and found.without_id)


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


def test_collection_fails_after_five_attempts() -> None:
    machine = Starting(5)
    with pytest.raises(CollectError, match="start_pending") as caught:
        collect(machine)
    assert caught.value.remedy == "Wait until it runs, then retry"
    assert (machine.asked, machine.monotonic()) == (5, 75)


@pytest.mark.parametrize(
    ("state", "command"),
    [
        ("stopped", "Start-Service Winmgmt"),
        ("paused", "Resume-Service Winmgmt"),
        ("stop_pending", "Start-Service Winmgmt"),
    ],
)
def test_the_remedy_for_wmi_fits_its_state_and_the_shell(state: str, command: str) -> None:
    """In PowerShell `sc` writes a file."""
    with pytest.raises(CollectError) as caught:
        collect(RecordedMachine(windows_snapshot(services={"Winmgmt": state})))
    assert caught.value.remedy.endswith(command)


def test_a_service_that_cannot_be_asked_for_fails_the_collection() -> None:
    with pytest.raises(CollectError, match="Winmgmt could not be read"):
        collect(RecordedMachine(windows_snapshot(services={})))


def test_change_from_wmic_to_cim_changes_the_id_of_the_same_uuid() -> None:
    before, after = (RecordedMachine(windows_snapshot("10.0.26100", agent=AGENTS[r])) for r in ("wmic", "json"))
    verdict = match(collect(before).hardware_hash, collect(after).hardware_hash, 1, sid_key="uuid")
    assert verdict.reason == "SID_DIFFERS"
    assert facts(before)["system UUID"] == facts(after)["system UUID"] == UUID


def test_failing_wmic_is_reported_per_attribute() -> None:
    snapshot = windows_snapshot()
    snapshot["commands"][1].update(returncode=44135, stdout="", stderr="Alias not found!")
    attribute = collect(RecordedMachine(snapshot))["uuid"]
    assert (attribute.value, attribute.status) == ("", Status.FAILED)
    assert "Alias not found!" in attribute.reason


def test_version_is_read_from_the_list_of_powershell() -> None:
    assert windows_version(RecordedMachine(windows_snapshot("10.0.19045")), 5) == "10.0.19045"


@needs_vectors
def test_the_samples_of_the_reference_hash_alike() -> None:
    from fingerprint._core import md5_base64

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
    results = windows_processes.run([(SH, "-c", f"sleep 0.4; echo {n}; exit {n}") for n in range(4)], 10)
    assert time.monotonic() - started < 1.5
    assert [r.stdout for r in results] == [b"0\n", b"1\n", b"2\n", b"3\n"]
    assert [r.returncode for r in results] == [0, 1, 2, 3]
    assert windows_processes.run([], 1) == []


@needs_sh
def test_the_runner_ends_what_hangs_floods_or_is_not_there(tmp_path: Path) -> None:
    marker = tmp_path / "survivor"
    script = tmp_path / "script"
    script.write_text("not a program")
    hanging, flood, missing, denied = windows_processes.run(
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
def test_runner_does_not_wait_for_a_grandchild_with_the_output() -> None:
    started = time.monotonic()
    [result] = windows_processes.run([(SH, "-c", "echo out; sleep 3 & echo err >&2")], 10)
    assert time.monotonic() - started < 2
    assert (result.stdout, result.stderr, result.succeeded) == (b"out\n", "err\n", True)


def test_the_native_calls_ask_windows_by_its_own_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no Windows here; a stand-in for kernel32 records how it is asked."""
    import ctypes

    from fingerprint.machine import windows as windows_native

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
            text.value = WINDOWS_DIRECTORY
            return len(WINDOWS_DIRECTORY)

    monkeypatch.setattr(ctypes, "WinDLL", lambda name, use_last_error: Kernel32(), raising=False)
    assert windows_native.physical_host_name() == "WEB-7"
    assert windows_native.windows_directory() == WINDOWS_DIRECTORY
    assert asked == [5, 5]


def test_a_service_is_asked_for_by_psutil(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    from fingerprint.machine import windows as windows_native

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
