"""A value that is not UTF-8 fails the agent's complete collection: never "same", and the report says so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent_machines import AgentMachine
from fingerprint import collect
from fingerprint.diagnose import Outcome
from fingerprint.errors import CollectError
from fingerprint.gate import Gate
from fingerprint.rules.ssm import match
from fingerprint.types import Fault, Reason
from fingerprint.vault import Vault

BROKEN = {
    "hostname-info": lambda s: s.update(hostName={"error": "EILSEQ", "message": "not valid UTF-8"}),
    "machine-id": lambda s: s["files"].update({"/etc/machine-id": {"base64": "/+8="}}),
}


@pytest.fixture(params=BROKEN)
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> AgentMachine:
    made = AgentMachine(tmp_path)
    BROKEN[request.param](made.snapshot)
    made.name = request.param  # type: ignore[attr-defined]
    return made


@pytest.mark.parametrize("threshold", [-1, 0, 1, 40, 100])
def test_invalid_text_matches_at_no_threshold(machine: AgentMachine, threshold: int) -> None:
    now = collect(machine.machine)
    assert now.stops_agent == (machine.name,)  # type: ignore[attr-defined]
    assert now[now.stops_agent[0]].fault == Fault.NOT_TEXT
    assert now.only_here == ()
    saved = machine.record.hardware_hash  # type: ignore[union-attr]
    for unreadable in (now.unreadable, now.only_here):
        verdict = match(saved, now.hardware_hash, threshold, unreadable=unreadable, stopped=now.stops_agent)
        assert not verdict.match
        assert not verdict.conclusive
    assert match(saved, saved, threshold).reason in (Reason.DISABLED, Reason.SAME_IP)


def test_every_command_names_what_the_agent_does(machine: AgentMachine) -> None:
    name = machine.name  # type: ignore[attr-defined]
    for words, code in ((("check",), 1), (("explain",), 1), (("monitor", "nagios"), 2)):
        done = machine(*words)
        printed = " ".join(done.stdout.split())
        assert done.returncode == code, (words, printed)
        assert f"because {name} is not valid UTF-8" in printed
        assert "stores nothing" in printed
        assert "as root" not in printed + done.stderr
    assert machine.json("check")["verdict"] == "cannot-tell"
    assert machine.json("check")["match"] is False
    explained = machine.json("explain")
    assert [step["name"] for step in explained["remedies"]] == ["in-utf8"]
    finding = machine.diagnosis()["fingerprint"]
    assert finding.outcome == Outcome.FAIL
    assert name in finding.text


def test_the_gate_gives_nothing_out_and_writes_nothing(machine: AgentMachine, tmp_path: Path) -> None:
    machine.write()
    before = {p: p.read_bytes() for p in machine.vault_path.rglob("*") if p.is_file()}
    gate = Gate(Vault(str(machine.vault_path), state=str(tmp_path / "s")), machine.machine, policy="regenerate")
    with pytest.raises(CollectError, match="UTF-8"):
        gate.fingerprint()
    assert {p: p.read_bytes() for p in machine.vault_path.rglob("*") if p.is_file()} == before


SHOW = "import sys; from fingerprint.cli import main; sys.exit(main(['--output', 'json', 'show']))"


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="naming a host needs root")
@pytest.mark.skipif(not shutil.which("unshare"), reason="there is no unshare")
@pytest.mark.parametrize("locale", ["C.UTF-8", "C", "en_US.ISO-8859-1"])
@pytest.mark.parametrize("name", [b"w\xfcb", b"w\xed\xa0\x80", b"\xc0\xafx"])
def test_a_real_host_with_such_a_name(name: bytes, locale: str, tmp_path: Path) -> None:
    (tmp_path / "name").write_bytes(name)
    command = f'hostname -F {tmp_path}/name 2>/dev/null || cat {tmp_path}/name > /proc/sys/kernel/hostname; exec "$@"'
    done = subprocess.run(
        ["unshare", "-u", "/bin/sh", "-c", command, "sh", sys.executable, "-I", "-c", SHOW],
        capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": locale},
    )  # fmt: skip
    found: dict[str, Any] = {a["name"]: a for a in json.loads(done.stdout)["attributes"]}
    assert found["hostname-info"]["fault"] == "not-text", done
    assert found["hostname-info"]["status"] == "failed"
