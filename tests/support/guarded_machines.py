"""A machine whose agent starts after `fingerprint guard`, with evidence of its record, before and after an event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from agent_machines import AgentMachine
from event_machines import before_and_after
from fingerprint import Vault, collect
from fingerprint.gate import keep_snapshot
from fingerprint.guard import GuardRun, run_guard
from fingerprint.guard_units.drop_in import content
from fingerprint.types import FingerprintRecord

_UNIT = "/etc/systemd/system/amazon-ssm-agent.service"
COMMAND = "/usr/bin/fingerprint guard --on-mismatch block"
ALLOWS = "/usr/bin/fingerprint guard --on-mismatch allow"


class GuardedMachine(AgentMachine):
    """A machine that is registered, with its vault written once.

    Args:
        directory: for its files.
        event: what happens to it, see `happens`.
        evidence: whether the sources of the record were kept.
    """

    def __init__(self, directory: Path, event: str, *, evidence: bool = True) -> None:
        super().__init__(directory)
        self._before, self._after = before_and_after(event)
        self.is_like(self._before)
        assert isinstance(self.record, FingerprintRecord)
        self.record = self.record.replace(hardware_hash=collect(self.machine).hardware_hash)
        self.write()
        if evidence:
            keep_snapshot(self.vault, self.snapshot)
        self.installed(COMMAND)

    @property
    def vault(self) -> Vault:
        return Vault(str(self.vault_path), state=self.env["FINGERPRINT_STATE"])

    def is_like(self, taken: dict[str, Any]) -> None:
        """Give it the hardware and the files of a recording."""
        for name in ("files", "folders"):
            self.snapshot[name].update(taken[name])
        for command in taken["commands"]:
            self.command(tuple(command["argv"]), command.get("stdout", ""), command.get("returncode", 0))
        for name in ("hostName", "addresses", "links", "outgoingAddress", "kernel"):
            self.snapshot[name] = taken[name]

    def happens(self) -> None:
        """Let the event happen."""
        self.is_like(self._after)

    def is_undone(self) -> None:
        """Put the disk back into the first machine."""
        self.is_like(self._before)

    def installed(self, command: str) -> None:
        """Let the agent's unit run a command before each start, as `guard install` writes it."""
        self.drop_in(content(command.split(), "/usr/bin/timeout", 60).decode())

    def loses_dmidecode(self) -> None:
        """Let dmidecode hang, so that four attributes are unreadable."""
        for command in self.snapshot["commands"]:
            if "dmidecode" in command["argv"][0]:
                command.update({"problem": "timeout", "returncode": None})

    def drop_in(self, text: str) -> None:
        self.file(_UNIT, "[Service]\nExecStart=/usr/bin/amazon-ssm-agent\n", 0o644)
        self.file(f"{_UNIT}.d/fingerprint-guard.conf", text, 0o644)
        self.snapshot["folders"][f"{_UNIT}.d"] = ["fingerprint-guard.conf"]

    def guard(self, **options: bool) -> GuardRun:
        return run_guard(self.vault, self.machine, **options)

    def starts(self, *, block: bool = True) -> GuardRun:
        """Let systemd start the agent: the guard decides first."""
        found = self.guard(block=block)
        if found.blocks:
            self.stopped()
            self.details(Result="exec-condition", ConditionResult="yes", ConditionTimestampMonotonic="1")
        return found

    def write(self) -> None:
        if self.vault_path.exists():
            record, self.record = self.record, None
            registration, self.registration = self.registration, None
            manifest = (self.vault_path / "Manifest").read_bytes()
            super().write()
            (self.vault_path / "Manifest").write_bytes(manifest)
            self.record, self.registration = record, registration
        else:
            super().write()
