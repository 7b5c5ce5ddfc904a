"""Physical or virtual: by complete words of names, by what the firmware declares, and against the processor."""

from __future__ import annotations

import csv
import gzip
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from event_machines import machine, snapshot
from fingerprint._core import hypervisor_of, stable_values
from fingerprint.collectors import collect
from fingerprint.explanation import explain_snapshots
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.rules.stable import smbios_values
from fingerprint.smbios.dmidecode import parse_dmidecode
from fingerprint.types import Attribute, Status
from shared import CORPUS, needs_corpus

TABLE, CPUINFO, FILES = "/sys/firmware/dmi/tables/DMI", "/proc/cpuinfo", "/sys/class/dmi/id"
# Maker and product of the system, maker of firmware, maker and product of the board, makers of chassis and processor.
Names = tuple[str, ...]
VIRTUAL = [
    (("VMware, Inc.", "VMware Virtual Platform", "Phoenix Technologies LTD", "Intel Corporation"), "vmware"),
    (("VMware, Inc.", "VMware20,1", "VMware, Inc."), "vmware"),
    (("innotek GmbH", "VirtualBox", "innotek GmbH", "Oracle Corporation", "VirtualBox"), "virtualbox"),
    (("Oracle Corporation", "VirtualBox"), "virtualbox"),
    (("QEMU", "Standard PC (i440FX + PIIX, 1996)", "SeaBIOS"), "kvm"),
    (("QEMU", "Standard PC (Q35 + ICH9, 2009)", "Proxmox distribution of EDK II"), "kvm"),
    (("QEMU", "QEMU Virtual Machine", "EFI Development Kit II / OVMF"), "kvm"),
    (("Example Hosting", "Standard PC (Q35 + ICH9, 2009)", "EDK II"), "kvm"),
    (("Example Hosting", "Server M", "EDK II", "", "", "QEMU", ""), "kvm"),
    (("Example Hosting", "Server M", "EDK II", "", "", "", "QEMU"), "kvm"),
    (("Red Hat", "KVM", "SeaBIOS"), "kvm"), (("Red Hat", "RHEV Hypervisor"), "kvm"), (("oVirt", "oVirt Node"), "kvm"),
    (("Red Hat", "OpenStack Compute"), "kvm"), (("OpenStack Foundation", "OpenStack Nova"), "kvm"),
    (("KubeVirt", "None"), "kvm"), (("Nutanix", "AHV"), "kvm"), (("Hetzner", "vServer", "Hetzner", "KVM"), "kvm"),
    (("DigitalOcean", "Droplet", "DigitalOcean"), "kvm"), (("Scaleway", "SCW-DEV1-S", "EFI Development Kit II"), "kvm"),
    (("Alibaba Cloud", "Alibaba Cloud ECS", "SeaBIOS"), "kvm"), (("Tencent Cloud", "CVM"), "kvm"),
    (("Linode", "Compute Instance"), "kvm"), (("Akamai", "Compute Instance"), "kvm"), (("Vultr", "VC2"), "kvm"),
    (("UpCloud", "Server"), "kvm"), (("Exoscale", "Exoscale Compute Platform"), "kvm"),
    (("Cloud Hypervisor", "cloud-hypervisor"), "kvm"), (("Bochs", "Bochs", "Bochs"), "kvm"),
    (("Google", "Google Compute Engine", "Google"), "gce"), (("Amazon EC2", "t3.micro", "Amazon EC2"), "ec2"),
    (("Xen", "HVM domU", "Xen"), "xen"), (("Xen", "HVM domU", "Amazon"), "xen"),
    (("Microsoft Corporation", "Virtual Machine", "American Megatrends Inc."), "hyperv"),
    (("Microsoft Corporation", "Virtual Machine", "Microsoft Corporation"), "hyperv"),
    (("Parallels Software International Inc.", "Parallels Virtual Platform"), "parallels"),
    (("Parallels International GmbH.", "Parallels ARM Virtual Machine"), "parallels"),
    (("BHYVE", "BHYVE", "BHYVE"), "bhyve"), (("FreeBSD", "BHYVE", "EFI Development Kit II / OVMF"), "bhyve"),
    (("Apple Inc.", "Apple Virtualization Generic Platform"), "apple"), (("Apple Inc.", "VirtualMac2,1"), "apple"),
    (("OpenBSD", "VMM"), "vmm"), (("Example", "Virtual Machine"), "unknown"),
]  # fmt: skip
PHYSICAL = [
    ("SchenkerTechnologiesGmbH", "XENIA 14", "American Megatrends International, LLC."), ("XENTA", "990071"),
    ("ADATA", "XENIAXe15TI7G11GXELX", "Intel Corp."), ("Notebook", "P9XXEN_EF_ED", "INSYDE Corp."),
    ("Xenon Systems", "XENON R5", "American Megatrends Inc."), ("realme", "CloudProXXXX", "realme"),
    ("LENOVO", "2306A27", "coreboot"), ("GOOGLE", "Enguarde", "coreboot"), ("Google", "Eve", "coreboot"),
    ("Hetzner", "", "American Megatrends Inc.", "ASRockRack", "B565D4-V1L"), ("Dell Inc.", "PowerEdge R6515"),
    ("Nutanix", "NX-3060-G5", "American Megatrends Inc.", "Supermicro", "X10DRT-P"), ("Red Hat", "Example Server"),
    ("Microsoft Corporation", "Surface Pro 7", "Microsoft Corporation"), ("Oracle Corporation", "ORACLE SERVER X5-2"),
    ("Amazon EC2", "c5.metal", "Amazon EC2"), ("Amazon EC2", "m7i.metal-24xl", "Amazon EC2"),
    ("Apple Inc.", "Macmini9,1"),
    ("Amazon EC2", "u-6tb1.metal", "Amazon EC2"), ("Parallels", "Parallel Station"), ("VM Technologies", "KVMaster 4"),
    ("Qemulator", "Bhyver"), ("ECS", "Elitegroup G31T-M", "American Megatrends Inc."), ("OpenBSD", "Example Router"),
    ("Sunrise", "Hypervision V2"), ("Compute Instances Ltd", "Linodex"), ("Alibaba", "ThinServer"),
]  # fmt: skip


