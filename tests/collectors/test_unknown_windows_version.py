"""WMI that does not return the version of Windows: agents that do not ask it are certain, the others in doubt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fingerprint import collect
from fingerprint.collectors.ssm_windows import choose
from fingerprint.errors import CollectError
from fingerprint.machine.recorded import RecordedMachine
from vault_setup import Setup
from windows_machines import WINDOWS_DIRECTORY, windows_snapshot

ABSENT = {"error": "ENOENT", "message": "there is no service AmazonSSMAgent"}
ERRORS = {
    "EIO": "WMI answers 80041010", "EACCES": "WMI answers 80041003: access denied",
    "ETIMEDOUT": "no answer within 60 s", "EMFILE": "PowerShell could not be started",
    "ENOTSUP": "WMI could not be queried: PowerShell: not-found",
}  # fmt: skip
REPOSITORY = "Check the repository of WMI (winmgmt /salvagerepository repairs an inconsistent one)"
REMEDIES = {
    "EIO": (REPOSITORY, "winmgmt /verifyrepository"),
    "EACCES": ("Run as Administrator: WMI does not answer this user", ""),
    "ETIMEDOUT": ("Restart WMI, which does not answer", "Restart-Service -Force Winmgmt"),
    "EMFILE": ("Retry when processes and memory are free", ""),
    "ENOTSUP": ("Enable queries of WMI: install comtypes with this program, or repair PowerShell", ""),
}  # fmt: skip


def broken(agent: Any, error: str = "EIO", version: str | None = "10.0.26100") -> dict[str, Any]:
    """Return a machine whose WMI does not return the version of Windows; PowerShell prints this one."""
    snapshot = windows_snapshot(version, agent=agent)
    snapshot["wmi"]["Win32_OperatingSystem"] = {"error": error, "message": ERRORS[error]}
    return snapshot


class WindowsSetup(Setup):
    def is_now(self, **changes: Any) -> None:
        self.machine = windows_snapshot("10.0.26100", **changes)
        self.snapshot.write_text(json.dumps(self.machine))

    def is_broken(self, agent: Any, error: str = "EIO") -> None:
        self.snapshot.write_text(json.dumps(broken(agent, error)))


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("version", ["10.0.26100", "10.0.20348", None])
@pytest.mark.parametrize("agent", ["2.3.50.0", "3.3.987.0", "3.3.1141.9", "3.3.1230.0", "3.3.1310.0"])
def test_agents_with_wmic_only_take_it_whatever_wmi_answers(agent: str, version: str | None, error: str) -> None:
    collection = collect(RecordedMachine(broken(agent, error, version)))
    assert (collection.recipe, collection.doubt, collection.doubt_remedy) == ("wmic", "", None)
    assert f"agent {agent}" in collection["uuid"].tool


@pytest.mark.parametrize("agent", ["3.3.1142.0", "3.3.1229.0"])
@pytest.mark.parametrize(
    ("version", "recipe"), [("10.0.26100", "json"), ("10.0.26040", "json"), ("10.0.20348", "wmic"), (None, "wmic")]
)
def test_those_that_ask_powershell_take_what_it_says(agent: str, version: str | None, recipe: str) -> None:
    collection = collect(RecordedMachine(broken(agent, version=version)))
    assert (collection.recipe, collection.doubt) == (recipe, "")
    assert (version or "Windows") in collection["uuid"].tool


def test_a_powershell_that_hangs_decides_nothing_for_them() -> None:
    snapshot = broken("3.3.1142.0")
    snapshot["commands"][0].update(returncode=None, stdout="", problem="timeout")
    with pytest.raises(CollectError, match="did not print the version"):
        collect(RecordedMachine(snapshot))


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    ("agent", "others"),
    [("3.3.1311.0", ("wql",)), ("3.3.5828.0", ("wql",)), (ABSENT, ("wql",)), (None, ("wql", "json")),
     ("nightly", ("wql", "json")), ({"error": "EIO", "message": "it prints no version"}, ("wql", "json"))],
)  # fmt: skip
def test_other_agents_get_a_doubt_with_the_remedy_of_its_cause(agent: Any, others: tuple[str, ...], error: str) -> None:
    choice = choose(RecordedMachine(broken(agent, error)), 1.0)
    assert choice.recipe == "wmic"
    assert choice.others == others
    why = f"WMI does not return the version of Windows ({ERRORS[error]}), and without it agents take wmic"
    assert choice.doubt == why
    assert choice.remedy is not None
    assert (choice.remedy.name, choice.remedy.text, choice.remedy.command) == ("wmi", *REMEDIES[error])


@pytest.mark.parametrize("error", ERRORS)
def test_every_command_names_the_remedy_of_the_cause(error: str, tmp_path: Path) -> None:
    """The remedy is not to search for the agent's version, which is known."""
    setup = WindowsSetup.with_record(tmp_path)
    assert isinstance(setup, WindowsSetup)
    setup.is_broken("3.3.5828.0", error)
    text, command = REMEDIES[error]
    explained = setup.json("explain")
    remedy = explained["remedies"][-1]
    assert remedy["name"] == "wmi"
    assert text in remedy["text"]
    checks = [one for one in setup.json("diagnose")["checks"] if one["name"] in ("collector", "fingerprint")]
    for one in (*checks, remedy):
        advice = one.get("remedy", one.get("text", ""))
        assert text in advice
        # It must run on the machine, not where its recording is read.
        assert one["command"] == ""
        assert f"(on that machine: {command})" in advice or not command
    # With wmic the values are of another recipe than the record's, and that is why nothing is offered.
    assert "rebaseline" not in str(explained["remedies"])
    (tmp_path / "other").mkdir()
    other = WindowsSetup(tmp_path / "other")
    other.is_broken("3.3.5828.0", error)
    done = other("vault", "init")
    assert done.returncode == 4
    assert text in done.stderr
    assert command in done.stderr
    assert "which agent is installed" not in done.stderr


def test_where_the_agents_version_is_the_doubt_it_is_asked_for(tmp_path: Path) -> None:
    setup = WindowsSetup.with_record(tmp_path)
    setup.is_now(agent="nightly")
    assert setup.json("explain")["remedies"][-1]["name"] == "agent-version"
    assert "Find out which agent is installed" in setup.json("explain")["remedies"][-1]["text"]
    setup.is_now(agent=None)
    assert "Record the machine again" in setup.json("explain")["remedies"][-1]["text"]


def test_hash_by_wmic_is_written_without_wmi_for_an_old_agent(tmp_path: Path) -> None:
    setup = WindowsSetup(tmp_path)
    setup.is_broken("3.3.987.0")
    assert setup("vault", "init").returncode == 0
    assert setup("check").returncode == 0
    [found] = [one for one in setup.json("diagnose")["checks"] if one["name"] == "collector"]
    assert (found["outcome"], found["text"]) == ("pass", "this Windows: the agent hashes by wmic")
    machine = json.loads(setup.snapshot.read_text())
    for entry in machine["commands"]:
        if entry["argv"][0] == rf"{WINDOWS_DIRECTORY}\System32\wbem\wmic.exe":
            entry.update(returncode=None, stdout="", problem="not-found")
    setup.snapshot.write_text(json.dumps(machine))
    [found] = [one for one in setup.json("diagnose")["checks"] if one["name"] == "collector"]
    assert found["text"] == "this Windows has no wmic, and agent 3.3.987.0 has no other recipe"
