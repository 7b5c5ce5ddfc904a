"""One collection of scheme ssm against its five commands run one after another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fingerprint import collect
from fingerprint.machine.live import LiveMachine

COMMANDS = [
    *[["/usr/sbin/dmidecode", "-t", group] for group in ("processor", "memory", "bios", "system")],
    ["/usr/bin/ls", "-l", "/dev/disk/by-uuid"],
]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the five commands are those of Linux")


def one_after_another(commands: list[list[str]]) -> None:
    for command in commands:
        try:
            subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        except FileNotFoundError:
            # dmidecode is not installed here; the claim is then about what is left.
            continue


def test_a_collection(versus: Callable[..., None], short: bool) -> None:
    """Without a bound: with tools as fast as these it costs what starting their processes costs."""
    machine = LiveMachine()
    versus(
        "one collection, this host's tools",
        lambda: collect(machine),
        lambda: one_after_another(COMMANDS),
        rounds=50 if short else 300,
    )


def test_a_collection_with_slow_tools(versus: Callable[..., None], short: bool, tmp_path: Path) -> None:
    """Tools that take 10 ms, as dmidecode may where it has a table to print."""
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\nexec sleep 0.01\n")
    tool.chmod(0o755)
    machine = LiveMachine(executables={command[0]: str(tool) for command in COMMANDS})
    commands = [[str(tool), *command[1:]] for command in COMMANDS]
    versus(
        "one collection, tools of 10 ms",
        lambda: collect(machine),
        lambda: one_after_another(commands),
        rounds=20 if short else 100,
        at_most=0.6,
    )
