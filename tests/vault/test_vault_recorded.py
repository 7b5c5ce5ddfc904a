"""The 26 recorded scenarios of the reference's vault, replayed step by step.

Each step starts from the files and modes that the reference had before it, does the same with ours,
and must leave what the reference left, or what docs/departures.md says instead.
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from fingerprint import Gate, Vault
from fingerprint.errors import (
    CollectError,
    FingerprintError,
    UsageError,
    VaultCorrupt,
    VaultMissing,
    VaultUnreadable,
    VaultUnsafe,
)
from fingerprint.gate import set_threshold
from fingerprint.testing.machines import MACHINE_ID, unix_machine
from shared import VECTORS, needs_vectors

pytestmark = [
    needs_vectors,
    pytest.mark.skipif(os.geteuid() != 0, reason="the reference's vault has directories that only root can enter"),
]

REFERENCE_DATA = "/var/lib/amazon/ssm"
STORED = "Vault/Store/InstanceFingerprint"
# Where we do better: (scenario, step) -> the error that is raised instead, with the files untouched.
BETTER = {
    ("corrupt_store", "fingerprint on corrupt store"): VaultCorrupt,
    ("empty_store", "fingerprint on empty store file"): VaultCorrupt,
    ("wrong_types", "wrong type in store"): VaultCorrupt,
    ("store_missing", "store file missing"): VaultCorrupt,
    ("manifest_elsewhere", "read through manifest path"): VaultUnsafe,
    ("manifest_elsewhere", "set 61: where is it written?"): VaultUnsafe,
    ("store_mode", "modes hardened on next start"): VaultUnsafe,
}
# Steps in which the reference fails as we do: our error for its message.
FAILS = {
    ("bad_utf8", "machine-id not UTF-8, no vault"): CollectError,
    ("corrupt_store", "set threshold on corrupt"): VaultCorrupt,
    ("manifest_corrupt", "set threshold"): VaultCorrupt,
    ("store_is_dir", "unreadable store"): VaultUnreadable,
    ("store_missing", "set threshold"): VaultCorrupt,
    ("thresholds", "set 75 with no vault at all"): VaultMissing,
    ("thresholds", "set 0"): UsageError,
    ("thresholds", "set 101"): UsageError,
    ("thresholds", "set -2"): UsageError,
}
# The reference's command line, not its vault: a bare flag sets 40, and two usage errors; and the
# steps that need another user or a read-only mount, which tests/durability does with real ones.
ELSEWHERE = {
    ("nonroot", "non-root first generation"),
    ("readonly", "store not writable: sid changed"),
    ("thresholds", "flag alone (default value)"),
    ("thresholds", "not a number"),
    ("thresholds", "threshold flag without -fingerprint"),
}


def _steps() -> list[Any]:
    if not VECTORS.is_dir():
        return []
    cases = []
    for path in sorted((VECTORS / "vault").glob("*.json")):
        scenario = json.loads(path.read_text())
        cases += [
            pytest.param(scenario, number, id=f"{scenario['stage']}-{number}-{step['step'][:30]}")
            for number, step in enumerate(scenario["steps"])
            if "command" in step and (scenario["stage"], step["step"]) not in ELSEWHERE
        ]
    return cases


@pytest.mark.parametrize(("scenario", "number"), _steps())
def test_a_step_leaves_what_the_reference_left_or_better(scenario: dict[str, Any], number: int, tmp_path: Path) -> None:
    step = scenario["steps"][number]
    key = (scenario["stage"], step["step"])
    data = tmp_path / "data"
    _lay_out(step["before"], data)
    before = _files(data)
    vault = Vault(str(data / "Vault"), state=str(tmp_path / "state"))
    error = {**BETTER, **FAILS}.get(key)
    if error is not None:
        with pytest.raises(error):
            _do(step, scenario, vault)
        assert _files(data) == before
        return
    answer = _do(step, scenario, vault)
    after = _files(data)
    expected = {name: text.replace(REFERENCE_DATA, str(data)) for name, text in step["after"]["files"].items()}
    if scenario["stage"] == "manifest_missing" and number:
        # Departure: the data say who this host is; the reference forgets it.
        record = json.loads(before[STORED])
        if step["step"] == "manifest missing":
            assert answer == record["fingerprint"]
            assert after == before
            return
        record["similarityThreshold"] = 50
        assert json.loads(after[STORED]) == record
        assert json.loads(after["Vault/Manifest"]) == {"InstanceFingerprint": str(data / STORED)}
        return
    if key == ("manifest_corrupt", "manifest corrupt"):
        # Departure: the data say who this host is, and nothing is written; the reference fails.
        assert answer == json.loads(before[STORED])["fingerprint"]
        assert after == before
        return
    if key == ("extra_fields", "set 60: are unknown fields kept?"):
        # Departure: the reference drops what it does not know.
        assert after[STORED] == expected[STORED][:-1] + ',"extra":{"a":1}}'
        return
    if "oracle" in step["command"]:
        assert answer == json.loads(_with_our_digests("\n".join(step["console"]), step))
        assert after == before
        return
    if step["before"]["files"].get(STORED) != step["after"]["files"][STORED] and "fp" in step["command"]:
        # Both minted: ours is another random one, everything else is equal to the byte.
        theirs = json.loads(step["after"]["files"][STORED])["fingerprint"]
        assert isinstance(answer, str)
        assert answer != theirs
        expected[STORED] = _with_our_digests(expected[STORED].replace(theirs, answer), step)
    elif "fp" in step["command"]:
        assert answer == step["result"][0]["fingerprint"]
    assert after == expected
    assert _modes(data) <= {(name, mode) for name, mode in _recorded_modes(step["after"])} | _ours(step)


def _ours(step: dict[str, Any]) -> set[tuple[str, int]]:
    """Directories that we made ourselves outside the reference's own path are 0700."""
    recorded = " ".join(step["before"]["find"])
    return set() if "Vault/Store" in recorded else {("Vault", 0o700), ("Vault/Store", 0o700)}


