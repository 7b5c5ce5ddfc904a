"""`fingerprint guard` under faults, kills and races: a record is never lost, halved, or renewed on a failed reading."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import reference_store
from commandline import COMMAND, environment
from event_machines import CHANGES, before_and_after, machine, snapshot
from faults import (
    ERRNOS,
    FOR_EVER,
    KILL,
    Fault,
    Run,
    faults_of,
    paths_within,
    restore_copy,
    run,
    was_made_durable,
    was_written,
    why_not,
    writes_on_a_failed_read,
)
from fingerprint import FingerprintRecord, Vault, collect
from fingerprint.gate import keep_snapshot
from fingerprint.guard import REFRESHES_A_DAY, RENEWALS_A_DAY, Decision, run_guard
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.vault import FINGERPRINT_KEY
from fingerprint.vault.history import FIRST, KEPT, REFRESHED
from fingerprint.vault.records import encode_fingerprint

Count = Callable[[str, int], None]
OLD = "55555555-6666-8777-8888-999999999999"
SAMPLE = 14
# What happens, the options, what is decided, and whether another program alone wrote the record.
SCENARIOS = {
    "renewed": ("reinstalled", (), Decision.KEPT, False),
    "refreshed": ("nic-swap", ("--refresh",), Decision.REFRESHED, False),
    "a copy": ("clone", ("--on-mismatch", "block"), Decision.COPY, False),
    "kept safe": ("clone-new-id", ("--on-mismatch", "block"), Decision.REJECTED, True),
    "first evidence": ("agent-restart", (), Decision.UNCHANGED, True),
}
RENEWS, BAD = (Decision.KEPT, Decision.REFRESHED), (Decision.COPY, Decision.REJECTED)
NOT_KEPT = "the record could not be kept in the history"


class Setup:
    """A vault, and a machine after an event."""

    def __init__(self, directory: Path, scenario: str) -> None:
        event, self.options, self.decision, of_agent = SCENARIOS[scenario]
        before, after = before_and_after(event)
        self.trace, self.path, self.template = directory / "trace", directory / "setup", directory / "template"
        self.snapshot = directory / "machine.json"
        self.snapshot.write_text(json.dumps(after))
        self.after = collect(RecordedMachine(after))
        self.path.mkdir(mode=0o700)
        self.old = FingerprintRecord(OLD, collect(RecordedMachine(before)).hardware_hash, 40)
        self.new = self.old.replace(hardware_hash=self.after.hardware_hash)
        self.vault = Vault(str(self.path / "Vault"), state=str(self.path / "state"))
        self.env = environment(self.path / "state")
        # The journal of another directory is none for this vault.
        writer = Vault(self.vault.path, state=str(directory / "other")) if of_agent else self.vault
        with writer.edit() as edit:
            edit.store(self.old, why=FIRST)
        if not of_agent:
            keep_snapshot(self.vault, before)
        (self.path / "state").mkdir(mode=0o700, exist_ok=True)
        shutil.copytree(self.path, self.template)

    def reset(self) -> None:
        restore_copy(self.template, self.path, self.path / "state")

    def words(self) -> list[str]:
        place = ["--vault", self.vault.path, "--snapshot", str(self.snapshot)]
        return [sys.executable, "-I", "-m", "fingerprint", *place, "guard", *self.options, "--output", "json"]

    def run(self, watched: set[str], fault: Fault | None = None) -> Run:
        # strace passes its environment on.
        words = ["env", "-i", *(f"{name}={value}" for name, value in self.env.items()), *self.words()]
        return run(words, self.trace, watched, fault)

    def again(self) -> dict[str, Any]:
        done = subprocess.run(self.words(), env=self.env, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return {**answer, "code": done.returncode}

    def defects(self, ended: Run, fault: Fault) -> Iterator[str]:
        """Yield what is wrong after a run with a fault."""
        if "Traceback" in ended.complaint or ended.code not in ((-9,) if fault.kind == KILL else (0, 1)):
            yield f"exit code {ended.code}: {ended.complaint}"
            return
        # One that was killed may have said it all.
        answer = json.loads(ended.output) if ended.code in (0, 1) else {}
        decision = answer.get("decision", "")
        if ended.code == 1 and self.decision not in (Decision.COPY, Decision.REJECTED):
            yield f"an innocent machine is blocked: {answer}"
        now = self.vault.read()
        if now not in (self.old, self.new):
            yield f"another record: {now.fingerprint}"
        if now == self.new != self.old and self.decision not in RENEWS:
            yield "renewed, though it is not certainly the same"
        if decision in RENEWS and now != self.new:
            yield f"{decision}, and the record is the old one"
        record = self.vault.data_path(FINGERPRINT_KEY)
        if decision in RENEWS and not was_made_durable(ended.calls, record):
            yield f"{decision}, and not durable"
        apart = str(self.path / "state" / "evidence")
        if late := writes_on_a_failed_read(ended.calls, self.vault.path, record, apart):
            yield f"written after a failed reading: {late}"
        kept = self.vault.history.mentions(self.vault.raw(FINGERPRINT_KEY) or b"")
        if decision in BAD and not kept and NOT_KEPT not in answer["why"]:
            yield f"{decision}, and it does not say that the record is not in the history: {answer['why']}"
        if decision in BAD and ended.code != 1:
            yield f"{decision}, and not blocked"
        yield from self.afterwards()

    def afterwards(self) -> Iterator[str]:
        """Yield what is wrong with the next run, and with the agent after it."""
        again = self.again()
        expected = (self.decision, Decision.UNCHANGED) if self.decision in RENEWS else (self.decision,)
        if again["decision"] not in expected:
            yield f"the next run: {again}"
        left = [path.name for path in Path(self.vault.path).rglob("*.tmp")]
        if left and again["written"] and self.decision in RENEWS:
            # A run that changes nothing leaves it to the next write, as `vault verify` says.
            yield f"left over: {left}"
        if again["code"] == 0 and self.decision != Decision.REJECTED:
            store = reference_store.Store(self.vault.path)
            sent = reference_store.obtain(store, dict(self.after.hardware_hash.items()), self.after.sid_key)
            if sent != OLD:
                yield "the agent minted a new fingerprint"
        elif not self.vault.history.mentions(self.vault.raw(FINGERPRINT_KEY) or b""):
            yield "the record is not in the history"


@pytest.mark.skipif(bool(why_not()), reason=why_not() or "faults can be injected")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_fault_and_no_kill_costs_a_record(tmp_path: Path, full: bool, count: Count, scenario: str) -> None:
    setup = Setup(tmp_path, scenario)
    paths = paths_within(setup.run(set()).calls, str(setup.path))
    setup.reset()
    clean = setup.run(paths)
    assert json.loads(clean.output)["decision"] == setup.decision, clean.complaint
    assert was_written(clean.calls, setup.vault.path) == (setup.decision in RENEWS)
    assert setup.vault.read() == (setup.new if setup.decision in RENEWS else setup.old)
    faults = faults_of(clean.calls, (*ERRNOS, FOR_EVER, KILL))
    if not full:
        kills = [fault for fault in faults if fault.kind == KILL]
        chosen = random.Random(18)
        faults = chosen.sample(kills, SAMPLE // 2) + chosen.sample(faults, SAMPLE // 2)
    found = []
    for fault in faults:
        setup.reset()
        found += [f"{fault}: {defect}" for defect in setup.defects(setup.run(paths, fault), fault)]
    count("faults and kills of a run of the guard", len(faults))
    assert found == []


FULL = "dd if=/dev/zero of=disk/fill bs=1k 2>/dev/null || true"
READ_ONLY = "mount -o remount,ro disk"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.skipif(not shutil.which("unshare"), reason="unshare is not installed")
@pytest.mark.parametrize("disk", [FULL, READ_ONLY], ids=["full", "read-only"])
@pytest.mark.parametrize("known", [True, False], ids=["in the history", "not in the history"])
@pytest.mark.parametrize(
    ("event", "action", "decision"),
    [("clone", "block", "copy"), ("clone", "allow", "copy"), ("clone-new-id", "block", "rejected"),
     ("clone-new-id", "allow", "rejected"), ("reinstalled", "block", "unknown"), ("nic-swap", "block", "unknown"),
     ("agent-restart", "block", "unchanged")],
)  # fmt: skip
def test_a_disk_without_space_changes_no_decision(
    tmp_path: Path, disk: str, known: bool, event: str, action: str, decision: str
) -> None:
    """A certain copy is blocked all the same; the same machine starts, with its record as it was."""
    (tmp_path / "disk").mkdir()
    for name, taken in zip(("before", "after"), before_and_after(event), strict=True):
        (tmp_path / f"{name}.json").write_text(json.dumps(taken))
    forgotten = "true" if known else "rm disk/state/history/*"
    script = f"""set -eu
