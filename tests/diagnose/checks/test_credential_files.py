"""Files with credentials: mode and owner on Unix, access control lists on Windows, and what agents 3.2 left behind."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_machines import AgentMachine, copied_disk, ready, started
from commandline import COMMAND, environment, run
from fingerprint.diagnose import Finding, Outcome
from fingerprint.errors import SnapshotError
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.support_bundle.redact import Redactor
from other_agent_machines import DATA, PROGRAMS, MacMachine, WindowsMachine
from windows_machines import WINDOWS_DIRECTORY

ROLE, ROOTS, SHARED = "/var/lib/amazon/ssm/credentials", "/root/.aws/credentials", "/srv/keys"
MAC_ROLE = "/opt/aws/ssm/data/credentials"
PROFILE = rf"{WINDOWS_DIRECTORY}\System32\config\systemprofile\.aws\credentials"
WINDOWS_ROLE = rf"{PROGRAMS}\credentials"
CLOSED = "O:BAG:SYD:P(A;;FA;;;BA)(A;;FA;;;SY)"
DOMAIN_SID = "S-1-5-21-1004336348-1177238915-682003330"


def finding_of(machine: AgentMachine) -> Finding:
    return machine.diagnosis("credential-files")["credential-files"]


def text_of(finding: Finding) -> str:
    return " ".join((finding.text, *finding.evidence))


# Unix.


@pytest.mark.parametrize(
    ("path", "mode", "uid"), [*itertools.product([ROLE, ROOTS, SHARED], [0o600, 0o400, 0o640, 0o644, 0o666], [0, 1000])]
)
def test_only_root_may_read_them(tmp_path: Path, path: str, mode: int, uid: int) -> None:
    machine = AgentMachine(tmp_path)
    machine.registration = None
    machine.credentials("2026-11-24T11:30:00Z", "2026-11-24T12:30:00Z", ShareFile=SHARED)
    machine.file(path, "[default]\n", mode, uid)
    finding = finding_of(machine)
    # What is shared by another name may be another user's.
    open_to = mode & 0o066 or (uid and path != SHARED)
    assert str(finding.outcome) == ("fail" if open_to else "pass"), finding
    assert f"{path}: mode {mode:04o}{f', owner {uid}' * bool(uid)}" in finding.evidence
    if uid and path != SHARED:
        assert finding.command == f"chown 0:0 {path} && chmod 600 {path}"
        assert mode & 0o066 or f"its owner {uid} may read and change the keys in {path}" in finding.text


@pytest.mark.parametrize("path", [MAC_ROLE, ROLE])
def test_macos_has_the_path_of_the_page_and_of_the_agent(tmp_path: Path, path: str) -> None:
    machine = MacMachine(tmp_path)
    machine.registration = None
    machine.file(path, "[default]\n", 0o644)
    finding = finding_of(machine)
    assert finding.text == f"others may read the keys in {path}"
    machine.file(path, "[default]\n", 0o600)
    assert f"{path} belongs to the default host management role" in text_of(finding_of(machine))


@pytest.mark.parametrize(
    ("version", "command"),
    [("3.2.286.0", ""), ("3.2.2303.0", ""), ("3.3.0.0", f"rm {ROLE}"), ("3.3.5828.0", f"rm {ROLE}"), ("", "")],
)
def test_files_of_agents_3_2_are_removed_after_the_last_of_them(tmp_path: Path, version: str, command: str) -> None:
    machine = AgentMachine(tmp_path)
    text = f"SSM Agent version: {version}\n" if version else ""
    machine.command(("/usr/bin/amazon-ssm-agent", "-version"), text, 0 if version else 1)
    machine.log("amazon-ssm-agent.log", started("08:00:00", version) if version else ready("08:00:00"))
    machine.file(ROLE, "[default]\n", 0o600)
    finding = finding_of(machine)
    assert (str(finding.outcome), finding.command) == ("warn", command)
    other = AgentMachine(tmp_path / "unregistered")
    other.directory.mkdir()
    other.registration = None
    other.file(ROLE, "[default]\n", 0o600)
    finding = finding_of(other)
    assert str(finding.outcome) == "pass"
    assert "agents 3.2 store its credentials there" in text_of(finding)


# Copies of the two directories that nobody else sees.
_MOUNTS = r"""
set -e
T=$1; shift
mount -t tmpfs tmpfs "$T"
for directory in /root /var/lib /usr/bin; do
    mkdir -p "$T$directory/upper" "$T$directory/work"
    mount -t overlay overlay -o lowerdir=$directory,upperdir="$T$directory/upper",workdir="$T$directory/work" $directory
