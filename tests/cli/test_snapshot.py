"""Recorded machines and copied disks in every command that reads a machine; and evidence on the command line."""

from __future__ import annotations

import json
import re
import shutil
import socket
import stat
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import fingerprint
from commandline import environment, run
from event_machines import machine, snapshot
from fingerprint.cli.table import all_commands
from fingerprint.machine.live import LiveMachine

SCHEMAS = Path(fingerprint.__file__).parent / "schemas"
SOURCE = machine(host="planted-host-4711", ip="10.99.98.97", machine_id="c0ffee" + "9" * 26)
# What reads a machine, with words that make it do so and change nothing; FILE is a new file.
READING = {
    "show": ("--scheme", "stable"),
    "check": (),
    "diagnose": ("--only", "fingerprint"),
    "monitor prometheus": (),
    "monitor watch": ("--checks", "1"),
    "explain": (),
    "whatif": ("--event", "reboot"),
    "threshold advise": ("--tolerate", "reboot"),
    "snapshot": ("FILE",),
    "report": ("--redact", "FILE"),
    "vault init": ("--dry-run", "--if-missing"),
    "vault rebaseline": ("--keep-fingerprint", "--dry-run"),
    "vault restore": ("2", "--dry-run"),
}
# These read a machine in test_credentials.py and test_imds_server.py of tests/credentials, as they need a service.
WITH_A_SERVICE = {"register", "credentials process", "credentials update", "credentials serve"}
# This reads one in tests/fleet/test_fleet_machines.py: its answer is a row of a fleet, which names no command.
AS_A_ROW = {"fleet row"}
# This reads one in tests/monitor/test_nagios.py: it prints no JSON.
AS_A_LINE = {"monitor nagios"}
# This reads one in tests/test_guard.py: what cannot be read has exit code 0, as the agent may start then.
LETS_START = {"guard"}
# These read a vault, the files that they are given, or nothing.
OTHERS = {
    "help", "match", "diagnose logs", "threshold get", "threshold set", "vault show", "vault verify", "vault repair",
    "vault reset", "vault evidence", "vault history", "vault backup", "completion", "deregister",
    "local-service", "credentials sources", "fleet check", "fleet plan", "fleet clones",
    "fleet diff", "fleet pack", "fleet report", "monitor units", "s3-policy", "image check", "image clean",
    "guard install", "guard uninstall", "guard status",
}  # fmt: skip


