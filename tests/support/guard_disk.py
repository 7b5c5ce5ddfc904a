"""A disk with the agent's package and this program, for the units of the guard."""

from __future__ import annotations

from pathlib import Path

from fingerprint.agent.paths import UNITS

PROGRAM = "/usr/bin/fingerprint"
VENDOR = "[Service]\nExecStart=/usr/bin/amazon-ssm-agent\nRestart=always\n"


def put(disk: Path, path: str, text: str, mode: int = 0o644) -> Path:
    """Write a file of the disk."""
    target = disk / path[1:]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod(mode)
    return target


def with_systemd(disk: Path) -> Path:
    """Put the package of the agent on a disk, this program, and what its units need."""
    for path in (PROGRAM, "/usr/bin/timeout"):
        put(disk, path, "#!/bin/sh\n", 0o755)
    put(disk, f"/lib/systemd/system/{UNITS[0]}", VENDOR)
    return disk
