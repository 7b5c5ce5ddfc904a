"""A registered machine with its agent: a snapshot, and a vault in the agent's layout. Healthy until it is changed."""

from __future__ import annotations

import json
import os
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from commandline import environment, run
from fingerprint._core import dumps
from fingerprint._io.times import utc
from fingerprint.collectors import collect
from fingerprint.diagnose import Diagnosis, Network, Site, diagnose
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.testing.machines import unix_snapshot
from fingerprint.types import FingerprintRecord, RegistrationRecord
from fingerprint.vault import Vault
from fingerprint.vault.records import encode_fingerprint, encode_registration

NODE = "mi-0123456789abcdef0"
REGION = "eu-west-1"
NOW = "2026-11-24T12:00:00Z"
LOGS = "/var/log/amazon/ssm"
BINARIES = (
    "amazon-ssm-agent", "ssm-agent-worker", "ssm-cli", "ssm-document-worker", "ssm-session-worker",
    "ssm-session-logger",
)  # fmt: skip
PROPERTIES = "Id,LoadState,ActiveState,SubState,UnitFileState,User,MainPID,ActiveEnterTimestamp,NRestarts,Environment"
SYSTEMCTL = (
    "/usr/bin/systemctl", "show", "--no-pager", f"--property={PROPERTIES}", "amazon-ssm-agent.service",
    "snap.amazon-ssm-agent.amazon-ssm-agent.service",
)  # fmt: skip
DETAILS = (
    "Id,Result,ExecMainCode,ExecMainStatus,ConditionResult,ConditionTimestampMonotonic,AssertResult,"
    "AssertTimestampMonotonic,DropInPaths,FragmentPath,ExecStart"
)
MISMATCH = "MachineFingerprintDoesNotMatch: Fingerprint does not match registration data"
DENIED = "AccessDeniedException: Machine is not registered"
WORKER = "[ssm-agent-worker] [HealthCheck] "
AZURE_SILENT = (
    'unable to get Azure metadata response: Get "http://169.254.169.254/metadata/instance?api-version=2025-04-07&'
    'format=json": context deadline exceeded'
)


def line(at: str, level: str, text: str, context: str = "[CredentialRefresher] ") -> str:
    """Return a line of the agent's log at a time of 2026-11-24."""
    return f"2026-11-24 {at}.1234 {level} {context}{text}\n"


def started(at: str, version: str = "3.3.4851.0") -> str:
    version_line = line(at, "INFO", f"amazon-ssm-agent - v{version}", "[amazon-ssm-agent] ")
    return version_line + line(at, "INFO", "Starting credentials refresher loop")


def ready(at: str) -> str:
    return line(at, "INFO", "Credentials ready") + line(
        at, "INFO", "Next credential rotation will be in 29.9 minutes"
    )  # fmt: skip


def refused(at: str, error: str = MISMATCH, pause: str = "25m47s") -> str:
    failure = line(at, "ERROR", f"Retrieve credentials produced error: {error}")
    return failure + (line(at, "INFO", f"Sleeping for {pause} before retrying retrieve credentials") if pause else "")


def reported(at: str, provider: str = "") -> str:
    """Return the lines of a health report that was sent."""
    text = f"Agent is registered with {provider}" if provider else "Agent does not have an explicit provider."
    begun = line(at, "INFO", "HealthCheck reporting agent health.", WORKER)
    return begun + (line(at, "INFO", text, WORKER))


def skipped(at: str, why: str = AZURE_SILENT, provider: str = "Azure") -> str:
    """Return the lines of a skipped health report: one for each requested value, then that it was skipped."""
    asked = ("availability zone", "availability zone id", "source id", "source location", "computer name")
    errors = "".join(line(at, "ERROR", f"Error getting {one}: {why}", WORKER) for one in asked if why)
    skips = "Skipping health update due to identity provider errors"
    return reported(at, provider) + errors + line(at, "WARN", skips, WORKER)


def mismatch(at: str, *names: str) -> str:
    head = line(at, "ERROR", "Cannot connect to AWS Systems Manager.  Machine configuration has changed more than the "
                             "allowed threshold.", "")  # fmt: skip
    differs = "The '{}' value (new) has changed from the registered machine configuration value (old)."
    return head + "".join(line(at, "WARN", differs.format(name), "") for name in names)


