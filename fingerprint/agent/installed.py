"""The installed agent: the directories of its programs, and the version that its program prints."""

from __future__ import annotations

from fingerprint.agent.paths import SNAP, paths_of
from fingerprint.machine.process_list import version_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine
    from fingerprint.machine.processes import CommandResult

_SECONDS = 8.0


def program_directories(machine: Machine) -> tuple[str, ...]:
    """Return the directories that hold the agent's main program, that of its package before that of its snap."""
    paths = paths_of(machine.platform)
    found = []
    try:
        if machine.exists(f"{paths.programs}{paths.separator}{paths.core}"):
            found.append(paths.programs)
        if machine.platform == "linux" and machine.exists(SNAP):
            found.append(SNAP)
    except OSError:
        pass
    return tuple(found)


def program_directory(machine: Machine) -> str:
    """Return the directory of the agent's programs on a machine, of its package or of its snap."""
    return next(iter(program_directories(machine)), paths_of(machine.platform).programs)


def printed_version(machine: Machine, directory: str = "") -> str:
    """Return what the agent's program prints as its version; "" without one, or if others than root may write it.

    Args:
        machine: the machine.
        directory: of the program; "" for `program_directory`.
    """
    result = version_result(machine, directory)
    # Also if it is not a version: the caller shows it rather than another source's.
    return version_text(result.stdout) if result is not None and result.succeeded else ""


def version_result(machine: Machine, directory: str = "") -> CommandResult | None:
    """Return the result of the agent's program with -version; None if it is not run, see `printed_version`."""
    paths = paths_of(machine.platform)
    path = f"{directory or program_directory(machine)}{paths.separator}{paths.core}"
    if not _only_roots(machine, path):
        return None
    [result] = machine.run(((path, "-version"),), _SECONDS)
    return result


def _only_roots(machine: Machine, path: str) -> bool:
    """Return whether a program exists and only root could have changed it. No other program is run."""
    try:
        status = machine.status(path)
    except OSError:
        return False
    return machine.platform == "windows" or (status.uid == 0 and not status.mode & 0o022)
