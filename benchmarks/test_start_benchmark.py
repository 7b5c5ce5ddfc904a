"""Whole processes of the command line against `python -c pass` with the same interpreter.

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
from typing import Any

import pytest

COMMAND = str(Path(sys.executable).with_name("fingerprint"))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, str]]:
    folder = tmp_path_factory.mktemp("house")
    env = {"PATH": os.environ["PATH"], "FINGERPRINT_STATE": str(folder / "state")}
    words = [COMMAND, "--vault", str(folder / "Vault"), "--snapshot", str(folder / "machine.json")]
    subprocess.run([COMMAND, "show", "--save", str(folder / "machine.json")], env=env, check=True, capture_output=True)
    subprocess.run([*words, "init"], env=env, check=True, capture_output=True)
    return words, env


def _run(words: list[str], env: dict[str, str]) -> None:
    subprocess.run(words, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _measure(bench: Any, words: list[str], env: dict[str, str], short: bool) -> None:
    bench.pedantic(_run, (words, env), rounds=30 if short else 200, warmup_rounds=5)


def test_check(claim: Callable[..., Any], house: Any, short: bool) -> None:
    _measure(claim("check as a process", "ours", at_most=1.5), [*house[0], "check"], house[1], short)


def test_check_peer(claim: Callable[..., Any], house: Any, short: bool) -> None:
    _measure(claim("check as a process", "peer"), [sys.executable, "-c", "pass"], house[1], short)


def test_check_json(claim: Callable[..., Any], house: Any, short: bool) -> None:
    words = [*house[0], "check", "--output", "json"]
    assert json.loads(subprocess.run(words, env=house[1], capture_output=True, check=True).stdout)["match"]
    _measure(claim("check --output json as a process", "ours", at_most=1.5), words, house[1], short)


def test_check_json_peer(claim: Callable[..., Any], house: Any, short: bool) -> None:
    _measure(claim("check --output json as a process", "peer"), [sys.executable, "-c", "pass"], house[1], short)


def test_help(claim: Callable[..., Any], house: Any, short: bool) -> None:
    _measure(claim("--help as a process", "ours", at_most=3), [COMMAND, "--help"], house[1], short)


def test_help_peer(claim: Callable[..., Any], house: Any, short: bool) -> None:
    _measure(claim("--help as a process", "peer"), [sys.executable, "-c", "pass"], house[1], short)
