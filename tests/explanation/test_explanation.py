"""The explanation: a cause for every difference, the event that caused it, and what is unknown."""

from __future__ import annotations

import gzip
import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from event_machines import before_and_after, machine, snapshot
from fingerprint import FingerprintRecord, Gate, HardwareHash, Vault, collect, explain
from fingerprint.attributes.events import EVENTS, Event
from fingerprint.explanation import Explanation, State, explain_snapshots, explain_vault
from fingerprint.gate import first_record
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.rules.ssm import match
from shared import CORPUS, needs_corpus

NOW = "2026-11-24T12:00:00Z"


def compared(before: dict[str, Any], now: dict[str, Any], threshold: int = 40) -> Explanation:
    return explain_snapshots(RecordedMachine(before), RecordedMachine(now), threshold)


def after(**changes: Any) -> Explanation:
    """Return the explanation of changes to the usual machine."""
    return compared(snapshot(machine(), "2026-11-01T00:00:00Z"), snapshot(machine(**changes), NOW))


def cause_of(found: Explanation, name: str) -> str:
    return next(cause.text for cause in found.causes if cause.name == name)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(str(tmp_path / "Vault"), state=str(tmp_path / "state"), now=lambda: 1_800_000_000.0)


@pytest.mark.parametrize("event", [e for e in EVENTS if e.ssm], ids=lambda event: event.name)
def test_the_event_that_caused_a_difference_comes_first(event: Event) -> None:
    """Or one that changes the same attributes, which cannot be distinguished from it."""
    found = compared(*before_and_after(event.name))
    best = next(e for e in EVENTS if e.name == found.events[0].name)
    assert best.name == event.name or (set(best.ssm), best.truth) == (set(event.ssm), event.truth), found.events


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_every_change_has_one_cause_and_every_cause_a_change(event: Event) -> None:
    found = compared(*before_and_after(event.name))
    changed = {row.name for row in found.verdict.rows if row.current is not None and not row.same}
    assert {cause.name for cause in found.causes if cause.text} == changed
    named = [name for names, _, _ in found.changed for name in names]
    assert sorted(named) == sorted(changed)


def test_a_tool_upgrade_is_distinguished_from_hardware_changes() -> None:
    """The published case of an upgrade of Ubuntu: 3 of 9, and the hardware is the same."""
    found = compared(*before_and_after("os-upgrade"))
    assert found.rule == "rule 5: 3 of 9 attributes match, 33.3 %, less than the threshold 40"
    cause = "dmidecode 3.3 -> 3.6; hardware fields equal"
    assert (("bios-hash", "memory-hash", "processor-hash", "system-hash"), cause, True) in found.changed
    assert found.stable is not None
    assert str(found.stable.verdict.outcome) == "same"
    assert [remedy.name for remedy in found.remedies] == ["backup", "threshold", "rebaseline", "register"]


@pytest.mark.parametrize(
    ("modules", "cause"),
    [
        ([(8192, "DIMM_A1", "NWD4-8G", "4F10A2B3")], "DIMM_A2 8 GB removed"),
        ([(8192, "DIMM_A1", "NWD4-8G", "4F10A2B3"), (8192, "DIMM_A2", "NWD4-8G", "77777A01")],
         "DIMM_A2 8 GB replaced by another module"),
        ([(8192, "DIMM_A1", "NWD4-8G", "4F10A2B3"), (16384, "DIMM_A2", "NWD4-16G", "4F10A2C9")],
         "DIMM_A2 8 GB -> 16 GB"),
    ],
)  # fmt: skip
def test_a_memory_module_is_named(modules: list[tuple[int, str, str, str]], cause: str) -> None:
    assert cause_of(after(modules=modules), "memory-hash") == cause


def test_volatile_fields_are_named_as_such() -> None:
    before, now = snapshot(machine()), snapshot(machine())
    for command in now["commands"]:
        command["stdout"] = command["stdout"].replace("Current Speed: 2600 MHz", "Current Speed: 1200 MHz")
    assert cause_of(compared(before, now), "processor-hash") == "hardware fields equal; only Current Speed differ"


