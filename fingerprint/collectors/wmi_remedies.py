"""What to do about WMI that fails or does not run, as data and commands of Windows."""

from __future__ import annotations

import errno

from fingerprint.machine.processes import NO_RESOURCES
from fingerprint.types import DoubtRemedy, Fault

WMI_SERVICE = "Winmgmt"


def remedy_of_wmi(number: int | None) -> DoubtRemedy:
    """Return the remedy for an error of WMI, by its number."""
    if number in (errno.EACCES, errno.EPERM):
        return DoubtRemedy("wmi", "Run as Administrator: WMI does not answer this user")
    if number == errno.ETIMEDOUT:
        return DoubtRemedy("wmi", "Restart WMI, which does not answer", f"Restart-Service -Force {WMI_SERVICE}")
    if number == errno.ENOTSUP:
        return DoubtRemedy("wmi", "Enable queries of WMI: install comtypes with this program, or repair PowerShell")
    if number in NO_RESOURCES:
        return DoubtRemedy("wmi", "Retry when processes and memory are free")
    return DoubtRemedy(
        "wmi", "Check the repository of WMI (winmgmt /salvagerepository repairs an inconsistent one)",
        "winmgmt /verifyrepository",
    )  # fmt: skip


def remedy_of_fault(fault: Fault) -> DoubtRemedy:
    """Return the remedy for an unreadable class of WMI."""
    numbers = {
        Fault.RIGHTS: errno.EACCES, Fault.TIME_LIMIT: errno.ETIMEDOUT, Fault.ENVIRONMENT: errno.ENOMEM,
        Fault.NOT_ASKED: errno.ENOTSUP,
    }  # fmt: skip
    return remedy_of_wmi(numbers.get(fault))


def start_of_wmi(state: str) -> tuple[str, str]:
    """Return the remedy that starts WMI, and its PowerShell command, "" for none, by its present state."""
    return start_of_service(WMI_SERVICE, state)


def start_of_service(name: str, state: str) -> tuple[str, str]:
    """Return the remedy that starts a service of Windows, and its PowerShell command, "" for none, by its state."""
    if state in ("start_pending", "continue_pending"):
        return "Wait until it runs, then retry", ""
    if state in ("paused", "pause_pending"):
        return "Resume it", f"Resume-Service {name}"
    # Start-Service does not start a disabled service.
    enable = f"Set-Service {name} -StartupType Automatic"
    return f"Start it; if it is disabled, enable it first with {enable}", f"Start-Service {name}"
