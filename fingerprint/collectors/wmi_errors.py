"""Errors of WMI, as wmic and PowerShell print them: denied to this user, or of a class or its provider."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.processes import CommandResult

# E_ACCESSDENIED and WBEM_E_ACCESS_DENIED, and how wmic and PowerShell print them on Windows in several languages.
_DENIAL_CODES = (5, 0x80070005, 0x80041003)
_DENIALS = (
    "denied", "80070005", "80041003", "verweigert", "refus", "denegado", "negato", "negado", "geweigerd", "odmowa",
    "отказано", "拒绝", "拒否", "거부",
)  # fmt: skip


def is_denial(result: CommandResult) -> bool:
    """Return whether a command of WMI failed because the user lacks rights."""
    said = f"{result.stderr}\n{result.stdout.decode('utf-8', 'replace')}".lower()
    code = (result.returncode or 0) & 0xFFFFFFFF
    return code in _DENIAL_CODES or any(word in said for word in _DENIALS)


def is_of_class(reason: str) -> bool:
    """Return whether an error of WMI is that of a missing class, or of its provider, and not of the repository."""
    lowered = reason.lower()
    return any(word in lowered for word in ("class", "provider", "80041010", "80041013", "80041014", "-2147217392"))
