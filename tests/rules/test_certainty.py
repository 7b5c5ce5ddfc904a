"""When the verdict of scheme `stable` is certain: each condition alone, and every event."""

from __future__ import annotations

import itertools

import pytest

from event_machines import before_and_after
from fingerprint import collect
from fingerprint.attributes.events import EVENTS, Event, Truth
from fingerprint.attributes.stable import CIRCUMSTANCE_LIMIT, DECIDING_POINTS, STRENGTHS, Group
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.rules.certainty import CONDITIONS, NO_EVIDENCE, Ruling, rule_on
from fingerprint.rules.stable import Outcome, decide
from paths import DOCS

NAMES = [strength.name for strength in STRENGTHS]
IDENTITY = [strength.name for strength in STRENGTHS if strength.group == Group.IDENTITY]
UNIQUE = ["system-uuid", "system-serial", "cloud-instance"]
PHYSICAL, VIRTUAL = {"hypervisor": "none"}, {"hypervisor": "kvm"}
# A copy of a disk has these, too.
COPIED = dict.fromkeys(("machine-id", "filesystem-uuids", "hostname", "ip-address"), "1")


def ruling(
    agree: str = "", differ: str = "", unreadable: str = "", kind: dict[str, str] | None = None, **others: str
) -> Ruling:
    """Return the ruling where the named attributes agree, differ or are unreadable, and others are copied."""
    kind = PHYSICAL if kind is None else kind
    known = agree.split() + differ.split() + unreadable.split()
    saved = {**COPIED, **kind, **dict.fromkeys(known, "1")}
    current = {**saved, **dict.fromkeys(differ.split(), "2"), **others}
    return rule_on(decide(saved, current, unreadable.split()))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.name)
def test_no_event_is_ruled_against_its_truth(event: Event) -> None:
    before, after = (collect(RecordedMachine(one), scheme="stable") for one in before_and_after(event.name))
    found = rule_on(decide(before.hardware_hash, after.hardware_hash, after.unreadable))
    expected = {
        Truth.SAME: ("same", "cannot-tell"), Truth.OTHER: ("different", "cannot-tell"),
        Truth.UNDECIDABLE: ("cannot-tell",),
    }  # fmt: skip
    assert str(found.outcome) in expected[event.truth]
    # Nor is any of these left to the rules.
    assert str(found.outcome) == event.outcome


def test_without_evidence_nothing_is_certain() -> None:
    found = rule_on(None)
    assert (found.outcome, found.failed, found.why) == (Outcome.CANNOT_TELL, (), NO_EVIDENCE)
    assert not found.is_same
    assert not found.is_different


@pytest.mark.parametrize(("one", "other"), list(itertools.combinations(IDENTITY, 2)))
def test_two_pieces_of_physical_hardware_are_certain(one: str, other: str) -> None:
    found = ruling(agree=f"{one} {other}")
    unique = {one, other} & {*UNIQUE}
    if unique and "disk-serials" not in (one, other):
        assert (found.outcome, found.failed) == (Outcome.SAME, ())
        assert found.why.endswith(" agree")
    else:
        assert (found.outcome, found.failed) == (Outcome.CANNOT_TELL, ("unique-hardware",))
    found = ruling(differ=f"{one} {other}")
    if unique and "disk-serials" not in (one, other):
        assert (found.outcome, found.failed) == (Outcome.DIFFERENT, ())
    else:
        assert found.outcome == Outcome.CANNOT_TELL
        assert found.failed in ((), ("other-hardware",))


@pytest.mark.parametrize("name", IDENTITY)
def test_one_piece_of_hardware_is_never_certain(name: str) -> None:
    assert ruling(agree=name).outcome == Outcome.CANNOT_TELL
    assert ruling(differ=name).outcome == Outcome.CANNOT_TELL


@pytest.mark.parametrize("kind", [PHYSICAL, VIRTUAL], ids=["physical", "virtual"])
@pytest.mark.parametrize("count", range(len(IDENTITY)))
def test_what_a_disk_brings_along_is_never_certain(kind: dict[str, str], count: int) -> None:
    """All of the disk agrees, and all of the machine that it was put into differs, as far as it is known."""
    others = [name for name in IDENTITY if name != "disk-serials"][:count]
    found = ruling(agree="disk-serials", differ=" ".join(others), kind=kind)
    assert not found.is_same


@pytest.mark.parametrize(
    ("agree", "certain"),
    [("system-uuid mac-addresses", True), ("cloud-instance", True), ("cloud-instance system-uuid", True),
     ("system-uuid system-serial", False), ("system-uuid board-serial chassis-serial memory-serials", False),
     ("system-uuid disk-serials", False), ("mac-addresses disk-serials", False),
     ("mac-addresses system-serial", False)],
)  # fmt: skip
def test_a_virtual_machine_has_its_uuid_and_a_card(agree: str, certain: bool) -> None:
    """Its serial numbers follow from the UUID, and a copy may keep the UUID alone."""
    found = ruling(agree=agree, kind=VIRTUAL, platform="1", firmware="1")
    assert (found.outcome == Outcome.SAME) is certain
    assert found.is_same is certain


