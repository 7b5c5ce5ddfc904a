"""The account of sessions by version and system: who makes it, what it may do, its password, and what is left of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_machines import BINARIES, AgentMachine, copied_disk, line, ready, started
from commandline import COMMAND, environment, run
from fingerprint.agent.versions import assess
from fingerprint.diagnose import Finding
from fingerprint.diagnose.checks.session_user import _GROUP_NAMES, SUDOERS, USER
from fingerprint.machine.wmi import powershell_path
from other_agent_machines import MEMBERS, NET, PROGRAMS, MacMachine, WindowsMachine
from windows_machines import WINDOWS_DIRECTORY

NOBODY_ELSE = "root:x:0:0::/root:/bin/bash\n"
MAC_ACCOUNT = f"/var/db/dslocal/nodes/Default/users/{USER}.plist"
DENIED = (
    "Failed to get controlchannel token, error: CreateControlChannel failed with error: createControlChannel request "
    "failed: unexpected response from the service <AccessDeniedException>"
)
# Version -> (when it makes the account, whether it writes the sudoers file again), from AWS's page and release notes.
VERSIONS = {
    "2.3.13.0": ("never", False), "2.3.49.9": ("never", False), "2.3.50.0": ("start", True),
    "2.3.539.0": ("start", True), "2.3.611.9": ("start", True), "2.3.612.0": ("session", True),
    "2.3.633.0": ("session", True), "2.3.634.0": ("session", False), "2.3.1319.0": ("session", False),
    "3.0.1181.0": ("session", False), "3.2.2303.0": ("session", False), "3.3.5828.0": ("session", False),
    "": ("session", False), "9.9.9.9": ("session", False),
}  # fmt: skip
WORDS = {"never": "agents before 2.3.50 do not create it", "start": "creates it at its start",
         "session": "creates it when the first session starts"}  # fmt: skip


def text_of(finding: Finding) -> str:
    return " ".join((finding.text, *finding.evidence))


def finding_of(machine: AgentMachine, **options: Any) -> Finding:
    return machine.diagnosis("ssm-user", **options)["ssm-user"]


def with_version(machine: AgentMachine, version: str) -> None:
    """Give program and log a version, "" for an unknown one."""
    text = f"SSM Agent version: {version}\n" if version else ""
    for path in ("/usr/bin/amazon-ssm-agent", "/opt/aws/ssm/bin/amazon-ssm-agent", rf"{PROGRAMS}\amazon-ssm-agent.exe"):
        machine.command((path, "-version"), text, 0 if version else 1)
    log = started("08:00:00", version) if version else line("08:00:00", "INFO", "Credentials ready")
    if isinstance(machine, WindowsMachine):
        machine.log_at_windows(log)
    else:
        machine.log("amazon-ssm-agent.log", log)


def uninstalled(machine: AgentMachine) -> None:
    """Let the programs be gone, and the rest stay, as packages and installers leave it."""
    for name in BINARIES:
        for path in (f"/usr/bin/{name}", f"/opt/aws/ssm/bin/{name}", rf"{PROGRAMS}\{name}.exe"):
            machine.remove(path)


def without_account(machine: AgentMachine) -> None:
    if isinstance(machine, WindowsMachine):
        machine.account(2, "Administrator\r\n")
    else:
        machine.file("/etc/passwd", NOBODY_ELSE, 0o644)
        machine.remove(SUDOERS)


MACHINES = {"linux": AgentMachine, "macos": MacMachine, "windows": WindowsMachine}


# By version and system.


@pytest.mark.parametrize("system", MACHINES)
@pytest.mark.parametrize("version", VERSIONS)
def test_the_creation_of_the_account_depends_on_the_version(tmp_path: Path, system: str, version: str) -> None:
    machine = MACHINES[system](tmp_path)
    with_version(machine, version)
    without_account(machine)
    found = finding_of(machine)
    assert str(found.outcome) == "skipped"
    assert not found.undetermined
    assert WORDS[VERSIONS[version][0]] in found.text
    assert "ssmmessages:CreateControlChannel" in text_of(found)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_table_of_versions_is_what_the_page_says(version: str) -> None:
    row = assess(version).row
    assert (row.session_user or "never", row.restores_sudoers) == VERSIONS[version]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_removed_sudoers_file_is_written_again_by_old_agents(tmp_path: Path, version: str) -> None:
    machine = AgentMachine(tmp_path)
    with_version(machine, version)
    machine.remove(SUDOERS)
    found = finding_of(machine)
    assert str(found.outcome) == "pass"
    assert ("writes it again" in text_of(found)) == VERSIONS[version][1]


@pytest.mark.parametrize("system", MACHINES)
def test_a_role_without_sessions_warns_with_or_without_account(tmp_path: Path, system: str) -> None:
    for absent in (False, True):
        machine = MACHINES[system](tmp_path / str(absent))
        machine.directory.mkdir()
        if absent:
            without_account(machine)
        log = started("08:00:00") + ready("08:00:01") + line("09:00:00", "ERROR", DENIED, "[MessageService] ")
        assert isinstance(machine, AgentMachine)
        if isinstance(machine, WindowsMachine):
            machine.log_at_windows(log)
        else:
            machine.log("amazon-ssm-agent.log", log)
        found = finding_of(machine)
        assert str(found.outcome) == "warn"
        assert "the role may not open Session Manager's channel" in found.text
        assert "AmazonSSMManagedInstanceCore" in found.remedy


# What an uninstall leaves.


@pytest.mark.parametrize(
    ("system", "command"),
    [("linux", f"rm {SUDOERS} && userdel -r {USER}"),
     ("macos", f"sudo rm {SUDOERS} && sudo sysadminctl -deleteUser {USER}"),
     ("windows", f"net user {USER} /delete")],
)  # fmt: skip
def test_the_rest_of_an_uninstall_has_a_removal_command(tmp_path: Path, system: str, command: str) -> None:
    machine = MACHINES[system](tmp_path)
    uninstalled(machine)
    found = finding_of(machine)
    assert (str(found.outcome), found.command) == ("warn", command)
    assert found.text.startswith("the agent is gone, and left")
    without_account(machine)
    found = finding_of(machine)
    assert (str(found.outcome), found.text) == ("skipped", f"there is no {USER}, and no agent that creates it")


def test_a_sudoers_file_or_an_account_alone_is_reported_too(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    uninstalled(machine)
    machine.file("/etc/passwd", NOBODY_ELSE, 0o644)
    found = finding_of(machine)
    assert (str(found.outcome), found.command) == ("warn", f"rm {SUDOERS}")
    assert "the agent is gone, and left" in found.text
    machine.is_now()
    uninstalled(machine)
    machine.remove(SUDOERS)
    found = finding_of(machine)
    assert (str(found.outcome), found.command) == ("warn", f"userdel -r {USER}")


def test_a_recording_without_the_agent_is_no_uninstall(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    uninstalled(machine)
    machine.snapshot["folders"] = {}
    assert "gone" not in finding_of(machine).text


def test_a_snap_is_an_agent_that_is_installed(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    uninstalled(machine)
    for name in BINARIES:
        machine.file(f"/snap/amazon-ssm-agent/current/{name}", None, 0o755)
    machine.file("/snap/amazon-ssm-agent/current", None, 0o755)
    assert str(finding_of(machine).outcome) == "pass"


# The password.


@pytest.mark.parametrize(
    ("stored", "outcome", "words"),
    [("!", "pass", "no password"), ("!!", "pass", "no password"), ("*", "pass", "no password"),
     ("!$6$salt$hash", "pass", "no password"), ("", "fail", "empty password"), ("$6$salt$hash", "warn", "a password"),
     ("$y$j9T$salt$hash", "warn", "a password"), ("x", "warn", "a password")],
)  # fmt: skip
def test_a_password_is_reported_but_never_shown_or_recorded(
    tmp_path: Path, stored: str, outcome: str, words: str
) -> None:
    machine = AgentMachine(tmp_path)
    machine.file("/etc/shadow", f"root:$6$roots$hash:1::::::\n{USER}:{stored}:20787:0:99999:7:::\n", 0o640)
    found = finding_of(machine)
    assert (str(found.outcome), words in text_of(found)) == (outcome, True), found
    if outcome != "pass":
        assert found.command == f"usermod --lock {USER}"
    machine.snapshot["takenBy"] = {"uid": 0, "asAgent": True, "rawIo": True}
    text = machine("snapshot", "-").stdout + machine("diagnose", "--output", "json").stdout
    assert "hash" not in json.dumps(json.loads(machine("snapshot", "-").stdout)["files"].get("/etc/shadow"))
    assert "$6$" not in text
    assert "$y$" not in text
    # What was recorded answers alike.
    machine.snapshot = json.loads(machine("snapshot", "-").stdout)
    assert finding_of(machine).text == found.text


def test_unreadable_passwords_are_reported(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    machine.denied("/etc/shadow")
    found = finding_of(machine)
    assert found.undetermined
    assert found.remedy
    machine.file("/etc/shadow", "root:*:1::::::\n")
    assert str(finding_of(machine).outcome) == "pass"


def test_the_groups_of_the_account_are_listed(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    machine.file("/etc/group", f"root:x:0:\nwheel:x:10:joe,{USER}\ndocker:x:11:{USER}\nother:x:12:not-{USER}\n", 0o644)
    assert "groups: wheel, docker" in finding_of(machine).evidence
    # Of the others nothing is recorded.
    machine.snapshot = json.loads(machine("snapshot", "-").stdout)
    kept = machine.snapshot["files"]["/etc/group"]["text"]
    assert ("wheel" in kept, "root" in kept) == (True, False)
    assert "groups: wheel, docker" in finding_of(machine).evidence


# Accounts that are not in /etc/passwd.


def test_an_account_of_a_directory_service_is_found(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    machine.file("/etc/passwd", NOBODY_ELSE, 0o644)
    machine.command(("/usr/bin/id", USER), f"uid=7001({USER}) gid=7001({USER})\n")
    assert str(finding_of(machine).outcome) == "pass"
    machine.command(("/usr/bin/id", USER), "", 1, f"id: '{USER}': no such user\n")
    assert "no account" in finding_of(machine).text
    for problem in ("timeout", "too-long", "denied"):
        machine.snapshot["commands"][-1].update(problem=problem, returncode=None, stdout="")
        found = finding_of(machine)
        # That the account is missing, and its sudoers file a leftover, would be said without knowing it.
        assert (found.undetermined, found.command) == (True, ""), problem
        assert f"/usr/bin/id: {problem}" in found.text


@pytest.mark.parametrize("sudoers", [True, False])
def test_macos_has_its_own_directory_of_accounts(tmp_path: Path, sudoers: bool) -> None:
    machine = MacMachine(tmp_path)
    machine.file("/etc/passwd", "root:*:0:0::/var/root:/bin/sh\n", 0o644)
    if not sudoers:
        machine.remove(SUDOERS)
    assert str(finding_of(machine).outcome) == ("warn" if sudoers else "skipped")
    machine.file(MAC_ACCOUNT, None)
    assert str(finding_of(machine).outcome) == "pass"
    machine.denied(MAC_ACCOUNT)
    found = finding_of(machine)
    assert (found.undetermined, MAC_ACCOUNT in found.text) == (True, True)


def test_a_copied_disk_shows_the_account_and_what_is_left(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    machine.file("/etc/shadow", f"{USER}:$6$salt$hash:1::::::\n", 0o640)
    root = copied_disk(tmp_path, machine)
    asked = ("--root", str(root), "diagnose", "--verbose", "--only", "ssm-user")
    env = environment(tmp_path / "state")
    if os.geteuid() == 0:
        assert "has a password" in run(*asked, env=env).stdout
    for name in BINARIES:
        (root / "usr/bin" / name).unlink()
    done = " ".join(run(*asked, env=env).stdout.split())
    if os.geteuid() == 0:
        assert "the agent is gone, and left ssm-user" in done
        assert f"(on that machine: rm {SUDOERS} && userdel -r {USER})" in done


# Windows.


def names(machine: WindowsMachine, *lines: str, returncode: int = 0) -> None:
    command = (powershell_path(WINDOWS_DIRECTORY), "-NoProfile", "-NonInteractive", "-Command", _GROUP_NAMES)
    machine.command(command, "".join(f"{name}\r\n" for name in lines), returncode)


@pytest.fixture
def windows(tmp_path: Path) -> WindowsMachine:
    return WindowsMachine(tmp_path)


@pytest.mark.parametrize(
    "name", ["Administrators", "Administratoren", "Administrateurs", "Administradores", "Администраторы", "管理者"]
)
def test_administrators_are_found_in_windows_of_any_language(windows: WindowsMachine, name: str) -> None:
    windows.command((NET, "localgroup", "Administrators"), "", 2, "System error 1376 has occurred.")
    names(windows, f"VORDEFINIERT\\{name}")
    windows.command((NET, "localgroup", name), MEMBERS)
    assert finding_of(windows).text == f"{USER} is an administrator, as the agent sets it up"
    windows.command((NET, "localgroup", name), MEMBERS.replace(USER, "joe"))
    assert finding_of(windows).text == f"{USER} exists and is not an administrator"


def test_unknown_administrators_are_no_answer(windows: WindowsMachine) -> None:
    windows.command((NET, "localgroup", "Administrators"), "", 2, "System error 1376 has occurred.")
    found = finding_of(windows)
    assert found.undetermined
    assert "1376" in text_of(found)


@pytest.mark.parametrize("member", [USER, f"WEB-7\\{USER}", f"{USER}  ", "SSM-User"])
def test_a_member_is_found_as_net_prints_it(windows: WindowsMachine, member: str) -> None:
    windows.account(0, MEMBERS.replace(USER, member))
    assert "is an administrator" in finding_of(windows).text
    windows.account(0, MEMBERS.replace(USER, f"not-{member}x"))
    assert "is not an administrator" in finding_of(windows).text


@pytest.mark.parametrize(
    ("stderr", "unknown"),
    [("", False), ("The user name could not be found.\r\nMore help is available by typing NET HELPMSG 2221.", False),
     ("Der Benutzername konnte nicht gefunden werden.\r\nSie erhalten weitere Hilfe mit NET HELPMSG 2221.",
      False), ("System error 5 has occurred.\r\nAccess is denied.", True)],
)  # fmt: skip
def test_an_account_is_missing_only_where_net_says_so(windows: WindowsMachine, stderr: str, unknown: bool) -> None:
    windows.command((NET, "user", USER), "", 2, stderr)
    assert finding_of(windows).undetermined == unknown


def controller(machine: WindowsMachine, version: str = "3.3.5828.0") -> None:
    machine.snapshot["services"]["NTDS"] = "running"
    with_version(machine, version)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_domain_controller_needs_an_account_made_by_hand(windows: WindowsMachine, version: str) -> None:
    controller(windows, version)
    without_account(windows)
    found = finding_of(windows)
    if VERSIONS[version][0] == "session":
        assert str(found.outcome) == "warn"
        assert "this is a domain controller: the agent does not create ssm-user here" in found.text
        assert found.command.startswith(f"New-ADUser -Name {USER}")
        assert "-512" in found.command
    else:
        assert str(found.outcome) == "skipped"
    # One whose directory service does not run is none to the agent.
    windows.snapshot["services"]["NTDS"] = "stopped"
    assert str(finding_of(windows).outcome) == "skipped"


@pytest.mark.parametrize("version", ["2.3.50.0", "2.3.611.0"])
def test_an_old_agent_makes_an_administrator_of_the_domain(windows: WindowsMachine, version: str) -> None:
    controller(windows, version)
    found = finding_of(windows)
    assert str(found.outcome) == "warn"
    assert "as an administrator of the domain" in found.text


@pytest.mark.parametrize("domain", ["Domain Admins", "Domänen-Admins"])
def test_the_account_of_a_domain_controller_needs_rights(windows: WindowsMachine, domain: str) -> None:
    controller(windows)
    windows.account(0, MEMBERS.replace(USER, "joe"))
    names(windows, "BUILTIN\\Administrators", f"CORP\\{domain}")
    windows.command((NET, "group", domain, "/domain"), MEMBERS.replace(USER, "joe"))
    found = finding_of(windows)
    assert (str(found.outcome), "lacks a domain administrator's rights" in found.text) == ("warn", True)
    assert found.command.startswith("Add-ADGroupMember")
    windows.command((NET, "group", domain, "/domain"), MEMBERS)
    found = finding_of(windows)
    assert (str(found.outcome), "made by hand" in found.text) == ("pass", True)
    windows.command((NET, "group", domain, "/domain"), "", 2, "System error 1355 has occurred.")
    assert finding_of(windows).undetermined


# The printed commands, on real accounts in a copy of /etc that nobody else sees.

_SCRIPT = r"""
set -e
T=$1; shift
mount -t tmpfs tmpfs "$T"
mkdir "$T/upper" "$T/work" "$T/home"
cp -a /etc "$T/etc"
mount --bind "$T/etc" /etc
mount -t overlay overlay -o lowerdir=/usr/bin,upperdir="$T/upper",workdir="$T/work" /usr/bin
userdel ssm-user 2>/dev/null || true
rm -f /etc/sudoers.d/ssm-agent-users
echo mounted
exec "$@" "$T"
"""
_ACTS = r"""
import json, os, subprocess, sys
from pathlib import Path
command, vault, T = sys.argv[1:]
sudoers = Path("/etc/sudoers.d/ssm-agent-users")
agent = Path("/usr/bin/amazon-ssm-agent")
def finding():
    done = subprocess.run([command, "--vault", vault, "diagnose", "--only", "ssm-user", "--output", "json"],
                          capture_output=True, text=True)
    return json.loads(done.stdout)["checks"][0]
