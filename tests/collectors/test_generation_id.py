"""The generation ID of a virtual machine: what QEMU shows of it, and what it may say."""

from __future__ import annotations

import json
from base64 import b64encode
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from commandline import environment, run
from event_machines import generation_page, kvm, lxc, snapshot, virtual
from fingerprint import collect
from fingerprint._core import value_of
from fingerprint.attributes.stable import STRENGTHS, VM_GENERATION_ID, Group
from fingerprint.machine.live import LiveMachine
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.machine.recorder import Recorder
from fingerprint.rules.certainty import rule_on
from fingerprint.rules.stable import Agreement, Outcome, StableVerdict, decide
from fingerprint.support_bundle.bundle import redacted_snapshot
from fingerprint.support_bundle.redact import Redactor
from fingerprint.types import Attribute, Fault, Status

NAME = "vm-generation-id"
OTHER = "5d3c1f9e0b7a48262f64d1c08e93ab57"
NEW_UUID = {"uuid": "1f6e0d2b-3c4a-4958-b768-0a1b2c3d4e5f"}
NEW_MAC = {"links": [("ens18", "52:54:00:99:99:99", "virtio")]}


def read(taken: dict[str, Any]) -> Attribute:
    return collect(RecordedMachine(taken), scheme="stable")[NAME]


def compared(before: dict[str, Any], now: dict[str, Any]) -> StableVerdict:
    saved, current = (collect(RecordedMachine(taken), scheme="stable") for taken in (before, now))
    return decide(saved.hardware_hash, current.hardware_hash, current.unreadable)


def after(**changes: Any) -> StableVerdict:
    """Return the verdict on a virtual machine that changed."""
    return compared(snapshot(kvm()), snapshot(kvm(**changes)))


def agreement(verdict: StableVerdict) -> Agreement:
    return next(row.agreement for row in verdict.rows if row.name == NAME)


def with_file(entry: dict[str, Any]) -> dict[str, Any]:
    taken = snapshot(kvm())
    taken["files"][VM_GENERATION_ID] = entry
    return taken


def test_the_id_is_the_16_bytes_at_40_of_the_page() -> None:
    found = read(snapshot(kvm(generation=OTHER)))
    assert (found.status, found.source) == (Status.PRESENT, VM_GENERATION_ID)
    # The digits of a UUID in the byte order that gives the smaller ones.
    assert found.value == value_of(NAME, min(OTHER, "9e1f3c5d7a0b26482f64d1c08e93ab57"))


@pytest.mark.parametrize(
    "page",
    [b"", bytes(40), generation_page(OTHER)[:55], generation_page("00" * 16), generation_page("ff" * 16)],
    ids=["empty", "short", "cut", "zeros", "ones"],
)
def test_a_page_without_an_id_is_absent(page: bytes) -> None:
    assert read(with_file({"base64": b64encode(page).decode()})).status == Status.ABSENT


def test_a_machine_and_evidence_without_it_lack_it() -> None:
    """Also a container, whose page is that of its host."""
    assert read(snapshot(virtual())).status == Status.ABSENT
    assert read(snapshot(lxc(generation=OTHER))).status == Status.ABSENT
    old = snapshot(kvm(generation=""))
    for sides in ((old, snapshot(kvm())), (snapshot(kvm()), old)):
        verdict = compared(*sides)
        assert (verdict.outcome, agreement(verdict)) == (Outcome.SAME, Agreement.ABSENT)


def test_a_recorder_keeps_the_page() -> None:
    recorder = Recorder(RecordedMachine(snapshot(kvm())))
    found = collect(recorder, scheme="stable")[NAME]
    assert found.value
    assert read(json.loads(recorder.text())).value == found.value


def test_a_copied_disk_has_none(tmp_path: Path) -> None:
    """The page is the running host's, so there it is unknown, not absent."""
    found = collect(LiveMachine(root=str(tmp_path)), scheme="stable")[NAME]
    assert (found.status, found.fault) == (Status.FAILED, Fault.NOT_ASKED)


def test_a_match_gives_no_points() -> None:
    verdict, without = after(), compared(snapshot(kvm(generation="")), snapshot(kvm(generation="")))
    assert agreement(verdict) == Agreement.AGREES
    assert (verdict.identity, verdict.circumstance) == (without.identity, without.circumstance)
    [strength] = (one for one in STRENGTHS if one.group == Group.GENERATION)
    assert (strength.name, strength.physical, strength.virtual) == (NAME, (0, 0), (0, 0))


