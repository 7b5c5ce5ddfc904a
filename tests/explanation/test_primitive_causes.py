"""Differences of every combination are explained by just the primitive causes that made them."""

from __future__ import annotations

from copy import deepcopy
from itertools import combinations
from typing import Any

import pytest

from event_machines import before_and_after, board, machine, snapshot, virtual, windows
from fingerprint import collect, explain
from fingerprint.explanation import Explanation, explain_snapshots
from fingerprint.explanation.history import Identity
from fingerprint.explanation.primitives import TITLES
from fingerprint.explanation.sources import Sources
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.rules.ssm import match

THEN, NOW = "2026-11-01T00:00:00Z", "2026-11-24T12:00:00Z"
FIRST, SECOND = (8192, "DIMM_A1", "NWD4-8G", "4F10A2B3"), (8192, "DIMM_A2", "NWD4-8G", "4F10A2C9")
THIRD = (16384, "DIMM_B1", "NWD4-16G", "5A20C1D2")
_ID = "ffeeddccbbaa99887766554433221100"

# Cause -> what makes it, and the attributes that it explains.
MADE: dict[str, tuple[dict[str, Any], set[str]]] = {
    "tool-version": ({"tool": "3.6"}, {"bios-hash", "memory-hash", "processor-hash", "system-hash"}),
    "firmware": ({"bios": ("Northwind Inc.", "2.4.0", "11/02/2024")}, {"bios-hash"}),
    "processor": ({"cpu": "Quadro Core Z11 @ 3.10GHz", "cpu_id": "57060600fffbebbf"}, {"processor-hash"}),
    "memory-added": ({"modules": [FIRST, SECOND, THIRD]}, {"memory-hash"}),
    "machine-id": ({"machine_id": _ID}, {"machine-id"}),
    "host-name": ({"host": "web-70"}, {"hostname-info"}),
    "network-card": ({"links": [("eno1", "02:1c:42:77:00:07", "pci"), ("eno2", "02:1c:42:00:00:08", "pci")]},
                     {"macaddr-info"}),
    "address": ({"ip": "10.9.0.7"}, {"ipaddress-info"}),
    "reboot": ({"link_time": "Nov 24 10:00"}, {"disk-info"}),
}  # fmt: skip


def compared(before: dict[str, Any], now: dict[str, Any]) -> Explanation:
    return explain_snapshots(RecordedMachine(before), RecordedMachine(now))


def after(made: dict[str, Any], before: Any = machine) -> Explanation:
    return compared(snapshot(before(), THEN), snapshot(before(**made), NOW))


def without_evidence(before: dict[str, Any], now: dict[str, Any]) -> Explanation:
    """Return the explanation where nothing was kept of the record but its hash."""
    saved, current = collect(RecordedMachine(before)), collect(RecordedMachine(now))
    verdict = match(saved.hardware_hash, current.hardware_hash, 40)
    return explain(verdict, current, now=Sources(RecordedMachine(now)))


def names(found: Explanation) -> list[str]:
    return [cause.name for cause in found.composition.causes]


def with_text(taken: dict[str, Any], group: str, old: str, new: str) -> dict[str, Any]:
    """Return a recording in which the output of dmidecode for a group has another text."""
    taken = deepcopy(taken)
    for command in taken["commands"]:
        if command["argv"][-1] == group:
            assert old in command["stdout"]
            command["stdout"] = command["stdout"].replace(old, new)
    return taken


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_each_combination_is_explained_by_its_causes(count: int) -> None:
    for chosen in combinations(MADE, count):
        made = {field: value for name in chosen for field, value in MADE[name][0].items()}
        found = after(made)
        assert names(found) == sorted(chosen, key=list(TITLES).index)
        for cause in found.composition.causes:
            assert set(cause.attributes) == MADE[cause.name][1], (chosen, cause)
            assert cause.evidence
        assert found.composition.unexplained == ()
        assert found.composition.identity == Identity.SAME
        # No title says anything that was not found.
        titles = " ".join(event.title for event in found.events)
        assert ("address" in titles.replace("hardware address", "")) == ("address" in chosen and "IP" in titles)
        assert ("dmidecode" in titles) <= ("tool-version" in chosen)


