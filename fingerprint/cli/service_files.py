"""Paths in the files of service managers: of this program, and checked for what such a file can hold."""

from __future__ import annotations

import ntpath
import os
import posixpath
import sys

from fingerprint.errors import UsageError

# ReadWritePaths= of systemd knows no escape for the first two, the task scheduler none for the last two.
_UNWRITABLE = {"systemd": "\"'\\", "launchd": "", "windows": '"%'}


def this_program(*, required: bool = True) -> str:
    """Return the path of the program that runs; UsageError if it is required and not known, else ""."""
    # Imported here: with --program it is not needed.
    from shutil import which

    # `python -m fingerprint` names a module; the program lies beside that Python.
    found = which(sys.argv[0]) or which("fingerprint", path=os.path.dirname(sys.executable)) or which("fingerprint")
    if found is None and not required:
        return ""
    if found is None:
        raise UsageError("the path of this program is not known", remedy="Name it with --program")
    return os.path.abspath(found)


def service_path(system: str, path: str, option: str) -> str:
    """Return an absolute path of a system, normalized as systemd wants it.

    Args:
        system: "systemd", "launchd" or "windows".
        path: as it was named.
        option: the option that names it.

    Raises:
        UsageError: it is not absolute, names a directory, or has a character that the file cannot hold.
    """
    flavour = ntpath if system == "windows" else posixpath
    # A service has no directory of its own to start from; on Windows a path without a drive is of the current one.
    if not flavour.isabs(path) or (system == "windows" and not flavour.splitdrive(path)[0]):
        raise UsageError(
            f"the path is not absolute for {system}", where=f"{option} {path}",
            remedy=f"Name an absolute path with {option}",
        )  # fmt: skip
    if not flavour.basename(path):
        raise UsageError("the path is a directory", where=f"{option} {path}", remedy="Name a file in it")
    if not path.isprintable() or any(character in path for character in _UNWRITABLE[system]):
        raise UsageError(
            f"the path has a character that service files of {system} cannot hold", where=f"{option} {path!a}",
            remedy="Name another path, such as that of a link",
        )  # fmt: skip
    normal: str = flavour.normpath(path)
    return normal
