"""Every event of docs/events.md by both schemes, on machines whose sources are recorded before and after it."""

from __future__ import annotations

import pytest

from event_machines import CHANGES, before_and_after
from fingerprint import Reason, collect, match
from fingerprint.attributes.events import EVENTS, SHORT_NAMES, Event, Truth, event_of
from fingerprint.attributes.stable import STRENGTHS
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.rules.stable import StableVerdict, decide
from fingerprint.types import Verdict
from paths import DOCS, ROOT

# The results of the reference at threshold 40: the verdict, the reason, and the highest threshold that passes (None if
# another rule than rule 5 decides). If an event may change more attributes, these are the worst case.
REFERENCE: dict[str, tuple[bool, Reason, int | None]] = {
    "agent-restart": (True, Reason.SAME_IP, None),
    "reboot": (True, Reason.SAME_IP, None),
    "time-zone": (True, Reason.SAME_IP, None),
    "dhcp-lease": (True, Reason.SIMILAR, 88),
    "reboot-dhcp": (True, Reason.SIMILAR, 77),
    "kernel-update": (True, Reason.SIMILAR, 77),
    "tool-upgrade": (True, Reason.SAME_IP, None),
    "os-upgrade": (False, Reason.NOT_SIMILAR, 33),
    "tool-installed": (True, Reason.SIMILAR, 44),
    "ram-added": (True, Reason.SIMILAR, 66),
    "firmware-update": (True, Reason.SIMILAR, 66),
    "processor-replaced": (True, Reason.SIMILAR, 66),
    "board-replaced": (True, Reason.SIMILAR, 55),
    "board-replaced-blank": (True, Reason.SIMILAR, 55),
    "disk-moved": (True, Reason.SIMILAR, 44),
    "image-on-other-model": (False, Reason.NOT_SIMILAR, 22),
    "machine-id-regenerated": (False, Reason.SID_DIFFERS, None),
    "reinstalled": (False, Reason.SID_DIFFERS, None),
    "backup-restored": (True, Reason.SAME_IP, None),
    "nic-swap": (True, Reason.SIMILAR, 66),
    "host-renamed": (True, Reason.SAME_IP, None),
    "docker-first": (True, Reason.SIMILAR, 77),
    "disk-added": (True, Reason.SAME_IP, None),
    "table-hidden": (True, Reason.SAME_IP, None),
    "live-migration": (True, Reason.SAME_IP, None),
    "cold-move": (True, Reason.SIMILAR, 66),
    "cold-resize": (True, Reason.SIMILAR, 66),
    "cloud-stop-start": (True, Reason.SAME_IP, None),
    "snapshot-reverted": (True, Reason.SAME_IP, None),
    "generation-id-changed": (True, Reason.SAME_IP, None),
    "vtpm-replaced": (True, Reason.SAME_IP, None),
    "clone": (True, Reason.SIMILAR, 55),
    "clone-renamed": (True, Reason.SIMILAR, 44),
    "clone-new-id": (False, Reason.SID_DIFFERS, None),
    "template-cloud-init": (False, Reason.NOT_SIMILAR, 33),
    "vm-hardware-upgrade": (True, Reason.SAME_IP, None),
    "cross-hypervisor-move": (False, Reason.NOT_SIMILAR, 22),
    "cross-hypervisor-same-ip": (True, Reason.SAME_IP, None),
    "container-recreated": (True, Reason.SIMILAR, 66),
    "container-without-id": (True, Reason.SIMILAR, 66),
    "lxc-copied": (True, Reason.SIMILAR, 66),
    "sd-card-copied": (True, Reason.SIMILAR, 66),
    "pi-replaced": (True, Reason.SIMILAR, 66),
    "volatile-machine-id": (False, Reason.SID_DIFFERS, None),
    "wmic-to-cim": (False, Reason.SID_DIFFERS, None),
    "server-2025-cim": (False, Reason.SID_DIFFERS, None),
    "recipe-to-wql": (False, Reason.SID_DIFFERS, None),
    "recipe-to-wmic": (False, Reason.SID_DIFFERS, None),
    "type-ids-moved": (True, Reason.SAME_IP, 100),
    "domain-join": (True, Reason.SAME_IP, None),
    "windows-disk-added": (True, Reason.SAME_IP, None),
    "windows-clone-new-uuid": (False, Reason.SID_DIFFERS, None),
    "windows-unsysprepped": (False, Reason.SID_DIFFERS, None),
    "windows-clone-same-uuid": (True, Reason.SIMILAR, 77),
}
every_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)