@pytest.mark.parametrize("other", [name for name in MADE if name not in ("tool-version", "address", "reboot")])
@pytest.mark.parametrize("address", ["10.1.4.20", "10.9.0.7"])
def test_a_lasting_change_comes_first(other: str, address: str) -> None:
    """Also after a new address, a restart, and fields that vary."""
    before = snapshot(machine(), THEN)
    now = snapshot(machine(**{**MADE[other][0], "ip": address, "link_time": "Nov 24 10:00"}), NOW)
    assert names(compared(before, with_text(now, "processor", "2600 MHz", "1200 MHz")))[0] == other


@pytest.mark.parametrize(
    ("group", "old", "new"),
    [
        ("processor", "Current Speed: 2600 MHz", "Current Speed: 1200 MHz"),
        ("processor", "Handle 0x0400", "Handle 0x0444"),
        ("memory", "Speed: 2666 MT/s", "Speed: 2133 MT/s"),
        ("bios", "Release Date: 03/15/2021\n", "Release Date: 03/15/2021\n\tAddress: 0xF0000\n"),
        ("system", "\tVersion: Not Specified\n", "\tVersion: Not Specified\n\tWake-up Type: AC Power Restored\n"),
    ],
)
def test_text_that_says_nothing_is_noise(group: str, old: str, new: str) -> None:
    before = snapshot(machine(), THEN)
    found = compared(before, with_text(snapshot(machine(), NOW), group, old, new))
    assert names(found) == ["text-noise"]
    assert found.composition.causes[0].attributes == (f"{group}-hash",)


def test_fields_that_stay_are_of_a_firmware_update() -> None:
    now = snapshot(machine(bios=("Northwind Inc.", "2.4.0", "11/02/2024")), NOW)
    now = with_text(now, "memory", "Form Factor: DIMM", "Form Factor: SODIMM")
    now = with_text(now, "processor", "2600 MHz", "1200 MHz")
    first, second = compared(snapshot(machine(), THEN), now).composition.causes
    assert (first.name, first.attributes) == ("firmware", ("bios-hash", "memory-hash"))
    assert (second.name, second.attributes) == ("text-noise", ("processor-hash",))


def test_what_the_firmware_describes_is_of_its_update() -> None:
    words = ("system", "Version: Not Specified", "Version: B2")
    before = snapshot(machine(), THEN)
    assert names(compared(before, with_text(snapshot(machine(), NOW), *words))) == ["system-data"]
    now = snapshot(machine(bios=("Northwind Inc.", "2.4.0", "11/02/2024")), NOW)
    [cause] = compared(before, with_text(now, *words)).composition.causes
    assert (cause.name, cause.attributes) == ("firmware", ("bios-hash", "system-hash"))
    assert cause.evidence[-1] == "version (none) -> B2"


def test_fields_are_equal_only_where_they_were_compared() -> None:
    """A text in which neither side has a field that identifies hardware is not called equal hardware."""
    sides = []
    for speed in ("2600 MHz", "1200 MHz"):
        taken = snapshot(machine(cpu="Not Specified", cpu_id="00" * 8), THEN)
        sides.append(with_text(taken, "processor", "2600 MHz", speed))
    found = compared(*sides)
    text = next(cause.text for cause in found.causes if cause.name == "processor-hash")
    assert text.startswith("no hardware field is known on both sides")


def test_equal_versions_are_never_an_upgrade_of_the_tool() -> None:
    changed = {
        "bios": ("Northwind Inc.", "2.4.0", "11/02/2024"), "modules": [FIRST], "cpu": "Quadro Core Z11 @ 3.10GHz",
        "cpu_id": "57060600fffbebbf", "product": "Rack 210 B", "ip": "10.9.0.7",
    }  # fmt: skip
    found = after(changed)
    assert "tool-version" not in names(found)
    assert {"tool-upgrade", "os-upgrade"}.isdisjoint(event.name for event in found.events)


