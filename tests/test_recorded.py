"""Snapshots: what is recorded plays back the same, and what is no snapshot is told so."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from fingerprint import collect
from fingerprint.collect.facts import facts
from fingerprint.collect.machine import LiveMachine
from fingerprint.collect.recorded import RecordedMachine
from fingerprint.collect.recorder import Recorder
from fingerprint.errors import InputError, Refused, SnapshotError
from fingerprint.model import Status
from fingerprint.testing.machines import unix_machine, unix_snapshot


def test_a_live_machine_plays_back_the_same(tmp_path: Path) -> None:
    recorder = Recorder(LiveMachine())
    live = collect(recorder)
    told = facts(recorder)
    recorder.save(str(tmp_path / "m.json"))
    played = RecordedMachine.load(str(tmp_path / "m.json"))
    again = collect(played)
    assert again.hardware_hash == live.hardware_hash
    assert [(a.name, a.status, a.source, a.tool) for a in again] == [(a.name, a.status, a.source, a.tool) for a in live]
    assert facts(played) == told
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


def test_a_command_that_was_not_recorded_is_unknown_and_not_absent() -> None:
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
    ],
)
def test_what_is_no_snapshot_is_told_with_what_is_wrong(snapshot: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SnapshotError, match=complaint):
        RecordedMachine(snapshot, "m.json")


@pytest.mark.parametrize("entry", [{}, {"ipv4": []}, {"ipv4": [], "links": [["eth0"]]}, {"ipv4": 1, "links": []}])
def test_addresses_of_no_known_form_are_told(entry: dict[str, Any]) -> None:
    with pytest.raises(SnapshotError, match="addresses"):
        collect(RecordedMachine({**unix_snapshot(), "addresses": entry}))


def test_base64_that_is_none_is_told() -> None:
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
    told = facts(RecordedMachine(snapshot))
    assert (told["processor"], told["system UUID"], told["serial number"], told["model"]) == (
        "Apple M1", "0-1-2", "C02", "Mac14,2",
    )  # fmt: skip


def test_a_fact_that_cannot_be_had_says_why() -> None:
    snapshot = unix_snapshot()
    snapshot["addresses"] = {"error": "EPERM", "message": "Operation not permitted"}
    assert facts(RecordedMachine(snapshot))["interfaces"] == "(Operation not permitted)"


def test_this_machine_tells_facts() -> None:
    assert facts(LiveMachine())["processor"]


def test_the_documented_snapshot_is_one() -> None:
    """The example of docs/formats.md loads and collects."""
    text = (Path(__file__).parents[1] / "docs" / "formats.md").read_text()
    start = text.index('    {"schemaVersion":1,"platform"')
    example = text[start : text.index("\n\n", start)]
    assert len(collect(RecordedMachine(json.loads(example)))) == 9
