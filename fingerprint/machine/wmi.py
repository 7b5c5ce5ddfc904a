"""Query objects of WMI with typed members: through COM, as the agent does, else through PowerShell.

Neither was run on a real Windows: docs/windows.md says what is unverified.
"""

from __future__ import annotations

import errno

from fingerprint.machine.processes import NO_RESOURCES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from fingerprint.machine.processes import CommandResult

    Run = Callable[[Sequence[tuple[str, ...]], float], list[CommandResult]]

NAMESPACE = r"root\cimv2"
# Error codes of WMI itself; other codes of COM are not an answer from WMI.
_WMI_ERRORS = range(0x80041000, 0x80042000)
_DENIED = (0x80041003, 0x80070005)


class NoCom(Exception):
    """COM is unavailable, so WMI has not answered."""


def powershell_path(windows_directory: str) -> str:
    """Return the path of Windows PowerShell."""
    return windows_directory + r"\System32\WindowsPowerShell\v1.0\powershell.exe"


def query_text(class_name: str, members: Sequence[str]) -> str:
    """Return the query for all objects of a class, as the agent writes it."""
    return f"SELECT {', '.join(members)} FROM {class_name}"


def query(
    class_name: str, members: Sequence[str], timeout: float, powershell: str, run: Run
) -> tuple[dict[str, Any], ...]:
    """Return the objects of a class, in the order in which WMI gives them.

    Args:
        class_name, members: what to query.
        timeout: seconds for COM, and again for PowerShell.
        powershell: the path of Windows PowerShell.
        run: runs commands.

    Raises:
        OSError: WMI answered with an error (EIO, EACCES), did not answer in time (ETIMEDOUT), or could not be queried
            from here (ENOTSUP).
    """
    try:
        com = _comtypes()
        return _within(lambda: by_com(com, query_text(class_name, members)), timeout)
    except NoCom:
        return by_powershell(class_name, members, timeout, powershell, run)


def _comtypes() -> Any:
    # Imported in the calling thread, which the import initializes for COM, with a cleanup at exit.
    try:
        from importlib import import_module

        import_module("comtypes.client")
        return import_module("comtypes")
    except (ImportError, OSError) as error:
        raise NoCom(str(error)) from None


def by_com(comtypes: Any, text: str) -> tuple[dict[str, Any], ...]:
    """Return the result of a query through the scripting interface of WMI, as the agent does; 64-bit integers are str.

    Raises:
        NoCom: COM is unavailable.
        OSError: WMI answered with an error.
    """
    try:
        # Each thread needs its own initialization, which ends with the thread.
        comtypes.CoInitializeEx()
        locator = comtypes.client.CreateObject("WbemScripting.SWbemLocator", dynamic=True)
        found = locator.ConnectServer(".", NAMESPACE).ExecQuery(text)
        return tuple({str(one.Name): one.Value for one in item.Properties_} for item in found)
    except comtypes.COMError as error:
        code = int(error.hresult) & 0xFFFFFFFF
        if code in _DENIED:
            raise OSError(errno.EACCES, f"WMI answers {code:08X}: access denied", text) from None
        if code in _WMI_ERRORS:
            raise OSError(errno.EIO, f"WMI answers {code:08X}", text) from None
        raise NoCom(f"{code:08X}") from None
    except Exception as error:
        # An error of the library itself: PowerShell is the other way to query.
        raise NoCom(f"{type(error).__name__}: {error}") from None


def by_powershell(
    class_name: str, members: Sequence[str], timeout: float, powershell: str, run: Run
) -> tuple[dict[str, Any], ...]:
    """Return the result of a query through Get-CimInstance, as JSON, which distinguishes numbers, strings and null.

    Raises:
        OSError: as `query`.
    """
    script = (
        "$ErrorActionPreference = 'Stop'; [Console]::OutputEncoding = New-Object Text.UTF8Encoding $false; "
        f"ConvertTo-Json -Compress -InputObject @(Get-CimInstance -Query '{query_text(class_name, members)}' "
        f"| Select-Object {', '.join(members)})"
    )
    argv = (powershell, "-NoProfile", "-NonInteractive", "-Command", script)
    [result] = run([argv], timeout)
    if result.problem == "timeout":
        raise OSError(errno.ETIMEDOUT, f"no answer within {timeout:g} s", powershell)
    if result.problem == "no-resources":
        raise OSError(NO_RESOURCES[0], "PowerShell could not be started", powershell)
    if result.problem:
        # This is not an answer from WMI: the agent, which uses COM, may get one.
        raise OSError(errno.ENOTSUP, f"WMI could not be queried: PowerShell: {result.problem}", powershell)
    if not result.succeeded:
        why = " ".join(result.stderr.split())[:200] or f"exit code {result.returncode}"
        raise OSError(errno.EIO, f"Get-CimInstance: {why}", class_name)
    from fingerprint._core import JsonError, loads

    try:
        answer = loads(result.stdout.removeprefix(b"\xef\xbb\xbf").strip())
    except JsonError as error:
        raise OSError(
            errno.ENOTSUP, f"WMI could not be queried: PowerShell did not print JSON: {error}", powershell
        ) from None
    # PowerShell may print a single object without a list.
    objects = [answer] if isinstance(answer, dict) else answer
    if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
        raise OSError(errno.ENOTSUP, "WMI could not be queried: PowerShell did not print a list of objects", powershell)
    return tuple(objects)


def _within(ask: Callable[[], tuple[dict[str, Any], ...]], timeout: float) -> tuple[dict[str, Any], ...]:
    """Return the answer of a function; raise OSError after a timeout, which COM lacks."""
    from threading import Thread

    outcome: list[tuple[dict[str, Any], ...] | BaseException] = []

    def answer() -> None:
        try:
            outcome.append(ask())
        except BaseException as error:
            outcome.append(error)

    # A call that hangs in COM cannot be ended, so a daemon thread lets the interpreter exit.
    thread = Thread(target=answer, daemon=True)
    thread.start()
    thread.join(timeout)
    if not outcome:
        raise OSError(errno.ETIMEDOUT, f"no answer within {timeout:g} s", NAMESPACE)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]