def test_a_kernel_update_is_the_restart() -> None:
    found = after({"kernel": "Linux 6.8.0", "link_time": "Nov 24 10:00"})
    assert names(found) == ["kernel"]
    assert "Linux 6.1.0 -> Linux 6.8.0" in found.composition.causes[0].evidence


@pytest.mark.parametrize(
    ("then", "now", "cause"),
    [
        ("Nov 20 08:31", "Nov 20  2025", "link-times"), ("Nov 20  2025", "Nov 20 08:31", "link-times"),
        ("Nov 20 08:31", "Nov 20 09:31", "link-times"), ("Nov 20 23:31", "Nov 21 01:31", "link-times"),
        ("Nov 20 08:31", "Nov 20 14:16", "link-times"), ("Nov 20 08:31", "Nov 20 08:47", "reboot"),
        ("Nov 20 08:31", "Nov 24 10:00", "reboot"), ("Nov 20  2025", "Nov 24 10:00", "reboot"),
        ("2026-11-20 08:31", "2026-11-24 08:31", "reboot"),
    ],
)  # fmt: skip
def test_link_times_show_a_restart_or_another_time_zone(then: str, now: str, cause: str) -> None:
    found = compared(snapshot(machine(link_time=then), THEN), snapshot(machine(link_time=now), NOW))
    assert names(found) == [cause]


@pytest.mark.parametrize(("uptime", "cause"), [("7200.00 1.0\n", "reboot"), ("2592000.00 1.0\n", "link-times")])
def test_the_time_of_the_start_decides(uptime: str, cause: str) -> None:
    now = snapshot(machine(link_time="Nov 24 10:00"), NOW)
    now["files"]["/proc/uptime"] = {"text": uptime}
    assert names(compared(snapshot(machine(), THEN), now)) == [cause]


@pytest.mark.parametrize("groups", [("memory",), ("memory", "processor"), ("bios",)])
def test_missing_structures_are_no_missing_table(groups: tuple[str, ...]) -> None:
    now = snapshot(machine(), NOW)
    for command in now["commands"]:
        if command["argv"][-1] in groups:
            command["stdout"] = "# dmidecode 3.3\nGetting SMBIOS data from sysfs.\nSMBIOS 3.2.0 present.\n\n"
    usual = snapshot(machine(), THEN)
    assert names(compared(usual, now)) == ["structures-gone"]
    assert names(compared(now, usual)) == ["structures-appeared"]


@pytest.mark.parametrize(
    ("answer", "gone", "appeared"),
    [
        ({"returncode": 1, "stdout": "", "stderr": "/dev/mem: No such file or directory\n"}, "table-gone",
         "table-appeared"),
        ({"returncode": 0, "stdout": "# dmidecode 3.4\n# No SMBIOS nor DMI entry point found, sorry.\n"}, "table-gone",
         "table-appeared"),
        ({"problem": "not-found"}, "tool-gone", "tool-appeared"),
    ],
)  # fmt: skip
def test_a_missing_table_is_no_missing_tool(answer: dict[str, Any], gone: str, appeared: str) -> None:
    """Whatever the exit code of dmidecode is."""
    usual, without = snapshot(machine(), THEN), snapshot(machine(), NOW)
    without["commands"] = [
        {"argv": one["argv"], **answer} if "dmidecode" in one["argv"][0] else one for one in without["commands"]
    ]
    assert names(compared(usual, without)) == [gone]
    assert names(compared(without, usual)) == [appeared]


def test_a_copy_that_changes_no_attribute_has_a_history() -> None:
    disks = {"disks": ["ata-NWSSD_960_S9922CD", "wwn-0x5002538e40a1ffff"]}
    found = after(disks)
    assert found.composition.causes == ()
    assert found.composition.history is not None
    assert [event.name for event in found.events] == ["backup-restored"]


