"""The way back: history, backup, restore and rebaseline, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fingerprint import Vault
from house import House

OTHER = {"machine_id": "f" * 32 + "\n"}


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = House(tmp_path)
    made.is_now(dmi="old", disk="old")
    assert made("init").returncode == 0
    return made


def audit(house: House) -> list[str]:
    return [json.loads(line)["why"] for line in (house.folder / "state" / "audit.log").read_text().splitlines()]


def test_history_lists_what_was_replaced_with_when_why_and_by_whom(house: House) -> None:
    assert "was ever replaced" in house("vault", "history").stdout
    house("threshold", "set", "50")
    house("threshold", "set", "60")
    text = house("vault", "history").stdout
    assert "threshold set from 40 to 50" in text
    entries = house.json("vault", "history")["entries"]
    assert [entry["threshold"] for entry in entries] == [40, 50]
    assert all(entry["by"]["program"] == "fingerprint" for entry in entries)


def test_a_backup_is_an_entry_that_can_be_restored(house: House) -> None:
    before = house.record.read_bytes()
    assert house.json("vault", "backup", "--dry-run")["number"] is None
    number = house.json("vault", "backup")["number"]
    house("threshold", "set", "77")
    assert house("vault", "restore", str(number)).returncode == 4
    assert house.json("vault", "restore", str(number), "--dry-run")["done"] is False
    assert json.loads(house.record.read_text())["similarityThreshold"] == 77
    assert house.json("vault", "restore", str(number), "--yes")["done"] is True
    assert house.record.read_bytes() == before
    assert audit(house)[-1] == f"restored entry {number}"


def test_a_regenerated_fingerprint_can_be_brought_back(house: House) -> None:
    """What the reference cannot: after the mismatch the old fingerprint is in the history."""
    registered = house.record.read_bytes()
    vault = Vault(str(house.vault), state=str(house.folder / "state"))
    with vault.edit() as edit:
        edit.store(vault.read().replace(fingerprint="regenerated"), why="the machine does not match its record")
    assert house("vault", "restore", "2", "--yes").returncode == 0
    assert house.record.read_bytes() == registered


@pytest.mark.parametrize("damage", ["missing", "truncated", "no manifest", "bad manifest", "flipped"])
def test_what_was_written_last_comes_back_over_a_lost_or_damaged_record(damage: str, house: House) -> None:
    whole = house.record.read_bytes()
    manifest = house.vault / "Manifest"
    if damage == "missing":
        house.record.unlink()
    elif damage == "truncated":
        house.record.write_bytes(whole[:100])
    elif damage == "flipped":
        house.record.write_bytes(whole.replace(b'"old', b'"ole').replace(b"192.0.2.2", b"192.0.2.3"))
    elif damage == "no manifest":
        manifest.unlink()
        house.record.write_bytes(b"")
    else:
        manifest.write_text("{")
    assert house("vault", "restore", "0", "--yes").returncode == 0
    assert house.record.read_bytes() == whole
    assert house("vault", "verify").returncode == 0
    assert house("check").returncode == 0


def test_a_record_of_another_machine_is_restored_only_by_name(house: House) -> None:
    before = house.record.read_bytes()
    house("threshold", "set", "50")
    house.is_now(**OTHER)
    done = house("vault", "restore", "2", "--yes")
    assert done.returncode == 4
    assert "--accept-new-sid" in done.stderr
    assert house.record.read_bytes() != before
    assert house.json("vault", "restore", "2", "--dry-run")["otherSid"] is True
    assert house("vault", "restore", "2", "--yes", "--accept-new-sid").returncode == 0
    assert house.record.read_bytes() == before


def test_a_rebaseline_keeps_fingerprint_and_threshold_and_takes_the_machine(house: House) -> None:
    old = json.loads(house.record.read_text())
    house.is_now(dmi="new", disk="new", ip="192.0.2.99")
    assert house("check").returncode == 1
    assert house("vault", "rebaseline", "--yes").returncode == 2
    assert house("vault", "rebaseline", "--keep-fingerprint").returncode == 4
    planned = house.json("vault", "rebaseline", "--keep-fingerprint", "--dry-run")
    assert "ipaddress-info" in planned["changedAttributes"]
    assert json.loads(house.record.read_text()) == old
    assert house.json("vault", "rebaseline", "--keep-fingerprint", "--yes")["done"] is True
    new = json.loads(house.record.read_text())
    assert (new["fingerprint"], new["similarityThreshold"]) == (old["fingerprint"], old["similarityThreshold"])
    assert house("check").returncode == 0
    assert audit(house)[-1] == "rebaseline, fingerprint kept"


def test_a_rebaseline_to_another_hardware_id_needs_its_word(house: House) -> None:
    house.is_now(**OTHER)
    before = house.record.read_bytes()
    assert house("vault", "rebaseline", "--keep-fingerprint", "--yes").returncode == 4
    assert house.record.read_bytes() == before
    assert house("vault", "rebaseline", "--keep-fingerprint", "--yes", "--accept-new-sid").returncode == 0


def test_a_rebaseline_stores_no_attribute_that_could_not_be_read(house: House) -> None:
    snapshot = json.loads(house.snapshot.read_text())
    for command in snapshot["commands"]:
        command.update(returncode=None, stdout="", problem="timeout")
    house.snapshot.write_text(json.dumps(snapshot))
    before = house.record.read_bytes()
    done = house("vault", "rebaseline", "--keep-fingerprint", "--yes")
    assert done.returncode == 3
    assert "could not be read" in done.stderr
    assert house.record.read_bytes() == before


def test_an_entry_that_is_not_there_is_told(house: House) -> None:
    done = house("vault", "restore", "99", "--yes")
    assert done.returncode == 3
    assert "there is no entry 99" in done.stderr


def test_a_record_that_changed_after_the_plan_is_not_replaced(house: House) -> None:
    from fingerprint.collect.recorded import RecordedMachine
    from fingerprint.errors import Refused
    from fingerprint.recovery import carry_out, plan_rebaseline

    vault = Vault(str(house.vault), state=str(house.folder / "state"))
    plan = plan_rebaseline(vault, RecordedMachine.load(str(house.snapshot)))
    house("threshold", "set", "60")
    with pytest.raises(Refused, match="changed meanwhile"):
        carry_out(vault, plan)
    assert vault.read().threshold == 60


def test_a_record_changed_on_purpose_is_taken_by_a_backup_with_its_word(house: House) -> None:
    house.record.write_bytes(house.record.read_bytes().replace(b"192.0.2.2", b"192.0.2.3"))
    assert house("vault", "backup").returncode == 3
    assert house("check").returncode == 3
    assert house("vault", "backup", "--yes").returncode == 0
    assert house("check").returncode == 0
