"""The guard: what it decides and writes before the agent starts."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from commandline import environment, run
from event_machines import CHANGES, before_and_after, machine, snapshot
from fingerprint import FingerprintRecord, Vault, collect, match
from fingerprint.answers.check import check_notes
from fingerprint.attributes.events import EVENTS, Event, Truth
from fingerprint.cli import main
from fingerprint.explanation import explain_observation
from fingerprint.gate import keep_snapshot
from fingerprint.guard import (
    BLOCKED,
    REFRESHES_A_DAY,
    RENEWALS_A_DAY,
    SAFE,
    Decision,
    GuardRun,
    last_run,
    run_guard,
)
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.observation import observe
from fingerprint.recovery import carry_out, plan_rebaseline
from fingerprint.rules.certainty import NO_EVIDENCE
from fingerprint.vault.evidence import MATCHED, OF_A_MATCH
from fingerprint.vault.history import FIRST, KEPT, REFRESHED
from fingerprint.vault.records import encode_fingerprint

FINGERPRINT = "a-fingerprint"
every_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))


def registered(
    vault: Vault, before: dict[str, Any], *, threshold: int = 40, evidence: bool = True
) -> FingerprintRecord:
    record = FingerprintRecord(FINGERPRINT, collect(RecordedMachine(before)).hardware_hash, threshold)
    with vault.edit() as edit:
        edit.store(record, why=FIRST)
    keep_snapshot(vault, before)
    return record


def written_by_the_agent(vault: Vault, record: FingerprintRecord) -> None:
    """Let a record be in the vault as another program wrote it: nothing is in our state directory."""
    other = Vault(vault.path, state=str(Path(vault.path).parent / "other"))
    with other.edit() as edit:
        edit.store(record, why=FIRST)


def contents(vault: Vault, *, noted: bool = True) -> dict[str, bytes]:
    top = Path(vault.path).parent
    files = {str(one.relative_to(top)): one.read_bytes() for one in sorted(top.rglob("*")) if one.is_file()}
    return {name: data for name, data in files.items() if noted or not name.startswith("state/guard/")}


def guard(vault: Vault, taken: dict[str, Any], **options: Any) -> GuardRun:
    return run_guard(vault, RecordedMachine(taken), **options)


def reasons(vault: Vault) -> list[str]:
    return [change.why for change in vault.history.changes()]


@every_event
@pytest.mark.parametrize("options", [{}, {"refresh": True}, {"block": True}], ids=["plain", "refresh", "block"])
def test_every_event_after_a_run_of_the_guard(vault: Vault, event: Event, options: dict[str, bool]) -> None:
    """An innocent machine matches by the rules then, a copy is known, and no record is lost."""
    before, after = before_and_after(event.name)
    record = registered(vault, before)
    found = guard(vault, after, **options)
    now = collect(RecordedMachine(after))
    verdict = match(record.hardware_hash, now.hardware_hash, 40, sid_key=now.sid_key)
    present = vault.read()
    assert present.fingerprint == FINGERPRINT
    assert present.threshold == 40
    if event.truth == Truth.SAME:
        assert not found.blocks
        assert match(present.hardware_hash, now.hardware_hash, 40, sid_key=now.sid_key).match
        if verdict.match:
            drifted = verdict.matched < verdict.total
            expected = ("refreshed", "accepted") if options.get("refresh") else ("accepted",)
            assert str(found.decision) in (expected if drifted else ("unchanged",))
        else:
            assert found.decision == Decision.KEPT
            assert reasons(vault)[-1] == KEPT
    elif event.truth == Truth.OTHER:
        assert found.decision == (Decision.COPY if verdict.match else Decision.REJECTED)
        assert found.blocks is options.get("block", False)
        assert present == record
    else:
        assert found.decision == (Decision.ACCEPTED if verdict.match else Decision.REJECTED)
        assert present == record


def test_an_unchanged_machine_is_not_written_at_all(vault: Vault) -> None:
    before, after = before_and_after("agent-restart")
    registered(vault, before)
    held = contents(vault)
    found = guard(vault, after, refresh=True, block=True)
    assert (found.decision, found.blocks, found.written) == (Decision.UNCHANGED, False, False)
    assert contents(vault) == held
    assert last_run(vault) is None


def test_a_refresh_takes_the_drift_so_that_it_never_adds_up(vault: Vault) -> None:
    first = registered(vault, snapshot(machine()), threshold=88)
    changes: dict[str, Any] = {}
    for number in range(4):
        # One more change each day, in the end too many for the first record.
        changes |= ({"ip": "10.9.9.9"}, {"host": "web-8"}, {"tool": "3.6"}, {"ip": "10.9.9.10"})[number]
        at = f"2026-11-2{number}T00:00:00Z"
        found = guard(vault, snapshot(machine(**deepcopy(changes)), at), refresh=True)
        assert found.decision == Decision.REFRESHED
        assert vault.read().fingerprint == FINGERPRINT
    assert reasons(vault)[1:] == [REFRESHED] * 4
    # Without the refreshes.
    assert not match(first.hardware_hash, vault.read().hardware_hash, 88).match


def test_a_refresh_stores_no_empty_value_over_another(vault: Vault) -> None:
    before, after = snapshot(machine()), snapshot(machine())
    after["commands"] = [one for one in after["commands"] if "dmidecode" not in one["argv"][0]]
    for one in before["commands"]:
        if "dmidecode" in one["argv"][0]:
            after["commands"].append({**one, "problem": "not-found", "returncode": None, "stdout": ""})
    record = registered(vault, before)
    found = guard(vault, after, refresh=True)
    assert found.decision == Decision.ACCEPTED
    assert "would become empty" in found.why
    assert vault.read() == record


def test_a_machine_that_flaps_is_renewed_a_few_times_a_day(vault: Vault) -> None:
    """It has another address at each start."""
    registered(vault, snapshot(machine()))
    decisions = []
    for number in range(3 * REFRESHES_A_DAY):
        taken = snapshot(machine(ip=f"10.9.9.{number}"))
        decisions.append(guard(vault, taken, refresh=True).decision)
    assert decisions.count(Decision.REFRESHED) == REFRESHES_A_DAY
    assert decisions[REFRESHES_A_DAY:] == [Decision.ACCEPTED] * (2 * REFRESHES_A_DAY)
    assert reasons(vault).count(REFRESHED) == REFRESHES_A_DAY


def test_refreshes_count_among_the_renewals_of_a_day(vault: Vault) -> None:
    """Two machine IDs in turn, and then an address that changes."""
    registered(vault, snapshot(machine()))
    for number in range(RENEWALS_A_DAY):
        assert guard(vault, snapshot(machine(machine_id=f"{number + 1:032x}"))).decision == Decision.KEPT
    for number in range(3):
        taken = snapshot(machine(machine_id=f"{RENEWALS_A_DAY:032x}", ip=f"10.9.9.{number}"))
        found = guard(vault, taken, refresh=True)
        assert found.decision == Decision.ACCEPTED
        assert f"renewed {RENEWALS_A_DAY} times within a day" in found.why


def test_a_machine_that_is_always_rejected_is_reported(vault: Vault) -> None:
    """It has another machine ID at each start."""
    registered(vault, snapshot(machine()))
    decisions = []
    for number in range(RENEWALS_A_DAY + 3):
        taken = snapshot(machine(machine_id=f"{number + 1:032x}"))
        decisions.append(guard(vault, taken).decision)
    assert decisions == [Decision.KEPT] * RENEWALS_A_DAY + [Decision.UNKNOWN] * 3
    assert vault.read().fingerprint == FINGERPRINT
    found = last_run(vault)
    assert found is not None
    assert f"{RENEWALS_A_DAY} times within a day" in found.why


@pytest.mark.parametrize("name", ["clone", "os-upgrade", "clone-new-id", "reinstalled"])
@pytest.mark.parametrize("in_history", [True, False])
def test_a_dry_run_says_the_same_and_writes_nothing(vault: Vault, name: str, in_history: bool) -> None:
    before, after = before_and_after(name)
    record = registered(vault, before)
    if not in_history:
        shutil.rmtree(Path(vault.state) / "history")
        assert not vault.history.mentions(encode_fingerprint(record))
    held = contents(vault)
    dry = guard(vault, after, block=True, dry_run=True)
    assert dry.dry_run
    assert contents(vault) == held
    found = guard(vault, after, block=True)
    assert found.replace(dry_run=True, at=dry.at) == dry


@pytest.mark.parametrize("name", ["clone", "clone-new-id", "reinstalled"])
def test_the_record_is_in_the_history_before_the_agent_starts(vault: Vault, name: str) -> None:
    before, after = before_and_after(name)
    record = FingerprintRecord(FINGERPRINT, collect(RecordedMachine(before)).hardware_hash, 40)
    written_by_the_agent(vault, record)
    data = Path(vault.data_path("InstanceFingerprint")).read_bytes()
    keep_snapshot(vault, before)
    for _ in range(3):
        guard(vault, after)
    assert vault.history.mentions(data)
    assert reasons(vault).count(SAFE) <= 1


@pytest.mark.parametrize("name", ["agent-restart", "dhcp-lease", "reboot"])
def test_the_first_match_of_the_agents_record_is_its_evidence(vault: Vault, name: str) -> None:
    before, after = before_and_after(name)
    record = FingerprintRecord(FINGERPRINT, collect(RecordedMachine(before)).hardware_hash, 40)
    written_by_the_agent(vault, record)
    assert guard(vault, after, dry_run=True).written
    assert vault.evidence.entries() == ([], [])
    assert guard(vault, after).written
    [entry], _ = vault.evidence.entries()
    assert entry.why == MATCHED
    assert not guard(vault, after).written
    # A later verdict says so, in every command.
    observation = observe(vault, RecordedMachine(snapshot(machine(host="web-9"))))
    assert any(OF_A_MATCH in text for text in explain_observation(observation).cannot_tell)
    assert any(OF_A_MATCH[1:] in note[0] for note in check_notes(observation))
    changed = snapshot({**CHANGES["reinstalled"][0], **CHANGES["reinstalled"][1]})
    found = guard(vault, changed)
    assert found.decision == Decision.KEPT
    assert OF_A_MATCH in found.why


@pytest.mark.parametrize("refresh", [False, True])
def test_what_a_match_showed_is_marked_through_renewals(vault: Vault, refresh: bool) -> None:
    """A renewal relies on the evidence before it, so it can show no more than that."""
    before, after = before_and_after("agent-restart")
    written_by_the_agent(vault, FingerprintRecord(FINGERPRINT, collect(RecordedMachine(before)).hardware_hash, 40))
    assert guard(vault, after).written
    held = deepcopy(machine())
    for number in range(3):
        held = {**held, **({"host": f"web-{number}"} if refresh else {"machine_id": f"{number}" * 32})}
        found = guard(vault, snapshot(held), refresh=refresh)
        assert found.decision == (Decision.REFRESHED if refresh else Decision.KEPT)
        assert OF_A_MATCH in found.why
    assert vault.evidence.for_record(vault.read()).of_match  # type: ignore[union-attr]
    # Who confirms the machine ends that.
    carry_out(vault, plan_rebaseline(vault, RecordedMachine(snapshot({**held, "cpu": "Replaced @ 3.1GHz"}))))
    found = guard(vault, snapshot({**held, "cpu": "Replaced @ 3.1GHz", "machine_id": "e" * 32}))
    assert found.decision == Decision.KEPT
    assert OF_A_MATCH not in found.why


def test_a_renewal_of_a_registered_machine_has_no_mark(vault: Vault) -> None:
    before, after = before_and_after("reinstalled")
    registered(vault, before)
    assert guard(vault, after).decision == Decision.KEPT
    again = guard(vault, snapshot({**machine(), **CHANGES["reinstalled"][1], "machine_id": "e" * 32}))
    assert again.decision == Decision.KEPT
    assert OF_A_MATCH not in again.why
    assert not any(entry.of_match for entry in vault.evidence.entries()[0])


@pytest.mark.parametrize("name", ["/sys/firmware/dmi/tables/DMI", "/dev/disk/by-id"])
@pytest.mark.parametrize("problem", ["EACCES", "EIO"])
def test_unreadable_hardware_is_not_the_first_evidence(vault: Vault, name: str, problem: str) -> None:
    """Later runs would compare with it, and be certain of nothing; the next run takes a better one."""
    before, after = before_and_after("dhcp-lease")
    written_by_the_agent(vault, FingerprintRecord(FINGERPRINT, collect(RecordedMachine(before)).hardware_hash, 40))
    hidden = deepcopy(after)
    hidden["files" if name in hidden["files"] else "folders"][name] = {"error": problem}
    assert not guard(vault, hidden).written
    assert vault.evidence.entries() == ([], [])
    assert guard(vault, after).written
    assert [entry.why for entry in vault.evidence.entries()[0]] == [MATCHED]


@pytest.mark.parametrize("evidence", [False, True])
@pytest.mark.parametrize("refresh", [False, True])
def test_an_accepted_machine_says_what_the_hardware_says(vault: Vault, evidence: bool, refresh: bool) -> None:
    before, after = before_and_after("dhcp-lease")
    record = FingerprintRecord(FINGERPRINT, collect(RecordedMachine(before)).hardware_hash, 40)
    if evidence:
        registered(vault, before)
    else:
        written_by_the_agent(vault, record)
    why = guard(vault, after, refresh=refresh).why
    assert ("certainly the same: " if evidence else NO_EVIDENCE) in why


@pytest.mark.parametrize(
    ("name", "threshold"), [("clone-new-id", 40), ("os-upgrade", 40), ("agent-restart", -1), ("dhcp-lease", -1)]
)
def test_no_mismatch_and_no_disabled_check_is_evidence(vault: Vault, name: str, threshold: int) -> None:
    before, after = before_and_after(name)
    record = FingerprintRecord(FINGERPRINT, collect(RecordedMachine(before)).hardware_hash, threshold)
    written_by_the_agent(vault, record)
    guard(vault, after)
    assert vault.evidence.entries() == ([], [])


def test_where_nothing_is_known_the_agent_may_start(vault: Vault, tmp_path: Path) -> None:
    before, after = before_and_after("reinstalled")
    found = guard(vault, after, block=True)
    assert (found.decision, found.blocks) == (Decision.UNKNOWN, False)
    assert not Path(vault.path).exists()
    registered(vault, before)
    data = Path(vault.data_path("InstanceFingerprint"))
    good = data.read_bytes()
    for damaged in (b"", b"{", good[:-4], b"\0" * 40):
        data.write_bytes(damaged)
        found = guard(vault, after, block=True)
        assert (found.decision, found.blocks) == (Decision.UNKNOWN, False)
        assert found.why
        assert data.read_bytes() == damaged
    data.write_bytes(good)
    assert guard(vault, after, block=True).decision == Decision.KEPT


def test_a_source_that_fails_renews_nothing(vault: Vault) -> None:
    before, after = before_and_after("reinstalled")
    record = registered(vault, before)
    for one in after["commands"]:
        if "dmidecode" in one["argv"][0]:
            one.update({"problem": "timeout", "returncode": None})
    found = guard(vault, after, block=True)
    assert found.decision in (Decision.UNKNOWN, Decision.REJECTED)
    assert vault.read() == record


@pytest.mark.parametrize("ip", ["10.1.4.20", "10.9.9.9"])
def test_where_nothing_is_known_the_record_is_kept_first(vault: Vault, ip: str) -> None:
    """The table is hidden and dmidecode fails: the agent rejects the machine with another address."""
    record = FingerprintRecord(FINGERPRINT, collect(RecordedMachine(snapshot(machine()))).hardware_hash, 40)
    written_by_the_agent(vault, record)
    data = Path(vault.data_path("InstanceFingerprint")).read_bytes()
    after = snapshot(machine(ip=ip, host="web-8", link_time="Nov 24 10:00"))
    for one in after["commands"]:
        if "dmidecode" in one["argv"][0]:
            one.update({"problem": "timeout", "returncode": None})
    found = guard(vault, after, block=True, dry_run=True)
    assert not vault.history.mentions(data)
    assert guard(vault, after, block=True) == found.replace(dry_run=False)
    assert not found.blocks
    assert (found.decision == Decision.UNKNOWN) is (ip != "10.1.4.20")
    assert vault.history.mentions(data) is (ip != "10.1.4.20")


@pytest.mark.parametrize(("name", "threshold", "sid"), [("clone", 40, False), ("clone-new-id", -1, True)])
def test_the_remedy_of_a_copy_works(vault: Vault, tmp_path: Path, name: str, threshold: int, sid: bool) -> None:
    """Where the check is disabled the rules accept any hardware ID."""
    before, after = before_and_after(name)
    registered(vault, before, threshold=threshold)
    found = guard(vault, after)
    assert found.decision == Decision.COPY
    assert ("--accept-new-sid" in found.command) is sid
    (tmp_path / "m.json").write_text(json.dumps(after))
    _, *words = found.command.split()
    target = ("--vault", vault.path, "--snapshot", str(tmp_path / "m.json"))
    assert run(*target, *words, env=environment(tmp_path / "state")).returncode == 0
    assert guard(vault, after).decision == Decision.UNCHANGED
    assert vault.read().fingerprint == FINGERPRINT


def test_what_was_noted_stays_after_an_unchanged_start(vault: Vault) -> None:
    before, after = before_and_after("reinstalled")
    registered(vault, before)
    kept = guard(vault, after)
    assert kept.decision == Decision.KEPT
    assert guard(vault, after).decision == Decision.UNCHANGED
    assert last_run(vault) == kept


def test_the_record_of_another_process_gets_no_evidence(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was stored after the machine was compared with the one before."""
    before, after = before_and_after("agent-restart")
    record = FingerprintRecord(FINGERPRINT, collect(RecordedMachine(before)).hardware_hash, 40)
    written_by_the_agent(vault, record)
    change = Vault.change

    def meanwhile(self: Vault, action: Any) -> Any:
        monkeypatch.setattr(Vault, "change", change)
        written_by_the_agent(vault, record.replace(fingerprint="another"))
        return change(self, action)

    monkeypatch.setattr(Vault, "change", meanwhile)
    guard(vault, after)
    assert vault.read().fingerprint == "another"
    assert vault.evidence.entries() == ([], [])


