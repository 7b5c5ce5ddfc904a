"""A line for each command of the table that prints an answer about one machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from agent_machines import AgentMachine, copied_disk
from fingerprint.agent.paths import UNITS
from fingerprint.cli.table import all_commands
from fingerprint.testing.machines import unix_snapshot


def machine_for_every_command(directory: Path, **changes: Any) -> AgentMachine:
    """Return a registered machine, and write the files that the lines of `words_of` name.

    Args:
        directory: for all files.
        changes: of the machine, as `unix_snapshot` takes them.
    """
    machine = AgentMachine(directory, **changes)
    machine.write()
    pair = {"saved": {"machine-id": "A"}, "current": {"machine-id": "B"}, "threshold": 40}
    (directory / "pairs.jsonl").write_text(json.dumps(pair) + "\n")
    row = {"node_id": "mi-1", "saved": {"machine-id": "A"}, "current": {"machine-id": "A"}, "threshold": 40}
    (directory / "fleet.jsonl").write_text(json.dumps(row) + "\n")
    (directory / "a.json").write_text(json.dumps(unix_snapshot()))
    log = machine.snapshot["files"]["/var/log/amazon/ssm/amazon-ssm-agent.log"]["text"]
    (directory / "agent.log").write_text(log)
    (directory / "code").write_text("x" * 20)
    disk = copied_disk(directory, machine)
    # What `guard install` needs there.
    for path in (f"etc/systemd/system/{UNITS[0]}", "usr/bin/timeout", "usr/bin/fingerprint"):
        (disk / path).parent.mkdir(parents=True, exist_ok=True)
        (disk / path).touch(0o755)
    return machine


def lines(machine: AgentMachine) -> dict[str, list[str]]:
    """Return a line for each command that writes to standard output."""
    directory = machine.directory
    fleet = str(directory / "fleet.jsonl")
    return {
        **{command.path: [] for command in all_commands()},
        "monitor watch": ["--checks", "1"], "whatif": ["--event", "reboot"], "threshold set": ["50", "--dry-run"],
        "threshold advise": ["--standard", "--tolerate", "reboot"], "s3-policy": ["--region", "eu-west-1"],
        "snapshot": ["-"],
        "match": [str(directory / "pairs.jsonl")], "diagnose logs": [str(directory / "agent.log")],
        "completion": ["bash"], "report": ["--redact", str(directory / f"report-{os.urandom(4).hex()}.tar.gz")],
        "monitor units": ["--system", "systemd", str(directory / f"units-{os.urandom(4).hex()}")],
        "fleet check": [fleet], "fleet plan": [fleet], "fleet clones": [fleet], "fleet diff": [fleet, fleet],
        "fleet pack": [fleet, str(directory / f"{os.urandom(4).hex()}.arrow")],
        "fleet report": [fleet, str(directory / f"{os.urandom(4).hex()}.html")],
        "vault reset": ["--dry-run"], "vault backup": ["--dry-run"],
        "vault rebaseline": ["--keep-fingerprint", "--dry-run"], "credentials serve": ["--port", "0"],
        "deregister": ["--dry-run"], "vault init": ["--if-missing"],
        "register": ["--region", "eu-west-1", "--activation-id", "0" * 36, "--code-file", str(directory / "code"),
                     "--again", "--dry-run"],
        "image clean": ["--dry-run"], "guard uninstall": ["--dry-run"],
        "guard install": ["--dry-run", "--program", "/usr/bin/fingerprint"],
    }  # fmt: skip


# They print nothing without a service that answers, or without an earlier record.
ASK = ("credentials process", "credentials update", "vault restore")
WRITING = sorted({command.path for command in all_commands()} - set(ASK))
NEEDS_NOTHING = ("completion", "diagnose logs", "help", "local-service", "match", "monitor units", "s3-policy")
OF_A_DISK = (
    "credentials sources", "guard install", "guard status", "guard uninstall", "image check", "image clean",
)  # fmt: skip


def words_of(machine: AgentMachine, path: str) -> list[str]:
    target = ["--vault", str(machine.vault_path), "--snapshot", str(machine.directory / "machine.json")]
    if path in OF_A_DISK:
        target = ["--root", str(machine.directory / "disk")]
    return [*([] if path in NEEDS_NOTHING or (path.startswith("fleet ") and path != "fleet row") else target),
            *path.split(), *lines(machine)[path]]  # fmt: skip
