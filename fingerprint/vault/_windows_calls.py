"""The calls of Windows that a vault needs: access control lists, and a lock that dies with its process."""

from __future__ import annotations

import ctypes

from fingerprint._io.windows_acl import DACL_INFORMATION, REVISION, library, require_success

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# Full access for Administrators and SYSTEM, nothing inherited: what the reference gives its vault.
_DIRECTORY_SDDL = "D:P(A;OICI;GA;;;BA)(A;OICI;GA;;;SY)"
_FILE_SDDL = "D:P(A;;GA;;;BA)(A;;GA;;;SY)"
_PROTECTED_DACL_INFORMATION = 0x80000000
_WAIT_OBJECT, _WAIT_ABANDONED, _WAIT_TIMEOUT = 0x0, 0x80, 0x102


def protect(path: str, *, directory: bool) -> None:
    """Give a file or directory an access control list for Administrators and SYSTEM only.

    Raises:
        OSError: Windows refused.
    """
    descriptor = ctypes.c_void_p()
    sddl = _DIRECTORY_SDDL if directory else _FILE_SDDL
    require_success(
        "ConvertStringSecurityDescriptorToSecurityDescriptorW",
        library("advapi32").ConvertStringSecurityDescriptorToSecurityDescriptorW(
            sddl, REVISION, ctypes.byref(descriptor), None
        ),
    )
    try:
        information = DACL_INFORMATION | _PROTECTED_DACL_INFORMATION
        require_success("SetFileSecurityW", library("advapi32").SetFileSecurityW(path, information, descriptor))
    finally:
        library("kernel32").LocalFree(descriptor)


def hold_mutex(name: str, wait: float) -> Callable[[], None] | None:
    """Take a named lock of the machine, and return how to give it back; None if another holds it for too long.

    One whose holder died is taken over.

    Args:
        name: the name, without a backslash.
        wait: seconds to wait.

    Raises:
        OSError: Windows refused.
    """
    kernel32 = library("kernel32")
    handle = kernel32.CreateMutexW(None, False, "Global\\" + name)
    require_success("CreateMutexW", handle)
    outcome = kernel32.WaitForSingleObject(handle, int(wait * 1000))
    if outcome not in (_WAIT_OBJECT, _WAIT_ABANDONED):
        kernel32.CloseHandle(handle)
        if outcome == _WAIT_TIMEOUT:
            return None
        require_success("WaitForSingleObject", 0)

    def release() -> None:
        kernel32.ReleaseMutex(handle)
        kernel32.CloseHandle(handle)

    return release
