"""One state has one verdict: every command says the same of every machine, and the service agrees with them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from commandline import environment, run
from fingerprint.guard import Decision
from fingerprint.testing.local_service import LocalService
from guarded_machines import GuardedMachine
from identity_machines import FINDING, MACHINES, NO_RECORD, OK, UNKNOWN, KnownMachine
from shared import CASES

_IDENTITY_CHECKS = ("vault", "fingerprint", "next-start", "regenerated")


@pytest.fixture(scope="module")
def service() -> Iterator[LocalService]:
    with LocalService() as running:
        yield running


def levels(machine: Callable[..., subprocess.CompletedProcess[str]]) -> dict[str, str]:
    """Return what each command says of a machine."""
    by_exit = {0: OK, 1: FINDING, 3: UNKNOWN}
    found = {name: by_exit[machine(name).returncode] for name in ("check", "explain")}
    found["nagios"] = [OK, OK, FINDING, UNKNOWN][machine("monitor", "nagios").returncode]
    metrics = machine("monitor", "prometheus")
    samples = dict(text.rsplit(" ", 1) for text in metrics.stdout.splitlines() if not text.startswith("#"))
    found["metrics"] = (
        FINDING if float(samples["fingerprint_next_start_refused"])
        else OK if float(samples["fingerprint_check_success"]) else UNKNOWN
    )  # fmt: skip
    watched = machine("monitor", "watch", "--checks", "1", "--output", "json")
    event = json.loads(watched.stdout.splitlines()[0])
    found["watch"] = event["status"]
    assert ("will-hibernate" in event["conditions"]) == (event["status"] == FINDING)
    assert by_exit[metrics.returncode] == by_exit[watched.returncode] == found["check"]
    checks = json.loads(machine("diagnose", "--output", "json").stdout)["checks"]
    checks = [one for one in checks if one["name"] in _IDENTITY_CHECKS]
    outcomes = [one["outcome"] for one in checks]
    unsure = any(one["undetermined"] for one in checks)
    found["diagnose"] = FINDING if "fail" in outcomes else UNKNOWN if unsure else OK
    return found


def from_the_service(machine: KnownMachine) -> str:
    """Return what our client says, which asks a service that knows the machine as it was."""
    token = machine("credentials", "process")
    return OK if token.returncode == 0 else UNKNOWN if token.returncode == 3 else FINDING


@pytest.mark.parametrize("name", MACHINES)
def test_every_command_says_the_same(name: str, tmp_path: Path, service: LocalService) -> None:
    change, expected = MACHINES[name]
    machine = KnownMachine(tmp_path, service)
    change(machine)
    machine.settle()
    found, client = levels(machine), from_the_service(machine)
    if expected == NO_RECORD:
        assert (found.pop("check"), found.pop("explain"), client) == (UNKNOWN, UNKNOWN, UNKNOWN)
        expected = FINDING
    elif name.startswith("manifest"):
        # The client reads Store itself: what the agent does not find is there, and the service knows it.
        pass
    elif name == "replaced and the journal of others":
        # The service knows what nothing here says.
        assert client == FINDING
    elif name.startswith("registration ") or name in ("broken: not registered", "broken: half registered"):
        assert client == UNKNOWN
    elif name in ("root is denied", "host name not UTF-8"):
        # What the agent does is certain; the client sends nothing, as it cannot tell whose machine it is.
        assert client == UNKNOWN
    else:
        assert client == expected
    assert found == dict.fromkeys(found, expected)


def recorded_cases() -> list[tuple[Path, Path]]:
    """Return snapshot and vault of every recorded machine that comes with one."""
    vaults = [store.parent for store in sorted(CASES.rglob("Store")) if store.parent.parent.name not in ("ssm",)]
    return [(snapshot, vault) for vault in vaults for snapshot in sorted(vault.parent.glob("*.json"))]


@pytest.mark.parametrize(
    ("snapshot", "vault"), recorded_cases(), ids=lambda path: f"{path.parent.name}-{path.stem}"
)  # fmt: skip
def test_every_command_says_the_same_of_a_machine_from_the_field(snapshot: Path, vault: Path, tmp_path: Path) -> None:
    copy = tmp_path / "Vault"
    shutil.copytree(vault, copy)
    for path in (copy, *copy.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    env = environment(tmp_path / "state")

    def command(*words: str) -> subprocess.CompletedProcess[str]:
        return run("--vault", str(copy), "--snapshot", str(snapshot), *words, env=env)

    found = levels(command)
    if {found["check"], found["explain"]} == {UNKNOWN}:
        # They have no verdict where there is no record; the others say what that means.
        del found["check"], found["explain"]
    assert len(set(found.values())) == 1, found


# Event, whether the guard may block -> what it decides, and whether it keeps the agent from starting.
GUARDED = (
    ("agent-restart", True, "", False), ("reinstalled", True, "kept", False), ("dhcp-lease", True, "accepted", False),
    ("clone", True, "copy", True), ("clone", False, "copy", False), ("clone-new-id", True, "rejected", True),
    ("clone-new-id", False, "rejected", False), ("cross-hypervisor-move", True, "rejected", True),
    ("cross-hypervisor-same-ip", True, "accepted", False),
)  # fmt: skip


@pytest.mark.parametrize(("event", "block", "decision", "blocks"), GUARDED)
@pytest.mark.parametrize("undone", [False, True])
def test_every_command_says_whether_the_guard_blocks(
    tmp_path: Path, event: str, block: bool, decision: str, blocks: bool, undone: bool
) -> None:
    """Also after the machine is as it was: no command keeps what the guard would not decide again."""
    machine = GuardedMachine(tmp_path, event)
    machine.happens()
    machine.starts(block=block)
    if undone:
        machine.is_undone()
        if decision == "kept":
            # Its record is that of the time after the event, so it goes back.
            assert json.loads(machine("guard", "--output", "json").stdout)["decision"] == "kept"
    blocks = blocks and not undone
    samples = dict(
        text.rsplit(" ", 1) for text in machine("monitor", "prometheus").stdout.splitlines() if text[:1] != "#"
    )
    shown = [
        str(one) for one in Decision.members() if samples.get(f'fingerprint_guard_decision{{decision="{one}"}}') == "1"
    ]
    assert shown == ([decision] if decision else [])
    if decision:
        assert float(samples["fingerprint_guard_blocks"]) == blocks
    assert (machine("monitor", "nagios", "-w", "never", "-c", "blocked").returncode == 2) == blocks
    # By default it is never green, and a machine that the rules reject is CRITICAL, as ever.
    level = machine("monitor", "nagios").returncode
    assert not blocks or level == (2 if decision == "rejected" else 1)
    watched = json.loads(machine("monitor", "watch", "--checks", "1", "--output", "json").stdout.splitlines()[0])
    assert ("blocked" in watched["conditions"]) == blocks
    found = machine.json("diagnose")
    [check] = [one for one in found["checks"] if one["name"] == "guard-run"]
    assert (check["outcome"] == "fail") == blocks
    assert ((found["conclusion"]["state"], found["conclusion"]["because"]) == ("not-running", "guard-run")) == blocks
    would = machine("guard", "--dry-run", *(["--on-mismatch", "block"] if block else []))
    assert (would.returncode == 1) == blocks