def test_disk_links_distinguish_times_from_file_systems() -> None:
    assert cause_of(after(link_time="Nov 24 10:00"), "disk-info") == "only link times differ"
    gone = after(filesystems=["9A1B-2C3D"])
    assert cause_of(gone, "disk-info").startswith("file systems: 0b1c…d9fa removed".replace("d9fa", "e9fa"))
    now = snapshot(machine(link_time="Nov 24 10:00"), NOW)
    now["files"]["/proc/uptime"] = {"text": "7200.00 1.0\n"}
    booted = compared(snapshot(machine(), "2026-11-01T00:00:00Z"), now)
    assert cause_of(booted, "disk-info") == "only link times differ (booted 2026-11-24 10:00)"


def test_another_first_interface_is_distinguished_from_a_card() -> None:
    docker = compared(*before_and_after("docker-first"))
    assert "docker0 comes first now, eno1 is still there" in cause_of(docker, "macaddr-info")
    assert "the old one is still there" in cause_of(docker, "ipaddress-info")
    card = compared(*before_and_after("nic-swap"))
    assert "of eno1 is gone" in cause_of(card, "macaddr-info")


def test_windows_by_another_method_is_no_other_uuid() -> None:
    found = compared(*before_and_after("wmic-to-cim"))
    assert "hashed from wmic and now from PowerShell JSON, same UUID" in cause_of(found, "uuid")
    assert found.verdict.highest_passing_threshold is None
    assert "threshold" not in [remedy.name for remedy in found.remedies]


def test_a_tool_that_is_missing_is_named() -> None:
    found = after(tool="")
    assert cause_of(found, "bios-hash") == "nothing is read now: /usr/sbin/dmidecode is not installed"
    found = compared(*before_and_after("tool-installed"))
    assert cause_of(found, "bios-hash") == "nothing was read then: /usr/sbin/dmidecode is not installed"


def test_an_accepted_clone_is_reported() -> None:
    found = compared(*before_and_after("clone"))
    assert found.outcome == "same"
    assert "as a copy would" in found.consequence
    assert [remedy.name for remedy in found.remedies] == ["find-original", "reset-copy", "threshold"]


def test_without_evidence_causes_are_inferred_or_unknown() -> None:
    before, now = (collect(RecordedMachine(taken)) for taken in before_and_after("os-upgrade"))
    verdict = match(before.hardware_hash, now.hardware_hash, 40)
    found = explain(verdict, now)
    inferred = next(cause for cause in found.causes if cause.name == "memory-hash")
    assert inferred.text == "probably dmidecode's version: all four DMI values changed at once"
    assert not inferred.certain
    assert any("nothing was kept" in text for text in found.cannot_tell)
    assert any("scheme stable" in text for text in found.cannot_tell)


def test_evidence_without_the_saved_value_is_not_used() -> None:
    """A later snapshot explains only the attributes whose saved value it gives."""
    first = snapshot(machine(modules=[(4096, "DIMM_A1", "NWD4-4G", "11112222")]))
    saved = collect(RecordedMachine(first)).hardware_hash
    kept, now = snapshot(machine(bios=("x", "1", "2"))), snapshot(machine(), NOW)
    from fingerprint.explanation.sources import Sources

    current = collect(RecordedMachine(now))
    verdict = match(saved, current.hardware_hash, 40)
    found = explain(verdict, current, before=Sources(RecordedMachine(kept), saved), now=Sources(RecordedMachine(now)))
    assert cause_of(found, "memory-hash").startswith("cause not known")


@pytest.mark.parametrize(
    ("machine_id", "cause"), [("ffeeddccbbaa99887766554433221100", "machine-id"), ("0" * 32, "machine-id-invalid")]
)
def test_another_machine_id_on_the_same_hardware_is_explained(machine_id: str, cause: str) -> None:
    before, now = snapshot(machine()), snapshot(machine(machine_id=machine_id), NOW)
    found = explain_snapshots(RecordedMachine(before), RecordedMachine(now))
    assert [one.name for one in found.composition.causes] == [cause]
    assert found.composition.history is not None
    assert found.composition.history.name == "machine-id-regenerated"
    assert not any("What changed behind" in text for text in found.cannot_tell)
    # Unlike the firmware's UUID on Windows, it can be restored.
    assert [one.name for one in found.remedies] == ["backup", "restore-id", "rebaseline", "register"]


