"""Restore records of a registered machine: what is offered, what is refused, and what the command reports."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import reference_store
from agent_machines import AgentMachine, copied_disk
from commandline import run
from fingerprint import Gate
from fingerprint.vault.history import MISMATCH, REGISTERED
from fingerprint.vault.records import encode_fingerprint, encode_registration
from registered import Registered, execute_remedy

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="the reference's vault works for root only")
NODE_2 = "mi-0fedcba9876543210"
DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: path.unlink(),
    "0 bytes": lambda path: path.write_bytes(b""),
    "NULs": lambda path: path.write_bytes(b"\0" * 300),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:60]),
    "another type": lambda path: path.write_bytes(b"[]"),
    "a flipped byte": lambda path: path.write_bytes(
        path.read_bytes().replace(b"mi-0", b"mi-1").replace(b"979b", b"979c")
    ),
}


@pytest.fixture
def registered(tmp_path: Path) -> Registered:
    return Registered(tmp_path)


def other_hardware(machine: Registered) -> None:
    changed = AgentMachine(
        machine.directory / "other", ip="192.0.2.99", dmi="SMBIOS 3.4 present.", disk="total 4"
    ).snapshot
    for name in ("addresses", "commands"):
        machine.snapshot[name] = changed[name]


def agent(machine: Registered) -> str:
    """Return what the reference does at its next start and first token request; it may store a new fingerprint."""
    return reference_store.start(reference_store.Store(str(machine.vault_path)), machine.machine_hash())


@pytest.mark.parametrize("key", ["InstanceFingerprint", "RegistrationKey"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_the_remedy_for_a_damaged_record_restores_its_key(damage: str, key: str, registered: Registered) -> None:
    before = registered.store()
    DAMAGES[damage](registered.vault_path / "Store" / key)
    done = registered("vault", "verify")
    named = "--key registration" in done.stdout
    assert named == (key == "RegistrationKey"), done.stdout
    assert execute_remedy(registered, done.stdout).returncode == 0
    assert registered.store() == before
    assert registered("vault", "verify").returncode == 0


@pytest.mark.parametrize("key", ["InstanceFingerprint", "RegistrationKey"])
@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "a flipped byte"])
def test_without_a_copy_only_what_works_is_offered(damage: str, key: str, tmp_path: Path) -> None:
    """A vault that only the agent wrote: nothing can be restored, and only a new registration helps."""
    machine = AgentMachine(tmp_path)
    machine.write()
    DAMAGES[damage](machine.vault_path / "Store" / key)
    words = ("--vault", str(machine.vault_path), "--snapshot", str(tmp_path / "machine.json"))
    done = run(*words, "vault", "verify", env=machine.env)
    assert "the journal holds no copy of" in " ".join(done.stdout.split())
    assert "vault restore" not in done.stdout
    assert "`fingerprint deregister --yes`, then" in done.stdout
    assert "fingerprint register --region REGION --activation-id ID --code-file FILE" in done.stdout
    # The first half of it works in this state; the second is the service's.
    assert run(*words, "deregister", "--yes", env=machine.env).returncode == 0
    assert run(*words, "register", "--region", "eu-west-1", "--activation-id", "a" * 36, "--dry-run",
               env={**machine.env, "FINGERPRINT_ACTIVATION_CODE": "c" * 20}).returncode == 0  # fmt: skip


def test_a_copy_that_does_not_help_is_not_offered(registered: Registered) -> None:
    """What was written last is the damaged record itself; then it is the copy from before."""
    good = registered.vault.data_path("RegistrationKey")
    intact = Path(good).read_bytes()
    with registered.vault.edit() as edit:
        edit.force("RegistrationKey", b"{}", why="test")
    Path(good).write_bytes(b"")
    done = registered("vault", "verify")
    assert execute_remedy(registered, done.stdout).returncode == 0
    assert Path(good).read_bytes() == intact


def test_a_fingerprint_unknown_to_the_service_is_not_offered(registered: Registered) -> None:
    """What was stored after a mismatch, and then cleared or damaged, is no way back: the one from before is."""
    known = registered.vault.read()
    with registered.vault.edit() as edit:
        edit.store(known.replace(fingerprint="ef39f2ba-d8d3-46ca-9078-ea2ad2f1dedd"), why=MISMATCH)
    for damage in (None, *DAMAGES.values()):
        with registered.vault.edit() as edit:
            if damage is None:
                edit.clear(why="vault reset")
        if damage is not None:
            damage(registered.vault_path / "Store/InstanceFingerprint")
        assert execute_remedy(registered, registered("check").stderr).returncode == 0
        assert registered.vault.read() == known


@pytest.mark.parametrize("by_the_agent", [False, True], ids=["by us", "by the agent"])
@pytest.mark.parametrize("cleared", [False, True], ids=["at once", "cleared between"])
def test_the_remedy_after_two_replacements_is_the_registered_one(
    cleared: bool, by_the_agent: bool, registered: Registered
) -> None:
    vault = registered.vault
    known = vault.read()
    for fingerprint in ("ef39f2ba-d8d3-46ca-9078-ea2ad2f1dedd", "3f9a7b52-1c0d-4e68-8a31-6d2f5b7c9e04"):
        new = known.replace(fingerprint=fingerprint)
        if by_the_agent:
            Path(vault.data_path("InstanceFingerprint")).write_bytes(encode_fingerprint(new))
            assert registered("vault", "backup").returncode == 0
        else:
            with vault.edit() as edit:
                edit.store(new, why=MISMATCH)
        if cleared and fingerprint.startswith("ef"):
            with vault.edit() as edit:
                edit.clear(why="vault reset")
    done = registered("check")
    assert done.returncode == 1
    assert execute_remedy(registered, done.stdout).returncode == 0
    assert vault.read() == known


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_fingerprint_of_another_node_is_not_offered(damage: str, registered: Registered) -> None:
    """The agent registered the machine anew, which the journal did not see; what it holds is of the node before."""
    store = registered.vault_path / "Store"
    record, registration = registered.vault.read(), registered.vault.read_registration()
    (store / "InstanceFingerprint").write_bytes(
        encode_fingerprint(record.replace(fingerprint="ef39f2ba-d8d3-46ca-9078-ea2ad2f1dedd"))
    )
    (store / "RegistrationKey").write_bytes(
        encode_registration(registration.replace(instance_id="mi-0fedcba9876543210", private_key="b3RoZXI=" * 9))
    )
    assert registered("check").returncode == 0
    DAMAGES[damage](store / "InstanceFingerprint")
    done = registered("check")
    assert (done.returncode, "vault restore" in done.stderr) == ((0 if damage == "a flipped byte" else 3), False)
    assert damage == "a flipped byte" or "that helps" in " ".join(done.stderr.split())


def test_a_fingerprint_kept_by_a_registration_is_offered(registered: Registered) -> None:
    """The machine registered here as another node, with the fingerprint that it had."""
    record, registration = registered.vault.read(), registered.vault.read_registration()
    with registered.vault.edit() as edit:
        edit.store_registration(registration.replace(instance_id="mi-0fedcba9876543210"), why=REGISTERED)
    Path(registered.vault.data_path("InstanceFingerprint")).write_bytes(b"")
    assert execute_remedy(registered, registered("check").stderr).returncode == 0
    assert registered.vault.read() == record


def test_a_restore_without_a_key_spares_an_intact_record(registered: Registered) -> None:
    (registered.vault_path / "Store" / "RegistrationKey").write_bytes(b"")
    done = registered("vault", "restore", "0", "--yes")
    assert done.returncode == 4
    assert "vault restore 0 --key registration --yes" in done.stderr
    assert registered("vault", "restore", "0", "--key", "fingerprint", "--yes").returncode == 0
    assert registered("vault", "restore", "0", "--key", "registration", "--yes").returncode == 0
    assert registered("vault", "verify").returncode == 0


def test_a_backup_copies_both_keys(registered: Registered) -> None:
    answer = registered.json("vault", "backup")
    assert [entry["key"] for entry in answer["entries"]] == ["InstanceFingerprint", "RegistrationKey"]
    numbers = [entry["number"] for entry in answer["entries"]]
    entries = {entry["number"]: entry for entry in registered.json("vault", "history")["entries"]}
    assert len(entries) == len(registered.json("vault", "history")["entries"])
    assert [entries[number]["key"] for number in numbers] == ["InstanceFingerprint", "RegistrationKey"]
    assert entries[numbers[1]]["instanceId"].startswith("mi-")
    text = registered("vault", "history").stdout
    assert " registration " in text
    assert " fingerprint " in text
    for number, key in zip(numbers, ("fingerprint", "registration"), strict=True):
        path = Path(registered.vault.data_path(entries[number]["key"]))
        intact = path.read_bytes()
        path.write_bytes(b"")
        assert registered("vault", "restore", str(number), "--key", key, "--yes").returncode == 0
        assert path.read_bytes() == intact


def test_a_key_that_is_not_that_of_the_entry_is_named(registered: Registered) -> None:
    done = registered("vault", "restore", "1", "--key", "registration", "--yes")
    assert (done.returncode, "entry 1 holds InstanceFingerprint" in done.stderr) == (2, True)


def test_a_backup_of_a_damaged_record_is_refused(registered: Registered) -> None:
    (registered.vault_path / "Store" / "RegistrationKey").write_bytes(b"{")
    for words in ((), ("--yes",)):
        done = registered("vault", "backup", *words)
        assert done.returncode == 3, done.stdout
    assert "vault backup --key fingerprint" in registered("vault", "backup").stderr
    answer = registered.json("vault", "backup", "--key", "fingerprint")
    assert [entry["key"] for entry in answer["entries"]] == ["InstanceFingerprint"]


def test_a_restored_registration_without_fingerprint_is_reported(registered: Registered) -> None:
    for path in (registered.vault_path / "Store").iterdir():
        path.write_bytes(b"")
    done = registered("vault", "restore", "0", "--key", "registration", "--yes")
    assert "no intact fingerprint" in done.stdout
    assert execute_remedy(registered, done.stdout).returncode == 0
    assert registered("vault", "verify").returncode == 0


def test_a_key_written_ahead_is_not_the_last_write(registered: Registered) -> None:
    """It never was in the vault: the service had not accepted it."""
    from fingerprint.vault.journal import AHEAD, WRITTEN_AHEAD

    path = Path(registered.vault.data_path("RegistrationKey"))
    intact = path.read_bytes()
    with registered.vault.edit():
        registered.vault.history.record(
            "RegistrationKey", intact, intact.replace(b"TUlJ", b"bmV3"), why=WRITTEN_AHEAD, rule="", now=0, state=AHEAD
        )
    path.write_bytes(b"")
    assert registered("vault", "restore", "0", "--key", "registration", "--yes").returncode == 0
    assert path.read_bytes() == intact


def test_a_write_that_failed_is_not_what_was_written_last(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk: the journal announces the change, and the vault does not get it."""
    from fingerprint.errors import VaultUnreadable
    from fingerprint.vault.files import Directory

    path = Path(registered.vault.data_path("InstanceFingerprint"))
    intact = path.read_bytes()

    def full(directory: Directory, name: str, *_: object) -> None:
        raise VaultUnreadable("no space left", where=name)

    with monkeypatch.context() as patched:
        patched.setattr(Directory, "put", full)
        with pytest.raises(VaultUnreadable), registered.vault.edit() as edit:
            edit.clear(why="vault reset")
    path.write_bytes(b"")
    assert registered("vault", "restore", "0", "--yes").returncode == 0
    assert path.read_bytes() == intact