def do(text):
    subprocess.run(["sh", "-ec", text], check=True, capture_output=True)
def make():
    do(f"useradd -m -b {T}/home ssm-user")
    sudoers.parent.mkdir(exist_ok=True)
    sudoers.write_text("# User rules for ssm-user\nssm-user ALL=(ALL) NOPASSWD:ALL\n")
    sudoers.chmod(0o440)
assert finding()["outcome"] == "skipped", finding()
make()
left = finding()
assert (left["outcome"], "left ssm-user and" in left["text"]) == ("warn", True), left
do(left["command"])
assert finding()["outcome"] == "skipped", finding()
assert not sudoers.exists() and not Path(T, "home/ssm-user").exists()
agent.write_text("#!/bin/sh\necho SSM Agent version: 3.3.5828.0\n")
agent.chmod(0o755)
make()
found = finding()
assert found["outcome"] == "pass", found
do("echo ssm-user:hunter2 | chpasswd")
for outcome, change in (("warn", "echo ssm-user:hunter2 | chpasswd"), ("fail", "passwd -d ssm-user"),
                        ("fail", f"chmod 666 {sudoers}"), ("fail", f"chown 1 {sudoers}"),
                        ("warn", f"chmod 400 {sudoers}"), ("warn", "userdel ssm-user")):
    do(change)
    found = finding()
    assert found["outcome"] == outcome, (change, found)
    assert found["command"], found
    do(found["command"])
    assert finding()["outcome"] in ("pass", "skipped"), (change, finding())
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="accounts are made by root, on Linux")
def test_the_printed_commands_fix_real_accounts(tmp_path: Path) -> None:
    (tmp_path / "mount").mkdir()
    env = environment(tmp_path / "state", LC_ALL="C")
    words = ["unshare", "--mount", "sh", "-c", _SCRIPT, "sh", str(tmp_path / "mount"), sys.executable, "-c", _ACTS,
             COMMAND, str(tmp_path / "Vault")]  # fmt: skip
    (tmp_path / "Vault").mkdir()
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False, timeout=120)
    if not done.stdout.startswith("mounted\n"):
        pytest.skip(f"nothing can be mounted here: {done.stderr[-200:]}")
    assert done.stdout == "mounted\ndone\n", done.stderr[-2000:]


