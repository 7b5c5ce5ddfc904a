"""What an image may hold that its machines must not share, and what was done about it."""

from __future__ import annotations

import re
import stat

from fingerprint._io.text import masked
from fingerprint.image.kinds import KEEP
from fingerprint.types import Value

NODES = ("mi-", "i-")
_NODE = re.compile(r"(?<![0-9A-Za-z])(?:mi|i)-[0-9a-f]{8,17}(?![0-9A-Za-z])")


class Leftover(Value):
    """Something that all machines of the image would share.

    Attributes:
        kind: a key of `KINDS`.
        path: where it is, with the root in front.
        what: what it is, in words.
        why: why machines must not share it: "identity", "secret", or both.
        action: "remove", "empty", or "keep" for what `clean` never changes.
        size: in bytes.
        remedy: what to do about it.
        identity: device, inode and file type; of a file also size and the times of writing and of change (ns).
        rank: removals are in this order: what leads to other items is removed after them.
        leads_to: paths that must be gone before it is removed, with the root in front.
    """

    kind: str
    path: str
    what: str
    why: str
    action: str
    size: int
    remedy: str
    identity: tuple[int, ...]
    rank: int = 0
    leads_to: tuple[str, ...] = ()

    @property
    def is_directory(self) -> bool:
        """True for a directory whose name is a leftover; the files in it are items of their own."""
        return stat.S_ISDIR(self.identity[2])


class Findings(Value):
    """The findings in an image.

    Attributes:
        root: the root directory of the image.
        items: what is left.
        unreadable: (path, reason) of what could not be searched.
        directories: removed, too, once they are empty; inner ones first.
        trees: (device, inode) of all directories that are cleaned.
    """

    root: str
    items: tuple[Leftover, ...]
    unreadable: tuple[tuple[str, str], ...]
    directories: tuple[str, ...]
    trees: frozenset[tuple[int, int]]

    @property
    def is_clean(self) -> bool:
        """True if nothing is left, and everything could be searched."""
        return not self.items and not self.unreadable

    @property
    def removable(self) -> tuple[Leftover, ...]:
        """Items that `clean` removes or empties, in that order: what leads to others after them, directories last."""
        removed = [item for item in self.items if item.action != KEEP]
        return tuple(sorted(removed, key=lambda item: (item.is_directory, item.rank)))


class Done(Value):
    """The result for one item.

    Attributes:
        path: with the root in front.
        did: "removed", "emptied" or "nothing".
        error: why nothing was done, or "".
    """

    path: str
    did: str
    error: str = ""


def masked_path(path: str, root: str) -> str:
    """Return a path with the node IDs in it masked, except in the part that is the root."""
    start = len(root) if path.startswith(root) else 0
    return path[:start] + _NODE.sub(lambda found: masked(found[0]), path[start:])
