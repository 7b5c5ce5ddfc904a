"""Records of another hash recipe than the installed agent's, from the command line: the reports and the remedies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import textbook_gob
from commandline import environment, run
from fingerprint import collect
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, EXIT_REFUSED
from fingerprint.machine.recorded import RecordedMachine
from paths import DOCS
from vault_setup import Setup
from windows_machines import AGENTS, NAMES, OBJECTS, UUID, windows_snapshot

SERVER_2025 = "10.0.26100"
REBASELINE = "fingerprint vault rebaseline --keep-fingerprint --yes --accept-new-sid"
TITLES = {"wmic": "wmic", "json": "PowerShell JSON", "wql": "WQL"}


class WindowsSetup(Setup):
    def is_now(self, version: str = SERVER_2025, **changes: Any) -> None:
        self.machine = windows_snapshot(version, **changes)
        self.snapshot.write_text(json.dumps(self.machine))

    def save(self) -> None:
        self.snapshot.write_text(json.dumps(self.machine))


def registered(path: Path, **changes: Any) -> WindowsSetup:
    path.mkdir(exist_ok=True)
    setup = WindowsSetup.with_record(path, **changes)
    assert isinstance(setup, WindowsSetup)
    return setup


def forget_evidence(setup: Setup) -> None:
    """Let the record be one that the agent wrote: nothing was kept of what it was made from."""
    for path in (setup.directory / "state").rglob("evidence/**/*.json"):
        path.unlink()


def store(setup: Setup, hashes: dict[str, str]) -> None:
    record = json.loads(setup.record.read_text())
    record["hardwareHash"].update(hashes)
    setup.record.write_text(json.dumps(record, separators=(",", ":")))


def shifted(first_failed: str = "uuid") -> dict[str, str]:
    """Return what a process stores of which one query failed at first and succeeded at the second attempt."""
    order = [name for name in NAMES if name != first_failed] + [first_failed]
    return {name: textbook_gob.digest(name, OBJECTS[name][0], 64 + order.index(name)) for name in NAMES}


@pytest.mark.parametrize("evidence", [True, False])
@pytest.mark.parametrize(("then", "now"), [(a, b) for a in AGENTS for b in AGENTS if a != b])
def test_a_changed_recipe_is_no_other_machine(then: str, now: str, evidence: bool, tmp_path: Path) -> None:
    setup = registered(tmp_path, agent=AGENTS[then])
    assert setup("check").returncode == EXIT_OK
    if not evidence:
        forget_evidence(setup)
    setup.is_now(agent=AGENTS[now])
    text = f"the agent's hash recipe changed: {TITLES[then]} when the record was made, {TITLES[now]} now"
    checked = setup.json("check")
    assert (checked["verdict"], checked["match"], checked["reason"]) == ("same", False, "SID_DIFFERS")
    assert (checked["status"], checked["agent"]) == ("finding", "will-reject")
    assert checked["hashRecipe"]["now"] == now
    assert checked["hashRecipe"]["changed"] == {
        "recipe": then, "typeIds": False, "text": text,
        "proof": f"the saved hardware ID is the hash of what {TITLES[then]} gives for the present UUID",
    }  # fmt: skip
    [problem] = checked["problems"]
    assert text in problem["text"]
    assert f"(on that machine: {REBASELINE})" in problem["remedy"]
    explained = setup.json("explain")
    assert explained["verdict"] == "same"
    assert (
        explained["events"][0]["name"] == {"wql": "recipe-to-wql", "wmic": "recipe-to-wmic", "json": "wmic-to-cim"}[now]
    )
    assert text in explained["consequence"].lower().replace("wql", "WQL").replace("powershell json", "PowerShell JSON")
    assert [remedy["name"] for remedy in explained["remedies"]] == ["backup", "rebaseline", "register"]
    causes = {one["name"]: one["cause"] for one in explained["attributes"] if one["state"] == "changed"}
    assert set(causes) == set(NAMES)
    assert all(f"hashed from {TITLES[then]} and now from {TITLES[now]}" in cause for cause in causes.values())
    printed = setup("check")
    assert printed.returncode == EXIT_DIFFERS
    assert "NOT THE SAME MACHINE" not in printed.stdout.upper()
    assert "No threshold helps" not in printed.stdout
    # The printed remedy works.
    fingerprint = json.loads(setup.record.read_text())["fingerprint"]
    assert setup(*REBASELINE.split()[1:]).returncode == EXIT_OK
    assert setup("check").returncode == EXIT_OK
    assert json.loads(setup.record.read_text())["fingerprint"] == fingerprint


def test_the_updates_of_one_machine_from_987_to_1311_and_4364(tmp_path: Path) -> None:
    setup = registered(tmp_path, agent="3.3.987.0")
    setup.is_now(agent="3.3.1311.0")
    page = (DOCS / "windows.md").read_text()
    shown = page.partition("    SAME MACHINE\n")[2].partition("\n\n")[0]
    assert shown.count("\n") >= 8
    assert "\n".join(line[4:] for line in shown.splitlines()) in setup("check").stdout
    assert setup.json("check")["agent"] == "will-reject"
    assert setup(*REBASELINE.split()[1:]).returncode == EXIT_OK
    setup.is_now(agent="3.3.4364.0")
    assert setup("check").returncode == EXIT_OK
    assert setup("explain").returncode == EXIT_OK


@pytest.mark.parametrize("failed", NAMES)
def test_moved_type_ids_are_no_other_machine(failed: str, tmp_path: Path) -> None:
    """Of a class whose first query failed the id comes last; an agent that starts anew has the usual ones."""
    setup = registered(tmp_path)
    forget_evidence(setup)
    store(setup, shifted(failed))
    explained = setup.json("explain")
    changed = {one["name"]: one["cause"] for one in explained["attributes"] if one["state"] == "changed"}
    moved = {name for name in NAMES if shifted(failed)[name] != textbook_gob.digest(
        name, OBJECTS[name][0], 64 + NAMES.index(name))}  # fmt: skip
    assert set(changed) == moved
    for cause in changed.values():
        assert "the same WMI object with type id" in cause
    assert explained["verdict"] == "same"
    assert (explained["agent"] == "will-reject") == (failed == "uuid")
    if failed in NAMES[:4]:
        assert explained["events"][0]["name"] == "type-ids-moved"
    if failed == "uuid":
        assert "type id 69 in place of 64" in setup.json("check")["hashRecipe"]["changed"]["proof"]
        assert "a restarted agent computes others" in explained["consequence"]
        assert setup(*REBASELINE.split()[1:]).returncode == EXIT_OK
        assert setup("check").returncode == EXIT_OK


@pytest.mark.parametrize("failed", NAMES[1:4])
def test_moved_type_ids_with_another_address_still_match(failed: str, tmp_path: Path) -> None:
    """The hardware ID is equal, and too little else: the agent takes it for another machine."""
    setup = registered(tmp_path)
    forget_evidence(setup)
    store(setup, {**shifted(failed), "hostname-info": "OLD-NAME"})
    setup.is_now(addresses={"ipv4": ["10.9.9.9"], "links": setup.machine["addresses"]["links"]})
    checked = setup.json("check")
    rejected = checked["reason"] == "NOT_SIMILAR"
    assert rejected == (failed in NAMES[1:3])
    assert checked["verdict"] == "same"
    if rejected:
        assert (checked["agent"], checked["hashRecipe"]["changed"]["typeIds"]) == ("will-reject", True)
        [problem] = checked["problems"]
        command = REBASELINE.removesuffix(" --accept-new-sid")
        assert f"(on that machine: {command})" in problem["remedy"]
        explained = setup.json("explain")
        assert (explained["verdict"], explained["events"][0]["truth"]) == ("same", "same")
        assert setup(*command.split()[1:]).returncode == EXIT_OK
        assert setup("check").returncode == EXIT_OK


def test_a_copy_with_another_uuid_stays_another_machine(tmp_path: Path) -> None:
    for number, agent in enumerate(AGENTS.values()):
        setup = registered(tmp_path / str(number), agent=agent)
        setup.is_now(agent=AGENTS["wql"], objects={"uuid": [{"UUID": UUID.replace("4", "5")}]})
        for entry in setup.machine["commands"]:
            entry["stdout"] = entry["stdout"].replace(UUID, UUID.replace("4", "5"))
        setup.save()
        checked = setup.json("check")
        assert checked["verdict"] == "different"
        assert checked["hashRecipe"]["changed"] is None


def test_changed_recipe_with_other_hardware_is_a_mismatch(tmp_path: Path) -> None:
    """The UUID is the same, and little else: by the recipe of the record, too, this is not the machine."""
    setup = registered(tmp_path, agent=AGENTS["wmic"])
    setup.is_now(agent=AGENTS["wql"], hostName="OTHER", addresses={"ipv4": ["10.9.9.9"], "links": [["e", "02:00"]]})
    for entry in setup.machine["commands"]:
        if "wmic" in entry["argv"][0] and "csproduct" not in entry["argv"]:
            entry["stdout"] += "x"
    setup.save()
    checked = setup.json("check")
    assert (checked["verdict"], checked["agent"]) == ("different", "will-reject")
    assert checked["hashRecipe"]["changed"]["recipe"] == "wmic"
    assert "rebaseline" not in checked["problems"][0]["remedy"]


def test_saved_id_matches_the_output_of_a_missing_wmic(tmp_path: Path) -> None:
    """Windows Server 2025 comes without it, and an upgrade from 2022 takes it away."""
    setup = registered(tmp_path, version="10.0.20348")
    setup.is_now(SERVER_2025)
    for entry in setup.machine["commands"]:
        if "wmic" in entry["argv"][0]:
            entry.update(returncode=None, stdout="", problem="not-found")
    setup.save()
    checked = setup.json("check")
    assert (checked["verdict"], checked["agent"]) == ("same", "will-reject")
    assert checked["hashRecipe"]["changed"]["recipe"] == "wmic"
    # With another address the five that wmic no longer prints would decide.
    setup.machine["addresses"]["ipv4"] = ["10.9.9.9"]
    setup.save()
    assert setup.json("check")["verdict"] == "cannot-tell"


@pytest.mark.parametrize(
    ("agent", "version", "written"),
    [
        (None, SERVER_2025, False), ("nightly", SERVER_2025, False), (AGENTS["wql"], SERVER_2025, True),
        (AGENTS["wmic"], SERVER_2025, True), (AGENTS["json"], SERVER_2025, True), (None, "10.0.20348", True),
        ({"error": "ENOENT", "message": "there is no service"}, SERVER_2025, True),
        (None, "10.0.26050", False),
    ],
)  # fmt: skip
def test_only_a_recipe_of_the_installed_agent_is_written(
    agent: Any, version: str, written: bool, tmp_path: Path
) -> None:
    setup = WindowsSetup(tmp_path)
    setup.is_now(version, agent=agent)
    done = setup("vault", "init")
    assert (done.returncode == EXIT_OK) == written, done.stderr
    assert setup.record.exists() == written
    if not written:
        assert done.returncode == EXIT_REFUSED
        assert "the version of the agent is unknown" in done.stderr
        assert "Nothing was written" in done.stderr
        assert "no option confirms it" in done.stderr
    # A dry run says the same as the run.
    (setup.directory / "again").mkdir()
    dry = WindowsSetup(setup.directory / "again")
    dry.is_now(version, agent=agent)
    assert dry("vault", "init", "--dry-run").returncode == done.returncode
    assert not dry.record.exists()
    # A record that is there is left as it is.
    setup = registered(tmp_path / "other", version=version, agent=AGENTS["wmic"])
    before = setup.record.read_bytes()
    setup.is_now(version, agent=agent)
    for words in (REBASELINE.split()[1:], ["vault", "restore", "1", "--rebaseline", "--accept-new-sid", "--yes"]):
        done = setup(*words)
        assert (done.returncode == EXIT_OK) == written, done.stderr
        if not written:
            assert done.returncode == EXIT_REFUSED
            assert "the version of the agent is unknown" in done.stderr
            assert setup.record.read_bytes() == before


@pytest.mark.parametrize(
    "answer",
    [{"error": "EIO", "message": "WMI answers 80041010"}, {"error": "ETIMEDOUT", "message": "no answer"}, [{}]],
)
def test_a_query_that_failed_here_is_not_written(answer: Any, tmp_path: Path) -> None:
    """The ids of the other classes would be those of one bad moment, which no agent has at its next start."""
    setup = WindowsSetup(tmp_path)
    setup.is_now(objects={"processor-hash": answer})
    done = setup("vault", "init")
    assert done.returncode == EXIT_REFUSED
    assert "WMI does not return processor-hash" in done.stderr
    assert not setup.record.exists()


@pytest.mark.parametrize("dry_run", [True, False])
def test_registration_refuses_hashes_that_the_agent_may_not_make(dry_run: bool, tmp_path: Path) -> None:
    """Nothing is asked of the service: no client is made to answer."""
    pytest.importorskip("botocore")
    from fingerprint.errors import Refused
    from fingerprint.registration.flow import Registration
    from fingerprint.vault import Vault

    def client(region: str) -> Any:
        return None

    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    machine = RecordedMachine(windows_snapshot(SERVER_2025, agent=None))
    registration = Registration(vault, machine, policy="strict", client=client)
    with pytest.raises(Refused, match="the version of the agent is unknown"):
        registration.register("a" * 8 + "-1111-2222-3333-" + "b" * 12, "c" * 20, "eu-west-1", dry_run=dry_run)
    # The directory is made for its lock.
    assert not [path for path in (tmp_path / "Vault").rglob("*") if path.is_file()]


@pytest.mark.parametrize("policy", ["strict", "audit", "regenerate"])
def test_the_gate_calls_it_no_other_machine(policy: str, tmp_path: Path) -> None:
    from fingerprint.errors import FingerprintMismatch, Refused
    from fingerprint.gate import Gate
    from fingerprint.vault import Vault

    setup = registered(tmp_path, agent=AGENTS["wmic"])
    before = setup.record.read_bytes()
    vault = Vault(str(setup.vault), state=str(tmp_path / "state"))
    changed = RecordedMachine(windows_snapshot(SERVER_2025, agent=AGENTS["wql"]))
    if policy == "strict":
        with pytest.raises(FingerprintMismatch, match="the agent's hash recipe changed: wmic"):
            Gate(vault, changed, policy=policy).fingerprint()
    unknown = RecordedMachine(windows_snapshot(SERVER_2025, agent=None))
    if policy == "regenerate":
        with pytest.raises(Refused, match="the version of the agent is unknown"):
            Gate(vault, unknown, policy=policy).fingerprint()
    if policy == "audit":
        assert Gate(vault, unknown, policy=policy).fingerprint() == json.loads(before)["fingerprint"]
    assert setup.record.read_bytes() == before


def test_record_is_not_written_without_the_version_from_wmi(tmp_path: Path) -> None:
    setup = WindowsSetup(tmp_path)
    setup.machine["wmi"]["Win32_OperatingSystem"] = {"error": "EIO", "message": "WMI answers 80041003"}
    setup.save()
    done = setup("vault", "init")
    assert done.returncode == EXIT_REFUSED
    assert "WMI does not return the version of Windows (WMI answers 80041003)" in done.stderr


def test_unknown_version_tries_both_recipes_and_offers_nothing(tmp_path: Path) -> None:
    for number, recipe in enumerate(AGENTS):
        # Also by the recipe that is assumed: then another one would not fit.
        setup = registered(tmp_path / str(number), agent=AGENTS[recipe])
        setup.is_now(agent=None)
        checked = setup.json("check")
        assert (checked["verdict"], checked["agent"], checked["status"]) == ("same", "cannot-tell", "unknown")
        assert checked["hashRecipe"]["doubt"].startswith("the version of the agent is unknown")
        assert checked["problems"] == []
        assert setup("check").returncode == EXIT_CANNOT_TELL
        explained = setup.json("explain")
        assert (explained["verdict"], explained["agent"]) == ("same", "cannot-tell")
        assert any("version of the agent is unknown" in text for text in explained["cannotTell"])
        assert "the version of the agent is unknown" in explained["consequence"]
        assert [remedy["name"] for remedy in explained["remedies"]] == ["backup", "agent-version"]
        assert "rebaseline" not in str(explained["remedies"])
        plugin = setup("monitor", "nagios")
        assert "the version of the agent is unknown" in plugin.stdout
    # A disabled check accepts whatever the hashes are.
    assert setup("threshold", "set", "-1").returncode == EXIT_OK
    assert setup.json("check")["agent"] == "will-accept"


@pytest.mark.parametrize(("then", "now"), [(a, b) for a in AGENTS for b in AGENTS if a != b])
def test_a_snapshot_holds_what_shows_a_changed_recipe_elsewhere(then: str, now: str, tmp_path: Path) -> None:
    """With another address, so that all nine attributes have to be known by the recipe of the record."""
    setup = registered(tmp_path, agent=AGENTS[then])
    setup.is_now(agent=AGENTS[now], addresses={"ipv4": ["10.0.0.99"], "links": setup.machine["addresses"]["links"]})
    assert setup("snapshot", str(tmp_path / "taken.json")).returncode == EXIT_OK
    setup.snapshot.write_text((tmp_path / "taken.json").read_text())
    checked = setup.json("check")
    assert (checked["verdict"], checked["agent"]) == ("same", "will-reject")
    assert checked["hashRecipe"]["changed"]["recipe"] == then


def test_two_recordings_are_compared_by_what_their_agents_hash(tmp_path: Path) -> None:
    paths = []
    for recipe in ("wmic", "wql"):
        path = tmp_path / f"{recipe}.json"
        path.write_text(json.dumps(windows_snapshot(SERVER_2025, agent=AGENTS[recipe])))
        paths.append(str(path))
    found = json.loads(run("explain", *paths, "--output", "json", env=environment(tmp_path / "state")).stdout)
    assert (found["verdict"], found["match"]) == ("same", False)
    assert found["events"][0]["name"] == "recipe-to-wql"


@pytest.mark.parametrize(
    ("then", "now", "code"),
    [("wql", AGENTS["wql"], EXIT_OK), ("wmic", AGENTS["wql"], EXIT_DIFFERS), ("moved", AGENTS["wql"], EXIT_DIFFERS),
     ("wql", None, EXIT_CANNOT_TELL), ("wmic", None, EXIT_CANNOT_TELL), ("wmic", "nightly", EXIT_CANNOT_TELL)],
)  # fmt: skip
def test_every_command_says_the_same_of_a_recipe(then: str, now: Any, code: int, tmp_path: Path) -> None:
    setup = registered(tmp_path, agent=AGENTS.get(then, AGENTS["wql"]))
    if then == "moved":
        store(setup, shifted())
    setup.is_now(agent=now)
    commands = (
        ("check",),
        ("explain",),
        (
            "monitor",
            "prometheus",
        ),
        ("monitor", "watch", "--checks", "1"),
    )
    assert {words[0]: setup(*words).returncode for words in commands} == {words[0]: code for words in commands}
    assert setup("monitor", "nagios").returncode == {EXIT_OK: 0, EXIT_DIFFERS: 2, EXIT_CANNOT_TELL: 3}[code]
    [found] = [one for one in setup.json("diagnose")["checks"] if one["name"] == "fingerprint"]
    assert (found["outcome"] == "fail") == (code == EXIT_DIFFERS)
    assert found["undetermined"] == (code == EXIT_CANNOT_TELL)
    assert "the same machine" in found["text"] or code == EXIT_CANNOT_TELL
    assert not any(words in found["text"] for words in ("not the same machine", "whether it is the same"))


def test_show_prints_recipe_agent_and_doubt(tmp_path: Path) -> None:
    setup = WindowsSetup(tmp_path)
    shown = setup.json("show")
    assert shown["hashRecipe"] == {"now": "wql", "doubt": ""}
    assert "WQL on Windows 10.0.26100, agent 3.3.5828.0" in setup("show").stdout
    setup.is_now(agent=None)
    done = setup("show")
    assert done.returncode == EXIT_OK
    assert "the version of the agent is unknown" in done.stdout.replace("\n  ", " ").lower()
    assert setup.json("show")["hashRecipe"]["doubt"]


def test_the_collection_is_one_value() -> None:
    first, second = (collect(RecordedMachine(windows_snapshot(SERVER_2025))) for _ in range(2))
    assert first == second
    assert first.replace(doubt="x") != first
