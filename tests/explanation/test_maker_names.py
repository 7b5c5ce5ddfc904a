"""Names of makers: several forms mean one maker, and no two makers become one."""

from __future__ import annotations

import csv
import gzip
import itertools

import pytest

from fingerprint.explanation.maker_names import maker_key, same_maker
from shared import CORPUS, needs_corpus

ONE = [
    ("Hewlett-Packard", "HP", "HPE", "HP Inc.", "Hewlett Packard Enterprise", "Hewlett-Packard Company"),
    ("LENOVO", "Lenovo", "Lenovo Group Limited"),
    ("ASUSTeK COMPUTER INC.", "ASUS", "ASUSTeK Computer Inc.", "ASUSTeK"),
    ("Micro-Star International Co., Ltd.", "MSI", "MICRO-STAR INTERNATIONAL CO.,LTD", "MICRO-STAR INT'L CO.,LTD"),
    ("Gigabyte Technology Co., Ltd.", "GIGABYTE", "Gigabyte"), ("Dell Inc.", "Dell Computer Corporation", "DELL"),
    ("American Megatrends Inc.", "American Megatrends International, LLC.", "AMI"),
    ("Phoenix Technologies LTD", "Phoenix Technologies, LTD", "Phoenix Technologies Ltd."),
    ("Insyde Corp.", "INSYDE", "Insyde"), ("Intel(R) Corporation", "Intel Corp.", "Intel"),
    ("Advanced Micro Devices, Inc.", "AMD"), ("Oracle Corporation", "Sun Microsystems, Inc.", "SUN MICROSYSTEMS"),
    ("Acer", "Acer, inc.", "ACER"), ("Sony Corporation", "Sony"), ("FUJITSU", "FUJITSU SIEMENS"),
    ("Example Works GmbH", "EXAMPLE WORKS"), ("Northwind Inc.", "northwind"),
]  # fmt: skip


@pytest.mark.parametrize("names", ONE, ids=lambda names: names[0])
def test_names_of_one_maker_are_equal(names: tuple[str, ...]) -> None:
    for one, other in itertools.product(names, repeat=2):
        assert same_maker(one, other)
        assert same_maker(f"  {one.upper()} ", other.lower())


def test_makers_stay_apart() -> None:
    keys = [maker_key(names[0]) for names in ONE]
    assert len(set(keys)) == len(ONE)
    for one, other in (("ASRock", "ASUS"), ("HP", "HPC"), ("Intel", "AMD"), ("Co., Ltd.", "Inc."), ("MSI", "MSC")):
        assert not same_maker(one, other)


@pytest.mark.parametrize("name", [None, "", "To Be Filled By O.E.M.", "System manufacturer", "Not Specified", "..."])
def test_a_placeholder_means_no_maker(name: str | None) -> None:
    assert maker_key(name) == ""
    assert not same_maker(name, name)
    assert not same_maker(name, "HP")


@needs_corpus
def test_frequent_makers_of_real_machines_have_one_key_each() -> None:
    """The vendor of a report is the maker by that project's own table."""
    found: dict[str, set[str]] = {"Hewlett-Packard": set(), "Lenovo": set(), "Dell": set()}
    with gzip.open(CORPUS / "fleet" / "fleet.tsv.gz", "rt", encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            if row["vendor"] in found:
                found[row["vendor"]].add(maker_key(row["system"].split(" / ")[0]))
    for vendor, key in (("Hewlett-Packard", "hp"), ("Lenovo", "lenovo"), ("Dell", "dell")):
        assert key in found[vendor]
        assert not found[vendor] & ({"hp", "lenovo", "dell", "msi", "asus", "gigabyte"} - {key}), vendor