def structure(kind: int, length: int, fields: dict[int, bytes | str]) -> bytes:
    body, strings = bytearray(length), []
    for offset, value in fields.items():
        if isinstance(value, str):
            strings += [value.encode()] if value else []
            value = bytes([len(strings) if value else 0])
        body[offset : offset + len(value)] = value
    body[:4] = bytes([kind, length, kind, 0])
    return bytes(body) + (b"".join(text + b"\0" for text in strings) or b"\0") + b"\0"


def padded(names: Names) -> Names:
    return (*names, *[""] * (7 - len(names)))


def table(names: Names, declared: bool = False) -> bytes:
    maker, product, firmware, board_maker, board, chassis, processor = padded(names)
    extension = bytes([0x01, 0x1C if declared else 0x0C])
    return b"".join((
        structure(0, 26, {4: firmware, 5: "1.2.3", 8: "01/02/2023", 0x12: extension}),
        structure(1, 27, {4: maker, 5: product}), structure(2, 15, {4: board_maker, 5: board}),
        structure(3, 22, {4: chassis}), structure(4, 42, {7: processor, 0x10: "Example CPU", 0x18: b"\x41"}),
        structure(127, 4, {}),
    ))  # fmt: skip


def text(names: Names, declared: bool = False) -> str:
    maker, product, firmware, board_maker, board, chassis, processor = padded(names)
    listed = ["UEFI is supported", *(["System is a virtual machine"] if declared else [])]
    blocks = (
        (0, "BIOS", [("Vendor", firmware), ("Version", "1.2.3"), ("Release Date", "01/02/2023"),
                     ("Characteristics", "".join(f"\n\t\t{line}" for line in listed)), ("BIOS Revision", "5.1")]),
        (1, "System", [("Manufacturer", maker), ("Product Name", product)]),
        (2, "Base Board", [("Manufacturer", board_maker), ("Product Name", board)]),
        (3, "Chassis", [("Manufacturer", chassis)]),
        (4, "Processor", [("Manufacturer", processor), ("Version", "Example CPU"), ("Status", "Populated, Enabled")]),
    )  # fmt: skip
    return "# dmidecode 3.4\n" + "\n".join(
        f"Handle 0x{kind:04X}, DMI type {kind}, 26 bytes\n{title} Information\n"
        + "".join(f"\t{label}: {value or 'Not Specified'}\n" for label, value in fields)
        for kind, title, fields in blocks
    )


def hypervisor(**files: Any) -> Attribute:
    taken = snapshot(machine())
    taken["files"].update({path: value for path, value in files.items() if value is not None})
    for path in [path for path, value in files.items() if value is None]:
        del taken["files"][path]
    return collect(RecordedMachine(taken), scheme="stable")["hypervisor"]


def from_public_files(names: Names) -> str:
    files = ("sys_vendor", "product_name", "bios_vendor", "board_vendor", "board_name", "chassis_vendor")
    denied = {TABLE: {"error": "EACCES", "message": "denied"}, f"{FILES}/bios_version": {"text": "1.2.3\n"}}
    found = {f"{FILES}/{file}": {"text": f"{name}\n"} for file, name in zip(files, padded(names), strict=False)}
    return hypervisor(**{**denied, **found}).value


