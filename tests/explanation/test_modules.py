"""Memory modules: which were added, removed, replaced or moved, whatever both sides name of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprint.explanation.modules import ADDED, MOVED, REMOVED, REPLACED, kind_of, module_changes
from fingerprint.smbios.table import MemoryDevice, SmbiosTable

SLOTS = tuple(f"DIMM_{letter}{number}" for letter in "AB" for number in (1, 2, 3))


def device(slot: str, gigabytes: int, serial: str = "", part: str = "", **fields: str) -> MemoryDevice:
    return MemoryDevice(size_bytes=gigabytes << 30, locator=slot, serial=serial, part_number=part, **fields)


def table(*devices: MemoryDevice) -> SmbiosTable:
    return SmbiosTable(memory_devices=devices)


def changes(before: tuple[MemoryDevice, ...], now: tuple[MemoryDevice, ...]) -> list[tuple[str, str]]:
    return [(change.kind, change.text) for change in module_changes(table(*before), table(*now))]


def filled(modules: dict[str, tuple[int, str, str]]) -> tuple[MemoryDevice, ...]:
    """Return all slots; those that are not named are empty."""
    return tuple(device(slot, *modules.get(slot, (0, "", ""))) for slot in SLOTS)


MODULES = st.dictionaries(
    st.sampled_from(SLOTS),
    st.tuples(st.sampled_from([4, 8]), st.uuids().map(lambda uuid: uuid.hex[:8]), st.sampled_from(["P-4", "P-8"])),
    min_size=1,
)


@settings(max_examples=150, deadline=None)
@given(MODULES, st.permutations(SLOTS))
def test_modules_in_other_slots_were_moved(modules: dict[str, tuple[int, str, str]], order: list[str]) -> None:
    """Never replaced, added or removed: each serial number is still there."""
    target = dict(zip(SLOTS, order, strict=True))
    moved = {target[slot]: module for slot, module in modules.items()}
    found = changes(filled(modules), filled(moved))
    assert {kind for kind, _ in found} <= {MOVED}
    assert len(found) == sum(moved.get(slot) != module for slot, module in modules.items())


@settings(max_examples=150, deadline=None)
@given(MODULES, MODULES)
def test_each_module_is_counted_once(
    before: dict[str, tuple[int, str, str]], now: dict[str, tuple[int, str, str]]
) -> None:
    found = changes(filled(before), filled(now))
    kinds = [kind for kind, _ in found]
    assert len(now) - len(before) == kinds.count(ADDED) - kinds.count(REMOVED)
    assert changes(filled(before), filled(before)) == []


@pytest.mark.parametrize("known", ["serial", "part", "nothing"])
def test_the_order_of_the_table_is_no_change(known: str) -> None:
    fields = {"serial": {"serial": "4F10A2B3"}, "part": {"part": "NWD4-8G"}, "nothing": {}}[known]
    one, other = device("DIMM_A1", 8, **fields), device("DIMM_A2", 16)
    assert changes((one, other), (other, one)) == []


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"serial": "4F10A2B3"}, {"serial": "Not Specified"}), ({"serial": ""}, {"serial": "4F10A2B3"}),
        ({"part": "NWD4-8G"}, {"part": "Undefined"}), ({"part": "Array1_PartNumber0"}, {"part": "NWD4-8G"}),
        ({"part": "NWD4-8G-2666"}, {"part": "NWD4-8G"}), ({"part": "NWD4-8G  "}, {"part": "NWD4-8G"}),
        ({"serial": "4F10A2B3"}, {"serial": "4f10a2b3"}),
    ],
)  # fmt: skip
def test_a_name_on_one_side_only_is_no_other_module(before: dict[str, str], now: dict[str, str]) -> None:
    assert changes((device("DIMM_A1", 8, **before),), (device("DIMM_A1", 8, **now),)) == []


@pytest.mark.parametrize(
    ("before", "now", "text"),
    [
        ({"serial": "4F10A2B3"}, {"serial": "77777A01"}, "DIMM_A1 8 GB replaced by another module"),
        ({"part": "NWD4-8G"}, {"part": "SMB-8"}, "DIMM_A1 8 GB replaced by another module"),
    ],
)
def test_another_number_is_another_module(before: dict[str, str], now: dict[str, str], text: str) -> None:
    assert changes((device("DIMM_A1", 8, **before),), (device("DIMM_A1", 8, **now),)) == [(REPLACED, text)]


def test_slots_with_other_names_are_no_moved_modules() -> None:
    before = device("A0", 8, "4F10A2B3"), device("A1", 8, "4F10A2C9")
    now = device("ChannelA-DIMM0", 8, "4F10A2B3"), device("ChannelA-DIMM1", 8, "4F10A2C9")
    assert changes(before, now) == []
    larger = device("ChannelA-DIMM0", 16, "5A20C1D2"), now[1]
    assert changes(before, larger) == [(REPLACED, "ChannelA-DIMM0 8 GB -> 16 GB")]


def test_slots_of_one_name_differ_by_their_bank() -> None:
    banks = [device("DIMM 0", size, bank=f"P0 CHANNEL {letter}") for letter, size in (("A", 8), ("B", 0))]
    more = [banks[0], device("DIMM 0", 8, bank="P0 CHANNEL B")]
    assert changes(tuple(banks), tuple(more)) == [(ADDED, "P0 CHANNEL B DIMM 0 8 GB added")]


def test_flash_and_unknown_sizes_are_no_modules() -> None:
    flash = device("SYSTEM ROM", 1, kind="Flash")
    unknown = MemoryDevice(locator="DIMM_A1")
    assert changes((flash, unknown), (device("DIMM_A1", 8),)) == []


@pytest.mark.parametrize(
    ("kinds", "kind"),
    [
        ({MOVED}, MOVED), ({MOVED, ADDED}, ADDED), ({REMOVED, MOVED}, REMOVED), ({ADDED, REMOVED}, REPLACED),
        ({REPLACED, ADDED, MOVED}, REPLACED),
    ],
)  # fmt: skip
def test_several_changes_have_one_kind(kinds: set[str], kind: str) -> None:
    made = {
        ADDED: ("B1", None, 8), REMOVED: ("B2", 4, None), REPLACED: ("B3", 2, 16),
    }  # fmt: skip
    before = [device(slot, old or 0, f"AAAA000{i}") for i, (slot, old, _) in enumerate(made.values())]
    now = list(before)
    for number, (name, (slot, _, new)) in enumerate(made.items()):
        if name in kinds:
            now[number] = device(slot, new or 0, f"BBBB000{number}")
    moved = [device("C1", 32, "CCCC0001"), device("C2", 0)], [device("C1", 0), device("C2", 32, "CCCC0001")]
    found = module_changes(table(*before, *moved[0]), table(*now, *moved[MOVED in kinds]))
    assert {change.kind for change in found} == kinds
    assert kind_of(found) == kind
