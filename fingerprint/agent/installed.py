"""The installed agent: the directory of its programs, and the version that its program prints."""

from __future__ import annotations

from fingerprint.agent.paths import SNAP, paths_of
from fingerprint.machine.process_list import version_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine

_SECONDS = 8.0


def program_directory(machine: Machine) -> str:
    """Return the directory of the agent's programs on a machine, of its package or of its snap."""
    paths = paths_of(machine.platform)
    try:
        packaged = machine.exists(f"{paths.programs}/{paths.core}")
        if machine.platform == "linux" and not packaged and machine.exists(SNAP):
            return SNAP
    except OSError:
        pass
    return paths.programs


def printed_version(machine: Machine) -> str:
    """Return what the agent's program prints as its version; "" without one, or if others than root may write it."""
    paths = paths_of(machine.platform)
    path = f"{program_directory(machine)}{paths.separator}{paths.core}"
    if not _only_roots(machine, path):
        return ""
    [result] = machine.run(((path, "-version"),), _SECONDS)
    # Also if it is not a version: the caller shows it rather than another source's.
    return version_text(result.stdout) if result.succeeded else ""


def _only_roots(machine: Machine, path: str) -> bool:
    """Return whether a program exists and only root could have changed it. No other program is run."""
    try:
        status = machine.status(path)
    except OSError:
        return False
    return machine.platform == "windows" or (status.uid == 0 and not status.mode & 0o022)