@as_root
@pytest.mark.parametrize("regenerated_by", ["the agent", "us"])
def test_a_restore_that_the_agent_would_replace_says_so(regenerated_by: str, registered: Registered) -> None:
    """The printed way back after a true mismatch: a plain restore loops, and the command that is offered does not."""
    old = json.loads((registered.vault_path / "Store" / "InstanceFingerprint").read_text())
    other_hardware(registered)
    if regenerated_by == "the agent":
        assert agent(registered) == "mints"
    else:
        assert Gate(registered.vault, registered.machine, policy="regenerate").fingerprint() != old["fingerprint"]
    assert agent(registered) == "reads"
    plain = registered.json("vault", "restore", "0" if regenerated_by == "the agent" else "3", "--yes")
    assert plain["machine"]["verdict"] == "different"
    assert plain["machine"]["rule"].startswith("rule 5")
    [command] = [
        "fingerprint " + note.partition(": fingerprint ")[2] for note in plain["notes"] if "--rebaseline" in note
    ]
    saved = registered.store()
    assert agent(registered) == "mints"
    (registered.vault_path / "Store" / "InstanceFingerprint").write_bytes(saved["InstanceFingerprint"])
    done = registered(*command.removeprefix("fingerprint ").split())
    assert done.returncode == 0, done.stderr
    new = json.loads((registered.vault_path / "Store" / "InstanceFingerprint").read_text())
    assert (new["fingerprint"], new["similarityThreshold"]) == (old["fingerprint"], old["similarityThreshold"])
    assert new["hardwareHash"] == registered.machine_hash()
    assert agent(registered) == "reads"
    assert registered("check").returncode == 0
    assert registered.json("vault", "evidence")["entries"]


