"""For each command of the table a line that writes an answer, about one machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from agent_machines import AgentMachine, copied_disk
from fingerprint.cli.table import all_commands
from fingerprint.testing.machines import unix_snapshot


def machine_for_every_command(folder: Path, **changes: Any) -> AgentMachine:
    """Return a registered machine, with the files beside it that the lines of `words_of` name.

    Args:
        directory: for all files.
        changes: of the machine, as `unix_snapshot` takes them.
    """
    machine = AgentMachine(folder, **changes)
    machine.write()
    pair = {"saved": {"machine-id": "A"}, "current": {"machine-id": "B"}, "threshold": 40}
    (folder / "pairs.jsonl").write_text(json.dumps(pair) + "\n")
    row = {"node_id": "mi-1", "saved": {"machine-id": "A"}, "current": {"machine-id": "A"}, "threshold": 40}
    (folder / "fleet.jsonl").write_text(json.dumps(row) + "\n")
    (folder / "a.json").write_text(json.dumps(unix_snapshot()))
    log = machine.snapshot["files"]["/var/log/amazon/ssm/amazon-ssm-agent.log"]["text"]
    (folder / "agent.log").write_text(log)
    (folder / "code").write_text("x" * 20)
    copied_disk(folder, machine)
    return machine


def lines(machine: AgentMachine) -> dict[str, list[str]]:
    """Return for each command a line that writes to standard output."""
    folder = machine.directory
    fleet = str(folder / "fleet.jsonl")
    return {
        **{command.path: [] for command in all_commands()},
        "monitor watch": ["--checks", "1"], "whatif": ["--event", "reboot"], "threshold set": ["50", "--dry-run"],
        "threshold advise": ["--standard", "--tolerate", "reboot"], "s3-policy": ["--region", "eu-west-1"],
        "snapshot": ["-"],
        "match": [str(folder / "pairs.jsonl")], "diagnose logs": [str(folder / "agent.log")],
        "completion": ["bash"], "report": ["--redact", str(folder / f"report-{os.urandom(4).hex()}.tar.gz")],
        "monitor units": ["--system", "systemd", str(folder / f"units-{os.urandom(4).hex()}")],
        "fleet check": [fleet], "fleet plan": [fleet], "fleet clones": [fleet], "fleet diff": [fleet, fleet],
        "fleet pack": [fleet, str(folder / f"{os.urandom(4).hex()}.arrow")],
        "fleet report": [fleet, str(folder / f"{os.urandom(4).hex()}.html")],
        "vault reset": ["--dry-run"], "vault backup": ["--dry-run"],
        "vault rebaseline": ["--keep-fingerprint", "--dry-run"], "credentials serve": ["--port", "0"],
        "deregister": ["--dry-run"], "vault init": ["--if-missing"],
        "register": ["--region", "eu-west-1", "--activation-id", "0" * 36, "--code-file", str(folder / "code"),
                     "--again", "--dry-run"],
        "image clean": ["--dry-run"],
    }  # fmt: skip


# They print nothing without a service that answers, or without an earlier record.
ASK = ("credentials process", "credentials update", "vault restore")
WRITING = sorted({command.path for command in all_commands()} - set(ASK))
NEEDS_NOTHING = ("completion", "diagnose logs", "help", "local-service", "match", "monitor units", "s3-policy")
OF_A_DISK = ("credentials sources", "image check", "image clean")


def words_of(machine: AgentMachine, path: str) -> list[str]:
    target = ["--vault", str(machine.vault_path), "--snapshot", str(machine.directory / "machine.json")]
    if path in OF_A_DISK:
        target = ["--root", str(machine.directory / "disk")]
    return [*([] if path in NEEDS_NOTHING or (path.startswith("fleet ") and path != "fleet row") else target),
            *path.split(), *lines(machine)[path]]  # fmt: skip
