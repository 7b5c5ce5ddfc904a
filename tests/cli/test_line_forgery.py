"""A value of a record stays in its line: no string in a vault begins a line of the output."""

from __future__ import annotations

from pathlib import Path

import pytest

from commandline import environment, run
from fingerprint import FingerprintRecord, HardwareHash, Vault
from fingerprint.types import RegistrationRecord

BREAK = "\nFORGED "
COMMANDS = (
    "vault show", "check", "explain", "diagnose", "vault verify", "vault history", "vault backup --dry-run",
    "vault restore 1 --dry-run --accept-new-sid", "vault restore 0 --key registration --dry-run",
    "vault rebaseline --keep-fingerprint --dry-run --accept-new-sid",
    "vault rebaseline --keep-fingerprint --yes --accept-new-sid", "vault reset --dry-run", "whatif --event clone",
    "threshold get", "threshold set 50 --dry-run", "monitor nagios", "monitor watch --checks 1", "vault evidence",
)  # fmt: skip


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a vault in which every text has a line break."""
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    saved = HardwareHash({"machine-id": "x", f"key{BREAK}": f"value{BREAK}"})
    node = RegistrationRecord(
        f"mi-0{BREAK}", f"eu-west-1{BREAK}", private_key="QUJD", private_key_type=f"Rsa{BREAK}",
        private_key_created_date=f"2026{BREAK}", provider=f"EC2{BREAK}",
    )  # fmt: skip
    for number in range(2):
        record = FingerprintRecord(f"fingerprint {number}{BREAK}", saved, 40)
        with vault.edit() as edit:
            edit.store(record, why="test")
            edit.store_registration(node, why="test")
    return {**environment(tmp_path / "state"), "FINGERPRINT_VAULT": vault.path}


@pytest.mark.parametrize("reveal", [(), ("--reveal",)], ids=["masked", "revealed"])
@pytest.mark.parametrize("line", COMMANDS)
def test_a_text_of_a_record_begins_no_line(env: dict[str, str], line: str, reveal: tuple[str, ...]) -> None:
    done = run(*line.split(), *reveal, env=env)
    # A usage error, which has no text of a record: of a plug-in 3, as 2 is CRITICAL.
    assert done.returncode != (3 if "nagios" in line else 2), done.stderr
    assert "internal error" not in done.stderr
    assert [one for one in (done.stdout + done.stderr).splitlines() if one.lstrip().startswith("FORGED")] == []


def test_a_line_break_is_printed_escaped(env: dict[str, str]) -> None:
    shown = run("vault", "show", "--reveal", env=env).stdout
    for text in ("fingerprint 1\\x0aFORGED", "mi-0\\x0aFORGED", "eu-west-1\\x0aFORGED", "value\\x0aFORGED"):
        assert text in shown
