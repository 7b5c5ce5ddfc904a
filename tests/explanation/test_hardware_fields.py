"""Processors, firmware and system: which fields are hardware, and what the text alone says nothing of."""

from __future__ import annotations

from typing import Any

import pytest

from fingerprint.explanation.hardware import compare, differences
from fingerprint.smbios.table import Bios, Processor, SmbiosTable, System

ID, OTHER_STEPPING, OTHER_MODEL = "57060500fffbebbf", "5a060500fffbebbf", "57060600fffbebbf"
OTHER_FAMILY, OTHER_FLAGS, UNKNOWN = "12f80f00fffbebbf", "57060500ffffffff", "00" * 8
USUAL = {"socket": "CPU1", "id": ID, "version": "Quadro Core Z9", "family": "Xeon", "cores": 4, "threads": 8}


def processors(*made: dict[str, Any]) -> SmbiosTable:
    return SmbiosTable(processors=tuple(Processor(**{**USUAL, **fields}) for fields in made))


def kinds(before: SmbiosTable, now: SmbiosTable, name: str = "processor-hash", **options: bool) -> list[str]:
    return [kind for kind, _ in compare(name, before, now, **options).found]


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({"id": OTHER_STEPPING}, ["processor"]), ({"id": OTHER_MODEL}, ["processor"]),
        ({"id": OTHER_FAMILY}, ["processor"]), ({"version": "Quadro Core Z11"}, ["processor"]),
        ({"serial": "C0FFEE01"}, []), ({"id": OTHER_FLAGS}, []), ({"family": "Core i9"}, []),
        ({"cores": 2}, ["processor-settings"]), ({"cores_enabled": 2}, []), ({"threads": 4}, ["processor-settings"]),
        ({"id": UNKNOWN}, []), ({"version": "Not Specified"}, []), ({"version": "Quadro Core Z9 with Graphics"}, []),
        ({"max_mhz": 4000, "current_mhz": 1200, "handle": 9}, []), ({"socket": "Socket 1"}, []),
        ({"populated": False}, []),
    ],
)  # fmt: skip
def test_a_processor_is_another_one_by_id_or_model(now: dict[str, Any], expected: list[str]) -> None:
    assert kinds(processors({}), processors(now)) == expected
    assert kinds(processors(now), processors({})) == expected


def test_a_stepping_is_named() -> None:
    assert differences("processor-hash", processors({}), processors({"id": OTHER_STEPPING})) == [
        "CPU1 family 6, model 85, stepping 7 -> family 6, model 85, stepping 10"
    ]


def test_serial_numbers_of_processors_count_if_both_are_known() -> None:
    assert kinds(processors({"serial": "C0FFEE01"}), processors({"serial": "C0FFEE02"})) == ["processor"]


def test_a_family_counts_only_without_id_and_model() -> None:
    unknown = {"id": UNKNOWN, "version": ""}
    before, now = processors({**unknown, "family": "Xeon"}), processors({**unknown, "family": "Opteron"})
    assert kinds(before, now) == ["processor"]
    # dmidecode of another version has other words for a number.
    assert kinds(before, now, same_tool=False) == []
    assert not compare("processor-hash", before, before).compared


def test_the_number_of_processors_is_a_cause_of_its_own() -> None:
    assert kinds(processors({}), processors({}, {})) == ["processor-count"]
    assert kinds(processors({}, {"populated": False}), processors({})) == []


@pytest.mark.parametrize("field", ["vendor", "version", "release_date", "revision", "firmware_revision"])
def test_each_field_of_the_firmware_counts(field: str) -> None:
    usual = {"vendor": "Maker", "version": "1.2", "release_date": "01/01/2020", "revision": "1.2",
             "firmware_revision": "3.4"}  # fmt: skip
    before, now = (SmbiosTable(bios=Bios(**{**usual, **more})) for more in ({}, {field: "9.9"}))
    assert kinds(before, now, "bios-hash") == ["firmware"]
    # A line that an older dmidecode or table does not have is not compared.
    older = SmbiosTable(bios=Bios(**{name: value for name, value in usual.items() if name != field}))
    assert kinds(before, older, "bios-hash") == []


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ({"serial": "NW2107X4"}, {"serial": "NW2107Y9"}, ["system-identity"]),
        ({"serial": "To Be Filled By O.E.M."}, {"serial": "S-99999999"}, ["system-data"]),
        ({"uuid": "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"}, {"uuid": "1f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"},
         ["system-identity"]),
        ({"uuid": "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0"}, {"uuid": "3c2d1e0f-5a4b-7869-8796-a5b4c3d2e1f0"},
         ["uuid-turned"]),
        ({"product": "To Be Filled By O.E.M."}, {"product": "Box 2"}, ["system-data"]),
        ({"sku": "NB-R210"}, {"sku": "NB-R211"}, ["system-data"]), ({"sku": None}, {"sku": "NB-R211"}, []),
        ({"wake_up": "Power Switch"}, {"wake_up": "Other"}, []),
    ],
)  # fmt: skip
def test_fields_of_the_system_are_identity_or_description(
    before: dict[str, Any], now: dict[str, Any], expected: list[str]
) -> None:
    usual = {"manufacturer": "Maker", "product": "Box"}
    sides = [SmbiosTable(system=System(**{**usual, **fields})) for fields in (before, now)]
    assert kinds(sides[0], sides[1], "system-hash") == expected


@pytest.mark.parametrize(("one", "other"), [("Hewlett-Packard", "HP"), ("ASUSTeK Computer INC.", "ASUS")])
def test_two_names_of_one_maker_are_equal(one: str, other: str) -> None:
    sides = [SmbiosTable(system=System(manufacturer=name, product="Box")) for name in (one, other)]
    assert compare("system-hash", *sides).found == ()
