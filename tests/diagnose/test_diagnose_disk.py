"""The copied disk of a machine that does not start: what it shows, what it does not, and the offered commands."""

from __future__ import annotations

import json
import os
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from agent_machines import DENIED, REGENERATED, AgentMachine, copied_disk, mismatch, ready, refused, started
from commandline import run

# What would act on the machine that this runs on.
ACTING = ("systemctl", "chmod", "chown", "rm ", "fingerprint register", "fingerprint vault re", "fingerprint threshold")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="the agent's programs have to be root's")


SHARED = "[default]\naws_access_key_id = ASIAPLANTED\naws_secret_access_key = planted\naws_session_token = planted\n"


def of_disk(machine: AgentMachine, root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run("--root", str(root), "diagnose", *words, env=machine.env)


def of(machine: AgentMachine) -> str:
    """Return how a printed command begins."""
    return f"FINGERPRINT_STATE={machine.env['FINGERPRINT_STATE']} fingerprint"


def in_json(machine: AgentMachine, root: Path, *words: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(of_disk(machine, root, *words, "--output", "json").stdout)
    return answer


@as_root
def test_a_healthy_disk_names_the_checks_that_it_cannot_answer(machine: AgentMachine, tmp_path: Path) -> None:
    machine.file("/root/.aws/credentials", SHARED, 0o600)
    root = copied_disk(tmp_path, machine)
    done = of_disk(machine, root)
    assert done.returncode == 0
    assert " ".join(done.stdout.split()).startswith(
        "Not hibernating by its logs, and nothing on the disk is wrong. Note Its account is unknown. A copied disk "
        "does not show: fingerprint, next-start, guard, package, running, storage, credentials, proxy. "
    )
    checks = {one["name"]: one for one in in_json(machine, root)["checks"]}
    for name in ("fingerprint", "guard"):
        assert (checks[name]["outcome"], checks[name]["undetermined"], checks[name]["remedy"]) == ("skipped", False, "")
        assert "unknown on a copied disk" in checks[name]["text"]


def test_checks_that_a_disk_cannot_answer_are_not_healthy(machine: AgentMachine, tmp_path: Path) -> None:
    root = copied_disk(tmp_path, machine)
    done = of_disk(machine, root, "--only", "fingerprint,running")
    assert done.returncode == 3
    assert done.stdout.startswith("Unknown: a copied disk does not show fingerprint, running.\n")
    done = of_disk(machine, root, "--only", "fingerprint,key")
    assert done.returncode == 0
    assert "A copied disk does not show: fingerprint." in " ".join(done.stdout.split())


def test_a_recording_of_a_disk_has_no_remedy_to_run_as_root(machine: AgentMachine, tmp_path: Path) -> None:
    root = copied_disk(tmp_path, machine)
    file = tmp_path / "recorded.json"
    run("--root", str(root), "snapshot", str(file), env=machine.env)
    where = ("--snapshot", str(file), "--vault", str(machine.vault_path))
    done = run(*where, "diagnose", "--verbose", "--only", "fingerprint", env=machine.env)
    assert done.returncode == 3
    assert "could not be read now" in done.stdout
    assert "as root" not in done.stdout


@as_root
def test_a_disk_with_warnings_is_not_hibernating_by_its_logs(machine: AgentMachine, tmp_path: Path) -> None:
    machine.file("/root/.aws/credentials", SHARED, 0o600)
    root = copied_disk(tmp_path, machine)
    stray = root / "var/lib/amazon/ssm/Vault/stray"
    stray.write_text("")
    conclusion = in_json(machine, root)["conclusion"]
    assert conclusion["state"] == "warnings"
    assert conclusion["text"].startswith("Not hibernating by its logs, with 1 warning")
    assert "A copied disk does not show: fingerprint" in conclusion["text"]
    assert [step["command"] for step in conclusion["steps"]] == [f"{of(machine)} --root {root} vault verify"]
    stray.unlink()
    (root / "usr/bin/amazon-ssm-agent").chmod(0o777)
    conclusion = in_json(machine, root)["conclusion"]
    assert conclusion["state"] == "broken"
    assert conclusion["text"].startswith(
        "Not hibernating by its logs, but users other than root may change the agent's programs"
    )


def test_another_machine_id_on_the_disk_is_reported(machine: AgentMachine, tmp_path: Path) -> None:
    root = copied_disk(tmp_path, machine)
    (root / "etc/machine-id").write_text("f" * 32 + "\n")
    answer = in_json(machine, root)
    [check] = [one for one in answer["checks"] if one["name"] == "fingerprint"]
    assert check["outcome"] == "fail"
    assert "hardware ID" in check["text"]
    commands = {step["text"]: step["command"] for step in answer["conclusion"]["steps"]}
    assert commands["Keep the present record"] == f"{of(machine)} --root {root} vault backup"
    # A new record would be made of hardware that is not on the disk.
    assert not [text for text in commands if "Take the machine as it is now" in text]


@pytest.mark.parametrize(
    "log",
    [
        started("08:00:00") + ready("08:00:01") + refused("11:35:00", DENIED),
        started("08:00:00") + refused("11:35:00", "RequestError: x"),
        started("11:00:00") + mismatch("11:00:01", "disk-info") + f"2026-11-24 11:00:16.1 INFO {REGENERATED}\n"
        + refused("11:00:17"),
    ],
    ids=["denied", "no way", "regenerated"],
)  # fmt: skip
def test_no_printed_command_acts_on_this_host(machine: AgentMachine, tmp_path: Path, log: str) -> None:
    machine.log("amazon-ssm-agent.log", log)
    machine.file("/root/.aws/credentials", "", 0o644)
    root = copied_disk(tmp_path, machine)
    answer = in_json(machine, root)
    assert answer["conclusion"]["state"] == "hibernating"
    steps = [
        *answer["conclusion"]["steps"],
        *({"text": c["remedy"], "command": c["command"]} for c in answer["checks"]),
    ]
    offered = [step["command"] for step in steps if step["command"]]
    assert [text for text in offered if any(word in text for word in ACTING)] == []
    there = answer["conclusion"]["text"].split("`")
    assert [
        text for before, text in pairwise(there) if text.startswith(ACTING) and "on that machine" not in before
    ] == []
    restart = "Restart the agent: it retries at once (on that machine: systemctl restart amazon-ssm-agent)"
    # Registering again restarts the agent.
    again = any("(on that machine: fingerprint register " in step["text"] for step in answer["conclusion"]["steps"])
    assert again or restart in [step["text"] for step in steps]


def test_commands_for_the_disk_name_it_and_its_vault(machine: AgentMachine, tmp_path: Path) -> None:
    root = copied_disk(tmp_path, machine).rename(tmp_path / "my disk")
    vault = str(root / "var/lib/amazon/ssm/Vault")
    record = Path(vault, "Store/InstanceFingerprint")
    record.write_text(record.read_text().replace('"similarityThreshold":40', '"similarityThreshold":-1'))
    [check] = in_json(machine, root, "--only", "fingerprint")["checks"]
    assert check["command"] == f"{of(machine)} --root '{root}' threshold set 40"
    copy = root.joinpath(vault).rename(tmp_path / "Copy")
    [check] = in_json(machine, root, "--vault", str(copy), "--only", "fingerprint")["checks"]
    assert check["command"] == f"{of(machine)} --root '{root}' --vault {copy} threshold set 40"
    done = run("--root", str(root), "--vault", str(copy), "vault", "backup", "--yes", env=machine.env)
    assert done.returncode == 0, done.stderr
    (copy / "Store/InstanceFingerprint").unlink()
    [check] = in_json(machine, root, "--vault", str(copy), "--only", "vault")["checks"]
    assert f"{of(machine)} --root '{root}' --vault {copy} vault restore 0" in check["remedy"]
    assert "fingerprint vault" not in check["remedy"]
