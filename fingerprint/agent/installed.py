"""The installed agent: the folder of its programs, and the version that its program prints."""

from __future__ import annotations

from fingerprint.agent.paths import SNAP, places_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.machine.base import Machine

_SECONDS = 8.0


def program_folder(machine: Machine) -> str:
    """Return the folder of the agent's programs on a machine: of its package, or of its snap."""
    places = places_of(machine.platform)
    try:
        packaged = machine.exists(f"{places.programs}/{places.binaries[0]}")
        if machine.platform == "linux" and not packaged and machine.exists(SNAP):
            return SNAP
    except OSError:
        pass
    return places.programs


def printed_version(machine: Machine) -> str:
    """Return what the agent's program prints as its version; "" if there is none, or others than root may change it."""
    separator = "\\" if machine.platform == "windows" else "/"
    path = f"{program_folder(machine)}{separator}{places_of(machine.platform).binaries[0]}"
    if not _only_roots(machine, path):
        return ""
    [result] = machine.run(((path, "-version"),), _SECONDS)
    found = result.stdout.decode("utf-8", "replace").rpartition("version:")[2].strip().split()
    # Whatever it is: what is no version is told, and not replaced by another one.
    return found[0] if result.succeeded and found else ""


def _only_roots(machine: Machine, path: str) -> bool:
    """Return whether a program is there, and nobody but root could have changed it: what else is not run."""
    try:
        status = machine.status(path)
    except OSError:
        return False
    return machine.platform == "windows" or (status.uid == 0 and not status.mode & 0o022)
