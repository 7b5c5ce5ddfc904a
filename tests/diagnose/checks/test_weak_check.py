"""What the check compares on boards, in containers, in WSL and on macOS: scores, thresholds, and the conclusion."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent_machines import AgentMachine
from fingerprint.agent.copies import limits_of
from fingerprint.collectors import collect
from fingerprint.diagnose import Finding
from fingerprint.rules.ssm import match
from other_agent_machines import MacMachine, WindowsMachine

Change = Callable[[AgentMachine], Any]
NO_TABLE = "# dmidecode 3.3\n# No SMBIOS nor DMI entry point found, sorry.\n"
PI = "Raspberry Pi 4 Model B Rev 1.4\0"


def finding(m: AgentMachine) -> Finding:
    return m.diagnosis("guard")["guard"]


def without_table(m: AgentMachine, text: str | None, disk: bool = True) -> None:
    """Let dmidecode be missing (None) or find no table, on the machine and when the record was made."""
    for entry in list(m.snapshot["commands"]):
        if "dmidecode" in entry["argv"][0]:
            if text is None:
                m.snapshot["commands"].remove(entry)
                entry.update(returncode=None, stdout="", problem="not-found")
                m.snapshot["commands"].append(entry)
            else:
                entry.update(returncode=0, stdout=text, stderr="")
        elif entry["argv"][1:] == ["-l", "/dev/disk/by-uuid"] and not disk:
            entry.update(returncode=2, stdout="", stderr="ls: cannot access '/dev/disk/by-uuid'\n")


def recorded(m: AgentMachine, threshold: int = 40) -> None:
    hardware = collect(m.machine).hardware_hash
    m.record = m.record.replace(hardware_hash=hardware, threshold=threshold)  # type: ignore[union-attr]


def board(m: AgentMachine) -> None:
    m.file("/proc/device-tree/model", PI)


def container(manager: str) -> Change:
    return lambda m: m.file("/run/systemd/container", manager + "\n")


def wsl(m: AgentMachine) -> None:
    m.snapshot["kernel"] = "Linux 5.15.153.1-microsoft-standard-WSL2"


# The kind, whether it has disk links, what a copy changes, what the host itself changes, the lowest threshold.
KINDS: dict[str, tuple[Change, bool, tuple[str, ...], tuple[str, ...], int | None, str]] = {
    "board": (board, True, ("ip", "mac", "disk"), ("ip", "disk"), 67, "this board (Raspberry Pi 4 Model B Rev 1.4)"),
    "host": (lambda m: None, True, ("ip", "mac", "disk"), ("ip", "disk"), 67, "this host"),
    "docker": (lambda m: m.file("/.dockerenv", ""), False, ("ip", "mac", "host"), ("ip", "mac"), 67,
               "this container (docker)"),
    "podman": (container("podman"), False, ("ip", "mac", "host"), ("ip", "mac"), 67, "this container (podman)"),
    "lxc": (container("lxc"), False, ("ip", "mac"), ("ip",), 78, "this container (lxc)"),
    "nspawn": (container("systemd-nspawn"), False, ("ip", "mac"), ("ip",), 78, "this container (systemd-nspawn)"),
    "wsl": (wsl, False, ("ip", "mac"), ("ip", "mac"), None, "WSL"),
}  # fmt: skip


def differing(m: AgentMachine, changes: tuple[str, ...]) -> Any:
    """Return the hash of a machine after changes, as it is collected."""
    snapshot = m.snapshot
    if "ip" in changes or "mac" in changes:
        ip, mac = snapshot["addresses"]["ipv4"][0], snapshot["addresses"]["links"][0][1]
        new = "02:00:00:00:99:99" if "mac" in changes else mac
        snapshot["addresses"] = {"ipv4": ["198.51.100.9" if "ip" in changes else ip], "links": [["eth0", new]]}
    if "host" in changes:
        snapshot["hostName"] = "another"
    if "disk" in changes:
        for entry in snapshot["commands"]:
            if entry["argv"][1:] == ["-l", "/dev/disk/by-uuid"]:
                entry["stdout"] = "total 77"
    return collect(m.machine).hardware_hash


@pytest.mark.parametrize("dmidecode", [None, NO_TABLE], ids=["no dmidecode", "no table"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_advised_threshold_rejects_a_copy_only(kind: str, dmidecode: str | None, tmp_path: Path) -> None:
    """The copy and the host are collected after the change, and compared by the rules themselves."""
    change, disk, copied, own, threshold, named = KINDS[kind]
    machine = AgentMachine(tmp_path)
    change(machine)
    without_table(machine, dmidecode, disk)
    recorded(machine)
    saved = machine.record.hardware_hash  # type: ignore[union-attr]
    found = finding(machine)
    assert (str(found.outcome), found.tag) == ("warn", "limited")
    assert "weak check: any host with this hardware ID passes" in found.text
    assert named in found.text
    copy = differing(machine, copied)
    assert match(saved, copy, 40, sid_key="machine-id").match
    after = match(saved, copy, 40, sid_key="machine-id")
    assert f"{after.matched} of 9 ({after.percent:.1f} %)" in found.text
    if threshold is None:
        assert "No threshold rejects copies here" in found.remedy
        assert found.command == ""
        return
    assert found.command == f"fingerprint threshold set {threshold}"
    assert not match(saved, copy, threshold, sid_key="machine-id").match
    assert match(saved, copy, threshold - 1, sid_key="machine-id").match
    again = AgentMachine(tmp_path)
    change(again)
    without_table(again, dmidecode, disk)
    assert match(saved, differing(again, own), threshold, sid_key="machine-id").match


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind][4] is not None])
def test_after_the_remedy_the_check_is_not_weak(kind: str, tmp_path: Path) -> None:
    change, disk, _, _, threshold, named = KINDS[kind]
    machine = AgentMachine(tmp_path)
    change(machine)
    without_table(machine, NO_TABLE, disk)
    recorded(machine)
    words = finding(machine).command.split()[1:]
    assert machine(*words).returncode == 0
    machine.record = (machine.vault_path / "Store/InstanceFingerprint").read_bytes()
    found = machine.diagnosis()
    assert str(found["guard"].outcome) == "pass"
    # What it compares is said all the same.
    assert found.conclusion.state == "healthy"
    assert named.lower() in found.conclusion.text.lower()
    assert f"which threshold {threshold} rejects" in found.conclusion.text


def test_the_conclusion_of_a_board_names_the_threshold(machine: AgentMachine) -> None:
    board(machine)
    without_table(machine, NO_TABLE)
    recorded(machine)
    text = machine.diagnosis().conclusion.text
    for words in ("Raspberry Pi", "6 of 9 (66.7 %)", "set the threshold to 67", "`monitor nagios -c copy`",
                  "fingerprint threshold set 67"):  # fmt: skip
        assert words in text, words


@pytest.mark.parametrize("kind", KINDS)
def test_check_says_the_same_as_diagnose(kind: str, tmp_path: Path) -> None:
    change, disk, _, _, threshold, named = KINDS[kind]
    machine = AgentMachine(tmp_path)
    change(machine)
    without_table(machine, NO_TABLE, disk)
    recorded(machine)
    shown = " ".join(machine("check").stdout.split())
    assert named.lower() in shown.lower()
    assert "Weak check" in shown
    if threshold is None:
        assert "threshold set" not in shown
    else:
        assert f"threshold set {threshold}" in shown
    assert [note for note in machine.json("check")["notes"] if named.lower() in note.lower()]


def test_in_a_container_no_monitoring_by_hardware_is_advised(machine: AgentMachine) -> None:
    container("lxc")(machine)
    without_table(machine, None, disk=False)
    recorded(machine)
    assert "monitor" not in finding(machine).remedy


def test_a_host_that_has_changed_is_explained_first(machine: AgentMachine) -> None:
    """A threshold that rejects the host itself is not advised."""
    board(machine)
    without_table(machine, NO_TABLE)
    recorded(machine)
    differing(machine, ("ip", "mac", "disk", "host"))
    found = finding(machine)
    assert found.command == "fingerprint explain"
    assert "then rebaseline it, and set threshold 67" in found.remedy


def test_a_machine_without_an_address_has_no_threshold(machine: AgentMachine) -> None:
    board(machine)
    without_table(machine, NO_TABLE)
    machine.snapshot["addresses"] = {"ipv4": [], "links": [["eth0", "02:00:00:00:00:01"]]}
    recorded(machine)
    assert "No threshold rejects copies here (each passes it)" in finding(machine).remedy


def test_a_machine_with_hardware_says_nothing_of_it(machine: AgentMachine, tmp_path: Path) -> None:
    board(machine)
    assert str(finding(machine).outcome) == "pass"
    assert "SMBIOS" not in machine.diagnosis().conclusion.text
    assert "SMBIOS" not in machine("check").stdout
    windows = WindowsMachine(tmp_path / "windows")
    verdict = windows.site().explanation.verdict
    assert limits_of(windows.machine, verdict) is None


def test_a_disabled_check_has_no_scores(machine: AgentMachine) -> None:
    board(machine)
    without_table(machine, NO_TABLE)
    recorded(machine, -1)
    assert str(finding(machine).outcome) == "skipped"


def test_a_table_that_only_we_cannot_read_proves_nothing(machine: AgentMachine) -> None:
    for entry in machine.snapshot["commands"]:
        if "dmidecode" in entry["argv"][0]:
            entry.update(returncode=1, stdout="", stderr="/dev/mem: Permission denied\n")
    machine.snapshot["takenBy"] = {"uid": 1000, "asAgent": False, "rawIo": True}
    recorded(machine)
    assert "SMBIOS hardware" not in finding(machine).text


def test_a_mac_is_compared_by_name_and_addresses(tmp_path: Path) -> None:
    found = finding(MacMachine(tmp_path))
    assert "on macOS the agent reads neither a machine ID nor hardware" in found.text
    assert found.command == "fingerprint threshold set 67"