def test_broken_wmi_is_a_cause() -> None:
    before, now = snapshot(windows(), THEN), snapshot(windows(ip="10.9.0.7"), NOW)
    for command in now["commands"]:
        if "wmic" in command["argv"][0]:
            command.update(stdout="", returncode=44124, stderr="Description = Invalid namespace\r\n")
    found = compared(before, now)
    assert names(found) == ["wmi-broken", "address"]
    assert "wmic-to-cim" not in [event.name for event in found.events]


AGENT = {"uid": 0, "asAgent": True, "rawIo": True}


def closed(now: dict[str, Any], taken_by: dict[str, Any]) -> dict[str, Any]:
    """Close /dev/mem to dmidecode, as kernel lockdown does."""
    for command in now["commands"]:
        if "dmidecode" in command["argv"][0]:
            command.update(returncode=1, stdout="", stderr="/dev/mem: Operation not permitted\n")
    return {**now, "takenBy": taken_by}


def test_sources_that_the_agent_cannot_read_either_are_a_cause() -> None:
    before, now = snapshot(machine(), THEN), closed(snapshot(machine(ip="10.9.0.7"), NOW), AGENT)
    found = compared(before, now)
    assert names(found) == ["source-unreadable", "address"]
    [cause, _] = found.composition.causes
    assert set(cause.attributes) == {"bios-hash", "memory-hash", "processor-hash", "system-hash"}
    assert cause.evidence == ("kernel lockdown or another policy closes /dev/mem, even to root",)
    # An empty value stays what it is.
    assert names(compared(now, now)) == []


def test_an_unreadable_machine_id_is_a_cause() -> None:
    before, now = snapshot(machine(), THEN), snapshot(machine(ip="10.9.0.7"), NOW)
    now["files"]["/etc/machine-id"] = {"error": "EIO", "message": "Input/output error"}
    found = compared(before, now)
    assert names(found) == ["source-unreadable", "address"]
    assert found.composition.causes[0].evidence == ("/etc/machine-id: Input/output error",)


def test_what_only_this_user_cannot_read_is_no_cause() -> None:
    before, now = snapshot(machine(), THEN), snapshot(machine(ip="10.9.0.7"), NOW)
    as_user = {"uid": 1000, "asAgent": False, "rawIo": True}
    assert names(compared(before, closed(now, as_user))) == ["address"]


@pytest.mark.parametrize("made", [machine, virtual, board, windows])
def test_an_unchanged_machine_has_no_cause(made: Any) -> None:
    found = after({}, made)
    assert found.composition.causes == found.composition.unexplained == found.events == ()
    assert found.composition.history is None


@pytest.mark.parametrize(("event", "update"), [("wmic-to-cim", "agent 3.3.987.0 -> 3.3.1142.0"),
                                              ("recipe-to-wql", "agent 3.3.987.0 -> 3.3.1345.0")])  # fmt: skip
def test_the_update_of_the_agent_is_evidence(event: str, update: str) -> None:
    [cause] = compared(*before_and_after(event)).composition.causes
    assert cause.name == "hash-recipe"
    assert cause.evidence[0] == update
    # By another recipe the hardware ID is another one, and its UUID the same.
    assert cause.evidence[2].endswith("same UUID 8d2f…4711")


@pytest.mark.parametrize("release", ["2.12", "3.0", "3.3", "3.4"])
def test_an_upgrade_of_the_tool_is_proven_without_evidence(release: str) -> None:
    """The saved digest is that of the present output with another version in its first line."""
    before, now = snapshot(machine(tool=release), THEN), snapshot(machine(tool="3.6", ip="10.9.0.7"), NOW)
    found = without_evidence(before, now)
    first = found.composition.causes[0]
    assert (first.name, first.certain) == ("tool-version", True)
    assert first.evidence == (f"dmidecode {release} -> 3.6; the rest of its output is equal",)
    # One value that differs otherwise is not explained by it.
    more = snapshot(machine(tool="3.6", bios=("Northwind Inc.", "2.4.0", "11/02/2024")), NOW)
    found = without_evidence(before, more)
    assert set(found.composition.causes[0].attributes) == {"memory-hash", "processor-hash", "system-hash"}
    assert found.composition.unexplained == ("bios-hash",)
