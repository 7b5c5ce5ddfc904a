"""Notes of what was found on a disk: files, complete directories, and what could not be read."""

from __future__ import annotations

import errno
import os
import stat

from fingerprint.image.content import is_binary
from fingerprint.image.disk import identity, is_directory, reason
from fingerprint.image.findings import Findings, Leftover
from fingerprint.image.kinds import KEEP, KINDS
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fingerprint.image.disk import Directory, Disk

_MOUNTED = "another file system is mounted there; it is not searched"
# Of the files in one directory and below it; in more than that nobody keeps what is searched for.
_MOST_FILES = 20_000
TEXT_LIMIT = 1024 * 1024


class File(Value):
    """A regular file of the disk.

    Attributes:
        path: with the root in front; links are resolved.
        status: of the file.
        data: its first bytes.
    """

    path: str
    status: os.stat_result
    data: bytes


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
        self._read: dict[tuple[int, int], bytes] = {}
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

    def attempt(self, step: Callable[..., object], *arguments: object) -> None:
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
        self, kind: str, path: str, status: os.stat_result, action: str = "", remedy: str = "", what: str = "",
        rank: int = 0, leads_to: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Note a leftover; what is not given is that of its kind.

        Args:
            kind: a key of `KINDS`.
            path: with the root in front.
            status: of the path, not of the target of a link.
            action: REMOVE, EMPTY or KEEP.
            remedy: what to do about it.
            what: what it is, in words.
            rank: when it is removed, if it leads to others.
            leads_to: paths that must be gone before, with the root in front.
        """
        usual = KINDS[kind]
        self.items[path] = Leftover(
            kind, path, what or usual.what, usual.why, action or usual.action, status.st_size, remedy or usual.remedy,
            identity(status), rank, leads_to,
        )  # fmt: skip

    def note_new(self, kind: str, file: File, remedy: str = "", what: str = "") -> None:
        """Note a file that is left to people, unless it is noted as something else or is cleaned with its directory."""
        if file.path not in self.items:
            self.note(kind, file.path, file.status, KEEP, remedy, what)

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
        if KINDS[kind].action != KEEP and stat.S_ISLNK(status.st_mode):
            target = self.disk.resolve(inside)
        if target is None:
            self.note(kind, directory.of(name), status)
            return
        target[0].close()
        self.note(kind, directory.of(name), status, KEEP, removed_by_hand(target[0].of(target[1])))

    def read(self, inside: str, limit: int = TEXT_LIMIT) -> File | None:
        """Return a file through all links; None if there is none, or if it is a device and so holds nothing of its own.

        Args:
            inside: its path, as the disk's own system names it.
            limit: bytes that are read of it.

        Raises:
            OSError: it cannot be read, is a directory or a socket, or a link leads nowhere.
        """
        found = self.disk.resolve(inside)
        if found is None:
            if self.is_link(inside):
                raise OSError(errno.ENOENT, "a link that leads nowhere: its disk may not be mounted", inside)
            return None
        directory, name, status = found
        with directory:
            if stat.S_ISCHR(status.st_mode):
                return None
            return File(directory.of(name), status, self._data(directory, name, status, limit))

    def _data(self, directory: Directory, name: str, status: os.stat_result, limit: int) -> bytes:
        key = status.st_dev, status.st_ino
        if key not in self._read:
            self._read[key] = directory.read(name, limit, is_binary)
        return self._read[key]

    def files(self, inside: str, depth: int, hidden: bool = False, limit: int = TEXT_LIMIT) -> Iterator[File]:
        """Yield the regular files in a directory and below it. Links and mounts in it are not followed.

        Args:
            inside: the directory, as the disk's own system names it; it may be missing.
            depth: how many levels of directories are searched; 1 for the files in it only.
            hidden: also names that begin with a dot.
            limit: bytes that are read of a file.
        """
        try:
            top = self.disk.directory(inside)
        except OSError as error:
            self._note_missing(inside, error)
            return
        left = [_MOST_FILES]
        with top:
            yield from self._files(top, depth, hidden, limit, left)
        if left[0] < 0:
            self.note_unreadable(top.path, f"it holds more than {_MOST_FILES:,} files; the rest was not searched")

    def _files(self, directory: Directory, depth: int, hidden: bool, limit: int, left: list[int]) -> Iterator[File]:
        try:
            names = directory.names()
        except OSError as error:
            self.note_unreadable(directory.path, reason(error))
            return
        for name in names:
            left[0] -= 1
            if left[0] < 0:
                return
            if name.startswith(".") and not hidden:
                continue
            try:
                status = directory.status(name)
                if self._is_cleaned(status) or self.disk.is_mounted(directory, name, status):
                    continue
                if is_directory(status):
                    if depth > 1:
                        with directory.inner(name) as inner:
                            yield from self._files(inner, depth - 1, hidden, limit, left)
                elif stat.S_ISREG(status.st_mode) and directory.of(name) not in self.items:
                    yield File(directory.of(name), status, self._data(directory, name, status, limit))
            except FileNotFoundError:
                continue
            except OSError as error:
                self.note_unreadable(directory.of(name), reason(error))

    def _is_cleaned(self, status: os.stat_result) -> bool:
        return (status.st_dev, status.st_ino) in self.trees

    def directory_if_empty(self, inside: str) -> None:
        """Note a directory that `clean` removes only if it is empty by then."""
        found = self.disk.find(inside)
        if found is not None:
            found[0].close()
            if is_directory(found[2]):
                self._directories[found[0].of(found[1])] = None

    def listed(self, inside: str) -> list[str]:
        """Return the names in a directory, sorted; none, and a note, if it cannot be read."""
        try:
            with self.disk.directory(inside) as directory:
                return directory.names()
        except OSError as error:
            self._note_missing(inside, error)
            return []

    def _note_missing(self, inside: str, error: OSError) -> None:
        """Note a directory that cannot be read; not one that is missing, unless a link to it leads nowhere."""
        if isinstance(error, NotADirectoryError):
            return
        try:
            if not isinstance(error, FileNotFoundError):
                raise error
            self.disk.require_no_dangling_link(inside)
        except OSError as found:
            self.note_unreadable(found.filename or inside, reason(found))

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
