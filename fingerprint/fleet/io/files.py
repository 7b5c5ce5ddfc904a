"""Files of a fleet below a directory; the type of each is checked before it is opened, so that no pipe blocks."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_KINDS = (
    (stat.S_ISDIR, "a directory"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip


def problem_of(path: str) -> str:
    """Return why a path is not a readable regular file, "" if it is one. Links are followed."""
    try:
        return _problem_of_mode(os.stat(path).st_mode)
    except OSError as error:
        return f"it cannot be opened ({error.strerror})"


def files_below(path: str, is_wanted: Callable[[str], bool], problem: Callable[[str, str], object]) -> Iterator[str]:
    """Yield the wanted regular files below a directory, in the order of their names, those of a directory first.

    Links to directories are not followed. Depth costs no recursion.

    Args:
        path: the directory.
        is_wanted: returns whether a path below it, with "/", is a file of the fleet. The path of a directory ends with
            "/"; a wanted directory is reported as a problem and not entered.
        problem: called with path and reason for a wanted path that is not a regular file, and for a directory that
            cannot be read.
    """
    left = [""]
    while left:
        directory = left.pop()
        try:
            with os.scandir(os.path.join(path, directory)) as found:
                entries = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in found)
        except OSError as error:
            problem(directory or ".", f"the directory cannot be read ({error.strerror})")
            continue
        directories = []
        for name, is_directory in entries:
            below = f"{directory}/{name}" if directory else name
            if is_directory and not is_wanted(f"{below}/"):
                directories.append(below)
            elif is_directory or is_wanted(below):
                why = problem_of(os.path.join(path, below))
                if why:
                    problem(below, why)
                else:
                    yield os.path.join(path, below)
        left += reversed(directories)


def read_file(path: str, limit: int) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: it cannot be read, is no regular file or has more than `limit` bytes; `strerror` says which.
    """
    # A pipe that replaced the file is opened without waiting for its writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    with open(os.open(path, flags), "rb") as file:
        why = _problem_of_mode(os.fstat(file.fileno()).st_mode)
        if why:
            raise OSError(0, why, path)
        data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(0, f"it has more than {limit >> 20} MiB", path)
    return data


def _problem_of_mode(mode: int) -> str:
    if stat.S_ISREG(mode):
        return ""
    return f"it is {next((words for is_one, words in _KINDS if is_one(mode)), 'no regular file')}, not a regular file"