mount -t tmpfs -o size=600k,mode=700 tmpfs disk
on() {{ snapshot=$1; shift; {COMMAND} --vault {tmp_path}/disk/Vault --snapshot $snapshot.json "$@"; }}
on before vault init >&2
{forgotten}
{disk}
sha256sum disk/Vault/Manifest disk/Vault/Store/* >held
on after guard --refresh --on-mismatch {action} --output json && code=0 || code=$?
sha256sum -c --quiet held >&2
exit $((code + 40))
"""
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
        env={**environment(tmp_path / "disk" / "state"), "HOME": str(tmp_path)},
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert (answer["decision"], answer["blocks"], done.returncode) == (
        decision, action == "block" and decision in BAD, 41 if answer["blocks"] else 40
    ), done.stderr  # fmt: skip
    if decision in BAD:
        assert (NOT_KEPT in answer["why"]) is not known
    assert ("not known whether" in done.stderr) == (decision == "unknown")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("scenario", ["renewed", "refreshed"])
def test_runs_at_once_renew_a_record_once(tmp_path: Path, count: Count, scenario: str) -> None:
    setup = Setup(tmp_path, scenario)
    for _ in range(3):
        setup.reset()
        processes = [
            subprocess.Popen(setup.words(), env=setup.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        answers = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
        assert [process.returncode for process in processes] == [0] * 4
        decisions = Counter(answer["decision"] for answer in answers)
        assert decisions[str(setup.decision)] == 1
        others = {answer["why"] for answer in answers if answer["decision"] == "unknown"}
        assert all("changed by another process" in why for why in others)
        assert set(decisions) <= {str(setup.decision), "unknown", "unchanged"}
        assert setup.vault.read() == setup.new
        assert [change.why for change in setup.vault.history.changes()].count(
            KEPT if scenario == "renewed" else REFRESHED
        ) == 1
        count("runs of the guard at once", 4)


_AGENT = """
import json, sys
sys.path.append(sys.argv[1])
import reference_store
print(reference_store.obtain(reference_store.Store(sys.argv[2]), json.loads(sys.argv[3])))
"""


def test_a_run_beside_a_starting_agent_loses_no_record(tmp_path: Path, count: Count) -> None:
    """As by hand: systemd starts the agent after it. The agent writes in place, without a lock."""
    setup = Setup(tmp_path, "renewed")
    support, current = str(Path(reference_store.__file__).parent), json.dumps(dict(setup.after.hardware_hash.items()))
    outcomes: Counter[str] = Counter()
    for number in range(8):
        setup.reset()
        programs = [setup.words(), [sys.executable, "-I", "-c", _AGENT, support, setup.vault.path, current]]
        if number % 2:
            programs.reverse()
        processes = [
            subprocess.Popen(words, env=setup.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for words in programs
        ]
        said = [process.communicate(timeout=60) for process in processes]
        assert [process.returncode for process in processes] == [0, 0], said
        now = setup.vault.read()
        assert now.hardware_hash == setup.new.hardware_hash
        # What the service knows is there, or in the history.
        assert setup.vault.history.mentions(encode_fingerprint(setup.old))
        assert setup.again()["decision"] == "unchanged"
        outcomes["kept" if now.fingerprint == OLD else "replaced by the agent"] += 1
    for name, number in outcomes.items():
        count(f"guard beside a starting agent: {name}", number)


# The states through which a machine goes, one at each start.
_ID = {"machine_id": "f" * 32}
FLAPS: dict[str, tuple[dict[str, Any], ...]] = {
    "two network cards": ({}, CHANGES["nic-swap"][1]),
    "two machine IDs": ({}, _ID),
    "two machine IDs and addresses": ({}, {"ip": "10.9.9.8"}, _ID, {**_ID, "ip": "10.9.9.8"}),
    "lockdown": ({}, {"dmi": False, "ip": "10.9.9.9"}),
    "an upgrade and back": ({}, CHANGES["os-upgrade"][1]),
}


@pytest.mark.parametrize("refresh", [False, True])
@pytest.mark.parametrize("name", FLAPS)
def test_a_machine_that_flaps_is_written_a_few_times_a_day(tmp_path: Path, name: str, refresh: bool) -> None:
    """A start each half an hour for 36 hours: the record changes no more often than documented, on no day."""
    now = [1_800_000_000.0]
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"), now=lambda: now[0])
    states = [snapshot(machine(**changes)) for changes in FLAPS[name]]
    old = FingerprintRecord(OLD, collect(RecordedMachine(states[0])).hardware_hash, 40)
    with vault.edit() as edit:
        edit.store(old, why=FIRST)
    keep_snapshot(vault, states[0])
    begin, last, written = now[0], vault.raw(FINGERPRINT_KEY), []
    for number in range(72):
        now[0] += 1800
        run_guard(vault, RecordedMachine(states[(number + 1) % len(states)]), refresh=refresh, block=True)
        present = vault.raw(FINGERPRINT_KEY)
        if present != last:
            written.append(now[0])
        last = present
        assert vault.read().fingerprint == OLD
    most = max(sum(time <= one < time + 86400 for one in written) for time in (begin, *written))
    assert most <= RENEWALS_A_DAY
    if name in ("two network cards", "lockdown"):
        assert most <= (REFRESHES_A_DAY if refresh else 0)
    else:
        # It is at the limit, else this would show nothing; and the next day counts anew.
        assert most == RENEWALS_A_DAY
        assert len(written) > RENEWALS_A_DAY