class Place:
    """A recorded machine, and a vault that holds its record with an earlier one in the history."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.env = environment(directory / "state")
        self.recorded = directory / "machine.json"
        self.recorded.write_text(json.dumps({**snapshot(SOURCE), "processor": "Quadro", "defaultRoute": "eno1 via x"}))
        self.vault = directory / "Vault"
        assert self("vault", "init").returncode == 0
        assert self("threshold", "set", "50").returncode == 0

    def __call__(self, *words: str, of: Path | None = None) -> Any:
        return run("--vault", str(self.vault), "--snapshot", str(of or self.recorded), *words, env=self.env)

    def on_disk(self, root: Path, *words: str) -> Any:
        return run("--vault", str(self.vault), "--root", str(root), *words, env=self.env)

    def words(self, command: str) -> list[str]:
        new = self.directory / f"new-{command.replace(' ', '-')}"
        new.unlink(missing_ok=True)
        return [*command.split(), *(str(new) if word == "FILE" else word for word in READING[command])]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def validated(done: Any) -> Any:
    answer = json.loads(done.stdout)
    schema = json.loads((SCHEMAS / f"{answer['command'].replace(' ', '-')}.json").read_text())
    jsonschema.validate(answer, schema)
    return answer


def without_durations(text: str) -> str:
    """Return an answer without the time that each check of a diagnosis took."""
    return re.sub(r'"seconds": [0-9.e-]+', "", text)


def of_this_machine(tmp_path: Path) -> list[str]:
    """Return what must not be printed of the machine that the tests run on."""
    names = [socket.gethostname()]
    try:
        names += LiveMachine().addresses().ipv4
    except OSError:
        pass
    return [text for text in names if len(text) > 6]


def test_every_command_is_known_to_read_a_machine_or_not_to() -> None:
    elsewhere = WITH_A_SERVICE | AS_A_ROW | AS_A_LINE | LETS_START
    assert {command.path for command in all_commands()} == READING.keys() | OTHERS | elsewhere
    assert not READING.keys() & OTHERS


@pytest.mark.parametrize("command", READING)
def test_a_recorded_machine_is_read_in_place_of_this_one(place: Place, command: str, tmp_path: Path) -> None:
    done = place(*place.words(command), "--output", "json")
    assert done.returncode == 0, done.stderr
    validated(done)
    text = place(*place.words(command)).stdout
    assert not [names for names in of_this_machine(tmp_path) if names in done.stdout + text]


@pytest.mark.parametrize("command", READING)
def test_a_recording_of_a_recording_gives_the_same_answer(place: Place, command: str) -> None:
    copy = place.directory / "copy.json"
    assert place("snapshot", str(copy)).returncode == 0
    if command in ("snapshot", "report"):
        # These report what they wrote; that is compared below and in test_report.
        again = place.directory / "again.json"
        assert place("snapshot", str(again), of=copy).returncode == 0
        assert json.loads(again.read_text()) == json.loads(copy.read_text())
        return
    one = place(*place.words(command), "--output", "json")
    other = place(*place.words(command), "--output", "json", of=copy)
    assert without_durations(one.stdout) == without_durations(other.stdout)
    assert one.stdout


def test_a_snapshot_holds_also_what_people_want_to_see(place: Place) -> None:
    copy = place.directory / "copy.json"
    place("snapshot", str(copy))
    assert "eno1 via x" in place("show", "--facts", of=copy).stdout


@pytest.mark.parametrize("command", READING)
def test_a_copied_disk_answers_only_from_its_files(place: Place, command: str, tmp_path: Path) -> None:
    root = tmp_path / "disk"
    (root / "etc").mkdir(parents=True)
    (root / "etc/machine-id").write_text(SOURCE["machine_id"] + "\n")
    done = place.on_disk(root, *place.words(command), "--output", "json")
    assert "internal error" not in done.stderr
    answer = validated(done)
    # Addresses and hardware are a kernel's: who needs them cannot tell, or refuses.
    expected = {"vault init": 0, "report": 0, "threshold advise": 0, "vault restore": 0}.get(command, 3)
    assert done.returncode == expected, done.stderr
    assert not [names for names in of_this_machine(tmp_path) if names in done.stdout]
    if command == "check":
        assert answer["verdict"] == "cannot-tell"
        assert {row["name"]: row["same"] for row in answer["attributes"]}["machine-id"]


def test_a_copied_disk_of_another_machine_is_a_mismatch(place: Place, tmp_path: Path) -> None:
    root = tmp_path / "disk"
    (root / "etc").mkdir(parents=True)
    (root / "etc/machine-id").write_text("0" * 31 + "1\n")
    assert place.on_disk(root, "check").returncode == 1


def test_the_vault_of_a_copied_disk_is_read_there(place: Place, tmp_path: Path) -> None:
    root = tmp_path / "disk"
    shutil.copytree(place.vault, root / "var/lib/amazon/ssm/Vault")
    (root / "etc").mkdir()
    (root / "etc/machine-id").write_text(SOURCE["machine_id"] + "\n")
    done = run("--root", str(root), "vault", "show", env=place.env)
    assert done.returncode == 0, done.stderr
    assert str(root) in done.stdout


def test_a_snapshot_is_the_same_on_stdout_and_in_a_file(place: Place) -> None:
    path = place.directory / "copy.json"
    done = place("snapshot", str(path))
    assert "only its owner may read it" in done.stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert place("snapshot", "-").stdout == path.read_text()
    assert place("snapshot", "-", "--output", "json").returncode == 2


def test_a_snapshot_has_no_keys_and_nothing_of_the_vault(place: Place) -> None:
    record = json.loads((place.vault / "Store/InstanceFingerprint").read_text())
    text = place("snapshot", "-").stdout
    assert record["fingerprint"] not in text
    assert "similarityThreshold" not in text


def test_a_snapshot_that_cannot_be_written_leaves_nothing(place: Place) -> None:
    done = place("snapshot", str(place.directory / "nowhere/copy.json"))
    assert done.returncode == 3
    assert "could not be written" in done.stderr
    assert not (place.directory / "nowhere").exists()


def test_evidence_kept_for_a_record_is_listed_in_80_columns(place: Place) -> None:
    for number in range(2):
        assert place("snapshot", str(place.directory / f"{number}.json"), "--keep").returncode == 0
    lines = place("vault", "evidence").stdout.splitlines()
    assert sum(" present " in line for line in lines) == 3
    assert [line for line in lines[1:] if len(line) > 80] == []
    done = place("snapshot", "-", "--keep")
    assert json.loads(done.stdout)["schemaVersion"] == 1
    assert "Kept as evidence 4" in done.stderr


def test_every_command_reports_damaged_evidence(place: Place) -> None:
    [path] = (place.directory / "state/evidence").rglob("*.json")
    path.write_bytes(path.read_bytes().replace(b"planted-host", b"planted-gost", 1))
    for command in ("check", "explain"):
        done = place(command)
        assert done.returncode == 0, done.stderr
        assert "internal error" not in done.stderr
    assert f"{path}: this evidence is damaged" in " ".join(place("check").stdout.split())
    listed = place("vault", "evidence", "--output", "json")
    assert listed.returncode == 3
    assert validated(listed)["damaged"] == [str(path)]
    verified = place("vault", "verify")
    assert verified.returncode == 1
    assert str(path) in verified.stdout


def test_init_reports_evidence_that_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state/evidence").write_text("in the way")
    place = Place(tmp_path)
    place("vault", "reset", "--yes")
    done = place("vault", "init")
    assert done.returncode == 0
    assert "fingerprint: the evidence of the record was not kept" in done.stderr
    done = place("vault", "rebaseline", "--keep-fingerprint", "--yes")
    assert done.returncode == 0
    assert "was not kept" in done.stderr
    assert place("check").returncode == 0
    refused = place("snapshot", str(tmp_path / "copy.json"), "--keep")
    assert refused.returncode == 3