def test_a_revert_or_a_copy_with_uuid_and_mac_is_not_certain() -> None:
    verdict = after(generation=OTHER)
    assert (verdict.outcome, verdict.turning) == (Outcome.CANNOT_TELL, False)
    assert verdict.why.startswith(
        "system-uuid, mac-addresses agree, but the generation ID of the virtual machine differs"
    )
    assert rule_on(verdict).outcome == Outcome.CANNOT_TELL


@pytest.mark.parametrize("more", [{}, {"host": "web-8"}, {"machine_id": "00112233445566778899aabbccddeeff"}])
@pytest.mark.parametrize("hardware", [NEW_UUID, NEW_MAC, {**NEW_UUID, **NEW_MAC}, {"uuid": "", "links": []}])
def test_it_never_makes_a_machine_different(hardware: dict[str, Any], more: dict[str, Any]) -> None:
    """Outcomes other than `same` are those without the ID."""
    changes = {"ip": "10.9.0.7", "filesystems": [], **hardware, **more}
    if not changes.get("uuid", "x"):
        changes["uuid"] = "00000000-0000-0000-0000-000000000000"
    without = compared(snapshot(kvm(generation="")), snapshot(kvm(generation="", **changes)))
    assert without.outcome != Outcome.SAME
    assert after(**changes).outcome == after(generation=OTHER, **changes).outcome == without.outcome


def test_on_a_physical_machine_it_says_nothing() -> None:
    saved = {"hypervisor": "none", "system-uuid": "u", NAME: "g"}
    verdict = decide(saved, {**saved, NAME: "other"})
    assert (verdict.outcome, agreement(verdict)) == (Outcome.SAME, Agreement.VOID)


def test_an_unreadable_id_could_turn_same_and_nothing_else() -> None:
    denied = with_file({"error": "EACCES", "message": "Permission denied"})
    assert read(denied).status == Status.DENIED
    verdict = compared(snapshot(kvm()), denied)
    assert (verdict.outcome, verdict.turning) == (Outcome.CANNOT_TELL, True)
    assert verdict.why == f"unreadable attributes could change the outcome: {NAME}"
    other = deepcopy(snapshot(kvm(**NEW_UUID, **NEW_MAC)))
    other["files"][VM_GENERATION_ID] = denied["files"][VM_GENERATION_ID]
    assert compared(snapshot(kvm()), other).outcome == Outcome.DIFFERENT
    assert compared(snapshot(kvm(generation="")), denied).outcome == Outcome.SAME


@pytest.mark.parametrize("form", ["base64", "text"])
def test_a_support_bundle_leaves_the_page_out(form: str) -> None:
    """A page of bytes that are text by chance is recorded as text."""
    page = generation_page("4d4152544e3437313158595a41424344")
    entry = {"text": page.decode()} if form == "text" else {"base64": b64encode(page).decode()}
    assert read(with_file(entry)).status == Status.PRESENT
    redacted = json.dumps(redacted_snapshot(with_file(entry), Redactor()))
    assert "MARTN4711" not in redacted
    assert b64encode(page).decode()[40:70] not in redacted


def test_show_prints_it_and_rebaseline_ends_the_doubt(tmp_path: Path) -> None:
    env = environment(tmp_path / "state")
    taken = {"before": kvm(), "after": kvm(generation=OTHER, link_time="Nov 24 10:00")}
    for name, source in taken.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(snapshot(source)))

    def at(side: str, *words: str) -> Any:
        where = ("--vault", str(tmp_path / "Vault"), "--snapshot", str(tmp_path / f"{side}.json"))
        return run(*where, *words, env=env)

    def outcome() -> Any:
        return json.loads(at("after", "explain", "--output", "json").stdout)["stable"]["outcome"]

    shown = json.loads(at("after", "show", "--scheme", "stable", "--output", "json").stdout)
    assert NAME in [one["name"] for one in shown["attributes"]]
    assert NAME in at("after", "show", "--scheme", "stable").stdout
    assert at("before", "vault", "init").returncode == 0
    assert outcome() == "cannot-tell"
    assert at("after", "vault", "rebaseline", "--keep-fingerprint", "--yes").returncode == 0
    assert outcome() == "same"
