"""The bundle for a ticket: nothing that identifies the machine in it, equal values equal, and still of use."""

from __future__ import annotations

import json
import re
import stat
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import fingerprint
from agent_machines import NODE, AgentMachine, refused, started
from commandline import environment, run
from event_machines import machine, snapshot, windows
from fingerprint import Vault
from operations import OLD_REGISTRATION

BEFORE = machine(host="db-primary.corp.example", link_time="Nov 1 10:00")
AFTER = {**BEFORE, "host": "db-second.corp.example", "ip": "10.77.3.9", "serial": "OTHER-99X1",
         "links": [("eno9", "02:1c:42:aa:bb:01", "pci")]}  # fmt: skip


def secrets_of(source: dict[str, Any]) -> list[str]:
    """Return everything that distinguishes this host from another one of its kind."""
    return [
        source["machine_id"], source["host"], source["host"].partition(".")[0], source["ip"], source["uuid"],
        source["serial"], source["board_serial"], *source["disks"], *source["filesystems"],
        *(module[3] for module in source["modules"]), *(link[1] for link in source["links"]),
    ]  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> tuple[dict[str, str], list[str]]:
    env = environment(tmp_path / "state")
    for name, source in (("before", BEFORE), ("after", AFTER)):
        (tmp_path / f"{name}.json").write_text(json.dumps(snapshot(source)))
    words = ["--vault", str(tmp_path / "Vault"), "--snapshot"]
    assert run(*words, str(tmp_path / "before.json"), "vault", "init", env=env).returncode == 0
    return env, [*words, str(tmp_path / "after.json")]


