"""Paths on a copied disk, where a link counts as if the root of the disk were "/"."""

from __future__ import annotations

import errno
import os

# What Linux follows.
_LINKS_FOLLOWED = 40


def on_disk(root: str, path: str) -> str:
    """Return where a path of the disk's own system is here. No link leads out of the disk.

    Args:
        root: the folder in which the disk is mounted.
        path: an absolute path, as the disk's own system knows it.

    Raises:
        OSError: links lead to each other, or one cannot be read.
    """
    left = [part for part in path.split("/") if part]
    done: list[str] = []
    followed = 0
    while left:
        part = left.pop(0)
        if part == "..":
            done = done[:-1]
        elif part != ".":
            here = os.path.join(root, *done, part)
            if not os.path.islink(here):
                done.append(part)
                continue
            followed += 1
            if followed > _LINKS_FOLLOWED:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            target = os.readlink(here)
            if target.startswith("/"):
                done = []
            left = [part for part in target.split("/") if part] + left
    return os.path.join(root, *done)
