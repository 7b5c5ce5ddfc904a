"""Resolve paths on a copied disk, with links relative to the root of the disk."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The limit of Linux.
MOST_LINKS = 40


def on_disk(root: str, path: str) -> str:
    """Return the path on this host of a path on the disk. No link leads out of the disk.

    Args:
        root: the directory in which the disk is mounted.
        path: an absolute path, as the disk's own system knows it.

    Raises:
        OSError: links lead to each other, one is unreadable, or ".." follows a name that is not a directory.
    """
    done: list[str] = []

    def enter(name: str) -> str | None:
        here = os.path.join(root, *done, name)
        if os.path.islink(here):
            return os.readlink(here)
        done.append(name)
        return None

    def leave() -> None:
        if not stat.S_ISDIR(os.stat(os.path.join(root, *done)).st_mode):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        del done[-1:]

    follow(path, enter, leave, done.clear)
    return os.path.join(root, *done)


def follow(
    path: str, enter: Callable[[str], str | None], leave: Callable[[], object], restart: Callable[[], object]
) -> None:
    """Walk a path below a root, name by name; the functions keep the position.

    Args:
        path: as the disk's own system knows it; "/" and the system's own separator separate its names.
        enter: goes into a name, or returns the target of a link of that name and stays.
        leave: goes one up; in the root it stays.
        restart: goes to the root.

    Raises:
        OSError: links lead to each other, or `enter` raised it.
    """
    left = _names(path)
    followed = 0
    while left:
        name = left.pop(0)
        if name == "..":
            leave()
            continue
        target = enter(name)
        if target is None:
            continue
        followed += 1
        if followed > MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if target.startswith("/"):
            restart()
        left[:0] = _names(target)


def _names(path: str) -> list[str]:
    return [name for name in path.replace(os.sep, "/").split("/") if name not in ("", ".")]
