"""One collection of scheme ssm against its five commands run one after another."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from fingerprint import collect
from fingerprint.collect.machine import LiveMachine

COMMANDS = [
    *[["/usr/sbin/dmidecode", "-t", group] for group in ("processor", "memory", "bios", "system")],
    ["/usr/bin/ls", "-l", "/dev/disk/by-uuid"],
]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the five commands are those of Linux")


def one_after_another() -> None:
    for command in COMMANDS:
        try:
            subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        except FileNotFoundError:
            # dmidecode is not installed here; the claim is then about what is left.
            continue


def test_a_collection(claim: Callable[..., Any], short: bool) -> None:
    machine = LiveMachine()
    claim("one collection", "ours", at_most=0.6).pedantic(
        collect, (machine,), rounds=30 if short else 200, warmup_rounds=5
    )


def test_a_collection_peer(claim: Callable[..., Any], short: bool) -> None:
    claim("one collection", "peer").pedantic(one_after_another, rounds=30 if short else 200, warmup_rounds=5)
