"""Objects of WMI with typed members: by COM, as the agent asks for them, else by PowerShell.

Neither could be run where this was written: docs/windows.md says what is unverified.
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
# Error codes of WMI itself; what else COM says is no answer of it.
_WMI_ERRORS = range(0x80041000, 0x80042000)
_DENIED = (0x80041003, 0x80070005)


class NoCom(Exception):
    """COM cannot be asked here: WMI has not answered."""


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
        class_name, members: what to ask for.
        timeout: seconds until COM, and then PowerShell, is given up.
        powershell: the path of Windows PowerShell.
        run: runs commands.

    Raises:
        OSError: WMI answered with an error (EIO, EACCES), did not answer in time (ETIMEDOUT), or could not be asked
            from here (ENOTSUP).
    """
    try:
        com = _comtypes()
        return _within(lambda: by_com(com, query_text(class_name, members)), timeout)
    except NoCom:
        return by_powershell(class_name, members, timeout, powershell, run)


def _comtypes() -> Any:
    # Imported by the calling thread, which it prepares for COM and at exit for its end.
    try:
        from importlib import import_module

        import_module("comtypes.client")
        return import_module("comtypes")
    except (ImportError, OSError) as error:
        raise NoCom(str(error)) from None


def by_com(comtypes: Any, text: str) -> tuple[dict[str, Any], ...]:
    """Return what a query gives by the scripting interface of WMI, which the agent uses: integers of 64 bits are texts.

    Raises:
        NoCom: COM could not be asked.
        OSError: WMI answered with an error.
    """
    try:
        # Each thread needs its own; it ends with the thread.
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
        # Of the library itself: there is another way to ask.
        raise NoCom(f"{type(error).__name__}: {error}") from None


def by_powershell(
    class_name: str, members: Sequence[str], timeout: float, powershell: str, run: Run
) -> tuple[dict[str, Any], ...]:
    """Return what a query gives by Get-CimInstance, out of JSON that keeps numbers, texts and null apart.

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
        # Of WMI this says nothing: the agent, which asks by COM, may get an answer.
        raise OSError(errno.ENOTSUP, f"WMI could not be asked: PowerShell: {result.problem}", powershell)
    if not result.succeeded:
        why = " ".join(result.stderr.split())[:200] or f"exit code {result.returncode}"
        raise OSError(errno.EIO, f"Get-CimInstance: {why}", class_name)
    from fingerprint._core import JsonError, loads

    try:
        told = loads(result.stdout.removeprefix(b"\xef\xbb\xbf").strip())
    except JsonError as error:
        raise OSError(
            errno.ENOTSUP, f"WMI could not be asked: PowerShell printed no JSON: {error}", powershell
        ) from None
    # One object may come without its list.
    objects = [told] if isinstance(told, dict) else told
    if not isinstance(objects, list) or not all(isinstance(one, dict) for one in objects):
        raise OSError(errno.ENOTSUP, "WMI could not be asked: PowerShell printed no list of objects", powershell)
    return tuple(objects)


def _within(ask: Callable[[], tuple[dict[str, Any], ...]], timeout: float) -> tuple[dict[str, Any], ...]:
    """Return what a question gives; raise OSError after a time, for COM has none."""
    from threading import Thread

    outcome: list[tuple[dict[str, Any], ...] | BaseException] = []

    def answer() -> None:
        try:
            outcome.append(ask())
        except BaseException as error:
            outcome.append(error)

    # What hangs in COM cannot be ended; it must not keep the interpreter either.
    thread = Thread(target=answer, daemon=True)
    thread.start()
    thread.join(timeout)
    if not outcome:
        raise OSError(errno.ETIMEDOUT, f"no answer within {timeout:g} s", NAMESPACE)
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]
