"""Files for service managers: their system, the paths in them, and how they are written and installed."""

from __future__ import annotations

import ntpath
import os
import posixpath
import sys

import fingerprint
from fingerprint._io.atomic import write_new
from fingerprint.errors import InputError, Refused, UsageError

# By this start of `sys.platform`, unless the user names a system.
_OF_PLATFORM = {"linux": "systemd", "darwin": "launchd", "win32": "windows"}
SYSTEMS = tuple(_OF_PLATFORM.values())
LAUNCHD_DIRECTORY = "/Library/LaunchDaemons"
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


def is_of_host(system: str) -> bool:
    """Return whether a system is that of this host."""
    return _OF_PLATFORM.get(sys.platform) == system


def system_named(named: str | None) -> str:
    """Return the system that files are for: the one that was named, else this host's; UsageError for another one."""
    if named is None:
        system = _OF_PLATFORM.get(sys.platform, "")
        if not system:
            raise UsageError(
                f"there are no service files for {sys.platform}", remedy=f"Name --system: {', '.join(SYSTEMS)}"
            )
        return system
    if named not in SYSTEMS:
        raise UsageError(
            "no such system", where=f"--system {named}", remedy=f"Name one of {', '.join(SYSTEMS)}"
        )  # fmt: skip
    return named


def filled(name: str, values: dict[str, str]) -> bytes:
    """Return a template of the package with values in it, as the bytes that its system wants.

    Args:
        name: its path in the package.
        values: what stands for each word in capitals between two @.
    """
    from re import sub

    with open(os.path.join(os.path.dirname(os.path.abspath(fingerprint.__file__)), name), encoding="utf-8") as file:
        text = sub("@([A-Z]+)@", lambda found: values[found[1]], file.read())
    if name.endswith(".cmd"):
        return text.replace("\n", "\r\n").encode("ascii")
    # What the task scheduler exports and reads everywhere; "utf-16" writes the byte-order mark.
    return text.encode("utf-16" if name.endswith(".xml") else "utf-8")


def xml_text(text: str) -> str:
    """Return a text as the content of an element of XML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def write_files(directory: str, files: dict[str, bytes]) -> None:
    """Write new files, readable for all, and their directory.

    Raises:
        Refused: one of them exists.
        InputError: they could not be written.
    """
    for path in files:
        if os.path.lexists(path):
            raise Refused(
                "the file exists; nothing was written",
                where=path,
                remedy="Name a new directory, or remove the old files",
            )
    try:
        os.makedirs(directory, exist_ok=True)
        for path, data in files.items():
            write_new(path, data, "service file")
            # Service managers and their tools read them as others, too; there is no secret in them.
            os.chmod(path, 0o644)
    except OSError as error:
        raise InputError(
            f"the service files could not be written ({error.strerror})", where=directory,
            remedy="Name a directory that can be written",
        ) from None  # fmt: skip


def launchctl(directory: str, name: str) -> list[str]:
    """Return the commands that install and start the property list of a name."""
    from shlex import quote

    written = os.path.join(directory, f"fingerprint-{name}.plist")
    installed = f"{LAUNCHD_DIRECTORY}/fingerprint-{name}.plist"
    copy = f"install -o root -g wheel -m 644 {quote(written)} {LAUNCHD_DIRECTORY}"
    start = f"launchctl bootstrap system {installed}"
    return [start] if written == installed else [copy, start]


def schtasks(directory: str, name: str) -> str:
    """Return the command that installs the task of a name."""
    path = os.path.join(directory, f"fingerprint-{name}-task.xml")
    return f'schtasks /Create /TN fingerprint-{name} /RU SYSTEM /XML "{path}"'
