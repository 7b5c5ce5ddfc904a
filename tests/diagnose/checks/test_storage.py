"""The check of the agent's file systems: full, read-only, and what its log says of failed writes."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest

from agent_machines import AgentMachine, line, ready, started
from fingerprint.agent.storage import mount_of, space_of
from fingerprint.diagnose import Finding, Site, diagnose
from fingerprint.machine.base import FileStatus
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.vault import Vault
from other_agent_machines import WindowsMachine

Change = Callable[[AgentMachine], Any]


def finding(m: AgentMachine) -> Finding:
    return m.diagnosis("storage")["storage"]


FULL, READ_ONLY = "no space left on device", "read-only file system"
TO_DISK = "Failed to write credentials to disk even with force{}: open /root/.aws/credentials: {}"
# Each error of a write of the agent, as it logs it: words, path.
WRITES = {
    "credentials": (TO_DISK.format("", "{}"), "/root/.aws/credentials"),
    "credentials, later words": (TO_DISK.format(", retrying", "{}"), "/root/.aws/credentials"),
    "identity": ("Failed to save new expiration: open /var/lib/amazon/ssm/runtimeconfig/identity_config.json: {}",
                 "/var/lib/amazon/ssm/runtimeconfig/identity_config.json"),
    "vault": ("Failed to store fingerprint: write /var/lib/amazon/ssm/Vault/Store/InstanceFingerprint: {}",
              "/var/lib/amazon/ssm/Vault/Store/InstanceFingerprint"),
    "log": ("write /var/log/amazon/ssm/amazon-ssm-agent.log: {}", "/var/log/amazon/ssm/amazon-ssm-agent.log"),
}  # fmt: skip
ERRORS = {
    FULL: "the disk is full", READ_ONLY: "the file system is read-only", "disk quota exceeded": "the quota of the disk",
    "input/output error": "the disk returns errors", "structure needs cleaning": "the disk returns errors",
    "permission denied": "the system denies it", "operation not permitted": "the system denies it",
}  # fmt: skip


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("write", WRITES)
def test_a_failed_write_since_the_last_success_is_named(machine: AgentMachine, write: str, error: str) -> None:
    words, path = WRITES[write]
    failure = line("11:00:00", "ERROR", words.format(error))
    machine.log("amazon-ssm-agent.log", started("08:00:00") + ready("08:00:01") + failure)
    found = finding(machine)
    assert str(found.outcome) == "fail"
    assert path in found.text
    assert "at 2026-11-24T11:00:00Z" in found.text
    assert ERRORS[error] in found.text
    assert found.remedy
    assert shlex.split(found.command)[0] in ("df", "quota", "findmnt", "dmesg", "ls")
    assert error in found.evidence[0]
    # The network is not the cause.
    conclusion = machine.diagnosis().conclusion
    assert "network" not in conclusion.text
    assert ERRORS[error] in conclusion.text


@pytest.mark.parametrize(
    "text",
    [
        # Repaired since.
        line("11:00:00", "ERROR", TO_DISK.format("", FULL)) + ready("11:30:00"),
        # Of a document, not of the agent.
        line("11:00:00", "ERROR", "open /var/lib/amazon/ssm/i/orchestration/x/stdout: no space left on device"),
        line("11:00:00", "ERROR", "mkdir /data/app: no space left on device"),
        line("11:00:00", "ERROR", "cp: cannot create /tmp/x: Permission denied"),
    ],
    ids=["repaired", "orchestration", "another file", "a script"],
)
def test_another_or_an_old_failure_is_no_fault_of_now(machine: AgentMachine, text: str) -> None:
    machine.log("amazon-ssm-agent.log", started("08:00:00") + ready("08:00:01") + text)
    assert str(finding(machine).outcome) == "pass"


# What the kernel shows: the change, outcome, words, command.
SYSTEM: list[tuple[str, Change, str, str, str]] = [
    ("full", lambda m: m.space(free=0), "fail", "/ is full: 0 KiB are left", "df -h /"),
    ("nearly full", lambda m: m.space(free=900), "fail", "/ is full: 900 KiB", "df -h /"),
    ("full /var", lambda m: m.space(free=12, at="/var"), "fail", "/var is full", "df -h /var"),
    ("a name with a blank", lambda m: m.space(free=0, at="/mnt/my disk"), "fail", "/mnt/my disk is full",
     "df -h '/mnt/my disk'"),
    ("no inodes", lambda m: m.space(inodes=0), "fail", "/ has no inode left", "df -i /"),
    ("only root's reserve", lambda m: m.space(free=400_000, available=0), "warn", "390 MiB left", "df -h /"),
    ("little", lambda m: m.space(free=10_240), "warn", "only 10 MiB left", "df -h /"),
    ("read-only /", lambda m: m.mounts(root="ro,relatime"), "fail", "/ is mounted read-only",
     "mount -o remount,rw /"),
    ("read-only /var", lambda m: m.mounts(var="ro"), "fail", "/var is mounted read-only", "mount -o remount,rw /var"),
    ("read-only logs", lambda m: m.mounts(log="ro"), "fail", "/var/log/amazon is mounted read-only",
     "mount -o remount,rw /var/log/amazon"),
    # An image-based system: its programs are read-only, what it writes is not.
    ("read-only /usr", lambda m: m.mounts(root="ro", usr="ro", var="rw"), "fail", "cannot write /root/.aws",
     "mount -o remount,rw /"),
    ("read-only programs", lambda m: m.mounts(usr="ro"), "pass", "can be written", ""),
    ("noexec /var", lambda m: m.mounts(var="rw,noexec"), "warn", "scripts of Run Command",
     "mount -o remount,exec /var"),
    ("errors only as an option", lambda m: m.mounts(root="rw,errors=remount-ro"), "pass", "can be written", ""),
    ("neither df nor mounts", lambda m: (m.remove("/usr/bin/df"), m.remove("/proc/self/mounts")), "skipped",
     "has no file systems", ""),
    ("df without inodes", lambda m: m.command(
        ("/usr/bin/df", "-Pi", "/"), "Filesystem Inodes IUsed IFree IUse% Mounted on\n/dev/sda1 0 0 0 - /\n"), "pass",
     "can be written", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "outcome", "words", "command"), [row[1:] for row in SYSTEM], ids=[row[0] for row in SYSTEM]
)
def test_the_file_systems_are_checked(
    machine: AgentMachine, change: Change, outcome: str, words: str, command: str
) -> None:
    change(machine)
    found = finding(machine)
    assert str(found.outcome) == outcome
    assert words in found.text
    assert found.command == command


def test_a_file_system_that_is_writable_blames_the_unit(machine: AgentMachine) -> None:
    failure = line("11:00:00", "ERROR", TO_DISK.format("", READ_ONLY))
    machine.log("amazon-ssm-agent.log", started("08:00:00") + ready("08:00:01") + failure)
    found = finding(machine)
    assert "ProtectSystem=" in found.remedy
    machine.mounts(root="ro")
    assert finding(machine).command == "mount -o remount,rw /"


def test_a_full_disk_of_windows_is_named_in_its_words(tmp_path: Any) -> None:
    machine = WindowsMachine(tmp_path)
    path = r"C:\ProgramData\Amazon\SSM\InstanceData\Vault\Store\InstanceFingerprint"
    failure = line("11:00:00", "ERROR", f"write {path}: There is not enough space on the disk.")
    machine.log_at_windows(started("08:00:00") + failure)
    found = finding(machine)
    assert (str(found.outcome), found.command) == ("fail", "Get-PSDrive -PSProvider FileSystem")
    assert path in found.text


def test_mounts_hide_those_below_them() -> None:
    class Mounted(LiveMachine):
        def read_file(self, path: str, limit: int = 0) -> bytes:
            return (
                b"/dev/a / ext4 ro 0 0\n/dev/b /var ext4 ro 0 0\n/dev/c /var ext4 rw 0 0\n"
                b"/dev/d /mnt/my\\040disk xfs rw,noexec 0 0\nbroken\n"
            )

    machine = Mounted()
    found = mount_of(machine, "/var/lib/amazon/ssm")
    assert found is not None
    assert (found.point, found.options) == ("/var", ("rw",))
    found = mount_of(machine, "/variable")
    assert found is not None
    assert found.point == "/"
    found = mount_of(machine, "/mnt/my disk/x")
    assert found is not None
    assert (found.point, found.options) == ("/mnt/my disk", ("rw", "noexec"))


def test_this_hosts_file_systems_are_read() -> None:
    """The real df and the kernel's list."""
    machine = LiveMachine()
    mount = mount_of(machine, "/usr/bin/env")
    assert mount is not None
    assert mount.options[0] in ("rw", "ro")
    [space] = space_of(machine, ["/"])
    assert space.point == "/"
    assert space.free > 0


def test_a_recording_keeps_only_the_agents_file_systems(tmp_path: Any) -> None:
    class Mounted(LiveMachine):
        def read_file(self, path: str, limit: int = 64 * 1024) -> bytes:
            if path != "/proc/self/mounts":
                return super().read_file(path, limit)
            return (b"/dev/a / ext4 rw,errors=remount-ro 0 0\nnas.example:/home /home/jo nfs4 rw,addr=192.0.2.9 0 0\n"
                    b"//nas/x /var cifs rw,username=jo,noexec 0 0\n")  # fmt: skip

        def status(self, path: str) -> FileStatus:
            return super().status("/usr/bin/env" if path.startswith("/usr/bin/amazon-") else path)

    recorder = Recorder(Mounted())
    diagnose(Site(recorder, Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))), ["storage"])
    kept = recorder.snapshot["files"]["/proc/self/mounts"]["text"]
    assert kept == "- / ext4 rw 0 0\n- /var cifs rw,noexec 0 0\n"
