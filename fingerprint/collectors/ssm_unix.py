"""Scheme `ssm` on Linux, macOS and the BSDs: the same nine sources on all of them."""

from __future__ import annotations

import errno

from fingerprint.attributes.machine_id import MACHINE_ID_FILES, problem
from fingerprint.attributes.ssm import attributes_of
from fingerprint.collectors.attributes import address_attributes, hashed, host_name_attribute, text_attribute, unread
from fingerprint.smbios.no_table import why_silent
from fingerprint.types import Attribute, Fault, Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine
    from fingerprint.machine.processes import CommandResult

DMIDECODE = "/usr/sbin/dmidecode"
DISK_LINKS = "/dev/disk/by-uuid"
_DMI_GROUPS = (
    ("processor-hash", "processor"),
    ("memory-hash", "memory"),
    ("bios-hash", "bios"),
    ("system-hash", "system"),
)
# With these errors the file counts as missing to the reference, as does one that is removed meanwhile.
NOTHING_THERE = (errno.ELOOP, errno.ENOENT, errno.ENOTDIR)
# Messages of dmidecode without a table: in a container, on most boards without UEFI.
_NO_TABLE = (
    "No SMBIOS nor DMI entry point found",
    "/dev/mem: No such file or directory",
    "/dev/mem: No such device",
)
_NOT_PERMITTED = ("Permission denied", "Operation not permitted")
_LOCKDOWN = "/sys/kernel/security/lockdown"


def read(machine: Machine, timeout: float) -> tuple[Attribute, ...]:
    """Return the nine attributes in the order of the catalogue; none of them raises."""
    commands = [*((DMIDECODE, "-t", group) for _, group in _DMI_GROUPS), (machine.which("ls"), "-l", DISK_LINKS)]
    found: dict[str, Attribute] = {}

    def the_others() -> None:
        found["machine-id"] = _machine_id(machine)
        kernel_call = "uname" if machine.platform == "linux" else "kern.hostname"
        found["hostname-info"] = host_name_attribute(machine, kernel_call)
        found["ipaddress-info"], found["macaddr-info"] = address_attributes(machine)

    *of_dmi, of_disks = machine.run(commands, timeout, the_others)
    for (name, _), result in zip(_DMI_GROUPS, of_dmi, strict=True):
        found[name] = _dmi(name, result, machine)
    found["disk-info"] = _disk(of_disks, machine)
    return tuple(found[name] for name in attributes_of(machine.platform))


def _machine_id(machine: Machine) -> Attribute:
    started = machine.monotonic()
    # As in the reference, the second file is not read if the first one exists, even if unreadable or empty.
    for path in MACHINE_ID_FILES:
        try:
            if not machine.exists(path):
                continue
            data = machine.read_file(path)
        except OSError as error:
            if error.errno in NOTHING_THERE:
                continue
            return unread("machine-id", error, path, machine, machine.monotonic() - started)
        if not data:
            return Attribute("machine-id", "", Status.ABSENT, "the file is empty", path)
        seconds = machine.monotonic() - started
        return text_attribute("machine-id", data, path, "", seconds, problem)
    reason = f"neither {' nor '.join(MACHINE_ID_FILES)} exists"
    return Attribute("machine-id", "", Status.ABSENT, reason, MACHINE_ID_FILES[0])


def _dmi(name: str, result: CommandResult, machine: Machine) -> Attribute:
    if not result.succeeded and not result.problem:
        said = result.stderr + result.stdout.decode("utf-8", "replace")
        if any(text in said for text in _NO_TABLE):
            return hashed(name, result, _dmidecode_version(result), machine, absent="no SMBIOS table found")
        if any(text in said for text in _NOT_PERMITTED):
            reason, fault = _refused(machine)
            source, tool = " ".join(result.argv), _dmidecode_version(result)
            return Attribute(name, "", Status.DENIED, reason, source, tool, result.seconds, fault)
    silent = why_silent(result.stdout) if result.succeeded else ""
    return hashed(name, result, _dmidecode_version(result), machine, silent=silent)


def _refused(machine: Machine) -> tuple[str, Fault]:
    """Return why the SMBIOS table was denied, and whether it is denied to the agent, which is root."""
    reader = machine.reader()
    if reader.uid == 0 and (mode := _lockdown(machine)):
        return f"kernel lockdown ({mode}) closes /dev/mem, even to root", Fault.SOURCE
    if not reader.as_agent:
        if reader.uid == 0:
            return "the SMBIOS table is closed to this process, which lacks rights of root", Fault.RIGHTS
        return "only root can read the SMBIOS table", Fault.RIGHTS
    if reader.raw_io is False:
        return "no capability CAP_SYS_RAWIO here: /dev/mem is closed, even to root (a container)", Fault.SOURCE
    return "kernel lockdown or another policy closes /dev/mem, even to root", Fault.SOURCE


def _lockdown(machine: Machine) -> str:
    """Return the mode of the kernel's lockdown, "" for none or if unknown."""
    try:
        modes = machine.read_file(_LOCKDOWN).decode("ascii", "replace")
    except OSError:
        return ""
    mode = modes.partition("[")[2].partition("]")[0]
    return "" if mode == "none" else mode


def _dmidecode_version(result: CommandResult) -> str:
    first = result.stdout[:80].split(b"\n", 1)[0].decode("ascii", "replace")
    return first[2:] if first.startswith("# dmidecode ") else ""


def _disk(result: CommandResult, machine: Machine) -> Attribute:
    # The error message of ls is in the language of the machine, so the directory is checked instead.
    if not result.succeeded and not result.problem and not machine.exists(DISK_LINKS):
        return hashed("disk-info", result, "ls", machine, absent=f"{DISK_LINKS} does not exist")
    return hashed("disk-info", result, "ls", machine)
