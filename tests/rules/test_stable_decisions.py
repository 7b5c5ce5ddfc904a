"""Scheme `stable`: what could turn an outcome, and what an SMBIOS table says."""

from __future__ import annotations

import pytest

from fingerprint.rules.stable import Outcome, decide, smbios_values
from fingerprint.smbios.table import Baseboard, Bios, Processor, SmbiosTable, System

SAVED = {"hypervisor": "none", "system-uuid": "u", "board-serial": "b", "chassis-serial": "c", "cloud-instance": "i"}


@pytest.mark.parametrize(
    ("now", "decided"),
    [
        # Against: 4 and 3 points; the UUID has 8 in favour if it agrees.
        ({"board-serial": "x", "chassis-serial": "x"}, Outcome.DIFFERENT),
        # In favour: 4 and 4 points; the UUID has 8 against if it differs.
        ({"board-serial": "b", "chassis-serial": "c"}, Outcome.SAME),
    ],
)
def test_an_attribute_that_was_not_read_can_turn_either_outcome(now: dict[str, str], decided: Outcome) -> None:
    saved = {name: value for name, value in SAVED.items() if name != "cloud-instance"}
    now = {"hypervisor": "none", **now}
    absent = decide(saved, now)
    unread = decide(saved, now, unreadable=("system-uuid",))
    assert (absent.outcome, absent.turning) == (decided, False)
    assert (unread.outcome, unread.turning) == (Outcome.CANNOT_TELL, True)


@pytest.mark.parametrize(
    ("tag", "counts"),
    [
        ("i-0123abcd", True),
        ("i-0123456789abcdef0", True),
        ("i-0123abc", False),
        ("i-0123abcg", False),
        ("a-0123abcd", False),
    ],
)
def test_the_instance_id_of_a_cloud_has_8_or_17_digits(tag: str, counts: bool) -> None:
    found = smbios_values(SmbiosTable(baseboards=(Baseboard(asset_tag=tag),)))
    assert ("cloud-instance" in found) is counts


def processors(*populated: bool | None) -> str | None:
    found = tuple(Processor(version="Cpu 9000", id="a9060300fffbebbf", populated=one) for one in populated)
    return smbios_values(SmbiosTable(processors=found)).get("processor")


def test_only_an_empty_socket_is_no_processor() -> None:
    assert processors(True) == processors(None) == processors(True, False)
    assert processors(False) is None
    assert processors(True, True) != processors(True)


@pytest.mark.parametrize(
    ("table", "hypervisor"),
    [
        (SmbiosTable(system=System(manufacturer="Xen", product="HVM domU")), "xen"),
        (SmbiosTable(system=System(manufacturer="Microsoft Corporation", product="Virtual Machine")), "hyperv"),
        (SmbiosTable(system=System(manufacturer="Microsoft Corporation", product="Surface Pro 7")), "none"),
        (SmbiosTable(bios=Bios(vendor="SeaBIOS", version="1.16")), "kvm"),
        (SmbiosTable(bios=Bios(vendor="Xen", version="4.2.amazon")), "xen"),
        (SmbiosTable(), None),
    ],
)
def test_maker_and_firmware_name_the_hypervisor(table: SmbiosTable, hypervisor: str | None) -> None:
    assert smbios_values(table).get("hypervisor") == hypervisor
