"""The command `s3-policy`, its answers, and the names of buckets."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from commandline import environment, run
from fingerprint.agent.buckets import buckets

SCHEMA = json.loads((resources.files("fingerprint") / "schemas" / "s3-policy.json").read_text())

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def answered(command: Command, *words: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(command(*words, "--output", "json").stdout)
    Draft202012Validator(SCHEMA).validate(answer)
    return answer


def names(region: str, system: str = "all") -> list[str]:
    return [bucket.name for bucket in buckets(region, system)]


def command_in(directory: Path) -> Command:
    """Return a function that runs `s3-policy` with its state in a directory."""
    env = environment(directory / "state")
    return lambda *words: run("s3-policy", *words, env=env)