REGENERATED = "Calculated hardware difference, regenerating fingerprint..."


class Present(RecordedMachine):
    """A recorded machine that counts as this host."""

    def __init__(self, recorded: RecordedMachine) -> None:
        super().__init__(recorded.snapshot, recorded.where)

    @property
    def recorded(self) -> bool:
        return False


class AgentMachine:
    """A machine that a test changes before it is observed.

    Attributes:
        snapshot: the recorded machine.
        record, registration: of its vault; None for no such file, bytes for an invalid record.
        directory: of its files.
    """

    def __init__(self, directory: Path, **changes: Any) -> None:
        self.directory = directory
        self.env = environment(directory / "state")
        self.vault_path = directory / "Vault"
        self.is_now(**changes)
        self.record: FingerprintRecord | bytes | None = FingerprintRecord(
            "979b554b-0d67-42c6-9730-48443b3016dd", collect(self.machine).hardware_hash, 40
        )
        self.registration: RegistrationRecord | bytes | None = RegistrationRecord(
            NODE, REGION, private_key="TUlJRXBBSUJBQUtDQVFF", private_key_type="Rsa",
            private_key_created_date="2026-11-01 08:00:00.25 +0000 UTC",
        )  # fmt: skip

    def is_now(self, **changes: Any) -> None:
        """Make the machine as `unix_snapshot` does, with a healthy agent."""
        options: dict[str, Any] = {"dmi": "SMBIOS 3.0 present.", "disk": "total 0", **changes}
        self.snapshot = snapshot = unix_snapshot(**options)
        snapshot.update(recordedAt=NOW, utcOffset=0, statuses={}, folders={}, links=[], agentProcesses=[
            {"name": "amazon-ssm-agent", "pid": 812, "user": "root", "started": "2026-11-24T08:00:00Z"},
            {"name": "ssm-agent-worker", "pid": 840, "user": "root", "started": "2026-11-24T08:00:02Z"},
        ])  # fmt: skip
        for name in BINARIES:
            self.file(f"/usr/bin/{name}", None, 0o755)
        self.file("/usr/bin/dpkg", None, 0o755)
        self.file("/usr/bin/systemctl", None, 0o755)
        self.command(("/usr/bin/dpkg", "--verify", "amazon-ssm-agent"), "")
        self.command(("/usr/bin/amazon-ssm-agent", "-version"), "SSM Agent version: 3.3.4851.0\n")
        self.unit()
        self.file("/usr/bin/df", None, 0o755)
        self.mounts()
        self.space()
        self.log("amazon-ssm-agent.log", started("08:00:00") + ready("08:00:01") + ready("11:30:00")
                 + reported("11:55:00"))  # fmt: skip
        self.log(
            "AmazonSSMAgent-update.txt",
            line("07:00:00", "INFO", "amazon-ssm-agent updated successfully to 3.3.4851.0", ""),
        )
        self.file("/var/lib/amazon/ssm/registration", json.dumps({"ManagedInstanceID": NODE, "Region": REGION}))
        self.credentials("2026-11-24T11:30:00Z", "2026-11-24T12:30:00Z")
        self.file("/etc/passwd", "root:x:0:0::/root:/bin/bash\nssm-user:x:1001:1001::/home/ssm-user:/bin/sh\n", 0o644)
        self.sudoers("# User rules for ssm-user\nssm-user ALL=(ALL) NOPASSWD:ALL\n")

    @property
    def machine(self) -> RecordedMachine:
        return RecordedMachine(self.snapshot)

    def file(self, path: str, text: str | None, mode: int = 0o600, uid: int = 0) -> None:
        """Add a file; None for one whose content was not recorded."""
        self.snapshot["files"][path] = {} if text is None else {"text": text}
        self.snapshot["statuses"][path] = {
            "kind": "file", "mode": f"{mode:04o}", "uid": uid, "gid": 0, "size": len(text or ""), "modified": NOW,
        }  # fmt: skip

    def remove(self, path: str) -> None:
        self.snapshot["files"].pop(path, None)
        self.snapshot["statuses"].pop(path, None)

    def denied(self, path: str) -> None:
        error = {"error": "EACCES", "message": "Permission denied"}
        self.snapshot["files"][path] = self.snapshot["statuses"][path] = error

    def command(
        self, argv: tuple[str, ...], text: str, returncode: int = 0, stderr: str = "", problem: str = ""
    ) -> None:
        commands = self.snapshot["commands"]
        commands[:] = [one for one in commands if one["argv"] != list(argv)]
        commands.append({"argv": list(argv), "returncode": returncode, "stdout": text, "stderr": stderr,
                         "problem": problem, "seconds": 0.01})  # fmt: skip

    def unit(self, **properties: str) -> None:
        values = {
            "Id": "amazon-ssm-agent.service", "LoadState": "loaded", "ActiveState": "active", "SubState": "running",
            "UnitFileState": "enabled", "User": "", "MainPID": "812", "NRestarts": "0", "Environment": "", **properties,
        }  # fmt: skip
        missing = "Id=snap.amazon-ssm-agent.amazon-ssm-agent.service\nLoadState=not-found\n"
        self.command(SYSTEMCTL, "".join(f"{n}={v}\n" for n, v in values.items()) + "\n" + missing)

    def units(self, *units: dict[str, str]) -> None:
        """Set the properties of the units that systemd shows, in the order of the agent's units."""
        blocks = ["".join(f"{name}={value}\n" for name, value in unit.items()) for unit in units]
        self.command(SYSTEMCTL, "\n".join(blocks))

    def details(self, unit: str = "amazon-ssm-agent.service", **properties: str) -> None:
        """Set why a unit does not run."""
        shown = "".join(f"{name}={value}\n" for name, value in {"Id": unit, **properties}.items())
        self.command(("/usr/bin/systemctl", "show", "--no-pager", f"--property={DETAILS}", unit), shown)

    def journal(self, *lines: str, unit: str = "amazon-ssm-agent.service") -> None:
        """Set the last lines of the journal of a unit."""
        self._journal((f"--unit={unit}", "--lines=200"), lines)

    def kernel_journal(self, *lines: str) -> None:
        """Set what the kernel and the audit system logged."""
        self._journal(("--lines=1000", "_TRANSPORT=audit", "+", "_TRANSPORT=kernel"), lines)

    def _journal(self, words: tuple[str, ...], lines: tuple[str, ...]) -> None:
        self.file("/usr/bin/journalctl", None, 0o755)
        argv = ("/usr/bin/journalctl", "--no-pager", "--quiet", "--output=short-iso", *words)
        self.command(argv, "".join(f"{line}\n" for line in lines))

    def mounts(self, **options: str) -> None:
        """Set the file systems: `root`, `usr`, `var`, `log`, each with its options."""
        points = {"root": "/", "usr": "/usr", "var": "/var", "log": "/var/log/amazon"}
        found = {"root": "rw,relatime", **options}
        lines = [
            f"/dev/sda{n} {points[name]} ext4 {found[name]} 0 0\n" for n, name in enumerate(points) if name in found
        ]
        self.file("/proc/self/mounts", "".join(lines), 0o444)

    def space(self, free: int = 8_000_000, available: int | None = None, inodes: int = 500_000, at: str = "/") -> None:
        """Set what is free on the file system of the agent, in KiB and in inodes."""
        total, head = 16_000_000, "Filesystem 1024-blocks Used Available Capacity Mounted on\n"
        left = free if available is None else available
        for words, row in (
            ("-Pk", f"/dev/sda1 {total} {total - free} {left} 50% {at}\n"),
            ("-Pi", f"/dev/sda1 1000000 {1000000 - inodes} {inodes} 50% {at}\n"),
        ):
            # The directories of the agent are not recorded, so df is asked of the next one above them.
            self.command(("/usr/bin/df", words, "/"), head + row)

    def log(self, name: str, text: str) -> None:
        self.file(f"{LOGS}/{name}", text)
        names = self.snapshot["folders"].setdefault(LOGS, [])
        names[:] = sorted({*names, name})

    def credentials(self, retrieved: str, expires: str, **more: str) -> None:
        members = {
            "SchemaVersion": "1.1", "InstanceId": NODE, "IdentityType": "OnPrem",
            "ShareFile": "/root/.aws/credentials", "ShareProfile": "default", "CredentialsExpiresAt": expires,
            "CredentialsRetrievedAt": retrieved, "CredentialSource": "SSM", **more,
        }  # fmt: skip
        self.file("/var/lib/amazon/ssm/runtimeconfig/identity_config.json", json.dumps(members))

    def sudoers(self, text: str, mode: int = 0o440, uid: int = 0) -> None:
        self.file("/etc/sudoers.d/ssm-agent-users", text, mode, uid)

    def config(self, **sections: Any) -> None:
        self.file("/etc/amazon/ssm/amazon-ssm-agent.json", json.dumps(sections), 0o644)

    def stopped(self) -> None:
        self.snapshot["agentProcesses"] = []
        self.unit(ActiveState="inactive", SubState="dead", MainPID="0")

    def write(self) -> None:
        """Write vault and snapshot as files."""
        store = self.vault_path / "Store"
        store.mkdir(parents=True, exist_ok=True)
        self.vault_path.chmod(0o700)
        store.chmod(0o700)
        manifest = {}
        for name, data in (("InstanceFingerprint", self.record), ("RegistrationKey", self.registration)):
            if data is None:
                continue
            if isinstance(data, FingerprintRecord):
                data = encode_fingerprint(data)
            elif isinstance(data, RegistrationRecord):
                data = encode_registration(data)
            self._put(store / name, data)
            manifest[name] = str(store / name)
        self._put(self.vault_path / "Manifest", dumps(manifest))
        (self.directory / "machine.json").write_text(json.dumps(self.snapshot))

    def _put(self, path: Path, data: bytes) -> None:
        path.write_bytes(data)
        path.chmod(0o600)
        # All files are from the registration, in November.
        os.utime(path, (1793520000, 1793520000))

    def site(self, network: Network | None = None, **options: Any) -> Site:
        self.write()
        vault = Vault(str(self.vault_path), state=str(self.directory / "state"))
        return Site(self.machine, vault, network=network, **options)

    def diagnosis(self, *only: str, **options: Any) -> Diagnosis:
        return diagnose(self.site(**options), only)

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command over this host."""
        self.write()
        return run(
            "--vault", str(self.vault_path), "--snapshot", str(self.directory / "machine.json"), *words, env=self.env
        )

    def json(self, *words: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self(*words, "--output", "json").stdout)
        schema = resources.files("fingerprint") / "schemas" / f"{answer['command'].replace(' ', '-')}.json"
        Draft202012Validator(json.loads(schema.read_text())).validate(answer)
        return answer


def copied_disk(directory: Path, machine: AgentMachine) -> Path:
    """Write the files of a machine, and its vault, below a directory as on a mounted disk."""
    root = directory / "disk"
    machine.write()
    for path, entry in machine.snapshot["files"].items():
        if "text" in entry or not entry:
            target = root / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(entry.get("text", ""))
            target.chmod(int(machine.snapshot["statuses"].get(path, {}).get("mode", "0644"), 8))
    vault = root / "var/lib/amazon/ssm/Vault"
    subprocess.run(["cp", "-a", str(machine.vault_path), str(vault)], check=True)
    # It has the path on its own machine.
    manifest = vault / "Manifest"
    manifest.write_text(manifest.read_text().replace(str(machine.vault_path), "/var/lib/amazon/ssm/Vault"))
    return root


def of_version(machine: AgentMachine, version: str) -> AgentMachine:
    """Make the agent's program print a version, and return the machine."""
    machine.command(("/usr/bin/amazon-ssm-agent", "-version"), f"SSM Agent version: {version}\n")
    return machine


def shown(machine: AgentMachine, check: str) -> tuple[str, str, str]:
    """Return outcome, text and evidence of a check of `diagnose`."""
    finding = machine.diagnosis(check)[check]
    return str(finding.outcome), finding.text, " | ".join(finding.evidence)


def time_at(seconds: float) -> str:
    """Return a time in UTC, seconds after the midnight of 2026-11-24."""
    return utc(1795478400 + seconds)
