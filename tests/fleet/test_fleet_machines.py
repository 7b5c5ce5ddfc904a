"""Fleets that are vaults, recordings, tar files of them, and what SSM Inventory leaves."""

from __future__ import annotations

import json
import shutil
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

import textbook
from commandline import environment, run
from fingerprint.testing import unix_snapshot

pytest.importorskip("pyarrow", reason="the extra `fleet` is not installed")

from fingerprint.errors import InputError
from fingerprint.fleet import Rejects, check, open_fleet
from fingerprint.rules.ssm import match

if TYPE_CHECKING:
    from pathlib import Path

DMI = "Handle 0x0001\nSystem Information"


@pytest.fixture
def machines(tmp_path: Path) -> Path:
    """Three machines: one as it was, one that moved, one without a recording; and one that is broken."""
    directory = tmp_path / "machines"
    for name, ip in (("web-1", "192.0.2.1"), ("web-2", "192.0.2.2"), ("db", "192.0.2.3")):
        (directory / name).mkdir(parents=True)
        recording = tmp_path / "recording.json"
        recording.write_text(json.dumps(unix_snapshot(ip=ip, host_name=name, dmi=DMI)))
        env = environment(tmp_path / "state" / name)
        done = run("--vault", str(directory / name / "vault"), "--snapshot", str(recording), "vault", "init", env=env)
        assert done.returncode == 0, done.stderr
    (directory / "web-1" / "snapshot.json").write_text(
        json.dumps(unix_snapshot(ip="192.0.2.1", host_name="web-1", dmi=DMI))
    )
    moved = unix_snapshot(ip="192.0.2.99", host_name="web-2", dmi=DMI, mac="02:00:00:00:00:01")
    (directory / "web-2.json").write_text(json.dumps(moved))
    (directory / "broken").mkdir()
    (directory / "broken" / "snapshot.json").write_text("{")
    return directory


def verdicts(path: Path, rejects: Rejects) -> dict[str, Any]:
    batches = open_fleet(path).batches(rejects)
    return {one["node_id"]: one for checked in check(batches) for one in checked.rows.to_pylist()}


def expect_machines(found: dict[str, Any], rejects: Rejects) -> None:
    assert {name: one["reason"] for name, one in found.items()} == {
        "db": "NOTHING_TO_COMPARE", "web-1": "SAME_IP", "web-2": "SIMILAR",
    }  # fmt: skip
    assert found["web-2"]["matched"] == 7
    assert [one["nodeId"] for one in rejects.first] == ["broken"]
    assert rejects.first[0]["reason"].startswith("the snapshot: not a snapshot: not JSON")


def test_directory_of_machines_is_a_fleet(machines: Path) -> None:
    rejects = Rejects()
    expect_machines(verdicts(machines, rejects), rejects)


def test_a_tar_file_of_machines_is_a_fleet(machines: Path, tmp_path: Path) -> None:
    for name, mode in (("fleet.tar", "w"), ("fleet.tar.gz", "w:gz")):
        with tarfile.open(tmp_path / name, mode) as tar:  # type: ignore[call-overload]
            tar.add(machines, ".")
        rejects = Rejects()
        expect_machines(verdicts(tmp_path / name, rejects), rejects)
    (tmp_path / "wrong.tar").write_bytes(b"no tar file")
    with pytest.raises(InputError, match="as a tar file"):
        verdicts(tmp_path / "wrong.tar", Rejects())


def test_damaged_vault_is_rejected_and_reported(machines: Path) -> None:
    (machines / "db" / "vault" / "Store" / "InstanceFingerprint").write_text('{"fingerprint": 1}')
    rejects = Rejects()
    assert "db" not in verdicts(machines, rejects)
    assert rejects.count == 2


def test_this_machine_is_a_row(machines: Path, tmp_path: Path) -> None:
    words = ("--vault", str(machines / "web-2" / "vault"), "--snapshot", str(machines / "web-2.json"))
    done = run(*words, "fleet", "row", env=environment(tmp_path / "state"))
    assert done.returncode == 0, done.stderr
    (tmp_path / "fleet.jsonl").write_text(done.stdout)
    found = verdicts(tmp_path / "fleet.jsonl", Rejects())
    assert [(one["reason"], one["matched"]) for one in found.values()] == [("SIMILAR", 7)]
    answer = json.loads(done.stdout)
    assert match(answer["saved"], answer["current"], answer["threshold"]).match
    assert textbook.decide(answer["saved"], answer["current"], answer["threshold"], "machine-id")[2] == 7


def test_a_copied_disk_needs_a_name(machines: Path, tmp_path: Path) -> None:
    words = ("--vault", str(machines / "db" / "vault"), "--root", str(tmp_path), "fleet", "row")
    done = run(*words, env=environment(tmp_path / "state"))
    assert (done.returncode, "--node" in done.stderr) == (3, True)
    done = run(*words, "--node", "db", env=environment(tmp_path / "state"))
    assert json.loads(done.stdout)["node_id"] == "db"


def inventory(machines: Path, name: str, tmp_path: Path) -> list[dict[str, Any]]:
    """What resource data sync writes of the document that a node has made."""
    words = ("--vault", str(machines / name / "vault"), "--snapshot", str(machines / f"{name}.json"))
    done = run(*words, "fleet", "row", "--inventory", env=environment(tmp_path / "state"))
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (document["SchemaVersion"], document["TypeName"]) == ("1.0", "Custom:HardwareFingerprint")
    return [
        {**item, "resourceId": f"mi-{name}", "captureTime": document["CaptureTime"], "schemaVersion": "1.0"}
        for item in document["Content"]
    ]


def test_ssm_inventory_in_s3_is_a_fleet(machines: Path, tmp_path: Path) -> None:
    shutil.copy(machines / "web-1" / "snapshot.json", machines / "web-1.json")
    directory = (
        tmp_path
        / "bucket/Custom:HardwareFingerprint/accountid=1/region=eu-west-1/resourcetype=ManagedInstanceInventory"
    )
    directory.mkdir(parents=True)
    for name in ("web-1", "web-2"):
        lines = inventory(machines, name, tmp_path)
        (directory / f"mi-{name}.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (directory / "mi-bad.json").write_text('{"Name": "x"}\n')
    (directory / "mi-none.json").write_text("\n")
    rejects = Rejects()
    found = verdicts(tmp_path / "bucket", rejects)
    assert {name: one["reason"] for name, one in found.items()} == {"mi-web-1": "SAME_IP", "mi-web-2": "SIMILAR"}
    assert [one["nodeId"] for one in rejects.first] == ["mi-bad", "mi-none"]
    assert all(str(one["observed_at"]).startswith("2026-11-24") for one in found.values())
