"""Read the host name, directories, the registry and services of Windows through its own calls."""

from __future__ import annotations

import ctypes
import errno
from typing import Any

from fingerprint.agent.paths import WINDOWS_SERVICE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_COMPUTER_NAME_PHYSICAL_DNS_HOSTNAME = 5


def physical_host_name() -> str:
    """Return the physical DNS host name, from `GetComputerNameExW`.

    Raises:
        OSError: Windows did not return it.
    """
    kernel32 = _kernel32()
    length = ctypes.c_ulong(0)
    kernel32.GetComputerNameExW(_COMPUTER_NAME_PHYSICAL_DNS_HOSTNAME, None, ctypes.byref(length))
    text = ctypes.create_unicode_buffer(length.value + 1)
    length.value += 1
    if not kernel32.GetComputerNameExW(_COMPUTER_NAME_PHYSICAL_DNS_HOSTNAME, text, ctypes.byref(length)):
        raise OSError(None, "GetComputerNameExW failed")
    return text.value


def windows_directory() -> str:
    """Return the directory of Windows; not from WINDIR, which any user can set.

    Raises:
        OSError: Windows did not return it.
    """
    text = ctypes.create_unicode_buffer(32768)
    if not _kernel32().GetSystemWindowsDirectoryW(text, len(text)):
        raise OSError(None, "GetSystemWindowsDirectoryW failed")
    return text.value


def is_administrator() -> bool | None:
    """Return whether this process is an administrator's, as the agent is; None if Windows does not report it."""
    try:
        # By getattr: type checkers on other systems do not know windll.
        return bool(getattr(ctypes, "windll").shell32.IsUserAnAdmin())  # noqa: B009
    except (AttributeError, OSError):
        return None


def firmware_table() -> bytes:
    """Return the raw SMBIOS table with the 8 bytes that Windows puts before it.

    Raises:
        OSError: Windows has none.
    """
    get = _kernel32().GetSystemFirmwareTable
    provider = int.from_bytes(b"RSMB", "big")
    length = get(provider, 0, None, 0)
    table = ctypes.create_string_buffer(max(length, 1))
    if not length or get(provider, 0, table, length) != length:
        raise OSError(errno.ENODATA, "GetSystemFirmwareTable failed")
    return table.raw[:length]


def machine_guid() -> str:
    """Return the id that Windows gave this installation.

    Raises:
        OSError: the registry does not hold it.
    """
    import winreg
    from typing import cast

    # Type checkers on other systems do not know the registry.
    registry = cast("Any", winreg)
    # In the 64-bit registry, even for a 32-bit interpreter.
    access = registry.KEY_READ | registry.KEY_WOW64_64KEY
    with registry.OpenKey(registry.HKEY_LOCAL_MACHINE, r"SOFTWARE\Microsoft\Cryptography", 0, access) as key:
        return str(registry.QueryValueEx(key, "MachineGuid")[0])


def service_environment(name: str) -> list[str]:
    """Return the assignments NAME=value that the registry gives to a service.

    Raises:
        OSError: there is no such service, or it has no assignments.
    """
    import winreg
    from typing import cast

    registry = cast("Any", winreg)
    path = rf"SYSTEM\CurrentControlSet\Services\{name}"
    with registry.OpenKey(registry.HKEY_LOCAL_MACHINE, path, 0, registry.KEY_READ) as key:
        found = registry.QueryValueEx(key, "Environment")[0]
    return [str(line) for line in found] if isinstance(found, list) else [str(found)]


def service_state(name: str) -> str:
    """Return the state of a service, such as "running" or "start_pending".

    Raises:
        FileNotFoundError: there is no such service.
        OSError: the service manager did not return it.
    """
    return str(_asked(name, lambda service: service.status()))


def service_pid(name: str) -> int:
    """Return the process ID of a service, from QueryServiceStatusEx; 0 while it has none.

    Raises:
        OSError: as `service_state`.
    """
    return int(_asked(name, lambda service: service.pid()) or 0)


def agent_program() -> str:
    """Return the path of the agent's program, as the service manager has it.

    Raises:
        OSError: as `service_state`.
    """
    line = str(_asked(WINDOWS_SERVICE, lambda service: service.binpath())).strip()
    if line.startswith('"'):
        return line[1:].partition('"')[0]
    # Without quotes, blanks up to the end of the program belong to its path.
    program, extension, _ = line.lower().partition(".exe")
    return line[: len(program) + len(extension)]


def _asked(name: str, question: Callable[[Any], Any]) -> Any:
    import psutil

    # By getattr: psutil has this function on Windows only, and type checkers know that.
    get = getattr(psutil, "win_service_get")  # noqa: B009
    try:
        return question(get(name))
    except psutil.NoSuchProcess:
        raise FileNotFoundError(errno.ENOENT, f"there is no service {name}") from None
    except psutil.AccessDenied as error:
        raise PermissionError(errno.EACCES, str(error)) from None
    except psutil.Error as error:
        raise OSError(None, str(error)) from None


def _kernel32() -> Any:
    # By getattr: type checkers on other systems do not know WinDLL.
    return getattr(ctypes, "WinDLL")("kernel32", use_last_error=True)  # noqa: B009
