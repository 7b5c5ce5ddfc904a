"""Time of a diagnosis beyond the agent's five commands, and of a plug-in against a plain check, as processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pytest

COMMAND = str(Path(sys.executable).with_name("fingerprint"))
ALLOWED_SECONDS = 1.0
FIVE = [
    *(["/usr/sbin/dmidecode", "-t", group] for group in ("processor", "memory", "bios", "system")),
    ["/bin/ls", "-l", "/dev/disk/by-uuid"],
]  # fmt: skip
LOGS = "var/log/amazon/ssm"
MEGABYTE = 1 << 20
QUIET = "2026-11-24 08:00:00.1234 DEBUG [ssm-agent-worker] [MessageService] a line without meaning for the diagnosis\n"
REFUSED = (
    "2026-11-24 11:35:00.1234 ERROR [CredentialRefresher] Retrieve credentials produced error: "
    "MachineFingerprintDoesNotMatch: Fingerprint does not match registration data\n"
    "2026-11-24 11:35:00.1235 INFO [CredentialRefresher] Sleeping for 25m47s before retrying retrieve credentials\n"
)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    env = {"PATH": os.environ["PATH"], "FINGERPRINT_STATE": str(tmp_path / "state")}
    subprocess.run([COMMAND, "vault", "init"], env=env, check=True, capture_output=True)
    # As for a record that the agent made: with evidence `check` also compares by scheme stable, which the plug-in does
    # only for the condition `copy`.
    shutil.rmtree(tmp_path / "state" / "evidence")
    return env


def _run(words: list[str], env: dict[str, str]) -> None:
    # Exit code 1 is a finding.
    subprocess.run(words, env=env, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _five_commands() -> float:
    seconds = []
    for _ in range(5):
        begin = perf_counter()
        for argv in FIVE:
            if Path(argv[0]).exists():
                subprocess.run(argv, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds.append(perf_counter() - begin)
    return median(seconds)


def test_a_diagnosis_of_this_machine(claim: Callable[..., Any], env: dict[str, str], short: bool) -> None:
    name = "diagnose of this host, as a process, against 1 s + the agent's five commands"
    bench = claim(name, "ours", target=1, peer_seconds=ALLOWED_SECONDS + _five_commands())
    bench.pedantic(lambda: _run([COMMAND, "diagnose"], env), rounds=5 if short else 30, warmup_rounds=2)


def test_diagnosis_with_logs_of_the_largest_size(
    claim: Callable[..., Any], env: dict[str, str], tmp_path: Path, short: bool
) -> None:
    """The agent keeps five files of 30 MB and five of 10 MB; each ends with a refusal."""
    logs = tmp_path / "disk" / LOGS
    logs.mkdir(parents=True)
    for name, size in (("amazon-ssm-agent.log", 30), ("errors.log", 10)):
        text = QUIET * (size * MEGABYTE // len(QUIET)) + REFUSED
        for suffix in ("", ".1", ".2", ".3", ".4"):
            (logs / f"{name}{suffix}").write_text(text)
    name = "diagnose of a disk with 200 MB of logs, as a process, against 1 s"
    bench = claim(name, "ours", target=1, peer_seconds=ALLOWED_SECONDS)
    words = [COMMAND, "--root", str(tmp_path / "disk"), "diagnose"]
    bench.pedantic(lambda: _run(words, env), rounds=3 if short else 20, warmup_rounds=1)


def test_a_plug_in(versus: Callable[..., None], env: dict[str, str], short: bool) -> None:
    plug_in, check = [COMMAND, "monitor", "nagios"], [COMMAND, "check"]
    rounds = 50 if short else 300
    versus(
        "monitor nagios against check", lambda: _run(plug_in, env), lambda: _run(check, env), rounds=rounds,
        at_most=1.3,
    )  # fmt: skip
