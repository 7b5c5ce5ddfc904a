"""A vault, a recorded machine and the command line over them."""

from __future__ import annotations

import json
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from commandline import environment, run
from fingerprint.testing.machines import unix_snapshot


class Setup:
    """A state directory, a vault, a recorded machine, and the command line over them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.vault = directory / "Vault"
        self.record = self.vault / "Store" / "InstanceFingerprint"
        self.snapshot = directory / "machine.json"
        self.env = environment(directory / "state")
        self.is_now()

    @classmethod
    def with_record(cls, directory: Path, **changes: Any) -> Setup:
        """Return a setup whose vault holds the record of its machine."""
        setup = cls(directory)
        setup.is_now(**changes)
        assert setup("vault", "init").returncode == 0
        return setup

    def is_now(self, **changes: Any) -> None:
        self.snapshot.write_text(json.dumps(unix_snapshot(**changes)))

    def __call__(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return run("--vault", str(self.vault), "--snapshot", str(self.snapshot), *words, env=self.env, **options)

    def json(self, *words: str) -> dict[str, Any]:
        done = self(*words, "--output", "json")
        answer: dict[str, Any] = json.loads(done.stdout)
        schema = resources.files("fingerprint") / "schemas" / f"{answer['command'].replace(' ', '-')}.json"
        Draft202012Validator(json.loads(schema.read_text())).validate(answer)
        return answer
