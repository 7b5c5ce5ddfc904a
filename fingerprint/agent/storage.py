"""The file systems that hold the agent's files: how they are mounted, and how much of them is free."""

from __future__ import annotations

import re

from fingerprint.machine.base import MOUNTS
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from fingerprint.machine.base import Machine

DF = ("/usr/bin/df", "/bin/df")
_MOUNTS_LIMIT = 4 * 1024 * 1024
_SECONDS = 8.0
_ROW = re.compile(r"\s(\d+|-)\s+(\d+|-)\s+(-?\d+|-)\s+(?:\d+%|-)\s+(/.*)$")


class Mount(Value):
    """A mounted file system.

    Attributes:
        point: the directory on which it is mounted.
        kind: such as "ext4".
        options: such as "ro", "noexec".
    """

    point: str
    kind: str
    options: tuple[str, ...]


class Space(Value):
    """What is left of a file system.

    Attributes:
        point: the directory on which it is mounted.
        free: KiB (or inodes) that root may still use.
        available: those that other users may still use.
    """

    point: str
    free: int
    available: int


def mount_of(machine: Machine, path: str) -> Mount | None:
    """Return the file system on which a path is; None if it is not known."""
    try:
        text = machine.read_file(MOUNTS, _MOUNTS_LIMIT).decode("utf-8", "replace")
    except OSError:
        return None
    found: Mount | None = None
    for line in text.splitlines():
        words = line.split(" ")
        if len(words) < 4:
            continue
        point = _plain(words[1])
        # A later mount hides an earlier one on the same directory.
        if is_below(path, point) and (found is None or len(point) >= len(found.point)):
            found = Mount(point, words[2], tuple(words[3].split(",")))
    return found


def is_below(path: str, directory: str) -> bool:
    """Return whether a path is a directory or below it."""
    return directory == "/" or path == directory or path.startswith(f"{directory}/")


def _plain(text: str) -> str:
    """Return a name of /proc/mounts, which has blanks and backslashes in octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def space_of(machine: Machine, paths: Sequence[str], *, inodes: bool = False) -> list[Space]:
    """Return what is left of the file systems of existing paths, each once; [] if that is not known."""
    if machine.copied:
        return []
    program = next((path for path in DF if machine.exists(path)), None)
    if program is None or not paths:
        return []
    [result] = machine.run(((program, "-Pi" if inodes else "-Pk", *paths),), _SECONDS)
    found: dict[str, Space] = {}
    for line in result.stdout.decode("utf-8", "replace").splitlines()[1:]:
        row = _ROW.search(line)
        if row is None or "-" in (row[1], row[2]) or int(row[1]) == 0:
            # Some file systems do not count inodes.
            continue
        total, used, available = int(row[1]), int(row[2]), int(row[3]) if row[3] != "-" else 0
        found[row[4]] = Space(row[4], total - used, available)
    return list(found.values())