@pytest.mark.parametrize(("names", "expected"), [*VIRTUAL, *((names, "none") for names in PHYSICAL)])
def test_names_give_the_hypervisor(names: Names, expected: str) -> None:
    assert hypervisor_of(*names) == expected
    assert stable_values(table(names))["hypervisor"] == expected
    assert smbios_values(parse_dmidecode(text(names)))["hypervisor"] == expected
    if not padded(names)[6]:
        assert from_public_files(names) == expected


@pytest.mark.parametrize("names", PHYSICAL)
def test_firmware_that_declares_a_virtual_machine_is_believed(names: Names) -> None:
    assert stable_values(table(names, declared=True))["hypervisor"] == "unknown"
    assert smbios_values(parse_dmidecode(text(names, declared=True)))["hypervisor"] == "unknown"
    assert hypervisor_of(*names, says_virtual=True) == "unknown"


def test_the_name_of_a_declared_hypervisor_is_kept() -> None:
    for names, expected in VIRTUAL:
        assert stable_values(table(names, declared=True))["hypervisor"] == expected


def test_without_names_the_version_of_the_firmware_counts() -> None:
    assert stable_values(table(()))["hypervisor"] == "none"
    assert smbios_values(parse_dmidecode(text(())))["hypervisor"] == "none"
    assert from_public_files(()) == "none"
    assert hypervisor_of("", None) == ""


REAL, GUEST = PHYSICAL[0], VIRTUAL[0][0]


@pytest.mark.parametrize(
    ("names", "leaf", "part"),
    [
        (REAL, "", ""), (REAL, "KVMKVMKVM\0\0\0", "the processor reports the hypervisor kvm"),
        (REAL, "Microsoft Hv", "the processor reports the hypervisor hyperv"),
        (REAL, "unnamed", "the processor reports a hypervisor"), (GUEST, "VMwareVMware", ""),
        (GUEST, "KVMKVMKVM\0\0\0", ""), (GUEST, "", "the processor reports none"),
    ],
)  # fmt: skip
def test_a_processor_that_contradicts_the_table_is_noted(names: Names, leaf: str, part: str) -> None:
    taken = snapshot(machine())
    taken["files"][TABLE] = {"base64": b64encode(table(names)).decode()}
    taken["processorId"] = ["Example CPU", "57060500fffbebbf", leaf]
    played = RecordedMachine(taken)
    found = collect(played, scheme="stable")["hypervisor"]
    assert found.value == hypervisor_of(*names)
    assert found.status == Status.PRESENT
    assert part in found.reason
    assert bool(part) == bool(found.reason)
    shown = [line for line in explain_snapshots(played, played).cannot_tell if "virtual machine" in line]
    assert shown == ([f"Whether it is a virtual machine: {found.reason}"] if part else [])


@pytest.mark.parametrize(
    ("names", "flags", "contradicts"),
    [(REAL, "fpu vme hypervisor lahf_lm", True), (REAL, "fpu vme lahf_lm", False), (REAL, None, False),
     (GUEST, "fpu hypervisor", False), (GUEST, "fpu nohypervisor", True)],
)  # fmt: skip
def test_flags_of_cpuinfo_stand_for_cpuid_in_recordings(names: Names, flags: str | None, contradicts: bool) -> None:
    lines = f"flags\t\t: {flags}\n" if flags is not None else "Features\t: fp asimd\n"
    cpuinfo = f"processor\t: 0\nmodel name\t: Example CPU\n{lines}\n"
    found = hypervisor(**{TABLE: {"base64": b64encode(table(names)).decode()}, CPUINFO: {"text": cpuinfo}})
    assert bool(found.reason) == contradicts


@needs_corpus
def test_no_physical_machine_of_the_corpus_is_virtual() -> None:
    with gzip.open(CORPUS / "fleet" / "fleet.tsv.gz", "rt", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t"))
    virtual = []
    for row in rows:
        maker, product, *_ = [*row["system"].split(" / "), "", ""]
        if hypervisor_of(maker, product, row["bios"].split(" / ")[0]) not in ("none", ""):
            virtual.append((maker, product))
    assert set(virtual) <= {("Red Hat", "KVM"), ("QEMU", "Standard PC (Q35 + ICH9, 2009)"), ("Bochs", "Bochs")}
    assert len(rows) > 80_000


@needs_corpus
@pytest.mark.parametrize("path", sorted(CORPUS.glob("smbios/*")), ids=lambda path: path.name)
def test_a_recorded_table_is_virtual_only_by_its_maker(path: Path) -> None:
    if not path.is_dir():
        pytest.skip("the list of the tables")
    virtual = any(word in path.name for word in ("Parallels", "VMware", "QEMU", "HyperV"))
    assert (stable_values((path / "sysfs" / "DMI").read_bytes())["hypervisor"] != "none") == virtual
