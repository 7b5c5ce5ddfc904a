"""The command line starts in the time of the bare interpreter, because of what it does not import."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from commandline import environment
from fingerprint.testing.machines import unix_snapshot

HEAVY = {
    "argparse", "asyncio", "collections", "contextlib", "cpuinfo", "ctypes", "dataclasses", "enum", "functools",
    "hashlib", "importlib.metadata", "inspect", "json", "logging", "netifaces", "pathlib", "platformdirs", "psutil",
    "re", "shutil", "socket", "subprocess", "tempfile", "threading", "typing",
}  # fmt: skip
PROBE = """
import sys
before = set(sys.modules)
from fingerprint.cli import main
code = main(sys.argv[1:])
sys.stdout.flush()
print("IMPORTED", *sorted(set(sys.modules) - before), file=sys.stderr)
"""


@pytest.mark.parametrize("words", [["check"], ["check", "--output", "json"], ["show"], ["threshold", "get"]])
@pytest.mark.parametrize("live", [True, False])
@pytest.mark.skipif(sys.platform != "linux", reason="other systems read their addresses with psutil")
def test_a_common_command_imports_nothing_heavy(words: list[str], live: bool, tmp_path: Path) -> None:
    snapshot = tmp_path / "machine.json"
    snapshot.write_text(json.dumps(unix_snapshot()))
    source = [] if live else ["--snapshot", str(snapshot)]
    env = environment(tmp_path / "state")
    base = [sys.executable, "-I", "-c", PROBE, "--vault", str(tmp_path / "Vault"), *source]
    subprocess.run([*base, "vault", "init"], env=env, capture_output=True, check=True)
    done = subprocess.run([*base, *words], env=env, capture_output=True, text=True, check=True)
    [line] = [line for line in done.stderr.splitlines() if line.startswith("IMPORTED")]
    assert set(line.split()) & HEAVY == set()


@pytest.mark.parametrize(
    ("words", "answers"),
    [
        (["check"], {"fingerprint.answers", "fingerprint.answers.check"}), (["monitor", "nagios"], set()),
        (["check", "--output", "json"], {"fingerprint.answers", "fingerprint.answers.check"}), (["--version"], set()),
        (["credentials", "process"], set()),
    ],
)  # fmt: skip
def test_a_command_imports_the_json_of_no_other_one(words: list[str], answers: set[str], tmp_path: Path) -> None:
    env = environment(tmp_path / "state", FINGERPRINT_VAULT=str(tmp_path / "Vault"))
    (tmp_path / "machine.json").write_text(json.dumps(unix_snapshot()))
    base = [sys.executable, "-I", "-c", PROBE]
    target = [] if "--version" in words else ["--snapshot", str(tmp_path / "machine.json")]
    subprocess.run([*base, "--snapshot", str(tmp_path / "machine.json"), "vault", "init"], env=env, check=True)
    done = subprocess.run([*base, *target, *words], env=env, capture_output=True, text=True, check=False)
    [line] = [line for line in done.stderr.splitlines() if line.startswith("IMPORTED")]
    assert {name for name in line.split() if name.startswith("fingerprint.answers")} == answers


def test_importing_the_package_imports_nothing_heavy() -> None:
    probe = "import sys; before = set(sys.modules); import fingerprint; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-I", "-c", probe], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & HEAVY == set()
    assert "fingerprint.vault" not in done.stdout
