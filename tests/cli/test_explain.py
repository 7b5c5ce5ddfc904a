"""`explain`, `explain A B`, `snapshot`, `vault evidence` and what `check` says of causes, as processes."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import fingerprint
from commandline import environment, run
from event_machines import before_and_after, machine, snapshot, windows

SCHEMAS = Path(fingerprint.__file__).parent / "schemas"


class Place:
    """A vault, and snapshots of its machine before and after an event."""

    def __init__(self, directory: Path, event: str) -> None:
        self.directory = directory
        self.env = environment(directory / "state")
        self.before, self.after = directory / "before.json", directory / "after.json"
        for path, taken in zip((self.before, self.after), before_and_after(event), strict=True):
            path.write_text(json.dumps(taken))
        self.vault = directory / "Vault"

    def __call__(self, *words: str, machine: Path | None = None) -> Any:
        return run("--vault", str(self.vault), "--snapshot", str(machine or self.after), *words, env=self.env)

    def json(self, *words: str, machine: Path | None = None) -> Any:
        done = self(*words, "--output", "json", machine=machine)
        answer = json.loads(done.stdout)
        schema = json.loads((SCHEMAS / f"{answer['command'].replace(' ', '-')}.json").read_text())
        jsonschema.validate(answer, schema)
        return answer


@pytest.fixture
def upgraded(tmp_path: Path) -> Place:
    """A machine whose first record was made here, and that was upgraded since."""
    place = Place(tmp_path, "os-upgrade")
    assert place("vault", "init", machine=place.before).returncode == 0
    return place


def test_explain_names_causes_event_state_and_remedies(upgraded: Place) -> None:
    done = upgraded("explain", "--verbose")
    assert done.returncode == 1
    assert done.stdout.startswith("NOT THE SAME MACHINE\n  rule 5: 3 of 9 attributes match, 33.3 %")
    text = " ".join(done.stdout.split())
    for expected in (
        "dmidecode 3.3 -> 3.6; hardware fields equal",
        "1. dmidecode has another version (tool-version): bios-hash, memory-hash, processor-hash, system-hash",
        "Machine the same machine (by scheme stable)",
        "not regenerated yet",
        "fingerprint threshold set 33",
    ):
        assert expected in text


def test_a_new_address_is_not_the_cause_of_what_nothing_explains(tmp_path: Path) -> None:
    place = Place(tmp_path, "os-upgrade")
    before, after = snapshot(windows(), "2026-11-01T00:00:00Z"), snapshot(windows(ip="10.9.0.7"))
    for command in after["commands"]:
        if "wmic" in command["argv"][0]:
            command.update(stdout="Value  \r\r\nother  \r\r\n")
    for path, taken in ((place.before, before), (place.after, after)):
        path.write_text(json.dumps(taken))
    assert place("vault", "init", machine=place.before).returncode == 0
    for kept in (place.directory / "state").rglob("evidence"):
        shutil.rmtree(kept)
    text = " ".join(place("explain").stdout.split())
    assert "Cause not known for bios-hash, disk-info, memory-hash, processor-hash, system-hash, uuid Do" in text
    assert "More also address;" in text


def test_every_line_fits_80_columns_but_commands(upgraded: Place) -> None:
    for words in (("explain",), ("check",)):
        lines = upgraded(*words).stdout.splitlines()
        assert [line for line in lines if len(line) > 80 and "fingerprint " not in line and "vault" not in line] == []


def test_explain_as_json_follows_its_schema(upgraded: Place) -> None:
    answer = upgraded.json("explain")
    assert answer["verdict"] == "different"
    assert answer["stable"]["outcome"] == "same"
    assert answer["events"][0]["name"] == "os-upgrade"
    assert upgraded.json("explain", machine=upgraded.before)["events"] == []


def test_check_names_causes_where_evidence_is_kept(upgraded: Place) -> None:
    answer = upgraded.json("check")
    assert answer["stable"]["outcome"] == "same"
    assert "dmidecode 3.3 -> 3.6; hardware fields equal" in [change["cause"] for change in answer["changes"]]
    text = " ".join(upgraded("check").stdout.split())
    assert "the agent will reject this host (false positive)" in text
    assert "Other causes of these changes than another machine" not in text


def test_check_says_so_where_the_evidence_is_damaged(upgraded: Place) -> None:
    for path in (upgraded.directory / "state").rglob("*-*.json"):
        taken = json.loads(path.read_text())
        path.write_text(json.dumps({**taken, "snapshot": {"schemaVersion": 1}}))
    done = upgraded("check")
    assert done.returncode == 1
    assert "cannot be used" in done.stdout
    assert "Traceback" not in done.stderr


def test_explain_reports_a_copy_that_the_rules_accept(tmp_path: Path) -> None:
    place = Place(tmp_path, "clone")
    place("vault", "init", machine=place.before)
    done = place("check")
    assert done.returncode == 0
    assert "By scheme stable this is another machine" in " ".join(done.stdout.split())


def test_compare_takes_two_snapshots_and_no_vault(tmp_path: Path) -> None:
    place = Place(tmp_path, "ram-added")
    done = run("explain", str(place.before), str(place.after), env=place.env)
    assert done.returncode == 0
    assert "DIMM_B1 16 GB added" in done.stdout
    strict = run("explain", str(place.before), str(place.after), "--threshold", "90", env=place.env)
    assert strict.returncode == 1
    answer = json.loads(run("explain", str(place.before), str(place.after), "--output", "json", env=place.env).stdout)
    jsonschema.validate(answer, json.loads((SCHEMAS / "explain-snapshots.json").read_text()))
    missing = run("explain", str(place.before), "nowhere.json", env=place.env)
    assert missing.returncode == 3
    assert "nowhere.json" in missing.stderr


def test_a_threshold_that_cannot_be_set_is_a_usage_error(tmp_path: Path) -> None:
    place = Place(tmp_path, "ram-added")
    for threshold in ("142", "0", "-5"):
        done = run("explain", str(place.before), str(place.after), "--threshold", threshold, env=place.env)
        assert done.returncode == 2
        assert f"invalid threshold {threshold}: must be -1 or 1-100" in done.stderr


def test_the_evidence_of_a_cause_does_not_repeat_it(tmp_path: Path) -> None:
    place = Place(tmp_path, "reboot")
    now = json.loads(place.after.read_text())
    for command in now["commands"]:
        if "dmidecode" in command["argv"][0]:
            command["stdout"] = "# dmidecode 3.4\n# No SMBIOS nor DMI entry point found, sorry.\n"
    place.after.write_text(json.dumps(now))
    text = " ".join(run("explain", str(place.before), str(place.after), env=place.env).stdout.split())
    assert "the SMBIOS table is gone (no SMBIOS table found)" in text


def test_evidence_is_listed_with_its_record(upgraded: Place) -> None:
    answer = upgraded.json("vault", "evidence")
    assert [(e["why"], e["ofPresentRecord"]) for e in answer["entries"]] == [("first fingerprint", True)]
    assert answer["entries"][0]["tools"] == ["Linux 6.1.0", "dmidecode 3.3", "ls"]
    assert "first fingerprint" in upgraded("vault", "evidence").stdout


def test_a_snapshot_can_be_kept_as_evidence(tmp_path: Path) -> None:
    place = Place(tmp_path, "ram-added")
    copy = tmp_path / "copy.json"
    refused = place("snapshot", str(copy), "--keep", machine=place.before)
    assert refused.returncode == 3
    copy.unlink(missing_ok=True)
    place("vault", "init", machine=place.before)
    answer = place.json("snapshot", str(copy), "--keep", machine=place.before)
    assert answer["keptAs"] == 2
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert place("snapshot", str(copy), machine=place.before).returncode == 4


def test_a_snapshot_of_a_snapshot_is_the_same_machine(tmp_path: Path) -> None:
    place = Place(tmp_path, "os-upgrade")
    copy = tmp_path / "copy.json"
    assert place("snapshot", str(copy)).returncode == 0
    assert run("explain", str(place.after), str(copy), "--threshold", "100", env=place.env).returncode == 0


def test_no_id_shows_but_on_request(upgraded: Place) -> None:
    for words in (("explain",), ("explain", "--output", "json"), ("check",)):
        done = upgraded(*words)
        for secret in (machine()["machine_id"], machine()["uuid"], machine()["serial"]):
            assert secret not in done.stdout + done.stderr