@pytest.mark.parametrize("there", [True, False], ids=["an account", "no account"])
def test_an_unreadable_agent_is_not_an_uninstall(tmp_path: Path, there: bool) -> None:
    machine = AgentMachine(tmp_path)
    if not there:
        machine.file("/etc/passwd", NOBODY_ELSE, 0o644)
    for name in BINARIES:
        machine.denied(f"/usr/bin/{name}")
    found = finding_of(machine)
    assert "internal error" not in found.text
    assert "gone" not in found.text
    assert "userdel" not in found.command


@pytest.mark.parametrize(
    ("password", "outcome", "command"),
    [("", "fail", f"usermod --lock {USER}"), ("$6$a$b", "warn", f"usermod --lock {USER}"), ("!", "pass", ""),
     ("*", "pass", ""), ("x", "pass", "")],
)  # fmt: skip
@pytest.mark.parametrize("shadow", [None, f"{USER}:!:1::::::\n"], ids=["no line in shadow", "locked in shadow"])
def test_a_password_in_the_file_of_accounts_is_the_password(
    tmp_path: Path, password: str, outcome: str, command: str, shadow: str | None
) -> None:
    machine = AgentMachine(tmp_path)
    machine.file(
        "/etc/passwd", f"root:x:0:0::/root:/bin/sh\n{USER}:{password}:1001:1001::/home/{USER}:/bin/sh\n", 0o644
    )
    if shadow is not None:
        machine.file("/etc/shadow", shadow, 0o640)
    found = finding_of(machine)
    assert (str(found.outcome), found.command) == (outcome, command)