def unpacked(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        return {
            member.name.partition("/")[2]: file.read().decode()
            for member in tar.getmembers()
            if (file := tar.extractfile(member))
        }


def report(place: tuple[dict[str, str], list[str]], path: Path, *words: str) -> Any:
    env, machine_words = place
    return run(*machine_words, "report", str(path), *words, env=env)


def test_a_report_has_no_id_of_the_machine_now_or_before(
    place: tuple[dict[str, str], list[str]], tmp_path: Path
) -> None:
    done = report(place, tmp_path / "t.tar.gz", "--redact")
    assert done.returncode == 0, done.stderr
    files = unpacked(tmp_path / "t.tar.gz")
    joined = "\n".join(files.values()).lower()
    for secret in {*secrets_of(BEFORE), *secrets_of(AFTER)}:
        assert secret.lower() not in joined, secret
        assert len(secret) <= 12 or f"{secret[:4]}…{secret[-4:]}".lower() not in joined, secret


def test_what_is_needed_to_help_stays(place: tuple[dict[str, str], list[str]], tmp_path: Path) -> None:
    done = report(place, tmp_path / "t.tar.gz", "--redact")
    files = unpacked(tmp_path / "t.tar.gz")
    assert list(files) == ["about.json", "check.json", "explain.json", "diagnosis.json", "vault.json",
                           "verify.json", "history.json", "evidence.json", "before.json", "snapshot.json",
                           "MANIFEST.txt"]  # fmt: skip
    for readable in (
        "Rack 210",
        "dmidecode 3.3",
        "NWD4-8G",
        "8192 MB",
        "2.1.4",
        "03/15/2021",
        "Nov 1 10:00",
        "DIMM_A1",
    ):
        assert readable in files["before.json"], readable
    assert json.loads(files["about.json"])["tools"]["bios-hash"] == "dmidecode 3.3"
    assert json.loads(files["check.json"])["verdict"] == "same"
    answer = json.loads(files["explain.json"])
    assert answer["score"]["matched"] == 5
    assert answer["stable"]["outcome"] in ("same", "cannot-tell", "different")
    assert json.loads(files["evidence.json"])["entries"][0]["ofPresentRecord"]
    assert all(name in files["MANIFEST.txt"] and name in done.stdout for name in files if name != "MANIFEST.txt")


def test_equal_values_are_equal_in_all_files(place: tuple[dict[str, str], list[str]], tmp_path: Path) -> None:
    report(place, tmp_path / "t.tar.gz", "--redact")
    files = unpacked(tmp_path / "t.tar.gz")
    recorded = json.loads(files["snapshot.json"])
    saved = json.loads(files["vault.json"])["hardwareHash"]
    assert recorded["files"]["/etc/machine-id"]["text"].strip() == saved["machine-id"].strip()
    assert recorded["hostName"] != saved["hostname-info"]
    changed = {row["name"]: row for row in json.loads(files["explain.json"])["attributes"]}["ipaddress-info"]
    assert changed["saved"] == saved["ipaddress-info"]
    assert changed["current"] == recorded["outgoingAddress"]


def test_the_diagnosis_is_in_it_without_node_and_account(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    error = (
        f"AccessDeniedException: User: arn:aws:sts::111122223333:assumed-role/Role/{NODE} is not authorized on "
        f"arn:aws:ssm:eu-west-1:111122223333:managed-instance/{NODE}, request id: "
        "56ae2c79-bb35-4903-ab49-59cf9e131aca"
    )
    machine.log("amazon-ssm-agent.log", started("08:00:00") + refused("11:35:00", error))
    assert machine("report", "--redact", str(tmp_path / "t.tar.gz")).returncode == 0
    files = unpacked(tmp_path / "t.tar.gz")
    answer = json.loads(files["diagnosis.json"])
    assert answer["conclusion"]["state"] == "hibernating"
    assert "AccessDeniedException" in files["diagnosis.json"]
    joined = "\n".join(files.values())
    for secret in (NODE, "111122223333", "56ae2c79-bb35-4903-ab49-59cf9e131aca", machine.record.fingerprint):  # type: ignore[union-attr]
        assert secret not in joined


def test_two_reports_share_no_pseudonym(place: tuple[dict[str, str], list[str]], tmp_path: Path) -> None:
    given = []
    for name in ("a", "b"):
        report(place, tmp_path / f"{name}.tar.gz", "--redact")
        joined = "\n".join(unpacked(tmp_path / f"{name}.tar.gz").values())
        given.append(set(re.findall(r"\b(?:host|ip|mac|serial|uuid|machine|disk|fs|digest)-[0-9a-f]{6,}\b", joined)))
    assert len(given[0]) == len(given[1]) > 15
    assert not given[0] & given[1]


def test_a_report_that_is_not_redacted_is_the_same_again(
    place: tuple[dict[str, str], list[str]], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        assert report(place, tmp_path / f"{name}.tar.gz", "--reveal").returncode == 0
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()


def test_nothing_of_whoever_made_it_stands_in_the_archive(
    place: tuple[dict[str, str], list[str]], tmp_path: Path
) -> None:
    report(place, tmp_path / "t.tar.gz", "--redact")
    with tarfile.open(tmp_path / "t.tar.gz") as tar:
        for member in tar.getmembers():
            assert (member.uid, member.gid, member.uname, member.gname, member.mode) == (0, 0, "", "", 0o600)
            assert member.name.startswith("fingerprint-report/")


def test_the_file_is_its_owners_and_never_overwritten(place: tuple[dict[str, str], list[str]], tmp_path: Path) -> None:
    path = tmp_path / "t.tar.gz"
    report(place, path, "--redact")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    assert report(place, path, "--redact").returncode == 4
    assert path.read_bytes() == before


def test_ids_are_bundled_only_on_request(place: tuple[dict[str, str], list[str]], tmp_path: Path) -> None:
    assert report(place, tmp_path / "no.tar.gz").returncode == 4
    assert not (tmp_path / "no.tar.gz").exists()
    assert report(place, tmp_path / "yes.tar.gz", "--reveal").returncode == 0
    files = unpacked(tmp_path / "yes.tar.gz")
    assert AFTER["serial"] in files["snapshot.json"]
    assert "NOT REDACTED" in files["MANIFEST.txt"]


def test_no_fingerprint_is_ever_in_it(place: tuple[dict[str, str], list[str]], tmp_path: Path) -> None:
    fingerprint_ = json.loads((tmp_path / "Vault/Store/InstanceFingerprint").read_text())["fingerprint"]
    for word in ("--redact", "--reveal"):
        report(place, tmp_path / f"t{word}.tar.gz", word)
        assert all(fingerprint_ not in text for text in unpacked(tmp_path / f"t{word}.tar.gz").values())


def test_a_vault_that_cannot_be_read_is_part_of_the_report(tmp_path: Path) -> None:
    env = environment(tmp_path / "state")
    (tmp_path / "m.json").write_text(json.dumps(snapshot(machine())))
    words = ["--vault", str(tmp_path / "none"), "--snapshot", str(tmp_path / "m.json"), "report"]
    done = run(*words, str(tmp_path / "t.tar.gz"), "--redact", "--output", "json", env=env)
    assert done.returncode == 0
    schema = Path(fingerprint.__file__).parent / "schemas" / "report.json"
    jsonschema.validate(json.loads(done.stdout), json.loads(schema.read_text()))
    files = unpacked(tmp_path / "t.tar.gz")
    for name in ("check", "explain", "vault"):
        assert json.loads(files[f"{name}.json"])["error"]["kind"] == "VaultMissing"


def test_a_report_is_written_of_an_unreadable_machine(tmp_path: Path) -> None:
    """On Windows without its management service nothing is known, and a ticket is needed just then."""
    taken = {**snapshot(windows()), "services": {"Winmgmt": "stopped"}}
    (tmp_path / "m.json").write_text(json.dumps(taken))
    words = ["--vault", str(tmp_path / "none"), "--snapshot", str(tmp_path / "m.json"), "report"]
    done = run(*words, str(tmp_path / "t.tar.gz"), "--redact", env=environment(tmp_path / "state"))
    assert done.returncode == 0, done.stderr
    about = json.loads(unpacked(tmp_path / "t.tar.gz")["about.json"])
    assert "Winmgmt" in about["error"]["what"]


def test_no_secret_of_a_registered_vault_is_in_it(tmp_path: Path) -> None:
    """Keys, every fingerprint that ever was, the node and who used sudo; also with --reveal, but for the last two."""
    env = environment(tmp_path / "state", SUDO_USER="alice.example")
    (tmp_path / "m.json").write_text(json.dumps(snapshot(BEFORE)))
    words = ["--vault", str(tmp_path / "Vault"), "--snapshot", str(tmp_path / "m.json")]
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    fingerprints = []
    for _ in range(2):
        assert run(*words, "vault", "init", env=env).returncode == 0
        fingerprints.append(vault.read().fingerprint)
        with vault.edit() as edit:
            edit.store_registration(OLD_REGISTRATION, why="test")
        assert run(*words, "deregister", "--yes", env=env).returncode == 0
    for word in ("--redact", "--reveal"):
        assert run(*words, "report", str(tmp_path / f"{word}.tar.gz"), word, env=env).returncode == 0
        joined = "\n".join(unpacked(tmp_path / f"{word}.tar.gz").values())
        for secret in (*fingerprints, *(f[:4] + "…" + f[-4:] for f in fingerprints), OLD_REGISTRATION.private_key):
            assert secret not in joined
        for name in ("alice", OLD_REGISTRATION.instance_id):
            assert (name in joined) == (word == "--reveal"), name


def test_the_parts_are_the_json_answers_of_the_commands(
    place: tuple[dict[str, str], list[str]], tmp_path: Path
) -> None:
    env, words = place
    assert report(place, tmp_path / "t.tar.gz", "--reveal").returncode == 0
    files = unpacked(tmp_path / "t.tar.gz")
    commands = {
        "check": "check", "explain": "explain", "diagnosis": "diagnose", "vault": "vault show",
        "verify": "vault verify", "history": "vault history", "evidence": "vault evidence",
    }  # fmt: skip
    for name, command in commands.items():
        part = json.loads(files[f"{name}.json"])
        answer = json.loads(run(*words, *command.split(), "--reveal", "--output", "json", env=env).stdout)
        # No fingerprint and no duration is in a bundle.
        for entry in answer.get("entries", ()):
            entry.pop("fingerprint", None)
        for check in answer.get("checks", ()):
            del check["seconds"]
        left_out = answer.keys() - part.keys()
        assert part.items() <= answer.items(), name
        assert left_out <= {"schemaVersion", "command", "fingerprint", "vault", "status", "agent", "problems"}, name
