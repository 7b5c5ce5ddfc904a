"""Scheme `stable`: facts that differ only on another machine, read without a process on Linux and Windows.

`fingerprint.rules.stable` makes values from them and `fingerprint.attributes.stable` has the weight of each.
"""

from __future__ import annotations

import errno

from fingerprint._core import canonical_uuid, clean, clean_serial, hypervisor_of, set_of, value_of
from fingerprint.attributes.machine_id import MACHINE_ID_FILES, is_shared
from fingerprint.attributes.stable import CONTAINERS, PHYSICAL, STRENGTHS, VM_GENERATION_ID
from fingerprint.collectors.attributes import unread
from fingerprint.collectors.ssm_unix import DISK_LINKS, NOTHING_THERE
from fingerprint.machine.base import kept_part
from fingerprint.types import Attribute, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fingerprint.machine.base import Link, Machine

SMBIOS_TABLE = "/sys/firmware/dmi/tables/DMI"
DISKS_BY_ID = "/dev/disk/by-id"
BLOCK_DEVICES = "/sys/block"
_DMI_FILES = "/sys/class/dmi/id"
# The files with the names that can be a hypervisor's.
_NAMING_FILES = (
    "sys_vendor", "product_name", "bios_vendor", "board_vendor", "board_name", "chassis_vendor",
)  # fmt: skip
_DEVICE_TREE = "/proc/device-tree"
_CPUINFO = "/proc/cpuinfo"
_CONTAINER_MANAGER = "/run/systemd/container"
CONTAINER_MARKS = (("/.dockerenv", "docker"), ("/run/.containerenv", "podman"))
# Its 16 bytes in the page, by VMGENID_GUID_OFFSET of QEMU.
_GENERATION_ID = slice(40, 56)
_TABLE_LIMIT = 4 * 1024 * 1024
_CPUINFO_LIMIT = 4 * 1024 * 1024
# Twelve characters that a processor's hypervisor leaf holds.
_HYPERVISOR_LEAVES = (
    ("KVMKVMKVM", "kvm"),
    ("TCGTCGTCG", "kvm"),
    ("VMwareVMware", "vmware"),
    ("Microsoft Hv", "hyperv"),
    ("XenVMMXenVMM", "xen"),
    ("VBoxVBoxVBox", "virtualbox"),
    ("prl hyperv", "parallels"),
    ("bhyve bhyve", "bhyve"),
    (" lrpepyh vr", "parallels"),
)
_UNNAMED = "a guest with the table of its host, or the system that hosts Xen or Hyper-V"
_HIDDEN = "bare metal with the names of a cloud, or a guest that hides its hypervisor"
# Names of links to partitions, to volumes made of disks, or to disks that move between machines.
_NO_DISK = ("dm-", "md-", "lvm-", "usb-", "loop")
# Names that disks of hypervisors have on every machine.
_NAMELESS = ("qemu_harddisk", "qemu_dvd", "vbox_cd-rom", "google-", "virtual_cd", "persistent-disk-", "cd-rom", "dvd")
_IOREG = ("/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice")
_FROM_TABLE = frozenset(
    (
        "system-uuid", "system-serial", "board-serial", "chassis-serial", "cloud-instance", "memory-serials",
        "platform", "board", "processor", "memory", "firmware", "hypervisor",
    )
)  # fmt: skip


# Made once: most machines lack most of them, and making one takes as long as reading a file.
_ABSENT = tuple(
    (s.name, Attribute(s.name, "", Status.ABSENT, "missing, or a placeholder", s.source)) for s in STRENGTHS
)