def _do(step: dict[str, Any], scenario: dict[str, Any], vault: Vault) -> Any:
    command = step["command"]
    if "-similarityThreshold" in command:
        set_threshold(vault, int(command[-1]))
        return None
    if command[-1] == "clear":
        with vault.edit() as edit:
            edit.clear(why="test")
        return None
    machine = _machine(step, scenario)
    if "oracle" in command:
        from fingerprint import collect

        return dict(collect(machine).hardware_hash)
    start = machine.monotonic()
    answer = Gate(vault, machine, policy="regenerate").fingerprint()
    # The pauses are the reference's: none, or three of five seconds.
    recorded = step["result"][0]["seconds"]
    assert abs((machine.monotonic() - start) - (15 if recorded > 14 else 0)) < 1 or scenario["stage"] in {
        s for s, _ in BETTER
    }
    return answer


def _machine(step: dict[str, Any], scenario: dict[str, Any]) -> Any:
    name = step["step"]
    if scenario["stage"] == "dmi":
        return _dmi_machine(name, step)
    if scenario["stage"] == "bad_utf8":
        snapshot_machine = unix_machine()
        snapshot_machine.snapshot["files"]["/etc/machine-id"] = {"base64": "//49/wo="}
        return snapshot_machine
    if scenario["stage"] == "json_escapes":
        return unix_machine(machine_id=json.loads(step["after"]["files"][STORED])["hardwareHash"]["machine-id"])
    if scenario["stage"] == "empty_mid":
        return unix_machine(machine_id="")
    if "machine-id changed" in name:
        return unix_machine(machine_id="f" * 32 + "\n")
    return unix_machine(machine_id=MACHINE_ID)


# What the stub of dmidecode printed is recorded by its digests alone; where it printed something, ours
# prints another text and its digest stands for theirs.
_DMIDECODE: dict[str, dict[str, Any]] = {
    "fake dmidecode": {"stdout": "a text", "returncode": 0},
    "fake dmidecode prints then exits 1": {"stdout": "a text", "returncode": 1},
    "fake dmidecode prints nothing, exits 0": {"stdout": "", "returncode": 0},
    "fake dmidecode prints non-UTF-8": {"stdoutBase64": "//4K", "returncode": 0},
}
_DMI_DIGESTS = {
    "fake dmidecode": "sik4bsRieGnSxxt988lgCg==",
    "fake dmidecode prints non-UTF-8": "dHu2wnuM54Juh+P0+8fptQ==",
}
_DMI_KEYS = ("processor-hash", "memory-hash", "bios-hash", "system-hash")


def _with_our_digests(text: str, step: dict[str, Any]) -> str:
    """Return a recorded JSON text with the digests of what our stub of dmidecode prints."""
    if step["step"] in _DMI_DIGESTS:
        value = json.loads(text)
        theirs = value.get("hardwareHash", value)
        for key in _DMI_KEYS:
            text = text.replace(theirs[key], _DMI_DIGESTS[step["step"]])
    return text


def _dmi_machine(name: str, step: dict[str, Any]) -> Any:
    machine = unix_machine()
    for command in machine.snapshot["commands"]:
        if "dmidecode" in command["argv"][0]:
            del command["stdout"]
            command.update(_DMIDECODE[name])
    return machine


def _lay_out(state: dict[str, Any], data: Path) -> None:
    data.mkdir(mode=0o700)
    modes = []
    for line in state["find"]:
        mode, kind, owner, _, name = line.split(" ", 4)
        path = data / name
        if kind == "d":
            path.mkdir(exist_ok=True)
        else:
            text = state["files"].get(name, "")
            path.write_bytes(text.replace(REFERENCE_DATA, str(data)).encode())
        modes.append((path, int(mode, 8), owner))
    for path, mode, owner in modes:
        path.chmod(mode)
        if owner != "root:root":
            os.chown(path, 12345, 12345)


def _files(data: Path) -> dict[str, str]:
    return {str(p.relative_to(data)): p.read_text() for p in sorted(data.rglob("*")) if p.is_file()}


def _modes(data: Path) -> set[tuple[str, int]]:
    return {(str(p.relative_to(data)), stat.S_IMODE(p.stat().st_mode)) for p in data.rglob("*")}


def _recorded_modes(state: dict[str, Any]) -> list[tuple[str, int]]:
    parts = [line.split(" ", 4) for line in state["find"]]
    return [(name, int(mode, 8)) for mode, _, _, _, name in parts]


def test_every_recorded_scenario_is_replayed() -> None:
    scenarios = {case.values[0]["stage"] for case in _steps()} | {scenario for scenario, _ in ELSEWHERE}
    assert len(scenarios) == 26


def test_no_error_of_a_scenario_shows_a_secret(tmp_path: Path) -> None:
    """Errors name files and causes, never the fingerprint or the machine id."""
    scenario = json.loads((VECTORS / "vault" / "corrupt_store.json").read_text())
    step = scenario["steps"][-1]
    data = tmp_path / "data"
    _lay_out(step["before"], data)
    with pytest.raises(FingerprintError) as caught:
        Gate(
            Vault(str(data / "Vault"), state=str(tmp_path / "state")), unix_machine(), policy="regenerate"
        ).fingerprint()
    assert "693cd432" not in str(caught.value)
    assert MACHINE_ID.strip() not in str(caught.value)