@as_root
@pytest.mark.parametrize("change", ["none", "address", "hardware", "machine-id", "disabled", "hardware, disabled"])
def test_a_restore_predicts_what_the_reference_does(change: str, registered: Registered) -> None:
    if "disabled" in change:
        assert registered("threshold", "set", "-1").returncode == 0
        assert registered("vault", "backup").returncode == 0
    if "hardware" in change:
        other_hardware(registered)
    elif change == "address":
        registered.snapshot["addresses"] = AgentMachine(registered.directory / "x", ip="192.0.2.99").snapshot[
            "addresses"
        ]
    elif change == "machine-id":
        registered.snapshot["files"]["/etc/machine-id"] = {"text": "f" * 32 + "\n"}
    accept = ("--accept-new-sid",) if change == "machine-id" else ()
    verdict = registered.json("vault", "restore", "0", "--yes", *accept)["machine"]["verdict"]
    assert agent(registered) == {"same": "reads", "different": "mints"}[verdict]


@as_root
def test_another_hardware_id_is_rebaselined_only_with_its_option(registered: Registered) -> None:
    registered.snapshot["files"]["/etc/machine-id"] = {"text": "f" * 32 + "\n"}
    before = registered.store()
    done = registered("vault", "restore", "0", "--rebaseline", "--yes")
    assert (done.returncode, "--accept-new-sid" in done.stderr) == (4, True)
    assert registered.store() == before
    planned = registered.json("vault", "restore", "0", "--dry-run")
    [command] = [
        "fingerprint " + note.partition(": fingerprint ")[2] for note in planned["notes"] if "--rebaseline" in note
    ]
    assert registered(*command.removeprefix("fingerprint ").split()).returncode == 0
    assert agent(registered) == "reads"