@pytest.mark.parametrize(
    ("differ", "certain"),
    [("system-uuid mac-addresses", True), ("cloud-instance system-uuid", True), ("system-uuid system-serial", False),
     ("system-uuid system-serial board-serial chassis-serial memory-serials disk-serials", False),
     ("mac-addresses system-serial", False), ("system-uuid mac-addresses system-serial", True)],
)  # fmt: skip
def test_another_virtual_machine_has_other_uuid_and_card(differ: str, certain: bool) -> None:
    """One that was imported again may have another UUID; its serial numbers follow from that."""
    found = ruling(differ=differ, kind=VIRTUAL)
    assert found.outcome == Outcome.DIFFERENT or not certain
    assert found.is_different is certain
    if not certain and found.failed:
        assert found.failed == ("other-hardware",)


@pytest.mark.parametrize("name", [*UNIQUE, "platform"])
def test_what_differs_in_the_firmware_makes_same_uncertain(name: str) -> None:
    agree = " ".join(one for one in IDENTITY if one != name)
    found = ruling(agree=agree, differ=name)
    assert (found.outcome, found.failed) == (Outcome.CANNOT_TELL, ("no-contradiction",))
    assert "UUID, serial number or instance ID" in found.why


@pytest.mark.parametrize("name", ["board-serial", "chassis-serial", "mac-addresses", "memory-serials", "disk-serials"])
def test_a_replaced_part_leaves_same_certain(name: str) -> None:
    agree = " ".join(one for one in IDENTITY if one != name)
    assert ruling(agree=agree, differ=name).is_same


@pytest.mark.parametrize("name", [one for one in IDENTITY if one not in ("disk-serials", *UNIQUE)])
def test_one_kept_part_makes_different_uncertain(name: str) -> None:
    """The main board may have been replaced, without its serial numbers."""
    found = ruling(agree=name, differ=" ".join(one for one in IDENTITY if one != name))
    assert (found.outcome, found.failed) == (Outcome.CANNOT_TELL, ("nothing-kept",))
    assert ruling(agree="disk-serials", differ=" ".join(one for one in IDENTITY if one != "disk-serials")).is_different


@pytest.mark.parametrize("name", IDENTITY)
def test_what_a_virtual_machine_can_keep(name: str) -> None:
    """Serial numbers follow from the UUID, and modules are made by the hypervisor: they are equal on other machines."""
    found = ruling(agree=name, differ=" ".join(one for one in IDENTITY if one != name), kind=VIRTUAL)
    assert not found.is_same
    assert found.is_different is (name not in ("system-uuid", "mac-addresses", "cloud-instance"))


@pytest.mark.parametrize("name", IDENTITY)
def test_an_unreadable_part_makes_nothing_certain(name: str) -> None:
    others = " ".join(one for one in IDENTITY if one != name)
    certain = name == "disk-serials"
    assert ruling(agree=others, unreadable=name).is_same is certain
    assert ruling(differ=others, unreadable=name).is_different is certain
    if not certain:
        assert ruling(agree=others, unreadable=name).failed == ("readable",)


def test_an_unreadable_part_that_decides_is_named() -> None:
    found = ruling(agree="chassis-serial board-serial", unreadable="system-uuid", kind=PHYSICAL)
    assert (found.outcome, found.failed) == (Outcome.CANNOT_TELL, ("outcome",))
    assert "system-uuid" in found.why


@pytest.mark.parametrize("container", ["docker", "podman", "lxc", "systemd-nspawn", "container"])
def test_a_container_is_never_certain(container: str) -> None:
    for agree, differ in ((" ".join(IDENTITY), ""), ("", " ".join(IDENTITY))):
        assert ruling(agree=agree, differ=differ, kind={"hypervisor": container}).outcome == Outcome.CANNOT_TELL


@pytest.mark.parametrize(("saved", "current"), [("", "none"), ("none", ""), ("", ""), ("kvm", ""), ("", "kvm")])
def test_an_unknown_kind_is_never_certain(saved: str, current: str) -> None:
    for agree, differ in ((" ".join(IDENTITY), ""), ("", " ".join(IDENTITY))):
        found = ruling(agree=agree, differ=differ, kind={"hypervisor": saved}, hypervisor=current)
        assert found.outcome == Outcome.CANNOT_TELL
        assert "kind" in found.failed


def test_another_kind_is_never_certain() -> None:
    found = ruling(agree=" ".join(IDENTITY), kind={"hypervisor": "none"}, hypervisor="kvm")
    assert (found.outcome, found.failed) == (Outcome.CANNOT_TELL, ())
    assert "both a move and a copy" in found.why


def test_each_condition_has_a_name_and_a_reading_of_its_own() -> None:
    assert len({one.name for one in CONDITIONS}) == len(CONDITIONS)
    for one in CONDITIONS:
        assert one.text
        assert one.forged.endswith(".")
        assert set(one.outcomes) <= {Outcome.SAME, Outcome.DIFFERENT}


def test_the_points_in_the_text_are_those_of_the_scheme() -> None:
    [outcome] = (one for one in CONDITIONS if one.name == "outcome")
    assert f"at most {CIRCUMSTANCE_LIMIT} points, and {DECIDING_POINTS} decide" in outcome.forged


def test_the_documentation_has_the_conditions() -> None:
    rows = [
        f"| `{one.name}` | {' and '.join(map(str, one.outcomes))} | {one.text} | {one.forged} |" for one in CONDITIONS
    ]
    lines = (DOCS / "guard.md").read_text("utf-8").splitlines()
    assert [line for line in lines if line in rows] == rows
