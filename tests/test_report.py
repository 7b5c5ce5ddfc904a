"""The bundle for a ticket: nothing that identifies the machine in it, equal values equal, and still of use."""

from __future__ import annotations

import json
import stat
import tarfile
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fingerprint
from commandline import environment, run
from event_machines import machine, snapshot
from fingerprint.redact import Redactor
from fingerprint.report import bundle, learn, redacted_snapshot

BEFORE = machine(host="db-primary.corp.example", link_time="Nov 1 10:00")
AFTER = {**BEFORE, "host": "db-second.corp.example", "ip": "10.77.3.9", "serial": "OTHER-99X1",
         "links": [("eno9", "02:1c:42:aa:bb:01", "pci")]}  # fmt: skip


def secrets_of(source: dict[str, Any]) -> list[str]:
    """Return everything that tells this machine from another one of its kind."""
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
    assert run(*words, str(tmp_path / "before.json"), "init", env=env).returncode == 0
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


def test_no_id_of_the_machine_is_in_it_neither_as_it_is_nor_as_it_was(
    place: tuple[dict[str, str], list[str]], tmp_path: Path
) -> None:
    done = report(place, tmp_path / "t.tar.gz", "--redact")
    assert done.returncode == 0, done.stderr
    files = unpacked(tmp_path / "t.tar.gz")
    whole = "\n".join(files.values()).lower()
    for secret in {*secrets_of(BEFORE), *secrets_of(AFTER)}:
        assert secret.lower() not in whole, secret
        assert len(secret) <= 12 or f"{secret[:4]}…{secret[-4:]}".lower() not in whole, secret


def test_what_is_needed_to_help_stays(place: tuple[dict[str, str], list[str]], tmp_path: Path) -> None:
    report(place, tmp_path / "t.tar.gz", "--redact")
    files = unpacked(tmp_path / "t.tar.gz")
    assert set(files) == {"about.json", "explain.json", "vault.json", "verify.json", "history.json", "snapshot.json",
                          "MANIFEST.txt"}  # fmt: skip
    assert "Rack 210" in files["snapshot.json"]
    assert "dmidecode 3.3" in files["snapshot.json"]
    told = json.loads(files["explain.json"])
    assert told["score"]["matched"] == 5
    assert told["stable"]["outcome"] in ("same", "cannot-tell", "different")
    assert all(name in files["MANIFEST.txt"] for name in files if name != "MANIFEST.txt")


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


def test_two_reports_share_no_pseudonym(place: tuple[dict[str, str], list[str]], tmp_path: Path) -> None:
    for name in ("a", "b"):
        report(place, tmp_path / f"{name}.tar.gz", "--redact")
    first, second = (json.loads(unpacked(tmp_path / f"{n}.tar.gz")["snapshot.json"])["hostName"] for n in ("a", "b"))
    assert first.startswith("host-")
    assert first != second


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
    assert json.loads(unpacked(tmp_path / "t.tar.gz")["explain.json"])["error"]["kind"] == "VaultMissing"


ID = st.text(alphabet="ABCDEFGHJKLMNPQRSTUVWXYZ23456789", min_size=6, max_size=20)


@given(ID, ID, ID, ID, st.from_regex(r"\A02(:[0-9a-f]{2}){5}\Z"), st.integers(1, 254), st.uuids(version=4))
def test_planted_ids_never_survive(
    serial: str, board: str, module: str, host: str, mac: str, last: int, uuid: object
) -> None:
    source = machine(serial=serial, board_serial=board, host=host.lower(), uuid=str(uuid), ip=f"10.200.7.{last}",
                     links=[("eno1", mac, "pci")], modules=[(8192, "A1", "NWD4-8G", module)])  # fmt: skip
    taken = snapshot(source)
    files = bundle({"free": lambda: {"text": f"{host} at {source['ip']} ({mac}), serial {serial}/{board}; {uuid}"}},
                   taken, Redactor())  # fmt: skip
    whole = b"\n".join(files.values()).decode().lower()
    for secret in (serial, board, module, host, mac, source["ip"], str(uuid)):
        assert secret.lower() not in whole.replace("smbios data from sysfs", ""), secret


def test_a_pseudonym_needs_the_key() -> None:
    one, other = Redactor(b"k" * 32), Redactor(b"l" * 32)
    assert one.pseudonym("ip", "10.0.0.1") == Redactor(b"k" * 32).pseudonym("ip", "10.0.0.1")
    assert one.pseudonym("ip", "10.0.0.1") != other.pseudonym("ip", "10.0.0.1")
    assert one.pseudonym("ip", "") == ""


def test_what_identifies_nothing_stays() -> None:
    redactor = Redactor()
    for text in ("127.0.0.1", "version 3.3.1.0.400", "Serial Number: Not Specified", "2026-11-24T00:00:00Z", "::1"):
        assert redactor.text(text) == text
    assert "alice" not in redactor.text("/home/alice/Vault")


def test_a_redacted_recording_can_still_be_played_back() -> None:
    from fingerprint import collect
    from fingerprint.collect.recorded import RecordedMachine

    taken = snapshot(machine())
    redactor = Redactor()
    learn(redactor, taken)
    played = collect(RecordedMachine(redacted_snapshot(taken, redactor)))
    assert played["hostname-info"].value.startswith("host-")
    assert all(str(a.status) == "present" for a in played)
