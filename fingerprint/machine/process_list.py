"""List the running processes of the agent, with their start times."""

from __future__ import annotations

import errno
import os
import sys

from fingerprint.agent.paths import CORE, PROCESSES, WINDOWS_SERVICE
from fingerprint.machine.base import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import TypeVar

    _T = TypeVar("_T")

# The kernel keeps this many characters of a name.
_NAME_KEPT = 15
# Field 22 of /proc/PID/stat, counted from what follows the name, which is in brackets.
_START_AFTER_NAME = 19


def agent_processes(platform: str, proc: str = "/proc") -> tuple[Process, ...]:
    """Return the running processes of the agent, the oldest first.

    Args:
        platform: of this host. On Windows the service manager has the process of the agent's service, under any name
            of its program; the others there, and all on systems other than Linux, are found by their names.
        proc: the directory of the processes, for tests.

    Raises:
        OSError: on Windows, no process has the name, and the service manager did not answer.
    """
    if platform == "windows":
        return _on_windows()
    if platform != "linux":
        return _sorted(_by_psutil())
    booted = _booted(proc)
    processes = []
    for pid, name, ticks in _found(proc):
        known = ticks is not None and booted is not None
        started = booted + ticks / os.sysconf("SC_CLK_TCK") if known else None  # type: ignore[operator]
        processes.append(Process(name, pid, _user(os.path.join(proc, str(pid))), started))
    return _sorted(processes)


def _sorted(processes: Iterable[Process]) -> tuple[Process, ...]:
    return tuple(sorted(processes, key=lambda one: (one.started or 0.0, one.pid)))


def version_in(output: bytes) -> str:
    """Return the version in the output of the agent's -version, "" without one."""
    found = version_text(output)
    return found if found.replace(".", "").isdigit() else ""


def version_text(output: bytes) -> str:
    """Return what the agent prints as its version, valid or not; "" without output."""
    return next(iter(output.decode("utf-8", "replace").rpartition("version:")[2].split()), "")


def agent_pids(proc: str = "") -> tuple[int, ...]:
    """Return the process IDs of all running agents, including those in containers, the lowest first.

    Args:
        proc: the directory of the processes on Linux; "" on other systems, where psutil lists them, and the service
            manager of Windows has that of the agent's service.

    Raises:
        OSError: they cannot be listed, or not all of them.
    """
    if proc:
        os.listdir(proc)
        return tuple(sorted(pid for pid, _, _ in _found(proc, everywhere=True)))
    import psutil

    pids = []
    service = _service_pid() if sys.platform == "win32" else 0
    try:
        for one in psutil.process_iter(["name", "status"]):
            name = one.info["name"]
            if one.info["status"] == psutil.STATUS_ZOMBIE:
                continue
            if name is None:
                raise OSError(errno.EACCES, f"the name of process {one.pid} is unreadable")
            if one.pid == service or _plain_name(name) in PROCESSES:
                pids.append(one.pid)
    except psutil.Error as error:
        raise OSError(errno.EIO, str(error)) from None
    return tuple(sorted(pids))


def _service_pid() -> int:
    """Return the process ID of the agent's service on Windows, 0 for none; raise OSError if unknown."""
    from fingerprint.machine.windows import service_pid

    try:
        return service_pid(WINDOWS_SERVICE)
    except FileNotFoundError:
        return 0


def _on_windows() -> tuple[Process, ...]:
    refused = None
    try:
        pid = _service_pid()
    except OSError as error:
        pid, refused = 0, error
    found = _by_psutil(pid)
    if refused is not None and not found:
        # It is unknown whether one runs.
        raise refused
    return _sorted(found)


def _by_psutil(service: int = 0) -> list[Process]:
    """Return the processes with the agent's names, and that of its service, which may have another name."""
    import psutil

    processes = []
    try:
        for one in psutil.process_iter():
            # An unreadable name does not hide the other processes.
            name = CORE if one.pid == service else _plain_name(_readable(one.name))
            if name in PROCESSES:
                started = _readable(one.create_time)
                if started is not None or one.is_running():
                    processes.append(Process(name, one.pid, str(_readable(one.username) or ""), started))
    except psutil.Error as error:
        raise OSError(errno.EIO, str(error)) from None
    return processes


def _readable(question: Callable[[], _T]) -> _T | None:
    """Return a property of a process, None if it is unreadable or the process has ended."""
    import psutil

    try:
        return question()
    except (psutil.Error, OSError):
        return None


def _plain_name(reported: str | None) -> str:
    """Return the name of a program as `PROCESSES` has it."""
    name = reported or ""
    return name[:-4].lower() if name.lower().endswith(".exe") else name


def _found(proc: str, everywhere: bool = False) -> Iterator[tuple[int, str, int | None]]:
    """Yield ID, name and start, in ticks since the start of the system, of each running process of the agent.

    Processes in containers are skipped, unless `everywhere`.
    """
    here = 0 if everywhere else _name_space(os.path.join(proc, "self"))
    wanted = {name[:_NAME_KEPT]: name for name in PROCESSES}
    try:
        names = os.listdir(proc)
    except OSError:
        return
    for pid in names:
        if pid.isdigit():
            line = _read(os.path.join(proc, pid, "stat"))
            head, _, rest = line.rpartition(")")
            name = wanted.get(head.partition("(")[2])
            if name is not None:
                fields = rest.split()
                there = _name_space(os.path.join(proc, pid))
                if fields[:1] == ["Z"] or (here and there and here != there):
                    continue
                yield int(pid), name, int(fields[_START_AFTER_NAME]) if len(fields) > _START_AFTER_NAME else None


def _name_space(directory: str) -> int:
    """Return the number of a process's PID namespace, 0 if unreadable."""
    try:
        return os.stat(os.path.join(directory, "ns", "pid")).st_ino
    except OSError:
        return 0


def _user(directory: str) -> str:
    try:
        uid = os.stat(directory).st_uid
    except OSError:
        return ""
    if uid == 0:
        return "root"
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _booted(proc: str) -> float | None:
    for line in _read(os.path.join(proc, "stat")).split("\n"):
        if line.startswith("btime "):
            return float(line.split()[1])
    return None


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        # The process ended meanwhile.
        return ""
