"""Read owner and access control list of a file on Windows, as SDDL text, and find who has access."""

from __future__ import annotations

import ctypes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

REVISION = 1
DACL_INFORMATION = 0x4
_OWNER_INFORMATION = 0x1
# Entries that allow: plain, of an object, and with a condition, which may be true.
_ALLOW = ("A", "OA", "XA", "ZA")
_TRUSTED = ("BA", "SY", "S-1-5-32-544", "S-1-5-18")
# Rights to change a file, in the letters of SDDL and as bits: generic all and write, write and
# append data (DC, LC), extended attributes (RP), attributes (CR), delete child (DT), delete, change
# permissions or owner.
_WRITING = frozenset(("GA", "GW", "FA", "FW", "WD", "WO", "SD", "DC", "LC", "RP", "CR", "DT"))
_WRITING_BITS = 0x10000000 | 0x40000000 | 0x2 | 0x4 | 0x10 | 0x100 | 0x10000 | 0x40 | 0x40000 | 0x80000


def access_of(path: str) -> str:
    """Return owner and access control list of a file or directory as SDDL text.

    Raises:
        OSError: Windows refused.
    """
    wanted = _OWNER_INFORMATION | DACL_INFORMATION
    advapi32 = library("advapi32")
    length = ctypes.c_ulong(0)
    advapi32.GetFileSecurityW(path, wanted, None, 0, ctypes.byref(length))
    descriptor = ctypes.create_string_buffer(length.value)
    require_success(
        "GetFileSecurityW", advapi32.GetFileSecurityW(path, wanted, descriptor, length, ctypes.byref(length))
    )
    text = ctypes.c_wchar_p()
    require_success(
        "ConvertSecurityDescriptorToStringSecurityDescriptorW",
        advapi32.ConvertSecurityDescriptorToStringSecurityDescriptorW(
            descriptor, REVISION, wanted, ctypes.byref(text), None
        ),
    )
    try:
        return text.value or ""
    finally:
        library("kernel32").LocalFree(text)


def others_in(sddl: str) -> list[tuple[str, bool]]:
    """Return who has access beside Administrators and SYSTEM: a message for each, and whether they can write.

    An owner counts, as owners may change the list; without a list everybody has access.
    """
    owner, found, dacl = sddl.partition("D:")
    others = []
    name = owner.removeprefix("O:").partition("G:")[0]
    if name and name not in _TRUSTED:
        others.append((f"it belongs to {name}", True))
    if not found or "NO_ACCESS_CONTROL" in dacl:
        return [*others, ("it has no access control list, so everybody has full access", True)]
    for entry in dacl.split("(")[1:]:
        fields = entry.partition(")")[0].split(";")
        if len(fields) < 6 or fields[0] not in _ALLOW or fields[5] in _TRUSTED:
            continue
        writes = _can_write(fields[2])
        others.append((f"{fields[5]} can {'write' if writes else 'read'} it (rights {fields[2]})", writes))
    return others


def _can_write(rights: str) -> bool:
    if rights.startswith("0x"):
        try:
            return bool(int(rights, 16) & _WRITING_BITS)
        except ValueError:
            return True
    return bool({rights[i : i + 2] for i in range(0, len(rights), 2)} & _WRITING)


def require_success(name: str, done: Any) -> None:
    """Raise OSError if a call of Windows failed."""
    if not done:
        code = getattr(ctypes, "get_last_error", int)()
        raise OSError(None, f"{name} failed with code {code}")


def library(name: str) -> Any:
    """Return a library of Windows."""
    # By getattr: type checkers on other systems do not know WinDLL.
    return getattr(ctypes, "WinDLL")(name, use_last_error=True)  # noqa: B009