def by_ssm(event: Event) -> Verdict:
    before, after = (collect(RecordedMachine(taken)) for taken in before_and_after(event.name))
    return match(before.hardware_hash, after.hardware_hash, 40, sid_key=after.sid_key, unreadable=after.unreadable)


def by_stable(event: Event) -> StableVerdict:
    before, after = (collect(RecordedMachine(taken), scheme="stable") for taken in before_and_after(event.name))
    return decide(before.hardware_hash, after.hardware_hash, after.unreadable)


def test_every_event_has_its_machines_and_its_verdict() -> None:
    names = [event.name for event in EVENTS]
    assert len(names) == len(set(names)) >= 48
    assert set(names) == CHANGES.keys() == REFERENCE.keys()
    assert event_of("reboot") is not None
    assert event_of("rebot") is None


@every_event
def test_scheme_ssm_decides_as_the_reference(event: Event) -> None:
    verdict = by_ssm(event)
    match_, reason, highest = REFERENCE[event.name]
    assert (verdict.match, verdict.reason) == (match_, reason)
    if highest is not None:
        assert verdict.highest_passing_threshold == highest


@every_event
def test_scheme_stable_is_right(event: Event) -> None:
    """The same machine is accepted, a clone rejected, and an undecidable event has the outcome cannot-tell."""
    verdict = by_stable(event)
    assert str(verdict.outcome) == event.outcome, verdict.why
    right = {Truth.SAME: "same", Truth.OTHER: "different", Truth.UNDECIDABLE: "cannot-tell"}
    assert event.outcome == right[event.truth]


@every_event
def test_an_event_changes_the_attributes_of_the_table(event: Event) -> None:
    changed = {row.name for row in by_ssm(event).rows if not row.same}
    assert set(event.ssm) <= changed <= set(event.ssm) | set(event.ssm_may)
    rows = by_stable(event).rows
    changed = {row.name for row in rows if (row.saved or row.current) and row.saved != row.current}
    absent = {row.name for row in rows if not row.saved and not row.current}
    assert set(event.stable) - absent <= changed <= set(event.stable) | set(event.stable_may)


@every_event
def test_the_table_names_only_existing_attributes(event: Event) -> None:
    assert {*event.ssm, *event.ssm_may} <= set(SHORT_NAMES.values())
    assert {*event.stable, *event.stable_may} <= {strength.name for strength in STRENGTHS}
    assert event.signs


@every_event
def test_the_page_of_events_agrees_with_the_data(event: Event) -> None:
    page = DOCS / "events.md"
    [row] = [line for line in page.read_text().splitlines() if line.startswith(f"| `{event.name}` |")]
    cells = [cell.strip() for cell in row.split("|")[1:-1]]
    short = {full: name for name, full in SHORT_NAMES.items()}
    may = f" ({' '.join(short[name] for name in event.ssm_may)})" if event.ssm_may else ""
    accepted = REFERENCE[event.name][0]
    assert cells[1] == event.title
    assert cells[3] == ((" ".join(short[name] for name in event.ssm) + may).strip() or "-")
    assert cells[4].startswith("accepts" if accepted else "rejects")
    assert ("(wrong)" in cells[4]) == (event.truth == (Truth.OTHER if accepted else Truth.SAME))
    assert cells[5] == event.outcome


def test_the_readme_counts_the_events_and_the_right_verdicts() -> None:
    decided = [event for event in EVENTS if event.truth != Truth.UNDECIDABLE]
    right = [event for event in decided if REFERENCE[event.name][0] == (event.truth == Truth.SAME)]
    page = " ".join((ROOT / "README.md").read_text().split())
    assert f"It is right about all {len(EVENTS)} events of the tests" in page
    assert f"the agent's rules about {len(right)} of the {len(decided)} that can be decided" in page
