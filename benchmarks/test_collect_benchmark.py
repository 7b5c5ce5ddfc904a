"""One collection of scheme ssm against its five commands run one after another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fingerprint import collect
from fingerprint.collect.machine import LiveMachine

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


def test_a_collection(claim: Callable[..., Any], short: bool) -> None:
    machine = LiveMachine()
    claim("one collection, this machine's tools", "ours", at_most=0.6).pedantic(
        collect, (machine,), rounds=50 if short else 300, warmup_rounds=5
    )


def test_a_collection_peer(claim: Callable[..., Any], short: bool) -> None:
    claim("one collection, this machine's tools", "peer").pedantic(
        one_after_another, (COMMANDS,), rounds=50 if short else 300, warmup_rounds=5
    )


@pytest.fixture
def slow_tool(tmp_path: Path) -> str:
    """A tool that takes 10 ms, as dmidecode may where it has a table to print."""
    path = tmp_path / "tool"
    path.write_text("#!/bin/sh\nexec sleep 0.01\n")
    path.chmod(0o755)
    return str(path)


def test_a_collection_with_slow_tools(claim: Callable[..., Any], short: bool, slow_tool: str) -> None:
    machine = LiveMachine(executables={command[0]: slow_tool for command in COMMANDS})
    claim("one collection, tools of 10 ms", "ours", at_most=0.6).pedantic(
        collect, (machine,), rounds=20 if short else 100, warmup_rounds=2
    )


def test_a_collection_with_slow_tools_peer(claim: Callable[..., Any], short: bool, slow_tool: str) -> None:
    commands = [[slow_tool, *command[1:]] for command in COMMANDS]
    claim("one collection, tools of 10 ms", "peer").pedantic(
        one_after_another, (commands,), rounds=20 if short else 100, warmup_rounds=2
    )
