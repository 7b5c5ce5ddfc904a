"""History, backup, restore and rebaseline of a vault without a registration, through the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fingerprint import Vault
from vault_setup import Setup

OTHER = {"machine_id": "f" * 32 + "\n"}


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    made = Setup(tmp_path)
    made.is_now(dmi="old", disk="old")
    assert made("vault", "init").returncode == 0
    return made


def audit(setup: Setup) -> list[str]:
    return [json.loads(line)["why"] for line in (setup.directory / "state" / "audit.log").read_text().splitlines()]


def test_history_lists_each_replaced_record_and_its_cause(setup: Setup) -> None:
    assert "was ever replaced" in setup("vault", "history").stdout
    setup("threshold", "set", "50")
    setup("threshold", "set", "60")
    text = setup("vault", "history").stdout
    assert "threshold set from 40 to 50" in text
    entries = setup.json("vault", "history")["entries"]
    assert [entry["threshold"] for entry in entries] == [40, 50]
    assert all(entry["by"]["program"] == "fingerprint" for entry in entries)


def test_a_backup_is_an_entry_that_can_be_restored(setup: Setup) -> None:
    before = setup.record.read_bytes()
    assert setup.json("vault", "backup", "--dry-run")["number"] is None
    number = setup.json("vault", "backup")["number"]
    setup("threshold", "set", "77")
    assert setup("vault", "restore", str(number)).returncode == 4
    assert setup.json("vault", "restore", str(number), "--dry-run")["done"] is False
    assert json.loads(setup.record.read_text())["similarityThreshold"] == 77
    assert setup.json("vault", "restore", str(number), "--yes")["done"] is True
    assert setup.record.read_bytes() == before
    assert audit(setup)[-1] == f"restored entry {number}"


def test_a_regenerated_fingerprint_can_be_brought_back(setup: Setup) -> None:
    """What the reference cannot: after the mismatch the old fingerprint is in the history."""
    registered = setup.record.read_bytes()
    vault = Vault(str(setup.vault), state=str(setup.directory / "state"))
    with vault.edit() as edit:
        edit.store(vault.read().replace(fingerprint="regenerated"), why="the machine does not match its record")
    assert setup("vault", "restore", "2", "--yes").returncode == 0
    assert setup.record.read_bytes() == registered


@pytest.mark.parametrize("damage", ["missing", "truncated", "no manifest", "bad manifest", "flipped"])
def test_the_last_write_is_restored_over_a_damaged_record(damage: str, setup: Setup) -> None:
    intact = setup.record.read_bytes()
    manifest = setup.vault / "Manifest"
    if damage == "missing":
        setup.record.unlink()
    elif damage == "truncated":
        setup.record.write_bytes(intact[:100])
    elif damage == "flipped":
        setup.record.write_bytes(intact.replace(b'"old', b'"ole').replace(b"192.0.2.2", b"192.0.2.3"))
    elif damage == "no manifest":
        manifest.unlink()
        setup.record.write_bytes(b"")
    else:
        manifest.write_text("{")
    assert setup("vault", "restore", "0", "--yes").returncode == 0
    assert setup.record.read_bytes() == intact
    assert setup("vault", "verify").returncode == 0
    assert setup("check").returncode == 0


def test_a_record_of_another_machine_is_restored_only_by_name(setup: Setup) -> None:
    before = setup.record.read_bytes()
    setup("threshold", "set", "50")
    setup.is_now(**OTHER)
    done = setup("vault", "restore", "2", "--yes")
    assert done.returncode == 4
    assert "--accept-new-sid" in done.stderr
    assert setup.record.read_bytes() != before
    assert setup.json("vault", "restore", "2", "--dry-run")["otherSid"] is True
    assert setup("vault", "restore", "2", "--yes", "--accept-new-sid").returncode == 0
    assert setup.record.read_bytes() == before


def test_a_rebaseline_replaces_only_the_hardware_hash(setup: Setup) -> None:
    old = json.loads(setup.record.read_text())
    setup.is_now(dmi="new", disk="new", ip="192.0.2.99")
    assert setup("check").returncode == 1
    assert setup("vault", "rebaseline", "--yes").returncode == 2
    assert setup("vault", "rebaseline", "--keep-fingerprint").returncode == 4
    planned = setup.json("vault", "rebaseline", "--keep-fingerprint", "--dry-run")
    assert "ipaddress-info" in planned["changedAttributes"]
    assert json.loads(setup.record.read_text()) == old
    assert setup.json("vault", "rebaseline", "--keep-fingerprint", "--yes")["done"] is True
    new = json.loads(setup.record.read_text())
    assert (new["fingerprint"], new["similarityThreshold"]) == (old["fingerprint"], old["similarityThreshold"])
    assert setup("check").returncode == 0
    assert audit(setup)[-1] == "rebaseline, fingerprint kept"


def test_a_rebaseline_to_another_hardware_id_needs_its_word(setup: Setup) -> None:
    setup.is_now(**OTHER)
    before = setup.record.read_bytes()
    assert setup("vault", "rebaseline", "--keep-fingerprint", "--yes").returncode == 4
    assert setup.record.read_bytes() == before
    assert setup("vault", "rebaseline", "--keep-fingerprint", "--yes", "--accept-new-sid").returncode == 0


def test_a_rebaseline_stores_no_attribute_that_could_not_be_read(setup: Setup) -> None:
    snapshot = json.loads(setup.snapshot.read_text())
    for command in snapshot["commands"]:
        command.update(returncode=None, stdout="", problem="timeout")
    setup.snapshot.write_text(json.dumps(snapshot))
    before = setup.record.read_bytes()
    done = setup("vault", "rebaseline", "--keep-fingerprint", "--yes")
    assert done.returncode == 3
    assert "could not be read" in done.stderr
    assert setup.record.read_bytes() == before


def test_a_missing_entry_is_reported(setup: Setup) -> None:
    done = setup("vault", "restore", "99", "--yes")
    assert done.returncode == 3
    assert "there is no entry 99" in done.stderr


def test_a_record_that_changed_after_the_plan_is_not_replaced(setup: Setup) -> None:
    from fingerprint.errors import Refused
    from fingerprint.machine.recorded import RecordedMachine
    from fingerprint.recovery import carry_out, plan_rebaseline

    vault = Vault(str(setup.vault), state=str(setup.directory / "state"))
    plan = plan_rebaseline(vault, RecordedMachine.load(str(setup.snapshot)))
    setup("threshold", "set", "60")
    with pytest.raises(Refused, match="changed meanwhile"):
        carry_out(vault, plan)
    assert vault.read().threshold == 60


def test_a_backup_with_its_option_accepts_a_changed_record(setup: Setup) -> None:
    setup.record.write_bytes(setup.record.read_bytes().replace(b"192.0.2.2", b"192.0.2.3"))
    assert setup("vault", "backup").returncode == 3
    assert setup("check").returncode == 3
    assert setup("vault", "backup", "--yes").returncode == 0
    assert setup("check").returncode == 0
