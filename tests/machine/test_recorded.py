"""Snapshots: a recording plays back the same, and an invalid one is reported."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from commandline import environment, run
from fingerprint._io.times import utc
from fingerprint.collectors import collect
from fingerprint.collectors.facts import facts
from fingerprint.errors import InputError, Refused, SnapshotError
from fingerprint.machine.base import Addresses
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.processes import CommandResult
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.testing.machines import unix_machine, unix_snapshot
from fingerprint.types import INVALID_TEXT, Status
from paths import DOCS


def test_a_live_machine_plays_back_the_same(tmp_path: Path) -> None:
    recorder = Recorder(LiveMachine())
    live = collect(recorder)
    shown = facts(recorder)
    recorder.save(str(tmp_path / "m.json"))
    played = RecordedMachine.load(str(tmp_path / "m.json"))
    again = collect(played)
    assert again.hardware_hash == live.hardware_hash
    assert [(a.name, a.status, a.source, a.tool) for a in again] == [(a.name, a.status, a.source, a.tool) for a in live]
    assert facts(played) == shown
    assert again.collected_at == int(live.collected_at)


def test_errors_play_back_as_the_errors_that_they_were(tmp_path: Path) -> None:
    snapshot = unix_snapshot()
    snapshot["files"]["/etc/machine-id"] = {"error": "EACCES", "message": "Permission denied"}
    snapshot["addresses"] = {"error": "EPERM", "message": "Operation not permitted"}
    snapshot["hostName"] = {"error": "EIO", "message": "Input/output error"}
    recorder = Recorder(RecordedMachine(snapshot))
    first = collect(recorder)
    recorder.save(str(tmp_path / "m.json"))
    second = collect(RecordedMachine.load(str(tmp_path / "m.json")))
    for name, status in (
        ("machine-id", Status.DENIED), ("ipaddress-info", Status.DENIED), ("hostname-info", Status.FAILED),
    ):  # fmt: skip
        assert first[name].status == second[name].status == status
        assert first[name].reason == second[name].reason


def test_output_that_is_no_text_plays_back_to_the_byte(tmp_path: Path) -> None:
    machine = unix_machine()
    for command in machine.snapshot["commands"]:
        if "dmidecode" in command["argv"][0]:
            del command["stdout"]
            command.update(stdoutBase64="//4K", returncode=0)
    recorder = Recorder(machine)
    first = collect(recorder)
    recorder.save(str(tmp_path / "m.json"))
    assert collect(RecordedMachine.load(str(tmp_path / "m.json"))).hardware_hash == first.hardware_hash


def test_unrecorded_command_is_unknown_and_not_absent() -> None:
    snapshot = unix_snapshot()
    snapshot["commands"] = []
    attribute = collect(RecordedMachine(snapshot))["bios-hash"]
    assert attribute.status == Status.FAILED
    assert "does not hold this command" in attribute.reason


def test_a_file_of_which_only_the_existence_is_known_is_unknown() -> None:
    snapshot = unix_snapshot()
    snapshot["files"]["/etc/machine-id"] = {}
    assert collect(RecordedMachine(snapshot))["machine-id"].status == Status.FAILED


def test_the_clock_of_a_recording_stands_but_for_its_pauses() -> None:
    machine = unix_machine()
    assert (machine.now(), machine.monotonic()) == (1795478400.0, 0.0)
    machine.sleep(5)
    assert (machine.now(), machine.monotonic()) == (1795478405.0, 5.0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1970-01-01T00:00:00Z", 0), ("2000-02-29T23:59:59Z", 951868799), ("2024-12-31T12:00:00Z", 1735646400),
     ("2100-03-01T00:00:00Z", 4107542400)],
)  # fmt: skip
def test_times_are_read_by_the_calendar(text: str, seconds: int) -> None:
    assert RecordedMachine({**unix_snapshot(), "recordedAt": text}).now() == seconds


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in unix_snapshot().items() if key != name}


@pytest.mark.parametrize(
    ("snapshot", "complaint"),
    [
        (_without("schemaVersion"), "schemaVersion"),
        ({**unix_snapshot(), "schemaVersion": 2}, "schemaVersion"),
        (_without("platform"), "platform"),
        (_without("files"), "files"),
        ({**unix_snapshot(), "files": []}, "files"),
        ({**unix_snapshot(), "files": {"/x": "text"}}, "/x"),
        ({**unix_snapshot(), "commands": [{}]}, "argv"),
        ({**unix_snapshot(), "commands": [{"argv": ["x"], "returncode": "0"}]}, "returncode"),
        ({**unix_snapshot(), "recordedAt": "yesterday"}, "recordedAt"),
        ({**unix_snapshot(), "recordedAt": "2026-13-01T00:00:00Z"}, "recordedAt"),
        ({**unix_snapshot(), "recordedAt": "2026-02-29T00:00:00Z"}, "recordedAt"),
        ({**unix_snapshot(), "recordedAt": "2026-04-31T00:00:00Z"}, "recordedAt"),
        ({**unix_snapshot(), "recordedAt": "1969-12-31T23:59:59Z"}, "recordedAt"),
        ({**unix_snapshot(), "recordedAt": "2026-11-01T24:00:00Z"}, "recordedAt"),
        ({**unix_snapshot(), "recordedAt": f"2026-11-01T{'9' * 5000}:00:00Z"}, "recordedAt"),
        ({**unix_snapshot(), "commands": [{"argv": []}]}, "argv"),
        ({**unix_snapshot(), "commands": [{"argv": ["x"], "problem": "tired"}]}, "problem of the command x"),
        ({**unix_snapshot(), "commands": [{"argv": ["x"], "seconds": 10**400}]}, "seconds"),
        ({**unix_snapshot(), "commands": [{"argv": ["x"], "seconds": float("nan")}]}, "seconds"),
        ({**unix_snapshot(), "commands": [{"argv": ["x"], "returncode": 10**30}]}, "commands.*out of range"),
        ({**unix_snapshot(), "commands": [{"argv": ["x"], "stdout": 5}]}, "output of the command x"),
        ({**unix_snapshot(), "files": {"/x": {"text": None}}}, "the file /x"),
        ({**unix_snapshot(), "files": {"/x": {"base64": "abc"}}}, "base64"),
        ({**unix_snapshot(), "files": {"/\ud800": {}}}, "files holds an unpaired surrogate"),
        ({**unix_snapshot(), "addresses": {"ipv4": ["\ud800"], "links": []}}, "addresses holds an unpaired surrogate"),
        ({**unix_snapshot(), "statuses": []}, "statuses"),
        ({**unix_snapshot(), "statuses": {"/usr/bin/x": "x"}}, "the status of /usr/bin/x is not an object"),
        ({**unix_snapshot(), "utcOffset": 10**30}, "utcOffset is not from -93600 to 93600"),
        ({**unix_snapshot(), "utcOffset": -93601}, "utcOffset"),
        ({**unix_snapshot(), "agentProcesses": [{"pid": float("inf")}]}, "agentProcesses.*out of range"),
    ],
)
def test_invalid_snapshot_is_reported_with_its_fault(snapshot: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SnapshotError, match=complaint):
        RecordedMachine(snapshot, "m.json")


STATUS = {"kind": "file", "mode": "0755", "uid": 0, "gid": 0, "size": 1, "modified": "2026-11-24T00:00:00Z"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("modified", 5), ("modified", None), ("modified", "now"), ("mode", 493), ("mode", "0799"), ("mode", "7" * 5000),
     ("mode", ""), ("uid", "0"), ("uid", 1.5), ("gid", None), ("size", -1), ("kind", 5)],
)  # fmt: skip
def test_invalid_status_is_reported_when_it_is_read(name: str, value: object) -> None:
    assert RecordedMachine({**unix_snapshot(), "statuses": {"/usr/bin/x": STATUS}}).status("/usr/bin/x").mode == 0o755
    machine = RecordedMachine({**unix_snapshot(), "statuses": {"/usr/bin/x": {**STATUS, name: value}}}, "m.json")
    with pytest.raises(SnapshotError, match=r"^m\.json: .*/usr/bin/x"):
        machine.status("/usr/bin/x")


PROCESS = {"name": "amazon-ssm-agent", "pid": 8, "user": "root", "started": None}


@pytest.mark.parametrize(
    "entry",
    [5, None, {}, {**PROCESS, "started": 5}, {**PROCESS, "started": "now"}, {**PROCESS, "pid": "8"},
     {**PROCESS, "name": None}, {**PROCESS, "user": 0}],
)  # fmt: skip
def test_invalid_process_is_reported_when_it_is_read(entry: object) -> None:
    assert RecordedMachine({**unix_snapshot(), "agentProcesses": [PROCESS]}).agent_processes()[0].pid == 8
    with pytest.raises(SnapshotError, match="process"):
        RecordedMachine({**unix_snapshot(), "agentProcesses": [entry]}).agent_processes()


@pytest.mark.parametrize(
    ("name", "value", "ask"),
    [
        ("links", [5], RecordedMachine.links),
        ("links", [{"name": "e", "address": 5, "permanent": "", "bus": ""}], RecordedMachine.links),
        ("processorId", ["a", None, "c"], RecordedMachine.processor_id),
        ("processor", 5, RecordedMachine.processor),
        ("defaultRoute", [], RecordedMachine.default_route),
        ("windowsFolder", None, RecordedMachine.windows_directory),
        ("services", {"x": 5}, lambda machine: machine.service_state("x")),
        ("folders", {"/x": [5]}, lambda machine: machine.list_directory("/x")),
    ],
)
def test_value_of_another_type_is_reported_when_it_is_read(name: str, value: object, ask: Any) -> None:
    machine = RecordedMachine({**unix_snapshot(), name: value})
    with pytest.raises(SnapshotError):
        ask(machine)


def test_invalid_snapshot_ends_a_command_with_file_and_cause(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps({**unix_snapshot(), "statuses": {"/usr/bin/x": 5}}))
    done = run("--snapshot", str(path), "diagnose", env=environment(tmp_path / "state"))
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{path}: invalid --snapshot: not a snapshot: the status of /usr/bin/x is not an object" in done.stderr


@pytest.mark.parametrize("error", ["errorcode", "__doc__", "ENOSUCH"])
def test_an_error_of_no_known_name_is_one_of_reading(error: str) -> None:
    snapshot = {**unix_snapshot(), "utcOffset": {"error": error, "message": "odd"}}
    with pytest.raises(OSError, match="odd") as raised:
        RecordedMachine(snapshot).utc_offset()
    assert raised.value.errno == errno.EIO


@pytest.mark.parametrize("name", ["\ud800", "web-\udcff"])
def test_invalid_host_name_plays_back_as_on_a_live_machine(name: str) -> None:
    class Live(RecordedMachine):
        def host_name(self) -> str:
            return name

    recorded = collect(RecordedMachine({**unix_snapshot(), "hostName": name}))["hostname-info"]
    live = collect(Live(unix_snapshot()))["hostname-info"]
    for attribute in (recorded, live):
        assert (attribute.status, attribute.value, attribute.reason) == (Status.FAILED, "", INVALID_TEXT)


def test_an_address_that_is_no_text_is_a_failed_one() -> None:
    class Live(RecordedMachine):
        def addresses(self) -> Addresses:
            return Addresses(("\ud800",), (("eth0", "\udcff"),), "odd")

    found = collect(Live(unix_snapshot()))
    assert found.hardware_hash["ipaddress-info"] == ""
    assert [found[name].reason for name in ("ipaddress-info", "macaddr-info")] == [INVALID_TEXT] * 2


def test_unknown_problem_is_reported_unchanged() -> None:
    class Live(RecordedMachine):
        def run(self, commands: Any, timeout: float, meanwhile: Any = lambda: None) -> list[CommandResult]:
            meanwhile()
            return [CommandResult(tuple(argv), problem="tired") for argv in commands]

    attribute = collect(Live(unix_snapshot()))["bios-hash"]
    assert attribute.status == Status.FAILED
    assert "tired" in attribute.reason


@pytest.mark.parametrize("root", ["/", "copied"])
@pytest.mark.parametrize("path", ["/etc/\0x", "/etc/\ud800", "\0"])
def test_a_path_that_no_file_can_have_is_an_error_of_the_system(root: str, path: str, tmp_path: Path) -> None:
    machine = LiveMachine(root if root == "/" else str(tmp_path))
    slow = LiveMachine()
    slow.platform = "macos"
    for one in (machine, slow):
        for ask in (
            one.status, one.exists, one.read_file, lambda path, one=one: one.read_end(path, 10), one.list_directory,
        ):  # fmt: skip
            with pytest.raises(OSError, match="no file can have this name") as raised:
                ask(path)
            assert raised.value.errno == errno.EINVAL


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_a_name_that_is_no_text_is_a_name(tmp_path: Path) -> None:
    name = os.fsdecode(bytes(tmp_path) + b"/\xff")
    Path(name).write_text("x")
    assert LiveMachine().read_file(name) == b"x"
    assert LiveMachine().exists(name)
    assert LiveMachine().status(name).size == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1970-01-01T00:00:00Z"), (951868799.9, "2000-02-29T23:59:59Z"), (-0.5, "1969-12-31T23:59:59Z"),
     (-62135596800, "0001-01-01T00:00:00Z"), (-1e30, "0001-01-01T00:00:00Z"), (253402300799, "9999-12-31T23:59:59Z"),
     (1e30, "9999-12-31T23:59:59Z"), (10**400, "9999-12-31T23:59:59Z"), (float("inf"), "9999-12-31T23:59:59Z"),
     (float("nan"), "0001-01-01T00:00:00Z"), (32503680000, "3000-01-01T00:00:00Z")],
)  # fmt: skip
def test_every_number_of_seconds_is_a_time(seconds: float, text: str) -> None:
    assert utc(seconds) == text


@pytest.mark.parametrize("entry", [{}, {"ipv4": []}, {"ipv4": [], "links": [["eth0"]]}, {"ipv4": 1, "links": []}])
def test_addresses_of_unknown_form_are_reported(entry: dict[str, Any]) -> None:
    with pytest.raises(SnapshotError, match="addresses"):
        collect(RecordedMachine({**unix_snapshot(), "addresses": entry}))


def test_invalid_base64_is_reported() -> None:
    snapshot = unix_snapshot()
    snapshot["files"]["/etc/machine-id"] = {"base64": "*"}
    with pytest.raises(SnapshotError, match="base64"):
        collect(RecordedMachine(snapshot))


@pytest.mark.parametrize(("text", "error"), [("{", SnapshotError), ("[]", SnapshotError), (None, InputError)])
def test_a_file_that_holds_none_or_cannot_be_read(text: str | None, error: type[Exception], tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=r"m\.json"):
        RecordedMachine.load(str(path))


def test_a_snapshot_is_a_new_file_for_its_owner_alone(tmp_path: Path) -> None:
    recorder = Recorder(unix_machine())
    collect(recorder)
    path = tmp_path / "m.json"
    old = os.umask(0)
    try:
        recorder.save(str(path))
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    before = path.read_text()
    with pytest.raises(Refused, match="exists"):
        recorder.save(str(path))
    assert path.read_text() == before
    (tmp_path / "link.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused):
        recorder.save(str(tmp_path / "link.json"))
    with pytest.raises(InputError, match="could not be written"):
        recorder.save(str(tmp_path / "none" / "m.json"))


def test_a_snapshot_that_does_not_fit_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recorder = Recorder(unix_machine())
    collect(recorder)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        recorder.save(str(tmp_path / "m.json"))
    assert list(tmp_path.iterdir()) == []


def test_facts_name_what_the_hash_does_not_hold() -> None:
    snapshot = unix_snapshot()
    snapshot["files"]["/proc/cpuinfo"] = {"text": "processor\t: 0\nmodel name\t: Box 9000\n\nprocessor\t: 1\n"}
    snapshot["defaultRoute"] = "eth0 via 192.0.2.1"
    assert facts(RecordedMachine(snapshot)) == {
        "default route": "eth0 via 192.0.2.1",
        "interfaces": "eth0 a2:99:21:33:46:45",
        "processor": "2 x Box 9000",
    }


def test_facts_of_a_mac_come_from_its_platform_expert() -> None:
    snapshot = unix_snapshot(platform="macos")
    snapshot["processor"] = "Apple M1"
    snapshot["commands"].append(
        {
            "argv": ["/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice"],
            "returncode": 0,
            "stdout": '+-o Mac14,2  <class IOPlatformExpertDevice, id 0x1>\n    {\n      "model" = <"Mac14,2">\n'
            '      "IOPlatformUUID" = "0-1-2"\n      "IOPlatformSerialNumber" = "C02"\n    }\n',
        }
    )
    shown = facts(RecordedMachine(snapshot))
    assert (shown["processor"], shown["system UUID"], shown["serial number"], shown["model"]) == (
        "Apple M1", "0-1-2", "C02", "Mac14,2",
    )  # fmt: skip


def test_a_fact_that_cannot_be_had_says_why() -> None:
    snapshot = unix_snapshot()
    snapshot["addresses"] = {"error": "EPERM", "message": "Operation not permitted"}
    assert facts(RecordedMachine(snapshot))["interfaces"] == "(Operation not permitted)"


def test_this_machine_has_facts() -> None:
    assert facts(LiveMachine())["processor"]


def test_the_documented_snapshot_is_one() -> None:
    """The example of docs/formats.md loads and collects."""
    text = (DOCS / "formats.md").read_text()
    start = text.index('    {"schemaVersion":1,"platform"')
    example = text[start : text.index("\n\n", start)]
    assert len(collect(RecordedMachine(json.loads(example)))) == 9
