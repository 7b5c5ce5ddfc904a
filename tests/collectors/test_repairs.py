"""A read that fails for the agent, too, leads to its repair only: never to a rebaseline or a new registration."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_machines import AgentMachine, refused, started
from fingerprint._core import md5_base64
from fingerprint.collectors import collect
from fingerprint.collectors.repairs import UNTIL_THEN
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.types import Fault, Status
from fingerprint.vault.records import encode_fingerprint
from identity_machines import lockdown
from other_agent_machines import WindowsMachine
from windows_machines import AGENTS, NAMES, NEWEST, windows_snapshot

Change = Callable[[Any], Any]
VERIFY, SALVAGE = "winmgmt /verifyrepository", "winmgmt /salvagerepository"
CLASSES = r"mofcomp C:\Windows\System32\wbem\cimwin32.mof"
NEVER = ("register", "rebaseline", "machine-id", "threshold", "hostnamectl", "sudo")


def wmic_says(description: str, code: int = 44124, *, words: str = "ERROR:\r\nDescription = ") -> Change:
    """Let wmic fail as it prints it on an English Windows."""

    def change(m: WindowsMachine) -> None:
        for entry in m.snapshot["commands"]:
            if "wmic" in entry["argv"][0]:
                entry.update(returncode=code, stdout="", stderr=f"Node - WEB-7\r\n{words}{description}\r\n")

    return change


def powershell_says(text: str) -> Change:
    def change(m: WindowsMachine) -> None:
        for entry in m.snapshot["commands"]:
            if "ConvertTo-Json" in entry["argv"][-1]:
                entry.update(returncode=1, stdout="", stderr=f"Get-CimInstance : {text}\r\nAt line:1 char:1\r\n")

    return change


def all_print(text: str) -> Change:
    """Let wmic and PowerShell succeed without an object."""

    def change(m: WindowsMachine) -> None:
        for entry in m.snapshot["commands"]:
            if "wmic" in entry["argv"][0] or "ConvertTo-Json" in entry["argv"][-1]:
                entry.update(returncode=0, stdout=text, stderr="")

    return change


def wmi_answers(code: str) -> Change:
    """Let WMI answer each query with an error, and wmic, which such an agent takes then, too."""

    def change(m: WindowsMachine) -> None:
        error = {"error": "EIO", "message": f"WMI answers {code}"}
        m.snapshot["wmi"] = dict.fromkeys(m.snapshot["wmi"], error)
        wmic_says("Invalid namespace")(m)

    return change


# Version of Windows, agent, change, commands.
BROKEN: list[tuple[str, str, str, Change, list[str]]] = [
    ("namespace", "10.0.20348", NEWEST, wmic_says("Invalid namespace"), [VERIFY, SALVAGE]),
    ("old agent", "10.0.17763", AGENTS["wmic"], wmic_says("Invalid namespace"), [VERIFY, SALVAGE]),
    ("class", "10.0.20348", NEWEST, wmic_says("Invalid class", 2147749904), [VERIFY, SALVAGE, CLASSES]),
    ("provider", "10.0.20348", NEWEST, wmic_says("Provider load failure"), [VERIFY, SALVAGE, CLASSES]),
    ("generic", "10.0.20348", NEWEST, wmic_says("Generic failure", 2147749889), [VERIFY, SALVAGE]),
    ("German", "10.0.20348", NEWEST, wmic_says("Ungültiger Namespace", words="FEHLER:\r\nBeschreibung = "),
     [VERIFY, SALVAGE]),
    ("no text", "10.0.20348", NEWEST, wmic_says("", words=""), [VERIFY, SALVAGE]),
    ("server 2025, old agent", "10.0.26100", AGENTS["wmic"], wmic_says("Invalid namespace"), [VERIFY, SALVAGE]),
    ("PowerShell", "10.0.26100", AGENTS["json"], powershell_says('Invalid namespace "root/cimv2"'), [VERIFY, SALVAGE]),
    ("PowerShell class", "10.0.26100", AGENTS["json"], powershell_says("Invalid class"), [VERIFY, SALVAGE, CLASSES]),
    ("WQL", "10.0.26100", NEWEST, wmi_answers("8004100E"), [VERIFY, SALVAGE]),
    ("no object", "10.0.20348", NEWEST, all_print("No Instance(s) Available.\r\r\n"), [VERIFY, SALVAGE]),
    ("no object, German", "10.0.20348", NEWEST, all_print("Keine Instanzen verf\u00fcgbar.\r\n"), [VERIFY, SALVAGE]),
    ("no object, text on stderr", "10.0.17763", AGENTS["wmic"], all_print(""), [VERIFY, SALVAGE]),
    ("no object by PowerShell", "10.0.26100", AGENTS["json"], all_print("\r\n"), [VERIFY, SALVAGE]),
]  # fmt: skip


def broken_windows(tmp_path: Path, windows: str, agent: str, change: Change) -> WindowsMachine:
    """Return a machine whose record is from before, with another address since."""
    machine = WindowsMachine(tmp_path)
    machine.is_now(windows, agent)
    then = collect(RecordedMachine(windows_snapshot(windows, agent=agent)))
    machine.record = machine.record.replace(hardware_hash=then.hardware_hash)  # type: ignore[union-attr]
    machine.snapshot["addresses"] = {"ipv4": ["10.9.0.7"], "links": [["Ethernet", "02:00:00:00:00:07"]]}
    change(machine)
    return machine


@pytest.mark.parametrize(
    ("windows", "agent", "change", "commands"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
def test_a_broken_wmi_is_repaired_before_anything_else(
    tmp_path: Path, windows: str, agent: str, change: Change, commands: list[str]
) -> None:
    machine = broken_windows(tmp_path, windows, agent, change)
    site = machine.site()
    found = site.explanation
    assert found.outcome == "cannot-tell"
    assert [one.command for one in found.remedies] == commands
    assert UNTIL_THEN in found.remedies[0].text
    shown = " ".join(f"{one.text} {one.command}" for one in found.remedies).lower()
    assert not [word for word in NEVER if word in shown]
    conclusion = machine.diagnosis().conclusion
    assert conclusion.because == "collector"
    assert "WMI does not work" in conclusion.text
    assert "do not restart the agent until then" in conclusion.text
    assert [command for _, command in conclusion.steps] == commands
    finding = machine.diagnosis("collector")["collector"]
    assert (str(finding.outcome), finding.command, finding.tag) == ("fail", VERIFY, "wmi-broken")


@pytest.mark.parametrize("name", NAMES)
def test_a_class_without_objects_keeps_the_value_of_the_agent(tmp_path: Path, name: str) -> None:
    """A machine may have no modules or disks in WMI, but has a UUID, a processor, firmware and a system."""
    machine = broken_windows(tmp_path, "10.0.20348", NEWEST, lambda m: None)
    words = dict(zip(NAMES, ("csproduct", "cpu", "memorychip", "bios", "computersystem", "diskdrive"), strict=True))
    for entry in machine.snapshot["commands"]:
        if "wmic" in entry["argv"][0] and entry["argv"][1] == words[name]:
            entry.update(returncode=0, stdout="No Instance(s) Available.\r\r\n")
    found = collect(RecordedMachine(machine.snapshot))
    assert found[name].value == md5_base64(b"No Instance(s) Available.\r\r\n")
    assert found[name].reason == "it printed no object"
    may_be_empty = name in ("memory-hash", "disk-info")
    assert (found[name].status, found[name].fault) == (
        (Status.ABSENT, Fault.NONE) if may_be_empty else (Status.FAILED, Fault.SOURCE)
    )
    assert [one.name for one in found if one.reason] == [name]


@pytest.mark.parametrize("words", ["check", "explain", "explain --verbose", "diagnose", "diagnose --verbose"])
def test_no_command_advises_more_than_the_repair(tmp_path: Path, words: str) -> None:
    machine = broken_windows(tmp_path, "10.0.20348", NEWEST, wmic_says("Invalid namespace"))
    done = machine(*words.split())
    shown = " ".join(done.stdout.split())
    assert VERIFY in shown
    assert SALVAGE in shown or words in ("explain", "diagnose")
    for never in ("rebaseline", "register --", "activation", "/etc/machine-id", "threshold set", "or register again"):
        assert never not in shown, never


def test_a_hibernating_agent_with_a_broken_wmi_is_concluded(tmp_path: Path) -> None:
    machine = broken_windows(tmp_path, "10.0.20348", NEWEST, wmic_says("Invalid namespace"))
    machine.log_at_windows(started("08:00:00", NEWEST) + refused("11:40:00"))
    conclusion = machine.diagnosis().conclusion
    assert (conclusion.state, conclusion.because) == ("hibernating", "collector")
    assert "WMI is damaged" in conclusion.text
    assert conclusion.steps[0][1] == VERIFY


@pytest.mark.parametrize(
    ("description", "code"),
    [("Access denied", 2147749891), ("Access is denied.", 2147942405), ("Zugriff verweigert", 5),
     ("Accès refusé", 2147749891)],
)  # fmt: skip
def test_a_denied_wmi_is_a_question_of_rights(tmp_path: Path, description: str, code: int) -> None:
    machine = broken_windows(tmp_path, "10.0.20348", NEWEST, wmic_says(description, code))
    found = machine.site().explanation
    assert str(found.outlook) == "cannot-tell"
    assert [one.name for one in found.remedies] == ["as-root"]
    machine.snapshot["takenBy"] = {"uid": None, "asAgent": True, "rawIo": None}
    assert str(machine.site().explanation.outlook) == "will-reject"


def without_wmic(m: WindowsMachine) -> None:
    for entry in m.snapshot["commands"]:
        if "wmic" in entry["argv"][0]:
            entry.update(returncode=None, stdout="", problem="not-found")


@pytest.mark.parametrize("wmi", [True, False], ids=["WMI is known", "WMI was not asked"])
@pytest.mark.parametrize(
    ("windows", "agent", "command", "words"),
    [
        ("10.0.20348", NEWEST, "DISM /Online /Add-Capability /CapabilityName:WMIC~~~~", "Install wmic"),
        ("10.0.22631", AGENTS["wmic"], "DISM /Online /Add-Capability /CapabilityName:WMIC~~~~", "Install wmic"),
        ("10.0.26100", AGENTS["wmic"], "", "Update the agent to 3.3.1311"),
        ("10.0.26200", "3.3.1230.0", "", "Update the agent to 3.3.1311"),
    ],
)
def test_a_removed_wmic_is_installed_or_replaced_by_an_update(
    tmp_path: Path, windows: str, agent: str, command: str, words: str, wmi: bool
) -> None:
    machine = broken_windows(tmp_path, windows, agent, without_wmic)
    if not wmi:
        del machine.snapshot["wmi"]
    found = machine.site().explanation
    assert [one.command for one in found.remedies] == [command]
    assert found.remedies[0].text.startswith(words)
    assert UNTIL_THEN in found.remedies[0].text
    conclusion = machine.diagnosis().conclusion
    assert conclusion.because == "collector"
    assert "register" not in conclusion.text
    assert "rebaseline --keep" not in machine("check").stdout


@pytest.mark.parametrize("agent", [AGENTS["wql"], NEWEST])
def test_an_agent_that_asks_wmi_needs_no_wmic(tmp_path: Path, agent: str) -> None:
    machine = broken_windows(tmp_path, "10.0.26100", agent, without_wmic)
    assert machine.diagnosis("collector")["collector"].outcome
    assert machine.site().explanation.outcome == "same"


# Unix.


def unreadable(error: str, path: str = "/etc/machine-id") -> Change:
    number = getattr(errno, error)
    return lambda m: m.snapshot["files"].update({path: {"error": error, "message": os.strerror(number)}})


def dmidecode_fails(m: AgentMachine) -> None:
    for entry in m.snapshot["commands"]:
        if "dmidecode" in entry["argv"][0]:
            entry.update(returncode=1, stdout="", stderr="Segmentation fault\n")
    m.snapshot["takenBy"] = {"uid": 0, "asAgent": True, "rawIo": True}


UNIX: list[tuple[str, Change, str]] = [
    ("EIO", unreadable("EIO"), "dmesg --level=err,crit"),
    ("EUCLEAN", unreadable("EUCLEAN"), "dmesg --level=err,crit"),
    ("EISDIR", unreadable("EISDIR"), "ls -l /etc/machine-id"),
    ("ESTALE", unreadable("ESTALE"), "ls -l /etc/machine-id"),
    ("dmidecode", dmidecode_fails, "/usr/sbin/dmidecode -t processor"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "command"), [row[1:] for row in UNIX], ids=[row[0] for row in UNIX])
def test_a_source_that_fails_on_unix_is_repaired(tmp_path: Path, change: Change, command: str) -> None:
    machine = AgentMachine(tmp_path)
    machine.snapshot["addresses"] = {"ipv4": ["192.0.2.99"], "links": [["eth0", "02:00:00:00:00:99"]]}
    for entry in machine.snapshot["commands"]:
        if entry["argv"][1:] == ["-l", "/dev/disk/by-uuid"]:
            entry["stdout"] = "total 4"
    change(machine)
    machine.snapshot["hostName"] = "renamed"
    found = machine.site().explanation
    assert found.outcome == "cannot-tell"
    assert found.remedies[0].command == command
    assert UNTIL_THEN in found.remedies[0].text
    shown = " ".join(f"{one.text} {one.command}" for one in found.remedies)
    assert not [word for word in ("register", "rebaseline", "Put the old", "threshold") if word in shown]
    assert shlex.split(command)[0].rpartition("/")[2] in ("dmesg", "ls", "dmidecode")
    done = machine("check")
    assert done.returncode == 3 or "will reject" in done.stdout
    assert "register again" not in " ".join(done.stdout.split()).replace("is registered again", "")
    conclusion = machine.diagnosis().conclusion
    assert "do not restart the agent until then" in conclusion.text.replace("\n", " ")


def test_a_missing_machine_id_is_no_read_that_failed(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    machine.snapshot["files"].pop("/etc/machine-id")
    names = [one.name for one in machine.site().explanation.remedies]
    assert "restore-id" in names


def test_a_table_that_is_closed_to_root_has_no_new_registration(tmp_path: Path) -> None:
    """The agent will never read it, so the record follows; but it is not known to be another machine."""
    machine = AgentMachine(tmp_path)
    lockdown(machine)
    found = machine.site().explanation
    assert [one.name for one in found.remedies] == ["backup", "threshold", "rebaseline"]


def test_no_record_is_written_without_the_hardware_id(tmp_path: Path) -> None:
    """After the repair the agent would read the ID again, and take the machine for another one."""
    windows = broken_windows(tmp_path / "windows", "10.0.20348", NEWEST, wmic_says("Invalid namespace"))
    unix = AgentMachine(tmp_path / "unix")
    unreadable("EIO")(unix)
    for machine in (windows, unix):
        done = machine("vault", "rebaseline", "--keep-fingerprint", "--yes", "--accept-new-sid")
        assert done.returncode == 4, done.stdout
        shown = " ".join(done.stderr.split())
        assert "the hardware ID could not be read" in shown
        assert UNTIL_THEN in shown
        record = (machine.vault_path / "Store/InstanceFingerprint").read_bytes()
        assert record == encode_fingerprint(machine.record)  # type: ignore[arg-type]
