"""Notes of what was found on a disk: files, complete directories, and what could not be read."""

from __future__ import annotations

import errno
import os
import stat

from fingerprint.image.disk import identity, is_directory, reason
from fingerprint.image.findings import KEEP, KINDS, Findings, Leftover

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.image.disk import Directory, Disk

_MOUNTED = "another file system is mounted there; it is not searched"


def removed_by_hand(where: str) -> str:
    """Return the remedy for a link that leads to something in the image."""
    return f"Links are not followed: remove by hand what you do not need in {where}, and then the link"


class Scan:
    """A search of a disk, and its findings so far.

    Attributes:
        disk: the disk.
        items: what is left, by path.
        trees: (device, inode) of each directory that is cleaned.
    """

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.items: dict[str, Leftover] = {}
        self.trees: set[tuple[int, int]] = set()
        self._unreadable: dict[str, str] = {}
        self._directories: dict[str, None] = {}

    def findings(self) -> Findings:
        """Return what was found so far."""
        return Findings(
            self.disk.root,
            tuple(self.items.values()),
            tuple(self._unreadable.items()),
            tuple(self._directories),
            frozenset(self.trees),
        )

    def attempt(self, step: Callable[..., None], *arguments: object) -> None:
        """Call a step of the search; note what it could not read."""
        try:
            step(*arguments)
        except OSError as error:
            self.note_unreadable(error.filename or self.disk.root, reason(error))
        except RecursionError:
            self.note_unreadable(str(arguments[-1]), "directories are nested too deeply")

    def note_unreadable(self, path: str, why: str) -> None:
        """Note a path that could not be read; the first reason stays."""
        self._unreadable.setdefault(path, why)

    def note(
        self, kind: str, path: str, status: os.stat_result, action: str = "", remedy: str = "", what: str = ""
    ) -> None:
        """Note a leftover; what is not given is that of its kind.

        Args:
            kind: a key of `KINDS`.
            path: with the root in front.
            status: of the path, not of the target of a link.
            action: REMOVE, EMPTY or KEEP.
            remedy: what to do about it.
            what: what it is, in words.
        """
        usual_what, usual_action, usual_remedy = KINDS[kind]
        self.items[path] = Leftover(
            kind, path, what or usual_what, action or usual_action, status.st_size, remedy or usual_remedy,
            identity(status),
        )  # fmt: skip

    def tree(self, kind: str, inside: str) -> None:
        """Note every file of a directory that belongs to the agent or to us."""
        found = self.disk.find(inside)
        if found is None:
            return
        directory, name, status = found
        with directory:
            if is_directory(status) and self.disk.is_mounted(directory, name, status):
                raise OSError(errno.EXDEV, _MOUNTED, directory.of(name))
            if not is_directory(status):
                self._single(kind, inside, directory, name, status)
                return
            with directory.inner(name) as top:
                self._walk(kind, top, status)
            if kind == "node-state":
                # Its name is the node ID.
                self.note(kind, top.path, status)
            elif kind != "agent-log":
                self._directories[top.path] = None

    def _walk(self, kind: str, directory: Directory, status: os.stat_result) -> None:
        key = status.st_dev, status.st_ino
        if key in self.trees:
            return
        self.trees.add(key)
        for name in directory.names():
            try:
                inner = directory.status(name)
            except FileNotFoundError:
                continue
            if self.disk.is_mounted(directory, name, inner):
                self._unreadable[directory.of(name)] = _MOUNTED
            elif is_directory(inner):
                self.attempt(self._walk_inner, kind, directory, name, inner)
            else:
                self.note(kind, directory.of(name), inner)

    def _walk_inner(self, kind: str, directory: Directory, name: str, status: os.stat_result) -> None:
        with directory.inner(name) as inner:
            self._walk(kind, inner, status)
        self._directories[directory.of(name)] = None

    def file(self, kind: str, inside: str) -> None:
        """Note a file if it exists."""
        found = self.disk.find(inside)
        if found is not None:
            directory, name, status = found
            with directory:
                self._single(kind, inside, directory, name, status)

    def _single(self, kind: str, inside: str, directory: Directory, name: str, status: os.stat_result) -> None:
        """Note a path that is known by its name. A link that leads to something is left to people."""
        self.require_no_mount(directory, name, status)
        target = None
        if KINDS[kind][1] != KEEP and stat.S_ISLNK(status.st_mode):
            target = self.disk.resolve(inside)
        if target is None:
            self.note(kind, directory.of(name), status)
            return
        target[0].close()
        self.note(kind, directory.of(name), status, KEEP, removed_by_hand(target[0].of(target[1])))

    def directory_if_empty(self, inside: str) -> None:
        """Note a directory that `clean` removes only if it is empty by then."""
        found = self.disk.find(inside)
        if found is not None:
            found[0].close()
            if is_directory(found[2]):
                self._directories[found[0].of(found[1])] = None

    def names(self, inside: str) -> list[str]:
        """Return the names in a directory, sorted; none if it does not exist."""
        try:
            with self.disk.directory(inside) as directory:
                return directory.names()
        except (FileNotFoundError, NotADirectoryError):
            return []

    def exists(self, inside: str) -> bool:
        """Return whether a path leads to something; False also if it cannot be read."""
        try:
            found = self.disk.resolve(inside)
        except OSError:
            return False
        if found is not None:
            found[0].close()
        return found is not None

    def is_link(self, inside: str) -> bool:
        """Return whether a path is a link."""
        found = self.disk.find(inside)
        if found is None:
            return False
        found[0].close()
        return stat.S_ISLNK(found[2].st_mode)

    def require_no_mount(self, directory: Directory, name: str, status: os.stat_result) -> None:
        """Raise OSError for a file that is a mount point."""
        if not is_directory(status) and self.disk.is_mounted(directory, name, status):
            raise OSError(errno.EXDEV, _MOUNTED, directory.of(name))