def test_a_rebaseline_of_a_restore_requires_every_attribute(registered: Registered) -> None:
    other_hardware(registered)
    for command in registered.snapshot["commands"]:
        if "dmidecode" in command["argv"][0]:
            command.update(returncode=None, stdout="", problem="timeout")
    before = registered.store()
    done = registered("vault", "restore", "0", "--rebaseline", "--yes")
    assert (done.returncode, "bios-hash" in done.stderr) == (4, True)
    assert registered.store() == before
    planned = registered.json("vault", "restore", "0", "--dry-run")
    assert "bios-hash" in planned["machine"]["unreadable"]
    assert not any("--rebaseline" in note for note in planned["notes"])


def test_a_rebaseline_on_a_copied_disk_is_refused(registered: Registered, tmp_path: Path) -> None:
    root = copied_disk(tmp_path, registered)
    done = run("--root", str(root), "vault", "restore", "0", "--rebaseline", "--yes", env=registered.env)
    assert (done.returncode, "the hardware is not on a copied disk" in done.stderr) == (4, True)


@pytest.mark.parametrize("words", [("0", "--key", "registration"), ("2",)])
def test_a_registration_has_no_hardware_hash(words: tuple[str, ...], registered: Registered) -> None:
    assert registered("vault", "restore", *words, "--rebaseline", "--yes").returncode == 2