def test_two_recordings_do_not_mention_kept_evidence() -> None:
    before, now = before_and_after("firmware-update")
    before["commands"] = [one for one in before["commands"] if one["argv"][-1] != "bios"]
    found = explain_snapshots(RecordedMachine(before), RecordedMachine(now))
    assert not any("nothing was kept" in text for text in found.cannot_tell)


def test_an_invalid_id_is_not_called_empty() -> None:
    before, now = (snapshot(machine(machine_id="0" * 32), *at) for at in ((), (NOW,)))
    unknown = explain_snapshots(RecordedMachine(before), RecordedMachine(now)).cannot_tell
    assert any("it is all zeros" in text for text in unknown)
    assert not any("empty on both sides" in text and "machine-id" in text for text in unknown)


def test_an_unreadable_attribute_is_unknown_and_no_change() -> None:
    now = snapshot(machine(), NOW)
    for command in now["commands"]:
        if command["argv"][-1] == "memory":
            command.update(returncode=None, stdout="", problem="timeout")
    found = compared(snapshot(machine()), now)
    unknown = next(cause for cause in found.causes if cause.name == "memory-hash")
    assert unknown.state == "unknown"
    assert "could not be read now" in unknown.text
    assert any("memory-hash" in text for text in found.cannot_tell)


def test_a_regenerated_record_has_no_threshold_remedy(vault: Vault) -> None:
    before, now = before_and_after("os-upgrade")
    first_record(vault, RecordedMachine(before))
    waiting = explain_vault(vault, RecordedMachine(now))
    assert (
        waiting.state_text == "not regenerated yet: the agent does it at its next check: when it next requests a token"
    )
    Gate(vault, RecordedMachine(now), policy="regenerate").fingerprint()
    found = explain_vault(vault, RecordedMachine(now))
    assert found.outcome == "same"
    assert found.state.regenerated
    assert found.state_text.startswith("already regenerated at 2027-01-15T08:00:00Z, by us")
    assert [remedy.command for remedy in found.remedies] == ["fingerprint vault restore 2 --rebaseline --yes", ""]


def test_a_record_that_the_agent_replaced_is_detected(vault: Vault) -> None:
    before, now = before_and_after("os-upgrade")
    record, _ = first_record(vault, RecordedMachine(before))
    other = record.replace(fingerprint="another", hardware_hash=collect(RecordedMachine(now)).hardware_hash)
    text = Path(vault.data_path("InstanceFingerprint")).read_text()
    data = json.loads(text)
    assert isinstance(other.hardware_hash, HardwareHash)
    data.update(fingerprint="another-id", hardwareHash=dict(other.hardware_hash))
    Path(vault.data_path("InstanceFingerprint")).write_text(json.dumps(data))
    found = explain_vault(vault, RecordedMachine(now))
    assert found.state.by == "another program"
    assert found.remedies[0].command == "fingerprint vault restore 0 --rebaseline --yes"


def test_evidence_by_option_explains_a_vault_of_the_agent(vault: Vault) -> None:
    before, now = before_and_after("ram-added")
    hardware_hash = collect(RecordedMachine(before)).hardware_hash
    with vault.edit() as edit:
        edit.store(FingerprintRecord("fp", hardware_hash, 40), why="test")
    blind = explain_vault(vault, RecordedMachine(now))
    assert blind.stable is None
    seeing = explain_vault(vault, RecordedMachine(now), before=RecordedMachine(before))
    assert cause_of(seeing, "memory-hash") == "DIMM_B1 16 GB added"
    assert seeing.stable is not None


def test_no_id_shows_in_an_explanation(vault: Vault) -> None:
    before, now = before_and_after("clone-new-id")
    first_record(vault, RecordedMachine(before))
    found = explain_vault(vault, RecordedMachine(now))
    shown = repr(found) + "".join(text for _, text, _ in found.changed)
    for secret in (machine()["machine_id"], machine()["uuid"], machine()["serial"], vault.read().fingerprint):
        assert secret not in shown