class _Found:
    """The attributes found so far; unset attributes are absent."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.attributes: dict[str, Attribute] = {}

    def add(self, name: str, value: str, source: str) -> None:
        if value and not self.known(name):
            self.attributes[name] = Attribute(name, value, Status.PRESENT, "", source)

    def fail(self, names: Iterable[str], error: OSError, source: str) -> None:
        for name in names:
            if not self.known(name):
                self.attributes[name] = unread(name, error, source, self.machine)

    def known(self, name: str) -> bool:
        return name in self.attributes and self.attributes[name].status == Status.PRESENT

    def value(self, name: str) -> str:
        return self.attributes[name].value if name in self.attributes else ""


def read(machine: Machine, timeout: float) -> tuple[Attribute, ...]:
    """Return the attributes in the order of `attributes.stable`; none of them raises."""
    found = _Found(machine)
    if machine.platform == "windows":
        _read_windows(machine, found)
    elif machine.platform == "macos":
        _read_macos(machine, found, timeout)
    else:
        _read_linux(machine, found)
    _ask(found, "mac-addresses", "the interfaces", lambda: _mac_addresses(machine.links()))
    _ask(found, "ip-address", "the default route", lambda: value_of("ip-address", machine.outgoing_address()))
    _ask(found, "hostname", "the kernel", lambda: value_of("hostname", machine.host_name().lower()))
    return tuple(found.attributes.get(name) or absent for name, absent in _ABSENT)


def _ask(found: _Found, name: str, source: str, question: Callable[[], str]) -> None:
    try:
        found.add(name, question(), source)
    except OSError as error:
        found.fail((name,), error, source)


def _read_linux(machine: Machine, found: _Found) -> None:
    _machine_id(machine, found)
    _container(machine, found)
    if found.known("hypervisor"):
        # A container sees the hardware of its host, which has no weight.
        return
    if not _smbios(machine, found):
        _device_tree(machine, found)
    _processor(machine, found)
    _generation_id(machine, found)
    _disks(machine, found)
    _ask(found, "filesystem-uuids", DISK_LINKS, lambda: set_of("filesystem-uuids", _listed(machine, DISK_LINKS)))


def _machine_id(machine: Machine, found: _Found) -> None:
    for path in MACHINE_ID_FILES:
        try:
            text = machine.read_file(path).decode("ascii", "replace").strip().lower()
        except OSError as error:
            if error.errno in NOTHING_THERE:
                continue
            found.fail(("machine-id",), error, path)
            return
        found.add("machine-id", "" if is_shared(text) else value_of("machine-id", text), path)
        return


def _smbios(machine: Machine, found: _Found) -> bool:
    """Read the table of the firmware, or the public files if only root may read it. Return whether one exists."""
    try:
        table = machine.read_file(SMBIOS_TABLE, _TABLE_LIMIT)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            _dmi_files(machine, found)
        found.fail(_FROM_TABLE, error, SMBIOS_TABLE)
        return True
    from fingerprint._core import stable_values

    _add_table(found, lambda: stable_values(table), SMBIOS_TABLE)
    return True


def _add_table(found: _Found, question: Callable[[], dict[str, str]], source: str) -> None:
    try:
        values = question()
    except ValueError as error:
        found.fail(_FROM_TABLE, OSError(errno.EBADMSG, str(error)), source)
        return
    for name, value in values.items():
        found.add(name, value, source)


def _dmi_files(machine: Machine, found: _Found) -> None:
    values: dict[str, str] = {}
    for name in (*_NAMING_FILES, "bios_version", "bios_date"):
        try:
            values[name] = machine.read_file(f"{_DMI_FILES}/{name}").decode("utf-8", "replace").rstrip("\n")
        except OSError:
            values[name] = ""
    for attribute, *names in (
        ("platform", "sys_vendor", "product_name"),
        ("board", "board_vendor", "board_name"),
        ("firmware", "bios_vendor", "bios_version", "bios_date"),
    ):
        found.add(attribute, value_of(attribute, *(clean(values[name]) for name in names)), _DMI_FILES)
    named = hypervisor_of(*(values[name] for name in _NAMING_FILES))
    found.add("hypervisor", named or (PHYSICAL if found.known("firmware") else ""), _DMI_FILES)


def _device_tree(machine: Machine, found: _Found) -> None:
    for attribute, file in (("system-serial", "serial-number"), ("platform", "model")):
        path = f"{_DEVICE_TREE}/{file}"
        try:
            text = machine.read_file(path).rstrip(b"\0").decode("utf-8", "replace")
        except FileNotFoundError:
            continue
        except OSError as error:
            found.fail((attribute,), error, path)
            continue
        if attribute == "system-serial":
            found.add(attribute, value_of(attribute, clean_serial(text)), path)
        else:
            found.add(attribute, value_of(attribute, clean(text)), path)
            virtual = "linux,dummy-virt" in text
            found.add("hypervisor", "kvm" if virtual else PHYSICAL, path)


def _processor(machine: Machine, found: _Found) -> None:
    """Add processor and hypervisor from the processor itself, if no table has them; else compare the hypervisor."""
    if "processor" in found.attributes and "hypervisor" in found.attributes:
        # A table that exists and is unreadable stays so: another source would give another value.
        if found.known("hypervisor"):
            _compare_hypervisor(machine, found)
        return
    try:
        brand, reported_id, leaf = machine.processor_id()
    except OSError:
        brand, reported_id, leaf = _model(_cpuinfo(machine)), "", ""
    name = clean(brand)
    # Only the signature, because the flags behind it depend on settings of the firmware.
    found.add("processor", value_of("processor", f"{name}\1{reported_id[:8]}" if name or reported_id else ""), "CPUID")
    if leaf:
        found.add("hypervisor", _hypervisor_of_leaf(leaf), "CPUID")
    elif reported_id:
        found.add("hypervisor", PHYSICAL, "CPUID")


def _hypervisor_of_leaf(leaf: str) -> str:
    return next((name for start, name in _HYPERVISOR_LEAVES if leaf.startswith(start)), "unknown")


def _compare_hypervisor(machine: Machine, found: _Found) -> None:
    """Give the hypervisor of the table a reason if the processor contradicts it."""
    known = found.attributes["hypervisor"]
    try:
        _, reported_id, leaf = machine.processor_id()
        under = _hypervisor_of_leaf(leaf) if leaf else PHYSICAL if reported_id else ""
    except OSError:
        flags = _flags(_cpuinfo(machine))
        under = "" if flags is None else "unknown" if "hypervisor" in flags else PHYSICAL
    if not under or (under == PHYSICAL) == (known.value == PHYSICAL):
        return
    if known.value == PHYSICAL:
        named = "a hypervisor" if under == "unknown" else f"the hypervisor {under}"
        why = f"the processor reports {named}, which the SMBIOS table does not: {_UNNAMED}"
    else:
        why = f"the SMBIOS table names a hypervisor ({known.value}), and the processor reports none: {_HIDDEN}"
    found.attributes["hypervisor"] = Attribute(known.name, known.value, known.status, why, known.source)


def _cpuinfo(machine: Machine) -> str:
    try:
        return machine.read_file(_CPUINFO, _CPUINFO_LIMIT).decode("utf-8", "replace")
    except OSError:
        return ""


def _model(cpuinfo: str) -> str:
    from fingerprint.machine.parsers import parse_cpuinfo

    return parse_cpuinfo(cpuinfo).get("model", "")


def _flags(cpuinfo: str) -> list[str] | None:
    """Return the flags of the first processor; None if the system does not list them, as on ARM."""
    lines = (line.partition(":") for line in cpuinfo.split("\n"))
    return next((value.split() for label, _, value in lines if label.strip() == "flags"), None)


def _generation_id(machine: Machine, found: _Found) -> None:
    name = "vm-generation-id"
    try:
        page = machine.read_file(VM_GENERATION_ID)
    except OSError as error:
        if error.errno not in NOTHING_THERE:
            found.fail((name,), error, VM_GENERATION_ID)
        return
    found.add(name, value_of(name, canonical_uuid(page[_GENERATION_ID].hex())), VM_GENERATION_ID)


def _container(machine: Machine, found: _Found) -> None:
    try:
        manager = machine.read_file(_CONTAINER_MANAGER).decode("utf-8", "replace").strip() or "container"
    except OSError:
        manager = next((name for path, name in CONTAINER_MARKS if _exists(machine, path)), "")
    if manager:
        found.add("hypervisor", manager if manager in CONTAINERS else "container", "marks of containers")


def _exists(machine: Machine, path: str) -> bool:
    try:
        return machine.exists(path)
    except OSError:
        return False


def _listed(machine: Machine, path: str) -> tuple[str, ...]:
    try:
        return machine.list_directory(path)
    except FileNotFoundError:
        return ()


def _disks(machine: Machine, found: _Found) -> None:
    try:
        names = machine.list_directory(DISKS_BY_ID)
    except FileNotFoundError:
        names = None
    except OSError as error:
        found.fail(("disk-serials",), error, DISKS_BY_ID)
        return
    if names is not None:
        found.add("disk-serials", set_of("disk-serials", filter(_is_disk, names)), DISKS_BY_ID)
        return
    try:
        serials = list(_block_serials(machine))
    except OSError as error:
        found.fail(("disk-serials",), error, BLOCK_DEVICES)
        return
    found.add("disk-serials", set_of("disk-serials", serials), BLOCK_DEVICES)


def _is_disk(name: str) -> bool:
    lowered = name.lower()
    stem, part, number = name.rpartition("-part")
    is_part = bool(part and stem and number.isdigit())
    return not is_part and not lowered.startswith(_NO_DISK) and not any(text in lowered for text in _NAMELESS)


def _block_serials(machine: Machine) -> Iterable[str]:
    """Yield the serial numbers of disks from the kernel, for systems without links by id from udev."""
    for disk in _listed(machine, BLOCK_DEVICES):
        if disk.startswith(("loop", "ram", "zram", "dm-", "md", "sr", "fd", "nbd")):
            continue
        for file in ("wwid", "device/wwid", "serial", "device/serial"):
            try:
                text = machine.read_file(f"{BLOCK_DEVICES}/{disk}/{file}").decode("utf-8", "replace")
            except OSError:
                continue
            if serial := clean_serial(text.strip()):
                yield serial
                break


def _mac_addresses(links: tuple[Link, ...]) -> str:
    """Return the value of the permanent addresses of the interfaces with a device behind them.

    Those on USB move between machines, so they count only without others, as on boards whose own interface is on USB.
    """
    physical = [link for link in links if link.bus and (link.permanent or link.address)]
    built_in = [link for link in physical if link.bus != "usb"] or physical
    return set_of("mac-addresses", (kept_part(link.permanent or link.address) for link in built_in))


def _read_windows(machine: Machine, found: _Found) -> None:
    try:
        data = machine.firmware_table()
    except OSError as error:
        found.fail(_FROM_TABLE, error, "GetSystemFirmwareTable")
    else:
        from fingerprint._core import stable_values_of_windows

        _add_table(found, lambda: stable_values_of_windows(data), "GetSystemFirmwareTable")
    _ask(found, "machine-id", "MachineGuid", lambda: value_of("machine-id", machine.machine_guid().strip().lower()))


def _read_macos(machine: Machine, found: _Found, timeout: float) -> None:
    from fingerprint.machine.parsers import parse_ioreg

    source = " ".join(_IOREG)
    [result] = machine.run([_IOREG], timeout)
    if not result.succeeded:
        problem = result.problem or f"exit code {result.returncode}"
        found.fail(_FROM_TABLE, OSError(errno.EIO, f"ioreg: {problem}"), source)
        return
    values = parse_ioreg(result.stdout.decode("utf-8", "replace"))
    found.add("system-uuid", value_of("system-uuid", canonical_uuid(values.get("IOPlatformUUID"))), source)
    found.add("system-serial", value_of("system-serial", clean_serial(values.get("IOPlatformSerialNumber"))), source)
    found.add("platform", value_of("platform", clean(values.get("manufacturer")), clean(values.get("model"))), source)
    found.add("hypervisor", hypervisor_of(values.get("manufacturer"), values.get("model")), source)
