"""Registered machines with Windows and macOS, with their agent, as `AgentMachine` has them for Linux."""

from __future__ import annotations

from typing import Any

from agent_machines import AgentMachine, ready, started
from fingerprint.agent.paths import paths_of
from fingerprint.testing.machines import unix_snapshot
from windows_machines import NEWEST, WINDOWS_DIRECTORY, windows_snapshot

DATA = r"C:\ProgramData\Amazon\SSM"
PROGRAMS = r"C:\Program Files\Amazon\SSM"
REG = (
    rf"{WINDOWS_DIRECTORY}\System32\reg.exe", "query", r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Setup\State",
    "/v", "ImageState",
)  # fmt: skip
NET = rf"{WINDOWS_DIRECTORY}\System32\net.exe"
MEMBERS = "Alias name     Administrators\r\n\r\nMembers\r\n\r\n----\r\nAdministrator\r\nssm-user\r\n\r\n"


class WindowsMachine(AgentMachine):
    """A registered Windows machine with its agent."""

    def is_now(self, version: str = "10.0.20348", agent: str = NEWEST, **changes: Any) -> None:  # type: ignore[override]
        self.snapshot = windows_snapshot(version, agent=agent, **changes)
        self.snapshot.update(
            recordedAt="2026-11-24T12:00:00Z", utcOffset=0, statuses={}, folders={},
            services={"Winmgmt": "running", "AmazonSSMAgent": "running"},
            agentProcesses=[{"name": "amazon-ssm-agent", "pid": 4, "user": "NT AUTHORITY\\SYSTEM",
                             "started": "2026-11-24T08:00:00Z"}],
        )  # fmt: skip
        for name in paths_of("windows").binaries:
            self.file(rf"{PROGRAMS}\{name}", None, 0o666)
        self.command((rf"{PROGRAMS}\amazon-ssm-agent.exe", "-version"), f"SSM Agent version: {agent}\r\n")
        self.state("IMAGE_STATE_COMPLETE")
        self.account(0, MEMBERS)
        self.log_at_windows(started("08:00:00", agent) + ready("11:30:00"))

    def state(self, state: str) -> None:
        self.command(REG, f"\r\nHKEY_LOCAL_MACHINE\\...\\State\r\n    ImageState    REG_SZ    {state}\r\n\r\n")

    def account(self, returncode: int, members: str) -> None:
        self.command((NET, "user", "ssm-user"), "User name    ssm-user\r\n" * (returncode == 0), returncode)
        self.command((NET, "localgroup", "Administrators"), members)

    def log_at_windows(self, text: str) -> None:
        self.file(rf"{DATA}\Logs\amazon-ssm-agent.log", text)
        self.snapshot["folders"][rf"{DATA}\Logs"] = ["amazon-ssm-agent.log"]


class MacMachine(AgentMachine):
    """A registered Mac with its agent."""

    def is_now(self, **changes: Any) -> None:
        self.snapshot = unix_snapshot(machine_id=None, platform="macos", **changes)
        self.snapshot.update(
            recordedAt="2026-11-24T12:00:00Z", utcOffset=0, statuses={}, folders={},
            agentProcesses=[{"name": "amazon-ssm-agent", "pid": 77, "user": "root", "started": "2026-11-24T08:00:00Z"}],
        )  # fmt: skip
        for name in paths_of("macos").binaries:
            self.file(f"/opt/aws/ssm/bin/{name}", None, 0o755)
        self.command(("/opt/aws/ssm/bin/amazon-ssm-agent", "-version"), "SSM Agent version: 3.3.4851.0\n")
        self.command(("/bin/launchctl", "print", "system/com.amazon.aws.ssm"),
                     "com.amazon.aws.ssm = {\n\tstate = not running\n\tlast exit code = 1\n}\n")  # fmt: skip
        self.log("amazon-ssm-agent.log", started("08:00:00") + ready("11:30:00"))
        self.file("/etc/passwd", "root:*:0:0::/var/root:/bin/sh\nssm-user:*:501:20::/Users/ssm-user:/usr/bin/false\n")
        self.sudoers("ssm-user ALL=(ALL) NOPASSWD:ALL\n")
