"""Causes, events and sentences: what is certain, what it is inferred from, and what is not known."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from event_machines import before_and_after, machine, snapshot, windows
from fingerprint import collect
from fingerprint.attributes.events import DMI, EVENTS, SHORT_NAMES
from fingerprint.collectors.recording import record_machine
from fingerprint.explanation import Explanation, explain, explain_snapshots
from fingerprint.explanation.causes import TABLE_APPEARED, TABLE_GONE, Cause, short_value
from fingerprint.explanation.hardware import differences, size
from fingerprint.explanation.sources import Sources
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.rules.ssm import match
from fingerprint.smbios.table import Bios, MemoryDevice, Processor, SmbiosTable, System

THEN, NOW = "2026-11-01T00:00:00Z", "2026-11-24T12:00:00Z"


def compared(before: dict[str, Any], now: dict[str, Any], /, **options: Any) -> Explanation:
    return explain_snapshots(RecordedMachine(before), RecordedMachine(now), **options)


def without_evidence(before: dict[str, Any], now: dict[str, Any], /, **options: Any) -> Explanation:
    """Return what is said where nothing was kept, and nothing is known beside the hash."""
    saved, current = (collect(RecordedMachine(taken)) for taken in (before, now))
    verdict = match(saved.hardware_hash, current.hardware_hash, 40, sid_key=current.sid_key, silent=current.silent)
    return explain(verdict, current, **options)


def causes(found: Explanation) -> dict[str, Cause]:
    return {cause.name: cause for cause in found.causes if cause.state == "changed"}


def facts(found: Explanation) -> dict[str, tuple[bool, tuple[str, ...]]]:
    return {name: (cause.certain, cause.facts) for name, cause in causes(found).items()}


UPGRADE = dict.fromkeys(DMI, (True, ("tool-version", "hardware-equal")))
TIMES, ADDRESS, NIC = (True, ("times",)), (True, ("address",)), (True, ("nic",))
OTHER_FIRST, RENAMED = (True, ("other-first",)), (True, ("renamed",))
UNCERTAIN = {
    "disk-info": (False, ("disk",)), "ipaddress-info": (False, ("address",)), "macaddr-info": (False, ("mac",)),
    "hostname-info": RENAMED, "machine-id": (False, ("other-id",)),
}  # fmt: skip


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ("os-upgrade", {**UPGRADE, "disk-info": TIMES, "ipaddress-info": ADDRESS}),
        ("docker-first", {"ipaddress-info": OTHER_FIRST, "macaddr-info": OTHER_FIRST}),
        ("nic-swap", {"macaddr-info": NIC, "ipaddress-info": ADDRESS, "disk-info": TIMES}),
        ("host-renamed", {"hostname-info": RENAMED}),
        ("disk-added", {"disk-info": (True, ("filesystems",))}),
        ("firmware-update", {"bios-hash": (True, ("firmware",)), "ipaddress-info": ADDRESS, "disk-info": TIMES}),
        ("ram-added", {"memory-hash": (True, ("modules",)), "ipaddress-info": ADDRESS, "disk-info": TIMES}),
        ("clone", {"system-hash": (True, ("system", "uuid")), "macaddr-info": NIC, "ipaddress-info": ADDRESS,
                   "disk-info": TIMES}),
        ("volatile-machine-id", {"machine-id": (False, ("other-id",)), "disk-info": TIMES}),
        ("type-ids-moved", {"bios-hash": (True, ("type-ids", "hardware-equal"))}),
    ],
)  # fmt: skip
def test_what_was_recorded_on_both_sides_is_certain(event: str, expected: dict[str, Any]) -> None:
    found = facts(compared(*before_and_after(event)))
    assert {name: found[name] for name in expected} == expected
    assert event == "type-ids-moved" or set(found) == set(expected)


@pytest.mark.parametrize("event", ["reboot-dhcp", "nic-swap", "clone-new-id", "disk-added", "host-renamed"])
def test_without_evidence_only_a_name_is_certain(event: str) -> None:
    found = facts(without_evidence(*before_and_after(event)))
    assert {name: found[name] for name in found if name not in DMI} == {
        name: UNCERTAIN[name] for name in found if name not in DMI
    }
    assert all(found[name] == (False, ()) for name in found if name in DMI)


def test_all_values_of_dmidecode_at_once_are_its_version() -> None:
    assert {facts(without_evidence(*before_and_after("tool-upgrade")))[name] for name in DMI} == {(False, ("all-dmi",))}


@pytest.mark.parametrize("event", ["firmware-update", "domain-join"])
@pytest.mark.parametrize("kept", ["before", "now", ""])
def test_evidence_of_one_side_explains_no_hardware(event: str, kept: str) -> None:
    """Of the present side alone a moved type id is found, no other difference."""
    sides = dict(zip(("before", "now"), before_and_after(event), strict=True))
    options = {kept: Sources(RecordedMachine(sides[kept]))} if kept else {}
    found = facts(without_evidence(*sides.values(), **options))
    assert found["bios-hash" if event == "firmware-update" else "system-hash"] == (False, ())


def with_no_table(taken: dict[str, Any], *groups: str) -> dict[str, Any]:
    """Return a machine whose dmidecode finds no table for some groups."""
    taken = deepcopy(taken)
    for command in taken["commands"]:
        if command["argv"][-1] in groups:
            command.update(stdout="# dmidecode 3.3\n# No SMBIOS nor DMI entry point found, sorry.\n", returncode=0)
    return taken


@pytest.mark.parametrize("explained", [compared, without_evidence])
def test_a_table_that_came_or_went_is_certain(explained: Any) -> None:
    """What is printed without a table is known, also where only its digest was kept."""
    usual = snapshot(machine(), THEN)
    without = with_no_table(usual, "memory", "bios")
    for before, now, fact in ((usual, without, TABLE_GONE), (without, usual, TABLE_APPEARED)):
        found = explained(before, now)
        assert facts(found) == dict.fromkeys(("memory-hash", "bios-hash"), (True, (fact,)))
        assert found.events == ()


def test_no_table_on_both_sides_leaves_it_open() -> None:
    without = with_no_table(snapshot(machine(), THEN), "memory", "bios")
    found = compared(without, {**without, "hostName": "other"})
    states = {cause.name: (cause.state, cause.facts) for cause in found.causes}
    assert states["memory-hash"] == states["bios-hash"] == ("empty", ("no-table",))
    assert states["system-hash"] == ("same", ())
    [line] = (text for text in found.cannot_tell if "memory-hash" in text)
    assert "bios-hash" in line
    assert "system-hash" not in line


def test_a_tool_that_fails_on_both_sides_is_no_missing_table() -> None:
    failing = snapshot(machine(tool=""), THEN)
    found = compared(failing, {**failing, "hostName": "other"})
    states = {cause.name: (cause.state, cause.facts) for cause in found.causes if cause.name in DMI}
    assert states == dict.fromkeys(DMI, ("empty", ()))
    [line] = (text for text in found.cannot_tell if "memory-hash" in text)
    assert "empty" in line


def test_a_broken_recording_is_no_evidence() -> None:
    """The commands that it lacks are not known, and nothing is raised."""
    before, now = before_and_after("firmware-update")
    lacking = deepcopy(before)
    sources = Sources(RecordedMachine(lacking))
    lacking["commands"] = [one for one in lacking["commands"] if one["argv"][-1] != "bios"]
    assert Sources(RecordedMachine(lacking)).output_of(("/usr/sbin/dmidecode", "-t", "bios")) is None
    assert sources.output_of(("/usr/bin/no-such", "command")) is None
    assert causes(compared(before, now))["bios-hash"].certain
    broken = deepcopy(before)
    sources = Sources(RecordedMachine(broken))
    entry = next(one for one in broken["commands"] if one["argv"][-1] == "bios")
    entry.pop("stdout", None)
    entry["stdoutBase64"] = "!"
    assert sources.output_of(tuple(entry["argv"])) is None


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 bytes"), (1, "1 bytes"), (1023, "1023 bytes"), (1 << 10, "1 kB"), (1536, "1536 bytes"),
        (512 << 10, "512 kB"), (1 << 20, "1 MB"), (512 << 20, "512 MB"), (1 << 30, "1 GB"), (512 << 30, "512 GB"),
        (1536 << 20, "1536 MB"), (1 << 40, "1 TB"), (3 << 40, "3 TB"),
    ],
)  # fmt: skip
def test_a_size_has_the_largest_unit_that_divides_it(count: int, shown: str) -> None:
    assert size(count) == shown


def module(slot: str, gigabytes: int, serial: str = "11112222") -> MemoryDevice:
    return MemoryDevice(size_bytes=gigabytes << 30, locator=slot, serial=serial, part_number="P-8G")


def test_each_field_that_identifies_hardware_is_compared() -> None:
    uuid = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
    before = SmbiosTable(
        bios=Bios(vendor="Maker", version="1.2", release_date="01/01/2020"),
        system=System(manufacturer="Maker", product="Box", serial="S-12345678", uuid=uuid),
        processors=(Processor(version="Cpu", cores=4, socket="CPU1"),),
        memory_devices=(module("A", 8), module("B", 8)),
    )
    now = SmbiosTable(
        bios=Bios(vendor="Maker", version="2.0", release_date="01/01/2020"),
        system=System(manufacturer="Maker", product="Box 2", serial="S-12345678", uuid=uuid),
        processors=(Processor(version="Cpu", cores=8, socket="CPU1"),),
        memory_devices=(module("A", 16), module("C", 8)),
    )
    for name in DMI:
        assert differences(name, before, before) == []
    assert differences("bios-hash", before, now) == ["BIOS version 1.2 -> 2.0"]
    assert differences("system-hash", before, now) == ["model Box -> Box 2"]
    assert differences("processor-hash", before, now) == ["CPU1 cores 4 -> 8"]
    assert differences("memory-hash", before, now) == ["8 GB moved from B to C", "A 8 GB -> 16 GB"]
    two = SmbiosTable(processors=now.processors * 2)
    assert differences("processor-hash", now, two) == ["1 -> 2 processors"]
    empty = SmbiosTable(processors=(*now.processors, Processor(version="", populated=False)))
    assert differences("processor-hash", now, empty) == []
    assert len(differences("system-hash", now, SmbiosTable())) == 2
    replaced = SmbiosTable(memory_devices=(module("A", 8, "33334444"), module("B", 8)))
    [text] = differences("memory-hash", before, replaced)
    assert text.startswith("A 8 GB")


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("hostname-info", "a-name-of-many-letters", "a-name-of-many-letters"),
        ("ipaddress-info", "2001:db8::1", "2001:db8::1"),
        ("bios-hash", "abcdefgh1234", "abcdefgh1234"),
        ("bios-hash", "abcdefgh12345", "abcdefgh…"),
        ("disk-info", "abcdefgh12345", "abcdefgh…"),
    ],
)
def test_a_value_is_shown_for_people(name: str, value: str, shown: str) -> None:
    assert short_value(name, value) == shown


@pytest.mark.parametrize("name", ["machine-id", "uuid"])
def test_an_id_is_always_masked(name: str) -> None:
    value = "5f0c7b3a9e1d4c6f8a2b4d6e8f0a1c3e"
    assert value not in short_value(name, value)
    assert short_value(name, value)


@pytest.mark.parametrize("event", [event.name for event in EVENTS if event.ssm])
def test_attributes_that_do_not_fit_an_event_are_against_it(event: str) -> None:
    found = compared(*before_and_after(event))
    assert event in [probable.name for probable in found.events if probable.fits]
    changed = {row.name for row in found.verdict.rows if row.current is not None and not row.same}
    for probable in found.events:
        assert probable.fits == (not probable.against)
        for text in probable.against:
            named = text.removeprefix("it does not explain ").split(", ")
            assert named == sorted(named)
            assert {SHORT_NAMES[name] for name in named} <= changed


def test_a_vault_that_the_agent_cannot_read_comes_first() -> None:
    before, now = before_and_after("reboot-dhcp")
    found = without_evidence(before, now, vault_problem="the manifest is broken")
    assert found.state_text
    assert found.state_text != without_evidence(before, now).state_text
    assert found.consequence.startswith("The manifest is broken. ")


def test_on_windows_without_evidence_the_cause_is_not_known() -> None:
    taken = snapshot(windows(windows_method="wmic"), THEN), snapshot(windows(windows_method="wmic", domain="x"), NOW)
    assert facts(without_evidence(*taken)) == {"system-hash": (False, ())}
    assert facts(compared(*taken)) == {"system-hash": (True, ("reads-otherwise",))}


def test_a_recording_of_all_sources_says_the_same() -> None:
    """Evidence is what a recorder kept of the machine, not a snapshot made by hand."""
    before, now = before_and_after("os-upgrade")
    kept = record_machine(RecordedMachine(before))[1].snapshot
    assert facts(compared(kept, now)) == facts(compared(before, now))
