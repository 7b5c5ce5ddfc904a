"""Scheme `ssm` on Windows: six commands of wmic, or of CIM where wmic is gone, and three raw values.

What the commands print is hashed as it stands, so the choice between wmic and CIM must be the
reference's to the build number.
"""

from __future__ import annotations

from fingerprint.catalogue import attributes_of
from fingerprint.collect.attributes import address_attributes, hashed, host_name_attribute
from fingerprint.errors import CollectError
from fingerprint.model import Attribute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.collect.machine import Machine

WMI_SERVICE = "Winmgmt"
WMI_ATTEMPTS = 5
WMI_PAUSE_SECONDS = 15.0
# The first build without wmic, as the reference has it; each part of the version is held against its own.
_CIM_FROM = (10, 0, 26040)
VERSION_QUERY = "Get-CimInstance -ClassName Win32_OperatingSystem | Format-List -Property Version"
# Attribute, words for wmic, class and properties for CIM (the spelling is hashed by nobody, and still kept).
_COMMANDS = (
    ("uuid", ("csproduct", "get", "UUID"), "Win32_ComputerSystemProduct", "UUID"),
    (
        "processor-hash",
        ("cpu", "list", "brief"),
        "WIN32_PROCESSOR",
        "Caption, DeviceID, Manufacturer, MaxClockSpeed, Name, SocketDesignation",
    ),
    (
        "memory-hash",
        ("memorychip", "list", "brief"),
        "Win32_PhysicalMemory",
        "Capacity, DeviceLocator, MemoryType, Name, Tag, TotalWidth",
    ),
    (
        "bios-hash",
        ("bios", "list", "brief"),
        "Win32_BIOS",
        "Manufacturer, Name, SerialNumber, SMBIOSBIOSVersion, Version",
    ),
    (
        "system-hash",
        ("computersystem", "list", "brief"),
        "Win32_ComputerSystem",
        "Domain, Manufacturer, Model, Name, PrimaryOwnerName, TotalPhysicalMemory",
    ),
    ("disk-info", ("diskdrive", "list", "brief"), "Win32_DiskDrive", "Caption, DeviceID, Model, Partitions, Size"),
)


def read(machine: Machine, timeout: float) -> tuple[Attribute, ...]:
    """Return the nine attributes in the order of the catalogue.

    Raises:
        CollectError: WMI did not come up, or nobody answered which of wmic and CIM to ask.
    """
    _wait_for_wmi(machine)
    version = windows_version(machine, timeout)
    by_cim = uses_cim(version)
    tool = f"{'CIM' if by_cim else 'wmic'} on Windows {version}".rstrip()
    results = machine.run(commands(machine.windows_folder(), by_cim), timeout)
    found = {name: hashed(name, result, tool, machine) for (name, *_), result in zip(_COMMANDS, results, strict=True)}
    found["hostname-info"] = host_name_attribute(machine, "GetComputerNameEx")
    found["ipaddress-info"], found["macaddr-info"] = address_attributes(machine)
    return tuple(found[name] for name in attributes_of(machine.platform))


def commands(windows_folder: str, by_cim: bool) -> list[tuple[str, ...]]:
    """Return the six commands, in the order of their attributes."""
    if not by_cim:
        wmic = windows_folder + r"\System32\wbem\wmic.exe"
        return [(wmic, *words) for _, words, _, _ in _COMMANDS]
    shell = powershell(windows_folder)
    return [
        (shell, f"Get-CimInstance -ClassName {name} | Select-Object {properties} | ConvertTo-Json")
        for _, _, name, properties in _COMMANDS
    ]


def powershell(windows_folder: str) -> str:
    """Return the path of Windows PowerShell."""
    return windows_folder + r"\System32\WindowsPowerShell\v1.0\powershell.exe"


def _wait_for_wmi(machine: Machine) -> None:
    """Wait up to 75 s until WMI runs: hashes taken before would be those of empty answers."""
    state = ""
    for _ in range(WMI_ATTEMPTS):
        try:
            state = machine.service_state(WMI_SERVICE)
        except OSError as error:
            raise CollectError(
                f"the state of the service {WMI_SERVICE} could not be read ({error.strerror or error})",
                where=WMI_SERVICE,
                remedy=f"Run as Administrator; look for the service with: sc query {WMI_SERVICE}",
            ) from None
        if state == "running":
            return
        machine.sleep(WMI_PAUSE_SECONDS)
    raise CollectError(
        f"the service {WMI_SERVICE} did not get into the state running (it is {state})",
        where=WMI_SERVICE,
        remedy=f"Start it with: sc start {WMI_SERVICE}",
    )


def windows_version(machine: Machine, timeout: float) -> str:
    """Return the version of Windows, such as "10.0.20348"; "" where PowerShell gives no such answer.

    Raises:
        CollectError: PowerShell did not end in time. The reference waits for ever; to take wmic then
            would change every hash of a machine that is only slow.
    """
    command = (powershell(machine.windows_folder()), VERSION_QUERY)
    [result] = machine.run([command], timeout)
    if result.problem in ("timeout", "too-long", "not-recorded"):
        raise CollectError(
            f"PowerShell did not tell the version of Windows ({result.problem})",
            where=command[0],
            remedy="Give it more time with --timeout; run the command by hand to see why it hangs",
        )
    if not result.succeeded:
        return ""
    parts = result.stdout.decode("utf-8", "replace").replace("\r", "").replace("\n", "").split(":")
    numbers = parts[1].strip().split(".") if len(parts) == 2 else []
    return ".".join(numbers) if len(numbers) == 3 and all(map(_is_integer, numbers)) else ""


def uses_cim(version: str) -> bool:
    """Return whether the reference asks CIM on this version of Windows; "" is a version that nobody told."""
    return bool(version) and all(int(part) >= least for part, least in zip(version.split("."), _CIM_FROM, strict=True))


def _is_integer(text: str) -> bool:
    return text.lstrip("+-").isascii() and text.lstrip("+-").isdigit() and len(text) < 19