done
echo mounted
exec "$@"
"""
_ACTS = r"""
import json, os, subprocess, sys
from pathlib import Path
command, vault = sys.argv[1:]
role, roots = Path("/var/lib/amazon/ssm/credentials"), Path("/root/.aws/credentials")
def finding():
    done = subprocess.run([command, "--vault", vault, "diagnose", "--only", "credential-files", "--output", "json"],
                          capture_output=True, text=True)
    return json.loads(done.stdout)["checks"][0]
agent = Path("/usr/bin/amazon-ssm-agent")
agent.write_text("#!/bin/sh\necho SSM Agent version: 3.3.5828.0\n")
agent.chmod(0o755)
for path in (role, roots):
    path.parent.mkdir(parents=True, exist_ok=True)
    for mode, owner in ((0o644, 0), (0o640, 0), (0o666, 1000), (0o600, 1000)):
        path.write_text("[default]\n")
        path.chmod(mode)
        os.chown(path, owner, owner)
        found = finding()
        assert found["outcome"] == "fail", (path, mode, owner, found)
        subprocess.run(["sh", "-ec", found["command"]], check=True)
        # The node is registered, and has no such role.
        found = finding()
        assert (found["outcome"], found["command"][:3]) == (("warn", "rm ") if path == role else ("pass", "")), found
        assert (path.stat().st_mode & 0o777, path.stat().st_uid) == (0o600, 0)
    if path == role:
        subprocess.run(["sh", "-ec", found["command"]], check=True)
        assert not role.exists()
        assert finding()["outcome"] == "pass", finding()
