"""Windows records without a hardware ID: the agent's query, or its command, had failed when they were made."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

import textbook_gob
from fingerprint.collectors import collect
from fingerprint.collectors.other_recipe import other_recipe
from fingerprint.collectors.wql import STRUCTURES
from fingerprint.errors import EXIT_DIFFERS, EXIT_OK
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.observation import outcome_of, recipe_change
from fingerprint.rules.ssm import match
from fingerprint.types import FingerprintRecord, HardwareHash
from shared import VECTORS, needs_vectors
from vault_setup import Setup
from windows_machines import AGENTS, NAMES, OBJECTS, windows_snapshot

SERVER_2025 = "10.0.26100"
REBASELINE = "fingerprint vault rebaseline --keep-fingerprint --yes --accept-new-sid"
# Each set of classes that failed with that of the hardware ID.
FAILED = [("uuid", *rest) for count in range(6) for rest in itertools.combinations(NAMES[1:], count)]
OTHER_LINKS = [["Ethernet", "02:00:00:00:00:99"]]


class WindowsSetup(Setup):
    def is_now(self, version: str = SERVER_2025, **changes: Any) -> None:
        self.machine = windows_snapshot(version, **changes)
        self.snapshot.write_text(json.dumps(self.machine))


def stored(*failed: str) -> dict[str, str]:
    """Return what a process stores of which these queries fail: those that succeed get the ids from 64 on."""
    good = [name for name in NAMES if name not in failed]
    return {
        name: textbook_gob.digest(name, OBJECTS[name][0], 64 + good.index(name)) if name in good else ""
        for name in NAMES
    }


def with_record_of(directory: Path, *failed: str) -> WindowsSetup:
    directory.mkdir(exist_ok=True)
    setup = WindowsSetup(directory)
    assert setup("vault", "init").returncode == EXIT_OK
    record = json.loads(setup.record.read_text())
    record["hardwareHash"].update(stored(*failed))
    setup.record.write_text(json.dumps(record, separators=(",", ":")))
    return setup


def verdict_of(hardware_hash: dict[str, str], machine: RecordedMachine, threshold: int = 40) -> tuple[str, Any]:
    """Return what a machine is by a record, and what the other recipe says."""
    record = FingerprintRecord("f", HardwareHash(hardware_hash), threshold)
    collection = collect(machine)
    verdict = match(
        record.hardware_hash, collection.hardware_hash, threshold, sid_key="uuid", unreadable=collection.unreadable,
        silent=collection.silent, stopped=collection.stops_agent,
    )  # fmt: skip
    change = recipe_change(record, verdict, collection, machine)
    return outcome_of(verdict, change), change


@pytest.mark.parametrize("failed", FAILED, ids=" ".join)
@pytest.mark.parametrize("ip", ["10.0.0.7", "10.9.9.9"])
def test_record_without_an_id_never_mismatches(failed: tuple[str, ...], ip: str) -> None:
    """Serial number, name and hardware address prove it; with fewer of them in the record it is unknown."""
    machine = RecordedMachine(windows_snapshot(SERVER_2025))
    hashes = {**dict(collect(machine).hardware_hash.items()), **stored(*failed), "ipaddress-info": ip}
    outcome, change = verdict_of(hashes, machine)
    known = {"bios-hash", "system-hash"} - set(failed)
    assert outcome == ("same" if known else "cannot-tell")
    assert change is not None
    assert change.found.without_id
    if known:
        assert change.found.recipe == "wql"
        assert change.found.moved == (len(failed) < 6)
        assert "the saved hardware ID is empty" in change.found.proof
    else:
        assert "the record holds no hardware ID" in change.found.text


@pytest.mark.parametrize(
    ("now", "outcome"),
    [
        ({"addresses": {"ipv4": ["10.0.0.7"], "links": OTHER_LINKS}}, "cannot-tell"),
        ({"bios": "2ND-SERIAL"}, "cannot-tell"), ({"name": "OTHER"}, "cannot-tell"),
        ({"bios": "2ND-SERIAL", "name": "OTHER", "hostName": "OTHER",
          "addresses": {"ipv4": ["10.9.9.9"], "links": OTHER_LINKS}}, "different"),
    ],
)  # fmt: skip
def test_copy_never_matches_such_a_record(now: dict[str, Any], outcome: str) -> None:
    changes = dict(now)
    bios = {**OBJECTS["bios-hash"][0], "SerialNumber": changes.pop("bios", "5B7M732")}
    name = {**OBJECTS["system-hash"][0], "Name": changes.pop("name", "WEB-7")}
    others = {"uuid": [{"UUID": "0" * 8}], "bios-hash": [bios], "system-hash": [name]}
    if outcome == "different":
        others["processor-hash"] = [{**OBJECTS["processor-hash"][0], "Name": "another"}]
        others["memory-hash"] = [{**OBJECTS["memory-hash"][0], "Capacity": "1"}]
    original = dict(collect(RecordedMachine(windows_snapshot(SERVER_2025))).hardware_hash.items())
    machine = RecordedMachine(windows_snapshot(SERVER_2025, objects=others, **changes))
    found, _ = verdict_of({**original, **stored("uuid")}, machine)
    assert found == outcome


@pytest.mark.parametrize("silent", [[], [dict.fromkeys(OBJECTS["bios-hash"][0])]])
def test_objects_that_say_nothing_show_no_machine(silent: Any) -> None:
    """All machines without them have the same digest."""
    objects = {"bios-hash": silent, "system-hash": []}
    machine = RecordedMachine(windows_snapshot(SERVER_2025, objects=objects))
    hashes = dict(collect(machine).hardware_hash.items())
    ids = {"bios-hash": 66, "system-hash": 67}
    empty = {name: textbook_gob.digest(name, {}, number) for name, number in ids.items()}
    found, change = verdict_of({**hashes, **stored("uuid"), **empty}, machine)
    assert (found, change.found.without_id) == ("cannot-tell", True)


@pytest.mark.parametrize("then", AGENTS)
@pytest.mark.parametrize("now", AGENTS)
def test_each_recipe_is_recognized(then: str, now: str) -> None:
    """Also where the recipe changed since, and where it did not."""
    made = windows_snapshot(SERVER_2025, agent=AGENTS[then], objects={"uuid": {"error": "EIO", "message": "80041010"}})
    for entry in made["commands"]:
        if "csproduct" in entry["argv"] or "ComputerSystemProduct" in entry["argv"][-1]:
            entry.update(returncode=1, stdout="")
    hashes = dict(collect(RecordedMachine(made)).hardware_hash.items())
    assert hashes["uuid"] == ""
    outcome, change = verdict_of(hashes, RecordedMachine(windows_snapshot(SERVER_2025, agent=AGENTS[now])))
    assert (outcome, change.found.recipe, change.found.without_id) == ("same", then, True)
    assert change.found.moved == (then == now == "wql")
    if then != now:
        assert "the agent's hash recipe changed" in change.found.text


def test_ids_move_if_one_query_fails_and_another_recovers() -> None:
    """Neither side has a hardware ID: the rules take these for equal, and the moved hashes for another machine."""
    fails = {"error": "EIO", "message": "WMI answers 80041010"}
    machine = RecordedMachine(
        windows_snapshot(SERVER_2025, objects={"uuid": fails}, addresses={"ipv4": ["10.9.9.9"], "links": OTHER_LINKS})
    )
    hashes = {**dict(collect(machine).hardware_hash.items()), **stored("uuid", "processor-hash"),
              "ipaddress-info": "10.0.0.7"}  # fmt: skip
    outcome, change = verdict_of(hashes, machine)
    assert (outcome, change.found.moved) == ("same", True)


@pytest.mark.parametrize("recipe", ["wmic", "json"])
def test_an_unchanged_recipe_without_an_id_is_no_copy(recipe: str, tmp_path: Path) -> None:
    """Only the hardware ID differs, as on a copy with an ID of its own; the disk was changed meanwhile."""
    setup = WindowsSetup(tmp_path)
    setup.is_now(agent=AGENTS[recipe])
    assert setup("vault", "init").returncode == EXIT_OK
    record = json.loads(setup.record.read_text())
    record["hardwareHash"].update({"uuid": "", "disk-info": "x" * 22 + "=="})
    setup.record.write_text(json.dumps(record, separators=(",", ":")))
    explained = setup.json("explain")
    assert (explained["verdict"], explained["agent"]) == ("same", "will-reject")
    assert all(event["truth"] != "other" for event in explained["events"])
    causes = {one["name"]: one["cause"] for one in explained["attributes"] if one["state"] == "changed"}
    title = {"wmic": "wmic", "json": "PowerShell JSON"}[recipe]
    assert causes["disk-info"] == f"what {title} reads differs"
    assert "by the hardware ID of the record: rule 4" in setup("check").stdout
    [remedy] = [one for one in explained["remedies"] if one["name"] == "rebaseline"]
    assert f"(on that machine: {REBASELINE})" in remedy["text"]
    assert setup(*REBASELINE.split()[1:]).returncode == EXIT_OK
    assert setup("check").returncode == EXIT_OK


@pytest.mark.parametrize("failed", [("uuid",), ("uuid", "bios-hash"), NAMES], ids=" ".join)
def test_every_command_says_the_same_of_such_a_record(failed: tuple[str, ...], tmp_path: Path) -> None:
    setup = with_record_of(tmp_path, *failed)
    same = len(failed) < 6
    checked, explained = setup.json("check"), setup.json("explain")
    for answer in (checked, explained):
        assert (answer["verdict"], answer["agent"]) == ("same" if same else "cannot-tell", "will-reject")
        assert answer["hashRecipe"]["changed"]["typeIds"] == same
    assert setup("check").returncode == EXIT_DIFFERS
    assert "NOT THE SAME MACHINE" not in setup("check").stdout
    causes = {one["name"]: one["cause"] for one in explained["attributes"] if one["state"] == "changed"}
    assert "the agent could not read it when the record was made" in causes["uuid"]
    assert all(event["truth"] != "other" for event in explained["events"])
    [collector] = [one for one in setup.json("diagnose")["checks"] if one["name"] == "collector"]
    assert collector["outcome"] == "fail"
    if not same:
        # A machine that may be another one is not accepted without a review.
        assert checked["problems"][0]["command"] == ""
        assert "rebaseline" not in collector["remedy"]
        # What the firmware says cannot be put back, as the machine ID of Unix can.
        assert [one["name"] for one in explained["remedies"]] == ["backup", "rebaseline", "register"]
        assert "Only if this is the same machine for certain" in explained["remedies"][1]["risk"]
        return
    assert explained["events"][0]["name"] == "type-ids-moved"
    fingerprint = json.loads(setup.record.read_text())["fingerprint"]
    assert f"(on that machine: {REBASELINE})" in collector["remedy"]
    assert setup(*REBASELINE.split()[1:]).returncode == EXIT_OK
    assert setup("check").returncode == EXIT_OK
    assert json.loads(setup.record.read_text())["fingerprint"] == fingerprint


def runs() -> dict[str, dict[str, Any]]:
    path = VECTORS / "windows" / "agent_runs.json"
    return {one["case"]: one for one in json.loads(path.read_text())} if path.exists() else {}


@needs_vectors
@pytest.mark.parametrize(
    ("case", "outcome"), [("uuid fails", "same"), ("uuid and bios-hash fail", "same"), ("all fail", "cannot-tell")]
)
def test_record_of_the_real_agent_matches_once_queries_succeed(case: str, outcome: str) -> None:
    saved = runs()[case]["hardwareHash"]
    healthy = runs()["ec2"]["members"]
    snapshot = windows_snapshot(SERVER_2025, agent="3.3.1345.0", hostName=saved["hostname-info"], addresses={
        "ipv4": [saved["ipaddress-info"]], "links": [["e", saved["macaddr-info"]]]})  # fmt: skip
    snapshot["wmi"].update({STRUCTURES[name][0]: healthy[name] for name in NAMES})
    found, change = verdict_of(saved, RecordedMachine(snapshot))
    assert found == outcome
    assert change.found.without_id


def test_a_record_with_an_id_says_so() -> None:
    machine = RecordedMachine(windows_snapshot(SERVER_2025))
    saved = collect(RecordedMachine(windows_snapshot(SERVER_2025, agent=AGENTS["wmic"]))).hardware_hash
    found = other_recipe(machine, collect(machine), saved, 1.0)
    assert found is not None
    assert not found.without_id