def test_a_record_of_another_registration_is_reported(registered: Registered) -> None:
    """The vault was registered again since: the service knows the new node by another fingerprint."""
    assert registered.json("vault", "restore", "1", "--dry-run")["nodes"] is None
    with registered.vault.edit() as edit:
        edit.store(edit.read().replace(fingerprint="second"), why="test")
        edit.store_registration(edit.read_registration().replace(instance_id=NODE_2), why="test")
    for number in ("1", "3"):
        shown = registered.json("vault", "restore", number, "--dry-run", "--reveal")
        assert shown["nodes"] == {"then": "mi-0123456789abcdef0", "now": NODE_2}
        assert any("rejects" in note for note in shown["notes"])
    shown = registered.json("vault", "restore", "2", "--dry-run", "--reveal")
    assert shown["nodes"] == {"then": "mi-0123456789abcdef0", "now": NODE_2}


def test_a_restore_names_a_fingerprint_that_the_service_rejects(registered: Registered) -> None:
    known = registered.vault.read()
    with registered.vault.edit() as edit:
        edit.store(known.replace(fingerprint="f" * 36), why=MISMATCH)
        kept = edit.keep("InstanceFingerprint", why="backup")
    rejected = "This fingerprint replaced the registered one, and the service rejects it."
    for words in (("--dry-run",), ("--yes",)):
        done = registered("vault", "restore", str(kept), *words)
        assert rejected in " ".join(done.stdout.split()), done.stdout
    [command] = [line.strip() for line in done.stdout.splitlines() if line.strip().endswith("--dry-run")]
    number = command.split()[-2]
    done = registered("vault", "restore", number, "--yes")
    assert "service" not in done.stdout, done.stdout
    assert registered.vault.read() == known


def test_a_cleared_record_is_named_when_it_is_restored(registered: Registered) -> None:
    assert registered("vault", "reset", "--yes").returncode == 0
    done = registered("vault", "restore", "0", "--dry-run")
    assert "cleared" in done.stdout
    assert registered("vault", "restore", "0", "--rebaseline", "--yes").returncode == 4


def test_check_reports_a_threshold_changed_by_another_program(registered: Registered) -> None:
    assert registered("vault", "backup").returncode == 0
    path = Path(registered.vault.data_path("InstanceFingerprint"))
    path.write_text(path.read_text().replace('"similarityThreshold":40', '"similarityThreshold":41'))
    assert "Another program changed the threshold from 40 to 41." in registered("check").stdout


def test_history_names_the_copy_of_a_record_that_is_gone(registered: Registered) -> None:
    assert registered("vault", "backup").returncode == 0
    assert "Entry 0" not in registered("vault", "history").stdout
    path = Path(registered.vault.data_path("InstanceFingerprint"))
    before = path.read_bytes()
    path.unlink()
    said = registered("vault", "history").stdout
    assert "Restore it with" in said or " backup" in said
    assert registered("vault", "restore", "0", "--yes").returncode == 0
    assert path.read_bytes() == before


def test_verify_reports_a_cleared_record_as_lost(registered: Registered) -> None:
    assert registered("vault", "reset", "--yes").returncode == 0
    verified = registered("vault", "verify")
    assert (verified.returncode, "its fingerprint is lost" in verified.stdout) == (1, True)
    said = registered("vault", "backup").stdout
    assert "It is cleared: it holds no fingerprint to restore." in said
    checks = {one["name"]: one for one in registered.json("diagnose")["checks"]}
    assert checks["next-start"]["outcome"] == "fail"