print("done")
"""


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="owners are changed by root, on Linux")
def test_the_printed_commands_close_real_files(tmp_path: Path) -> None:
    AgentMachine(tmp_path).write()
    (tmp_path / "mount").mkdir()
    words = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        _MOUNTS,
        "sh",
        str(tmp_path / "mount"),
        sys.executable,
        "-c",
        _ACTS,
        COMMAND,
    ]
    done = subprocess.run(
        [*words, str(tmp_path / "Vault")], env=environment(tmp_path / "state"), capture_output=True, text=True,
        check=False, timeout=120,
    )  # fmt: skip
    if not done.stdout.startswith("mounted\n"):
        pytest.skip(f"nothing can be mounted here: {done.stderr[-200:]}")
    assert done.stdout == "mounted\ndone\n", done.stderr[-2000:]


# Windows.


def lists(machine: WindowsMachine, **named: str) -> None:
    machine.snapshot["accessLists"] = {
        {"role": WINDOWS_ROLE, "profile": PROFILE, "shared": r"D:\keys"}[name]: sddl for name, sddl in named.items()
    }


@pytest.fixture
def windows(tmp_path: Path) -> WindowsMachine:
    machine = WindowsMachine(tmp_path)
    machine.registration = None
    lists(machine)
    return machine


SYSTEM_AND_ADMINISTRATORS = (
    CLOSED, "O:SYG:SYD:(A;ID;FA;;;SY)(A;ID;FA;;;BA)", "O:BAG:DUD:PAI(A;;FA;;;SY)(A;;FA;;;BA)",
    "O:S-1-5-32-544G:S-1-5-18D:P(A;;0x1f01ff;;;S-1-5-32-544)(A;;0x1f01ff;;;S-1-5-18)",
    "O:SYG:SYD:P(D;;FA;;;WD)(A;;FA;;;SY)(A;;FR;;;BA)",
)  # fmt: skip
# Each trustee that may get a file of Program Files or of a profile, by itself or by somebody's hand.
OTHERS = ("BU", "WD", "AU", "IU", "AC", "S-1-15-2-2", "LS", f"{DOMAIN_SID}-1001", "S-1-5-80-956008885-3418522649")
RIGHTS = {"FA": "write", "FR": "read", "0x1200a9": "read", "0x1301bf": "write", "GR": "read", "GW": "write"}


@pytest.mark.parametrize("name", ["role", "profile"])
@pytest.mark.parametrize("sddl", SYSTEM_AND_ADMINISTRATORS)
def test_system_and_administrators_may_read_them(windows: WindowsMachine, name: str, sddl: str) -> None:
    lists(windows, **{name: sddl})
    finding = finding_of(windows)
    assert (str(finding.outcome), finding.text) == ("pass", "only SYSTEM and administrators may read them")
    assert sddl in text_of(finding)


@pytest.mark.parametrize("name", ["role", "profile"])
@pytest.mark.parametrize(("who", "rights"), [*itertools.product(OTHERS, RIGHTS)])
def test_other_users_may_not_read_them(windows: WindowsMachine, name: str, who: str, rights: str) -> None:
    lists(windows, **{name: f"{CLOSED}(A;ID;{rights};;;{who})"})
    path = {"role": WINDOWS_ROLE, "profile": PROFILE}[name]
    finding = finding_of(windows)
    assert str(finding.outcome) == "fail"
    assert f"{who} can {RIGHTS[rights]} it (rights {rights})" in finding.text
    assert finding.command == (
        f"icacls '{path}' /setowner '*S-1-5-32-544'; icacls '{path}' /reset; "
        f"icacls '{path}' /inheritance:r /grant:r '*S-1-5-32-544:F' '*S-1-5-18:F'"
    )


@pytest.mark.parametrize("sddl", [f"O:{DOMAIN_SID}-1001G:SYD:P(A;;FA;;;SY)", "O:SYG:SYD:NO_ACCESS_CONTROL", "O:SYG:SY"])
def test_an_owner_and_a_missing_list_permit_others(windows: WindowsMachine, sddl: str) -> None:
    lists(windows, role=sddl)
    assert str(finding_of(windows).outcome) == "fail"


def test_the_shared_file_is_checked_and_each_open_one_named(windows: WindowsMachine) -> None:
    times = {"CredentialsExpiresAt": "2026-11-24T12:30:00Z", "CredentialsRetrievedAt": "2026-11-24T11:30:00Z"}
    windows.file(rf"{DATA}\runtimeconfig\identity_config.json", json.dumps({"ShareFile": r"D:\keys", **times}))
    lists(windows, shared=f"{CLOSED}(A;;FR;;;BU)", role=f"{CLOSED}(A;;FA;;;WD)", profile=CLOSED)
    finding = finding_of(windows)
    assert r"D:\keys: BU can read it" in finding.text
    assert rf"{WINDOWS_ROLE}: WD can write it" in finding.text
    assert PROFILE not in finding.text
    assert finding.command.count("/reset") == 2


def test_a_registered_windows_node_lists_files_of_agents_3_2(windows: WindowsMachine, tmp_path: Path) -> None:
    machine = WindowsMachine(tmp_path)
    lists(machine, role=CLOSED)
    finding = finding_of(machine)
    assert (str(finding.outcome), finding.command) == ("warn", f"Remove-Item -LiteralPath '{WINDOWS_ROLE}'")


def test_a_missing_or_denied_list_is_no_answer(windows: WindowsMachine) -> None:
    assert finding_of(windows).text == "there are no such files"
    del windows.snapshot["accessLists"]
    finding = finding_of(windows)
    assert (finding.outcome, finding.text) == (
        Outcome.SKIPPED, "the recording has no access control lists",
    )  # fmt: skip
    windows.snapshot["accessLists"] = {WINDOWS_ROLE: {"error": "EACCES", "message": "access denied"}}
    finding = finding_of(windows)
    assert finding.undetermined
    assert "access denied" in finding.text
    for wrong in (5, None, [CLOSED]):
        windows.snapshot["accessLists"] = {WINDOWS_ROLE: wrong}
        with pytest.raises(SnapshotError, match="is not a string"):
            RecordedMachine(windows.snapshot).access_list(WINDOWS_ROLE)
    windows.snapshot["accessLists"] = [1]
    with pytest.raises(SnapshotError, match="wrong type"):
        RecordedMachine(windows.snapshot).access_list(WINDOWS_ROLE)


# How access control lists are read, recorded and shown.


def test_a_list_is_read_from_windows_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("fingerprint._io.windows_acl.access_of", lambda path: asked.append(path) or CLOSED)
    (tmp_path / "keys").write_text("")
    assert LiveMachine().access_list(str(tmp_path / "keys")) == CLOSED
    with pytest.raises(FileNotFoundError):
        LiveMachine().access_list(str(tmp_path / "none"))
    assert asked == [str(tmp_path / "keys")]


def test_lists_are_recorded_and_answer_alike(windows: WindowsMachine) -> None:
    lists(windows, role=f"{CLOSED}(A;;FR;;;BU)")
    windows.snapshot["accessLists"][PROFILE] = {"error": "EACCES", "message": "access denied"}
    before = finding_of(windows)
    recorder = Recorder(windows.machine)
    for path in (WINDOWS_ROLE, PROFILE, r"D:\none"):
        try:
            recorder.access_list(path)
        except OSError:
            pass
    assert recorder.snapshot["accessLists"] == windows.snapshot["accessLists"]
    again = json.loads(windows("snapshot", "-").stdout)
    assert again["accessLists"] == windows.snapshot["accessLists"]
    windows.snapshot = again
    assert finding_of(windows) == before
    del windows.snapshot["accessLists"]
    # Without a list there is no finding about it.
    assert "accessLists" not in json.loads(windows("snapshot", "-").stdout)


def test_a_report_has_pseudonyms_for_windows_accounts(windows: WindowsMachine) -> None:
    text = Redactor().value(
        {"accessLists": {WINDOWS_ROLE: f"{CLOSED}(A;;FR;;;{DOMAIN_SID}-1001)(A;;FR;;;{DOMAIN_SID})"}}
    )
    redacted: Any = text["accessLists"][WINDOWS_ROLE]
    assert "1004336348" not in redacted
    assert redacted.count("sid-") == 2
    assert redacted.startswith(CLOSED)


def test_no_list_is_read_on_other_systems(tmp_path: Path) -> None:
    machine = AgentMachine(tmp_path)
    machine.file(ROOTS, "", 0o600)
    assert "accessLists" not in json.loads(machine("snapshot", "-").stdout)


@pytest.mark.parametrize(("mode", "outcome"), [(0o700, "pass"), (0o755, "pass"), (0o777, "fail"), (0o770, "fail"),
                                               (0o1777, "pass"), (0o702, "fail")])  # fmt: skip
@pytest.mark.parametrize("path", [ROLE, ROOTS])
def test_others_may_not_replace_a_file_of_root(tmp_path: Path, path: str, mode: int, outcome: str) -> None:
    machine = AgentMachine(tmp_path)
    machine.registration = None
    machine.file(path, "[default]\n", 0o600)
    directory = path.rpartition("/")[0]
    machine.file(directory, None, mode)
    found = finding_of(machine)
    assert str(found.outcome) == outcome, found
    if outcome == "fail":
        assert found.command == f"chmod go-w {directory}"


# The file that the agent shares.


@pytest.fixture
def machine(tmp_path: Path) -> AgentMachine:
    return AgentMachine(tmp_path)


def shares(machine: AgentMachine, asked: bool = True) -> None:
    """Let the credentials be shared in a file that is missing; `asked` if the recording says so."""
    machine.remove("/root/.aws/credentials")
    if asked:
        missing = {"error": "ENOENT", "message": "No such file or directory"}
        machine.snapshot["statuses"]["/root/.aws/credentials"] = missing


def test_a_missing_shared_file_fails_with_the_restart(machine: AgentMachine) -> None:
    shares(machine)
    found = machine.diagnosis("credential-files")["credential-files"]
    assert (str(found.outcome), found.tag) == ("fail", "gone")
    assert "/root/.aws/credentials, and that file is missing" in found.text
    assert "profile default" in found.text
    assert found.command == "systemctl restart amazon-ssm-agent.service"


def test_a_missing_shared_file_of_a_copied_disk_is_one_finding(machine: AgentMachine, tmp_path: Path) -> None:
    root = copied_disk(tmp_path, machine)
    done = run(
        "--root", str(root), "diagnose", "--verbose", "--only", "credential-order,credential-files", env=machine.env
    )
    assert done.returncode == 1
    assert done.stdout.count("systemctl restart") == 1
    assert "credential-files     there are no such files" in done.stdout


@pytest.mark.parametrize("change", [
    lambda m: shares(m, asked=False),
    lambda m: (shares(m), m.credentials("2026-11-24T11:30:00Z", "2026-11-24T12:30:00Z", ShareFile="")),
    lambda m: (shares(m), m.credentials("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z")),
    lambda m: (shares(m), m.remove("/var/lib/amazon/ssm/runtimeconfig/identity_config.json")),
    lambda m: (shares(m), m.denied("/root/.aws/credentials")),
], ids=["a recording that was not asked", "not shared", "never received", "no identity", "denied"])  # fmt: skip
def test_a_shared_file_is_missing_only_if_that_is_known(machine: AgentMachine, change: Any) -> None:
    change(machine)
    assert "missing" not in machine.diagnosis("credential-files")["credential-files"].text


def test_a_recording_says_that_a_file_is_missing(machine: AgentMachine, tmp_path: Path) -> None:
    shares(machine)
    copy = tmp_path / "copy.json"
    assert machine("snapshot", str(copy)).returncode == 0
    assert json.loads(copy.read_text())["statuses"]["/root/.aws/credentials"]["error"] == "ENOENT"
