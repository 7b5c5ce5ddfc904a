"""Facts beside the hash, for people: the identity of this host from sources too slow or too unreliable for a hash."""

from __future__ import annotations

import errno

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.machine.base import Machine

_IOREG = ("/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice")
_IOREG_FACTS = (
    ("system UUID", "IOPlatformUUID"),
    ("serial number", "IOPlatformSerialNumber"),
    ("model", "model"),
    ("maker", "manufacturer"),
)
_CPUINFO_LIMIT = 4 * 1024 * 1024


def facts(machine: Machine) -> dict[str, str]:
    """Return name -> fact, without those that this host lacks; a failed one is its reason in brackets."""
    found: dict[str, str] = {}
    _add(found, "default route", machine.default_route)
    _add(found, "interfaces", lambda: ", ".join(f"{name} {address}" for name, address in machine.addresses().links))
    _add(found, "processor", lambda: _processor(machine))
    if machine.platform == "macos":
        found.update(_platform_expert(machine))
    if machine.platform == "windows":
        _add(found, "system UUID", lambda: windows_uuid(machine))
    return found


def _add(found: dict[str, str], name: str, source: Callable[[], str]) -> None:
    try:
        fact = source()
    except OSError as error:
        fact = f"({error.strerror or error})"
    if fact:
        found[name] = fact


def _processor(machine: Machine) -> str:
    if machine.platform != "linux":
        return machine.processor()
    from fingerprint.machine.parsers import parse_cpuinfo

    # Each processor has about 1.5 KiB there.
    values = parse_cpuinfo(machine.read_file("/proc/cpuinfo", _CPUINFO_LIMIT).decode("utf-8", "replace"))
    name = values.get("model") or machine.processor()
    count = values.get("processors", "")
    return f"{count} x {name}" if count and name else name


def _platform_expert(machine: Machine) -> dict[str, str]:
    from fingerprint.machine.parsers import parse_ioreg

    [result] = machine.run([_IOREG], machine.timeout)
    if not result.succeeded:
        return {}
    values = parse_ioreg(result.stdout.decode("utf-8", "replace"))
    return {name: values[key] for name, key in _IOREG_FACTS if values.get(key)}


def windows_uuid(machine: Machine) -> str:
    """Return the UUID behind `uuid`, from WMI, or from the output of wmic or PowerShell if WMI was not asked.

    Raises:
        OSError: neither WMI nor the others returned it.
    """
    from fingerprint.collectors.ssm_windows import wql_members
    from fingerprint.collectors.wql import Unloadable

    failure: OSError | None = None
    try:
        return str(wql_members(machine, "uuid").get("UUID") or "")
    except Unloadable:
        return ""
    except OSError as error:
        failure = error
    found = _uuid_of_wmic(machine) or _uuid_of_json(machine)
    if not found and failure.errno != errno.ENODATA:
        raise failure
    return found


def _uuid_of_wmic(machine: Machine) -> str:
    from fingerprint.collectors.ssm_windows import commands
    from fingerprint.machine.parsers import decode_console, parse_wmic_table

    [result] = machine.run(commands(machine.windows_directory(), False)[:1], machine.timeout)
    rows = parse_wmic_table(decode_console(result.stdout))
    return rows[0].get("UUID", "") if rows else ""


def _uuid_of_json(machine: Machine) -> str:
    from fingerprint._core import JsonError, loads
    from fingerprint.collectors.ssm_windows import commands
    from fingerprint.machine.parsers import decode_console

    [result] = machine.run(commands(machine.windows_directory(), True)[:1], machine.timeout)
    try:
        values = loads(decode_console(result.stdout).encode("utf-8"))
    except (JsonError, UnicodeEncodeError):
        return ""
    return str(values.get("UUID") or "") if isinstance(values, dict) else ""
