"""The machines of a corpus as attributes, and what the rules of the agent say of two of them."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from fingerprint import match
from fingerprint._core import clean, hypervisor_of, stable_values, value_of
from fingerprint.rules.stable import smbios_values
from fingerprint.smbios.dmidecode import dmidecode_version, parse_dmidecode
from fingerprint.smbios.table import SmbiosTable

SECTIONS = ("processor", "memory", "bios", "system")
THRESHOLD = 40
# Attributes that stay over a reboot and a new lease, beside those of the firmware.
STAYS_SSM = {"machine-id": "m", "hostname-info": "h", "macaddr-info": "a"}
STAYS_STABLE = {"machine-id": "m", "hostname": "h", "mac-addresses": "a", "filesystem-uuids": "f"}
# What a copied disk takes along.
COPIED_SSM = {"machine-id": "m", "hostname-info": "h"}
COPIED_STABLE = {"machine-id": "m", "hostname": "h", "filesystem-uuids": "f"}
# Changed fields of dmidecode's text, and the attribute that is made of them.
ATTRIBUTE_OF_FIELD = {
    "0:Vendor": "firmware", "0:Version": "firmware", "0:Release Date": "firmware", "1:Manufacturer": "platform",
    "1:Product Name": "platform", "4:Version": "processor", "4:ID": "processor", "4:Status": "processor",
    "17:Size": "memory", "17:Part Number": "memory",
}  # fmt: skip
SEED = 20_261_125


class Captured(NamedTuple):
    """A machine whose serial numbers are not masked.

    Attributes:
        name: of its file.
        values: its attributes by scheme `stable`.
        printed: what dmidecode prints of each section; for text of others the version of the tool under "".
        written: UUID and serial numbers as the firmware has them, placeholders included.
    """

    name: str
    values: dict[str, str]
    printed: dict[str, str]
    written: dict[str, str]


def by_ssm(equal: Iterable[str], stays: dict[str, str]) -> str:
    """Return the reference's verdict where the address is another one and some DMI sections are equal."""
    saved = {**stays, **{f"{name}-hash": "x" for name in SECTIONS}, "ipaddress-info": "1", "disk-info": "x"}
    saved.update({name: "x" for name in ("machine-id", "hostname-info", "macaddr-info") if name not in saved})
    current = dict.fromkeys(saved, "y") | stays | {f"{name}-hash": "x" for name in equal}
    return "same" if match(saved, current, THRESHOLD).match else "different"


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def fleet_rows(corpus: Path) -> list[dict[str, str]]:
    with gzip.open(corpus / "fleet" / "fleet.tsv.gz", "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def values_of_row(row: dict[str, str]) -> dict[str, str]:
    """Return the attributes of a row of the fleet: maker and model, processor, memory and firmware."""
    maker, _, rest = row["system"].partition(" / ")
    described = described_values(maker, rest.partition(" / ")[0], row["bios"].split(" / "))
    described["processor"] = value_of("processor", clean(row["cpu"]), row["sockets"]) if row["cpu"] else ""
    described["memory"] = value_of("memory", clean(row["dimms"]))
    return {name: value for name, value in described.items() if value}


def described_values(maker: str, product: str, firmware: list[str]) -> dict[str, str]:
    """Return the attributes of a maker, a model and the parts of its firmware, "" without a value."""
    return {
        "platform": value_of("platform", clean(maker), clean(product)),
        "firmware": value_of("firmware", *(clean(part) for part in firmware)),
        "hypervisor": hypervisor_of(maker, product, firmware[0]),
    }


def report_values(report: dict[str, Any]) -> dict[str, str]:
    """Return the attributes of a report that shares its ID with another model."""
    described = described_values(report["system"][0], report["system"][1], report["bios"])
    described["processor"] = value_of("processor", clean(report["cpu"]))
    return {name: value for name, value in described.items() if value}


def smbios_of_text(sections: dict[str, str]) -> dict[str, str]:
    """Return the attributes in the output of dmidecode for each section."""
    return smbios_values(parse_dmidecode("\n\n".join(sections.values())))


def machines_with_serials(corpus: Path) -> list[Captured]:
    """Return the machines whose serial numbers are not masked: raw tables, and complete output of dmidecode."""
    found = []
    for directory in sorted((corpus / "smbios").iterdir()):
        if (directory / "sysfs" / "DMI").is_file():
            printed = {name: (directory / "golden" / f"{name}.txt").read_text("latin-1") for name in SECTIONS}
            values = stable_values((directory / "sysfs" / "DMI").read_bytes())
            table = parse_dmidecode((directory / "golden" / "full.txt").read_text("latin-1"))
            found.append(Captured(f"smbios/{directory.name}", values, printed, serials_of(table)))
    for path in sorted((corpus / "dmidecode-text").glob("*/*")):
        if path.is_file():
            text = path.read_bytes().decode("utf-8", "replace")
            table = parse_dmidecode(text)
            version = {"": dmidecode_version(text) or path.name}
            found.append(Captured(path.name, smbios_values(table), version, serials_of(table)))
    return found


def serials_of(table: SmbiosTable) -> dict[str, str]:
    """Return UUID and serial numbers as the firmware has them, placeholders included."""
    board = table.baseboards[0] if table.baseboards else None
    chassis = table.chassis[0] if table.chassis else None
    written = {
        "system-uuid": table.system and table.system.uuid, "system-serial": table.system and table.system.serial,
        "board-serial": board and board.serial, "chassis-serial": chassis and chassis.serial,
    }  # fmt: skip
    return {name: text.strip() for name, text in written.items() if text and text.strip()}