def test_an_unexpected_error_starts_the_agent(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = before_and_after("reinstalled")
    registered(vault, before)
    monkeypatch.setattr("fingerprint.guard.ruling_of", lambda *_, **__: 1 / 0)
    found = guard(vault, after, block=True)
    assert (found.decision, found.blocks) == (Decision.UNKNOWN, False)
    assert found.why == "unexpected ZeroDivisionError: division by zero"


def test_an_unwritable_state_directory_starts_the_agent(vault: Vault, tmp_path: Path) -> None:
    before, after = before_and_after("clone")
    registered(vault, before)
    (tmp_path / "state" / "guard").write_text("")
    found = guard(vault, after, block=True)
    assert (found.decision, found.blocks) == (Decision.COPY, True)


@pytest.mark.parametrize("damage", [b"", b"{}", b"\xff", b'{"decision":"kept"}'])
def test_a_damaged_note_of_the_last_run_is_none(vault: Vault, damage: bytes) -> None:
    before, after = before_and_after("clone")
    registered(vault, before)
    found = guard(vault, after, block=True)
    assert last_run(vault) == found
    [note] = (Path(vault.state) / "guard").glob("*.json")
    note.write_bytes(damage)
    assert last_run(vault) is None
    guard(vault, after)
    assert last_run(vault) == found.replace(blocks=False)


def command(tmp_path: Path, taken: dict[str, Any], *words: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "m.json").write_text(json.dumps(taken))
    return run(
        "--vault", str(tmp_path / "Vault"), "--snapshot", str(tmp_path / "m.json"), "guard", *words,
        env=environment(tmp_path / "state"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "words", "code", "decision"),
    [("agent-restart", (), 0, "unchanged"), ("dhcp-lease", (), 0, "accepted"),
     ("dhcp-lease", ("--refresh",), 0, "refreshed"),
     ("reinstalled", ("--on-mismatch", "block"), 0, "kept"), ("clone", (), 0, "copy"),
     ("clone", ("--on-mismatch", "block"), 1, "copy"), ("clone-new-id", ("--on-mismatch", "block"), 1, "rejected"),
     ("clone-new-id", ("--on-mismatch", "allow"), 0, "rejected")],
)  # fmt: skip
@pytest.mark.parametrize("dry", [True, False])
def test_the_command(
    vault: Vault, tmp_path: Path, name: str, words: tuple[str, ...], code: int, decision: str, dry: bool
) -> None:
    before, after = before_and_after(name)
    registered(vault, before)
    done = command(tmp_path, after, *words, *(["--dry-run"] if dry else []), "--output", "json")
    assert done.returncode == code
    assert "not known" not in done.stderr
    answer = json.loads(done.stdout)
    assert (answer["decision"], answer["blocks"], answer["dryRun"]) == (decision, code == 1, dry)
    text = command(tmp_path, after, *words, "--dry-run").stdout
    assert ("must not start" in text) == (code == 1) != ("may start" in text)
    # The drop-in blocks a start only with this line.
    assert (text.splitlines()[-1] == BLOCKED) == (BLOCKED in text) == (code == 1)


def test_the_command_where_nothing_is_known(vault: Vault, tmp_path: Path) -> None:
    _, after = before_and_after("clone")
    done = command(tmp_path, after, "--on-mismatch", "block")
    assert done.returncode == 0
    assert "not known whether this is the machine of the record" in done.stderr
    assert done.stdout.startswith("Not known whether it is the same machine: the agent may start.")


def test_a_run_beyond_its_limit_starts_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Also while what runs handles every error, and once even this one."""

    def stuck(*_: object, **__: object) -> None:
        try:
            time.sleep(20)
        except BaseException:
            pass
        for _ in range(100):
            try:
                time.sleep(0.2)
            except Exception:
                pass

    record = FingerprintRecord(FINGERPRINT, collect(RecordedMachine(snapshot(machine()))).hardware_hash, 40)
    vault = Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"))
    written_by_the_agent(vault, record)
    monkeypatch.setattr("fingerprint.cli.commands.guard.run_guard", stuck)
    monkeypatch.setenv("FINGERPRINT_STATE", str(tmp_path / "state"))
    before = signal.getsignal(signal.SIGALRM)
    words = ["--vault", str(tmp_path / "Vault"), "guard", "--on-mismatch", "block", "--limit", "0.3"]
    assert main(words) == 0
    written = capfd.readouterr()
    assert "the comparison took longer than 0.3 s" in written.err
    assert "the agent may start" in written.out
    # The agent may replace the record now.
    assert vault.history.mentions(Path(vault.data_path("InstanceFingerprint")).read_bytes())
    noted = last_run(vault)
    assert noted is not None
    assert "longer than 0.3 s" in noted.why
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)


@pytest.mark.parametrize("limit", ["0", "-1"])
def test_a_limit_is_more_than_nothing(tmp_path: Path, limit: str) -> None:
    done = run("guard", f"--limit={limit}", env=environment(tmp_path / "state"))
    assert done.returncode == 2
    assert "--limit" in done.stderr
