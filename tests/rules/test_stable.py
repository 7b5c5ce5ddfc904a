"""Scheme `stable`: canonical values, placeholders, and a verdict with three outcomes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fingerprint._core import hypervisor_of
from fingerprint.attributes.stable import CIRCUMSTANCE_LIMIT, DECIDING_POINTS, STRENGTHS, Group, Strength
from fingerprint.rules.stable import Agreement, Outcome, StableVerdict, decide, smbios_values
from fingerprint.smbios.table import Baseboard, Bios, MemoryDevice, Processor, SmbiosTable, System
from fingerprint.types import Value
from paths import DOCS

UUID = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"
NAMES = [strength.name for strength in STRENGTHS]
PHYSICAL = {
    "machine-id": "a1", "system-uuid": "a2", "system-serial": "a3", "board-serial": "a4",
    "mac-addresses": "b1 b2", "disk-serials": "c1 c2 c3", "filesystem-uuids": "d1 d2", "ip-address": "a5",
    "hostname": "a6", "platform": "a7", "board": "a8", "processor": "a9", "memory": "aa", "firmware": "ab",
    "hypervisor": "none",
}  # fmt: skip
VIRTUAL = {**PHYSICAL, "hypervisor": "vmware"}


def changed(machine: dict[str, str], *names: str) -> dict[str, str]:
    """Return a machine with other values of some attributes."""
    return {
        name: " ".join(f"x{element}" for element in value.split()) if name in names else value
        for name, value in machine.items()
    }


def without(machine: dict[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in machine.items() if name not in names}


def test_an_unchanged_machine_is_the_same() -> None:
    verdict = decide(PHYSICAL, PHYSICAL)
    assert verdict.outcome == Outcome.SAME
    assert verdict.circumstance == CIRCUMSTANCE_LIMIT
    assert {row.agreement for row in verdict.rows if row.saved} == {Agreement.AGREES}


def test_copyable_attributes_make_no_other_machine_the_same() -> None:
    """A disk in another unit of the same model: machine ID, name, address, file systems and model agree."""
    other = changed(PHYSICAL, "system-uuid", "system-serial", "board-serial", "mac-addresses", "disk-serials")
    assert decide(PHYSICAL, other).outcome == Outcome.DIFFERENT


def test_descriptions_alone_do_not_make_a_machine_the_same() -> None:
    bare = {name: PHYSICAL[name] for name in PHYSICAL if name in ("machine-id", "hostname", "platform", "hypervisor")}
    verdict = decide(bare, bare)
    assert verdict.outcome == Outcome.CANNOT_TELL
    assert verdict.why == "no identity-bearing hardware is known on both sides"


def test_a_replaced_part_does_not_make_another_machine() -> None:
    for part in ("mac-addresses", "disk-serials", "board-serial", "memory", "firmware", "machine-id"):
        assert decide(PHYSICAL, changed(PHYSICAL, part)).outcome == Outcome.SAME, part


def test_a_set_agrees_when_half_of_the_smaller_side_is_on_both() -> None:
    one_of_two = {**PHYSICAL, "mac-addresses": "b1 zz"}
    none = {**PHYSICAL, "mac-addresses": "zz"}
    more = {**PHYSICAL, "disk-serials": "c1 c2 c3 c4 c5 c6 c7"}
    rows = {machine["mac-addresses"]: decide(PHYSICAL, machine).rows for machine in (one_of_two, none)}
    agreement = {name: next(r.agreement for r in found if r.name == "mac-addresses") for name, found in rows.items()}
    assert agreement == {"b1 zz": Agreement.AGREES, "zz": Agreement.DIFFERS}
    assert next(r for r in decide(PHYSICAL, more).rows if r.name == "disk-serials").agreement == Agreement.AGREES


def test_a_copied_vm_is_different_and_a_moved_vm_is_the_same() -> None:
    copied = changed(VIRTUAL, "system-uuid", "system-serial", "mac-addresses", "ip-address")
    moved = changed(VIRTUAL, "processor", "ip-address", "disk-serials")
    assert decide(VIRTUAL, copied).outcome == Outcome.DIFFERENT
    assert decide(VIRTUAL, moved).outcome == Outcome.SAME


def test_a_copy_with_the_same_uuid_is_undecided() -> None:
    verdict = decide(VIRTUAL, changed(VIRTUAL, "mac-addresses", "ip-address", "board-serial"))
    assert verdict.outcome == Outcome.CANNOT_TELL
    assert verdict.why == "system-uuid, system-serial, disk-serials agree and board-serial, mac-addresses differ"


def test_a_resized_instance_of_ec2_is_another_model() -> None:
    """As docs/stable.md says under Limits: its instance type is the model."""
    instance = {**VIRTUAL, "cloud-instance": "i1"}
    assert decide(instance, changed(instance, "platform")).outcome == Outcome.CANNOT_TELL


@pytest.mark.parametrize("now", ["kvm", "none"])
def test_hardware_under_another_hypervisor_is_no_evidence(now: str) -> None:
    other = {**changed(VIRTUAL, "system-uuid", "mac-addresses", "platform", "processor"), "hypervisor": now}
    verdict = decide(VIRTUAL, other)
    assert verdict.outcome == Outcome.CANNOT_TELL
    assert {row.agreement for row in verdict.rows if row.group == Group.IDENTITY and row.saved} == {Agreement.VOID}


def test_the_hardware_of_a_container_is_no_evidence() -> None:
    container = {**PHYSICAL, "hypervisor": "docker"}
    assert decide(container, container).outcome == Outcome.CANNOT_TELL
    assert "host" in decide(container, container).why


def test_unreadable_attributes_never_count_as_equal() -> None:
    """Without root UUID and serials are unreadable; the addresses agree, but the others could change the outcome."""
    names = ("system-uuid", "system-serial", "board-serial")
    verdict = decide(PHYSICAL, without(PHYSICAL, *names), unreadable=names)
    assert verdict.outcome == Outcome.CANNOT_TELL
    assert verdict.turning
    assert verdict.why == "unreadable attributes could change the outcome: system-uuid, system-serial, board-serial"


def test_unread_values_that_cannot_turn_the_outcome_are_ignored() -> None:
    verdict = decide(PHYSICAL, without(PHYSICAL, "hostname"), unreadable=("hostname",))
    assert (verdict.outcome, verdict.turning) == (Outcome.SAME, False)


def test_a_verdict_shows_no_value_of_the_machine() -> None:
    secret = {name: f"value-of-{name}" for name in NAMES}
    verdict = decide(secret, secret)
    assert "value-of" not in repr(verdict) + repr(verdict.rows) + verdict.why
    assert issubclass(StableVerdict, Value)


VALUES = st.sampled_from(["", "p", "q"])
MACHINES = st.fixed_dictionaries(
    {name: VALUES for name in NAMES if name != "hypervisor"}
    | {"hypervisor": st.sampled_from(["", "none", "kvm", "vmware", "docker"])}
)


def textbook(saved: dict[str, str], current: dict[str, str]) -> str:
    """The rule of docs/stable.md, slowly: add up identity and circumstance, and compare them with the points."""
    kinds = {side["hypervisor"] for side in (saved, current) if side["hypervisor"]}
    virtual = kinds != {"none"}
    elsewhere = bool(saved["platform"] and current["platform"] and saved["platform"] != current["platform"])
    void = virtual and ("docker" in kinds or len(kinds) == 2 or elsewhere)
    sums = {True: 0, False: 0}
    for s in STRENGTHS:
        hardware = s.group == Group.IDENTITY
        if saved[s.name] and current[s.name] and not (hardware and void):
            agree, differ = s.virtual if virtual else s.physical
            sums[hardware] += agree if saved[s.name] == current[s.name] else -differ
    points = sums[True] + min(max(sums[False], -CIRCUMSTANCE_LIMIT), CIRCUMSTANCE_LIMIT)
    if points >= DECIDING_POINTS and sums[True] > 0:
        generations = {side["vm-generation-id"] for side in (saved, current)} - {""}
        return "cannot-tell" if virtual and len(generations) > 1 else "same"
    return "different" if points <= -DECIDING_POINTS and sums[True] < 0 else "cannot-tell"


@given(MACHINES, MACHINES)
def test_the_verdict_is_the_textbooks_and_the_same_both_ways(saved: dict[str, str], current: dict[str, str]) -> None:
    verdict = decide(saved, current)
    assert str(verdict.outcome) == textbook(saved, current)
    assert decide(current, saved).outcome == verdict.outcome
    assert verdict.why


@given(MACHINES, MACHINES, st.sets(st.sampled_from(NAMES)))
def test_reading_more_never_contradicts_an_outcome(
    saved: dict[str, str], current: dict[str, str], unreadable: set[str]
) -> None:
    """An outcome `same` without some attributes never becomes `different` with them."""
    unreadable.discard("hypervisor")
    unreadable.discard("platform")
    partial = decide(saved, {n: "" if n in unreadable else v for n, v in current.items()}, unreadable)
    if partial.outcome != Outcome.CANNOT_TELL:
        complete = decide(
            saved, {n: v or saved[n] for n, v in current.items()} if unreadable == set(NAMES) else current
        )
        assert {partial.outcome, complete.outcome} != {Outcome.SAME, Outcome.DIFFERENT}


@pytest.mark.parametrize(
    ("names", "hypervisor"),
    [
        (("VMware, Inc.", "VMware Virtual Platform"), "vmware"), (("innotek GmbH", "VirtualBox"), "virtualbox"),
        (("QEMU", "Standard PC (i440FX + PIIX, 1996)"), "kvm"), (("Xen", "HVM domU"), "xen"),
        (("Microsoft Corporation", "Virtual Machine"), "hyperv"), (("Dell Inc.", "PowerEdge R740"), "none"),
        (("Amazon EC2", "t3.micro"), "ec2"), (("Microsoft Corporation", "Surface Pro 7"), "none"), (("", ""), ""),
    ],
)  # fmt: skip
def test_the_hypervisor_follows_from_names(names: tuple[str, str], hypervisor: str) -> None:
    assert hypervisor_of(*names) == hypervisor


TABLE = SmbiosTable(
    version=(3, 2, 0),
    bios=Bios(vendor="Maker Inc.", version="1.2", release_date="01/02/2020"),
    system=System(manufacturer="Maker Inc.", product="Box 7", serial="SN-4711", uuid=UUID),
    baseboards=(Baseboard(manufacturer="Maker Inc.", product="B7", serial="BS-0815"),),
    processors=(
        Processor(version="Cpu 9000", id="a9060300fffbebbf", populated=True),
        Processor(version="Cpu 9000", id="a9060300fffbebbf", populated=True),
        Processor(version="", id="0000000000000000", populated=False),
    ),
    memory_devices=(
        MemoryDevice(size_bytes=8 << 30, part_number="P-1 ", serial="11AA22BB", speed=2400, locator="A1"),
        MemoryDevice(size_bytes=16 << 30, part_number="P-2", serial="33CC44DD", speed=2400, locator="A2"),
        MemoryDevice(size_bytes=0, part_number="", serial=""),
    ),
)


def table(**fields: object) -> SmbiosTable:
    return SmbiosTable(**{**dict(zip(TABLE.__slots__, TABLE._fields(), strict=True)), **fields})


def test_the_values_of_an_smbios_table_are_returned() -> None:
    assert set(smbios_values(TABLE)) == {
        "system-uuid", "system-serial", "board-serial", "platform", "board", "firmware", "processor", "memory",
        "memory-serials", "hypervisor",
    }  # fmt: skip
    assert smbios_values(SmbiosTable()) == {}


def test_order_speed_and_handles_of_modules_do_not_count() -> None:
    modules = tuple(
        MemoryDevice(
            size_bytes=d.size_bytes, part_number=d.part_number, serial=d.serial, speed=3200, handle=7, locator="Z"
        )
        for d in reversed(TABLE.memory_devices)
    )
    assert smbios_values(table(memory_devices=modules)) == smbios_values(TABLE)


def test_a_removed_module_changes_only_the_memory() -> None:
    fewer = smbios_values(table(memory_devices=TABLE.memory_devices[:1]))
    differing = {name for name, value in smbios_values(TABLE).items() if fewer.get(name) != value}
    assert differing == {"memory", "memory-serials"}


def test_one_number_in_three_fields_counts_once() -> None:
    board = Baseboard(manufacturer="Maker Inc.", product="B7", serial="SN-4711")
    assert "board-serial" not in smbios_values(table(baseboards=(board,)))


def test_the_instance_id_of_a_cloud_is_returned() -> None:
    board = Baseboard(manufacturer="Amazon EC2", asset_tag="i-0123456789abcdef0")
    assert "cloud-instance" in smbios_values(table(baseboards=(board,)))
    assert "cloud-instance" not in smbios_values(table(baseboards=(Baseboard(asset_tag="i-shop-4711"),)))


@pytest.mark.parametrize("strength", STRENGTHS, ids=lambda strength: strength.name)
def test_the_page_of_the_scheme_agrees_with_the_data(strength: Strength) -> None:
    page = (DOCS / "stable.md").read_text()
    several = ", a set" if strength.several else ""
    physical, virtual = (f"+{agree} / -{differ}" for agree, differ in (strength.physical, strength.virtual))
    described = f"{strength.source} | {strength.meaning}{several} |"
    assert f"| `{strength.name}` | {strength.group} | {physical} | {virtual} | {described}" in page
    assert f"at least {DECIDING_POINTS} points" in page
    assert f"at most ±{CIRCUMSTANCE_LIMIT}" in page


@pytest.mark.parametrize("outcome", list(Outcome.members()))
def test_a_verdict_is_true_exactly_when_it_is_the_same_machine(outcome: Outcome) -> None:
    verdict = StableVerdict(outcome, 6, 0, False, "", False, ())
    assert bool(verdict) is (outcome == Outcome.SAME)
