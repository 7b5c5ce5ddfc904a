"""Processes of the command line against `python -c pass` with the same interpreter.

The check runs over a recorded machine, so the five commands' own time is left out and everything else
is in: start, parsing, collection, vault, verdict, table.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Target = tuple[list[str], dict[str, str]]
COMMAND = str(Path(sys.executable).with_name("fingerprint"))


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Target:
    directory = tmp_path_factory.mktemp("target")
    env = {"PATH": os.environ["PATH"], "FINGERPRINT_STATE": str(directory / "state")}
    words = [COMMAND, "--vault", str(directory / "Vault"), "--snapshot", str(directory / "machine.json")]
    subprocess.run([COMMAND, "snapshot", str(directory / "machine.json")], env=env, check=True, capture_output=True)
    subprocess.run([*words, "vault", "init"], env=env, check=True, capture_output=True)
    return words, env


def _run(words: list[str], env: dict[str, str]) -> None:
    subprocess.run(words, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _measure(
    versus: Callable[..., None], name: str, words: list[str], target: Target, short: bool, most: float
) -> None:
    _, env = target
    nothing = [sys.executable, "-c", "pass"]
    versus(name, lambda: _run(words, env), lambda: _run(nothing, env), rounds=50 if short else 300, at_most=most)


def test_check(versus: Callable[..., None], target: Target, short: bool) -> None:
    _measure(versus, "check as a process", [*target[0], "check"], target, short, 1.35)


def test_check_json(versus: Callable[..., None], target: Target, short: bool) -> None:
    words = [*target[0], "check", "--output", "json"]
    assert json.loads(subprocess.run(words, env=target[1], capture_output=True, check=True).stdout)["match"]
    _measure(versus, "check --output json as a process", words, target, short, 1.35)


def test_help(versus: Callable[..., None], target: Target, short: bool) -> None:
    _measure(versus, "--help as a process", [COMMAND, "--help"], target, short, 2.5)


def test_version(versus: Callable[..., None], target: Target, short: bool) -> None:
    _measure(versus, "--version as a process", [COMMAND, "--version"], target, short, 1.4)
