"""What an image may hold that its machines must not share, and what was done about it."""

from __future__ import annotations

import re
import stat

from fingerprint._io.text import masked
from fingerprint.types import Value

REMOVE, EMPTY, KEEP = "remove", "empty", "keep"
NODES = ("mi-", "i-")
_NODE = re.compile(r"(?<![0-9A-Za-z])(?:mi|i)-[0-9a-f]{8,17}(?![0-9A-Za-z])")
_BY_US = "Run `fingerprint image clean`"
# kind: what it is, the action of `clean`, and the remedy.
KINDS = {
    "vault": ("the vault: registration, private key, fingerprint", REMOVE, _BY_US),
    "registration": ("node ID and region of the registration", REMOVE, _BY_US),
    "identity-config": ("identity and credentials that the agent's workers use", REMOVE, _BY_US),
    "host-management": ("credentials of the default host management role", REMOVE, _BY_US),
    "node-state": ("the agent's state of one node", REMOVE, _BY_US),
    "machine-id": ("the machine ID", EMPTY, _BY_US),
    "dbus-machine-id": ("a second copy of the machine ID", REMOVE, _BY_US),
    "own-state": ("our own state: history, evidence, credentials", REMOVE, _BY_US),
    "agent-log": ("logs of the agent, which name the node", REMOVE, f"{_BY_US}; --keep-logs leaves them"),
    "shared-credentials": (
        "AWS keys of root", KEEP,
        "They may be an administrator's: remove them, or the profile that the agent wrote, by hand",
    ),
    "ssh-host-key": (
        "a private host key of the SSH server", KEEP, "Remove it by hand last; `ssh-keygen -A` makes a new one",
    ),
    "random-seed": ("the seed of the random numbers", KEEP, "Remove it by hand last; systemd makes a new one"),
    "cloud-init": ("the instance data of cloud-init", KEEP, "Run `cloud-init clean` in the image"),
}  # fmt: skip


class Leftover(Value):
    """Something that all machines of the image would share.

    Attributes:
        kind: a key of `KINDS`.
        path: where it is, with the root in front.
        what: what it is, in words.
        action: "remove", "empty", or "keep" for what `clean` never changes.
        size: in bytes.
        remedy: what to do about it.
        identity: device, inode and file type; of a file also size and the times of writing and of change (ns).
    """

    kind: str
    path: str
    what: str
    action: str
    size: int
    remedy: str
    identity: tuple[int, ...]

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
        """Items that `clean` removes or empties, directories last."""
        removed = [item for item in self.items if item.action != KEEP]
        return tuple(sorted(removed, key=lambda item: item.is_directory))


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
