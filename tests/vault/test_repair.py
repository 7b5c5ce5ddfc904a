"""`vault repair` lists what lies in Store again, and no other write leaves a key unlisted."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

import reference_store
from agent_machines import copied_disk
from commandline import run
from fingerprint.vault.integrity import manifest_state
from fingerprint.vault.locations import reference_vault
from manifests import BOTH, STATES
from registered import Registered, execute_remedy
from vault_setup import Setup

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="the reference's vault works for root only")
WRONG = [name for name, (_, kind, _, _) in STATES.items() if kind != "sound"]
# A repair cannot decide between two files, or make lost data.
BEYOND = [name for name in WRONG if name.startswith("no data")]
REPAIRED = [name for name in WRONG if name not in BEYOND]


@pytest.fixture
def machine(tmp_path: Path) -> Registered:
    return Registered(tmp_path)


def all_paths(machine: Registered) -> dict[str, str]:
    return {key: str(machine.vault_path / "Store" / key) for key in BOTH}


@pytest.mark.parametrize("name", WRONG)
def test_verify_names_each_state_and_exits_with_1(name: str, machine: Registered) -> None:
    damage, _, _, _ = STATES[name]
    damage(machine.vault_path)
    done = machine("vault", "verify")
    assert done.returncode == 1, done.stdout
    state = manifest_state(machine.vault)
    assert state.what in done.stdout
    assert state.consequence in done.stdout
    assert "fingerprint vault repair --yes" in done.stdout or "vault restore 0" in done.stdout
    assert machine.json("vault", "verify")["sound"] is False


@as_root
@pytest.mark.parametrize("name", REPAIRED)
def test_a_repair_lists_all_again_and_the_reference_reads_it(name: str, machine: Registered) -> None:
    damage, _, _, _ = STATES[name]
    before = machine.store()
    damage(machine.vault_path)
    old = (machine.vault_path / "Manifest").read_bytes() if (machine.vault_path / "Manifest").exists() else None
    foreign = {"Other": "/x"} if name == "other keys only" else {}
    refused = machine("vault", "repair")
    assert (refused.returncode, "--yes" in refused.stderr) == (4, True)
    assert "Would write" in refused.stdout
    planned = machine.json("vault", "repair", "--dry-run")
    assert planned["done"] is False
    assert planned["manifests"][0]["after"].items() >= {**all_paths(machine), **foreign}.items()
    assert ((machine.vault_path / "Manifest").read_bytes() if old is not None else None) == old
    done = machine.json("vault", "repair", "--yes")
    assert done["done"] is True
    assert machine.manifest().items() >= {**all_paths(machine), **foreign}.items()
    assert machine.store() == before
    assert manifest_state(machine.vault).sound
    # Foreign keys stay, and are named.
    assert machine("vault", "verify").returncode == (1 if set(machine.manifest()) - set(BOTH) else 0)
    # The old file is kept, and the audit log names the repair.
    last = machine.vault.history.changes()[-1]
    assert (last.key, last.before) == ("Manifest", old)
    assert "vault repair" in (machine.directory / "state" / "audit.log").read_text().splitlines()[-1]
    assert reference_store.start(reference_store.Store(str(machine.vault_path)), machine.machine_hash()) == "reads"
    again = machine("vault", "repair", "--yes")
    assert (again.returncode, "Nothing to repair" in again.stdout) == (0, True)


@pytest.mark.parametrize("name", BEYOND)
def test_a_repair_of_lost_data_is_refused_with_a_working_remedy(name: str, machine: Registered) -> None:
    damage, _, _, _ = STATES[name]
    before = machine.store()
    damage(machine.vault_path)
    for _ in BOTH:
        done = machine("vault", "repair", "--yes")
        if done.returncode == 0:
            break
        assert done.returncode == 4
        assert execute_remedy(machine, done.stderr).returncode == 0
    assert machine.store() == before
    assert machine("vault", "verify").returncode == 0


@as_root
@pytest.mark.parametrize("manifest", [None, b"", b"{}", b"{", b'{"RegistrationKey":""}'])
@pytest.mark.parametrize("record", [None, b"", b"null", b'{"fingerprint":'])
def test_a_registration_is_not_listed_without_its_fingerprint(
    manifest: bytes | None, record: bytes | None, machine: Registered
) -> None:
    """Without a listed registration the agent exits and writes nothing; with it and no fingerprint it mints one."""
    before = machine.store()
    path = machine.vault_path / "Store" / "InstanceFingerprint"
    path.unlink() if record is None else path.write_bytes(record)
    listed = machine.vault_path / "Manifest"
    listed.unlink() if manifest is None else listed.write_bytes(manifest)
    done = machine("vault", "repair", "--yes")
    assert done.returncode == 4
    assert (listed.read_bytes() if listed.exists() else None) == manifest
    assert execute_remedy(machine, done.stderr).returncode == 0
    assert machine.store() == before
    assert manifest_state(machine.vault).sound
    assert reference_store.start(reference_store.Store(str(machine.vault_path)), machine.machine_hash()) == "reads"


def test_files_that_are_no_records_are_named_and_not_listed(machine: Registered) -> None:
    (machine.vault_path / "Store" / "Notes").write_text("{}")
    (machine.vault_path / "Manifest").write_text("{}")
    done = machine.json("vault", "repair", "--yes")
    assert done["unknownFiles"] == ["Notes"]
    assert machine.manifest() == all_paths(machine)


def test_a_foreign_key_stays_listed_whatever_is_written(machine: Registered) -> None:
    (machine.vault_path / "Manifest").write_text(json.dumps({"Other": "/x"}))
    assert machine("threshold", "set", "50").returncode == 0
    assert machine.manifest() == {**all_paths(machine), "Other": "/x"}


@pytest.mark.parametrize("key", ["RegistrationKey", "InstanceFingerprint"])
@pytest.mark.parametrize(
    "words",
    [
        ("threshold", "set", "50"),
        ("vault", "rebaseline", "--keep-fingerprint", "--yes"),
        ("vault", "restore", "1", "--yes"),
        ("vault", "restore", "2", "--yes"),
        ("vault", "reset", "--yes"),
        ("deregister", "--yes"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("manifest", ["missing", "{}", "null", "one key"])
def test_no_write_leaves_a_key_unlisted(words: tuple[str, ...], key: str, manifest: str, machine: Registered) -> None:
    path = machine.vault_path / "Manifest"
    if manifest == "missing":
        path.unlink()
    elif manifest == "one key":
        path.write_text(json.dumps({key: all_paths(machine)[key]}))
    else:
        path.write_text(manifest)
    done = machine(*words)
    assert done.returncode == 0, done.stderr
    assert machine.manifest() == all_paths(machine)


@pytest.mark.parametrize("store", ["InstanceFingerprint", "RegistrationKey"])
@pytest.mark.parametrize("damage", ["wrong type", "not JSON", "0 bytes"])
def test_a_forced_write_over_a_corrupt_manifest_lists_all(store: str, damage: str, machine: Registered) -> None:
    text = {"wrong type": '{"Other":"/x","InstanceFingerprint":1}', "not JSON": "{", "0 bytes": ""}[damage]
    (machine.vault_path / "Manifest").write_text(text)
    with machine.vault.edit() as edit:
        edit.force(store, (machine.vault_path / "Store" / store).read_bytes(), why="test")
    assert machine.manifest() == {**all_paths(machine), **({"Other": "/x"} if damage == "wrong type" else {})}
    assert text in [entry["record"] for entry in machine.vault.history.entries()]


def test_a_corrupt_record_is_not_listed_by_another_write(machine: Registered) -> None:
    (machine.vault_path / "Store" / "RegistrationKey").write_bytes(b"")
    (machine.vault_path / "Manifest").unlink()
    assert machine("threshold", "set", "50").returncode == 0
    assert set(machine.manifest()) == {"InstanceFingerprint"}


@pytest.mark.parametrize("mode", [0o666, 0o602])
def test_a_manifest_that_others_can_write_is_reported_as_such(mode: int, machine: Registered) -> None:
    path = machine.vault_path / "Manifest"
    path.write_text("{}")
    path.chmod(mode)
    done = machine("vault", "repair", "--yes")
    assert done.returncode == 3
    assert "others can write it" in done.stderr
    assert path.read_text() == "{}"


def test_two_files_of_one_key_are_for_a_person_to_decide(machine: Registered) -> None:
    other = machine.directory / "elsewhere.json"
    other.write_bytes((machine.vault_path / "Store" / "InstanceFingerprint").read_bytes().replace(b"979b", b"979c"))
    (machine.vault_path / "Manifest").write_text(json.dumps({**all_paths(machine), "InstanceFingerprint": str(other)}))
    done = machine("vault", "repair", "--yes")
    assert (done.returncode, str(other) in done.stderr) == (4, True)
    other.unlink()
    assert machine("vault", "repair", "--yes").returncode == 0
    assert machine.manifest() == all_paths(machine)


def test_the_manifest_of_an_instance_is_repaired_likewise(machine: Registered) -> None:
    store = machine.vault_path / "Store"
    shutil.copy(store / "RegistrationKey", store / "EC2RegistrationKey")
    (machine.vault_path / "EC2Manifest").write_text('{"Other":"/x"}')
    (machine.vault_path / "EC2Manifest").chmod(0o600)
    assert machine("vault", "verify").returncode == 1
    assert machine.json("vault", "repair", "--yes")["manifests"][0]["manifest"] == "EC2Manifest"
    listed = json.loads((machine.vault_path / "EC2Manifest").read_text())
    assert listed == {"EC2RegistrationKey": str(store / "EC2RegistrationKey"), "Other": "/x"}
    assert machine.manifest() == all_paths(machine)


@pytest.mark.parametrize("manifest", [None, "{}", "{"])
def test_on_a_copied_disk_the_paths_are_those_of_its_own_machine(
    manifest: str | None, machine: Registered, tmp_path: Path
) -> None:
    root = copied_disk(tmp_path, machine)
    path = root / reference_vault().lstrip("/") / "Manifest"
    path.unlink() if manifest is None else path.write_text(manifest)
    done = run("--root", str(root), "vault", "repair", "--yes", env=machine.env)
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_text()) == {key: f"{reference_vault()}/Store/{key}" for key in BOTH}


def test_a_vault_without_damage_has_nothing_to_repair(tmp_path: Path) -> None:
    setup = Setup.with_record(tmp_path)
    answer = setup.json("vault", "repair")
    assert (answer["manifests"], answer["done"]) == ([], False)


def test_where_there_is_no_vault_nothing_is_made(tmp_path: Path) -> None:
    setup = Setup(tmp_path)
    assert setup("vault", "repair", "--yes").returncode == 3
    assert not setup.vault.exists()


def test_explain_says_what_the_vault_keeps_the_agent_from(machine: Registered) -> None:
    assert "None: the machine is accepted." in machine("explain", "--verbose").stdout
    (machine.vault_path / "Manifest").unlink()
    found = machine.json("explain")
    assert found["consequence"].startswith("Manifest is missing; Store holds")
    assert found["consequence"].endswith("The machine matches its record.")
    assert found["state"]["text"] == "not regenerated so far"
    # There is no old file that could be kept.
    assert "The old file is kept" not in machine("vault", "repair", "--yes").stdout
    assert "None: the machine is accepted." in machine("explain", "--verbose").stdout


def test_no_check_passes_beside_an_unreadable_registration(machine: Registered) -> None:
    path = Path(machine.vault.data_path("RegistrationKey"))
    path.write_bytes(path.read_bytes()[:100])
    checks = {one["name"]: one for one in machine.json("diagnose")["checks"]}
    assert checks["next-start"]["outcome"] == "fail"
    assert "the agent exits" in checks["next-start"]["text"]
    assert machine.json("explain")["consequence"].startswith("The registration cannot be read")


def test_the_lines_of_a_problem_are_aligned_and_short(machine: Registered) -> None:
    (machine.vault_path / "Manifest").unlink()
    lines = machine("check").stdout.splitlines()
    begin = next(number for number, line in enumerate(lines) if line.startswith("  PROBLEM  "))
    text = [line for line in lines[begin:] if line.startswith("           ")][:3]
    assert all(len(line) < 80 for line in [lines[begin], *text])
    assert all(line[:11].isspace() and not line[11].isspace() for line in text)


SPOILT: dict[str, dict[str, bytes | None]] = {
    "intact data": {},
    "a cut record": {"InstanceFingerprint": b'{"fingerprint":'},
    "no record": {"InstanceFingerprint": None},
    "a cut registration": {"RegistrationKey": b'{"instanceID":'},
    "no registration": {"RegistrationKey": None},
    "both cut": {"InstanceFingerprint": b"{", "RegistrationKey": b"{"},
}


@as_root
@pytest.mark.parametrize("data", SPOILT)
@pytest.mark.parametrize("name", WRONG)
def test_the_remedies_of_a_manifest_lead_to_a_sound_vault(name: str, data: str, machine: Registered) -> None:
    """Each command is carried out as it is printed; none prints itself again, and none refuses."""
    store = reference_store.Store(str(machine.vault_path))
    damage, _, _, _ = STATES[name]
    before = machine.store()
    damage(machine.vault_path)
    for key, value in SPOILT[data].items():
        path = machine.vault_path / "Store" / key
        path.unlink(missing_ok=True) if value is None else path.write_bytes(value)
    remedies: list[str] = []
    while found := vault_remedies(machine):
        assert found[0] not in remedies, remedies
        remedies.append(found[0])
        for here, elsewhere in re.findall("keep the right one as (.*?), move (.*?) away", found[0]):
            shutil.move(elsewhere, here)
        done = execute_remedy(machine, found[0])
        assert done.returncode == 0, (remedies, done.stderr)
    # Of a registration that is neither there nor listed a vault knows nothing.
    lost = {"RegistrationKey"} if data == "no registration" and "RegistrationKey" not in machine.manifest() else set()
    assert machine.store() == {key: value for key, value in before.items() if key not in lost}, remedies
    assert lost or reference_store.start(store, machine.machine_hash()) == "reads"
    assert manifest_state(machine.vault).sound


def vault_remedies(machine: Registered) -> list[str]:
    """Return the remedies of `vault verify` that are commands of `vault`, each as it is printed."""
    findings = machine.json("vault", "verify")["findings"]
    return [one["remedy"] for one in findings if "fingerprint vault re" in one["remedy"]]