NOISE = st.sampled_from(
    [
        "", "x", "# dmidecode 3.4\n", "total 0\nlrwxrwxrwx 1 root root 10 Nov 1 a -> b\n", "\x00\xff→",
        "Handle 0x0, DMI type 17, 40 bytes\nMemory Device\n\tSize: 8 GB\n",
    ]
)  # fmt: skip
WMI_NOISE: list[Any] = [[], [{}], [{"UUID": 5}, {"x": None}], {"error": "EIO", "message": "WMI answers 80041010"}]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_arbitrary_evidence_never_raises(data: st.DataObject) -> None:
    event = data.draw(st.sampled_from(EVENTS))
    sides = [deepcopy(taken) for taken in before_and_after(event.name)]
    for taken in sides:
        for command in taken["commands"]:
            if data.draw(st.integers(0, 3)) == 0:
                command["stdout"] = data.draw(NOISE)
            if data.draw(st.integers(0, 9)) == 0:
                command["returncode"] = 1
        if data.draw(st.integers(0, 3)) == 0:
            taken["addresses"] = {"ipv4": [], "links": [], "source": "x"}
        if data.draw(st.integers(0, 3)) == 0:
            taken.pop("links", None)
        for class_name in taken.get("wmi", ()):
            if data.draw(st.integers(0, 3)) == 0:
                taken["wmi"][class_name] = data.draw(st.sampled_from(WMI_NOISE))
        if data.draw(st.integers(0, 5)) == 0:
            taken.pop("agentVersion", None)
    found = compared(sides[0], sides[1], data.draw(st.sampled_from([-1, 1, 40, 100])))
    assert found.rule
    assert isinstance(found.state, State)
    made = found.composition
    changed = {cause.name for cause in found.causes if cause.state == "changed"}
    explained = {name for cause in made.causes for name in cause.attributes}
    assert changed <= explained | set(made.unexplained)
    assert not explained & set(made.unexplained)
    assert all(cause.attributes and cause.evidence for cause in made.causes)


@needs_corpus
def test_a_real_update_of_the_firmware_is_named() -> None:
    """A PowerEdge 1750 before and after its BIOS went from A00 to A07."""
    sides = []
    for name in ("dell_PE1750_A00", "dell_PE1750_A07"):
        taken = snapshot(machine())
        for command in taken["commands"][:4]:
            command["stdout"] = (CORPUS / "smbios" / name / "golden" / f"{command['argv'][-1]}.txt").read_text(
                "latin-1"
            )
        sides.append(taken)
    found = compared(*sides)
    assert "version A00 -> A07" in cause_of(found, "bios-hash")
    assert {cause.name for cause in found.causes if cause.text} == {"bios-hash", "processor-hash"}
    assert found.events[0].name == "firmware-update"


@needs_corpus
def test_real_pairs_with_another_dmidecode_show_the_tool() -> None:
    """200 real machines at two times: one cause for each change, with the tool's version if that differs."""
    with gzip.open(CORPUS / "drift" / "pairs_text.jsonl.gz", "rt") as lines:
        pairs = [json.loads(line) for _, line in zip(range(200), lines, strict=False)]
    upgraded = 0
    for pair in pairs:
        sides = []
        for text, version in zip((pair["old"], pair["new"]), pair["dmidecode"], strict=True):
            taken = snapshot(machine())
            for command in taken["commands"][:4]:
                head = f"# dmidecode {version}\nGetting SMBIOS data from sysfs.\nSMBIOS 3.0 present.\n\n"
                command["stdout"] = head + text.get(command["argv"][-1], "") + "\n\n"
            sides.append(taken)
        found = compared(*sides)
        changed = {cause.name for cause in found.causes if cause.text}
        if pair["dmidecode"][0] != pair["dmidecode"][1]:
            upgraded += 1
            assert len(changed) == 4
            for cause in found.causes:
                assert not cause.text or cause.text.startswith("dmidecode "), cause
    assert upgraded > 20
