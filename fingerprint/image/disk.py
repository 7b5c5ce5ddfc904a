"""A mounted disk, on which a link counts as if the root were "/".

Everything is reached through descriptors of open directories: whatever is on the disk, nothing outside of it is read
or removed. Windows has no such descriptors; there paths are used.
"""

from __future__ import annotations

import errno
import os
import stat
import sys

from fingerprint._io.chroot import MOST_LINKS, follow
from fingerprint.errors import InputError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
FILE = _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def is_folder(status: os.stat_result) -> bool:
    """Return whether it is a directory, and no link to one (nor a junction of Windows)."""
    return stat.S_ISDIR(status.st_mode) and not getattr(status, "st_reparse_tag", 0)


def identity(status: os.stat_result) -> tuple[int, ...]:
    """Return what changes when a file is replaced or written; a directory changes as it is emptied."""
    whose = status.st_dev, status.st_ino, stat.S_IFMT(status.st_mode)
    return whose if is_folder(status) else (*whose, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def reason(error: OSError) -> str:
    """Return what the system says of an error, without a path."""
    return error.strerror or str(error)


def _mount_points() -> frozenset[str] | None:
    """Return all mount points, None where the system does not list them."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            # Only blank, tab, newline and backslash are escaped; other ends of lines may be in a name.
            words = [line.split(b" ")[4] for line in file.read().split(b"\n") if line]
    except (OSError, IndexError):
        return None
    for code, character in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        words = [word.replace(code, character) for word in words]
    return frozenset(map(os.fsdecode, words))


class Folder:
    """An open directory. Its errors name the whole path."""

    def __init__(self, path: str, descriptor: int | None) -> None:
        self.path = path
        self._descriptor = descriptor

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        if self._descriptor is not None:
            os.close(self._descriptor)

    def of(self, name: str) -> str:
        """Return the path of a name in it."""
        return os.path.join(self.path, name)

    def call(self, function: Callable[..., Any], name: str, *words: Any) -> Any:
        """Call a function of `os` on a name in this directory."""
        try:
            if self._descriptor is None:
                return function(self.of(name), *words)
            return function(name, *words, dir_fd=self._descriptor)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.of(name)) from None

    def names(self) -> list[str]:
        """Return the names in it, sorted."""
        try:
            return sorted(os.listdir(self.path if self._descriptor is None else self._descriptor))
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.path) from None

    def status(self, name: str) -> os.stat_result:
        """Return the status of a name in it, not of what a link leads to."""
        found: os.stat_result = self.call(os.lstat, name)
        return found

    def inner(self, name: str) -> Folder:
        """Open a directory in it; a link is none."""
        if self._descriptor is None:
            if not is_folder(self.status(name)):
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.of(name))
            return Folder(self.of(name), None)
        return Folder(self.of(name), self.call(os.open, name, _FOLDER | _NO_LINK))

    def target(self, name: str) -> str | None:
        """Return what a link leads to, None for what is no link."""
        try:
            return str(self.call(os.readlink, name))
        except OSError:
            return None

    def read(self, name: str, limit: int) -> bytes:
        """Return the first bytes of a regular file in it. Nothing else is opened: to open a device may do something."""
        if not stat.S_ISREG(self.status(name).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", self.of(name))
        descriptor = self.call(os.open, name, os.O_RDONLY | FILE)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file", self.of(name))
            data = b""
            while len(data) < limit and (chunk := os.read(descriptor, limit - len(data))):
                data += chunk
            return data
        finally:
            os.close(descriptor)


class Disk:
    """The disk below a root."""

    def __init__(self, root: str) -> None:
        if not root:
            raise UsageError(
                "the root is empty", remedy="Name the directory where the image is mounted, or leave --root out"
            )
        # Links first, and then "..", as the system does it; two slashes in front are a root of its own to POSIX.
        self.root = "/" + os.path.realpath(root).lstrip("/") if os.sep == "/" else os.path.realpath(root)
        # Paths of Windows have a drive, and there is no root but its own.
        self._before = self.root.rstrip("/") if os.sep == "/" else ""
        self._mounts = _mount_points()
        try:
            self._top("/").close()
        except OSError as error:
            raise InputError(
                f"it is no root directory that can be looked at ({reason(error)})", where=self.root,
                remedy="Name the directory where the image is mounted",
            ) from None  # fmt: skip

    def _top(self, inside: str) -> Folder:
        if os.sep == "\\":
            return Folder(os.path.splitdrive(inside)[0] + "\\", None)
        return Folder(self.root, os.open(self.root, _FOLDER))

    @property
    def knows_mounts(self) -> bool:
        """Whether the system lists what is mounted where, so that nothing else's files are taken for the disk's."""
        return self._mounts is not None or not sys.platform.startswith("linux")

    def inside(self, path: str) -> str | None:
        """Return a path as the disk's own system knows it, None for one outside."""
        folder, name = os.path.split(path.rstrip(os.sep) or os.sep)
        path = os.path.join(os.path.realpath(folder or os.curdir), name)
        return path[len(self._before) :] if (path + os.sep).startswith(self._before + os.sep) else None

    def below(self, path: str) -> str:
        """Return a path that was found before as the disk's own system knows it."""
        return path[len(self._before) :]

    def name(self, path: str) -> str:
        """Return a path below the root, as a tar file names it."""
        return os.path.splitdrive(self.below(path))[1].replace(os.sep, "/").lstrip("/")

    def folder(self, inside: str, links: bool = True) -> Folder:
        """Open a directory; links are followed as if the root were "/"."""
        opened = [self._top(inside)]

        def enter(name: str) -> str | None:
            here = opened[-1]
            try:
                opened.append(here.inner(name))
            except OSError:
                target = here.target(name) if links and os.sep == "/" else None
                if target is None:
                    raise
                return target
            return None

        def leave(least: int = 1) -> None:
            while len(opened) > least:
                opened.pop().close()

        try:
            follow(os.path.splitdrive(inside)[1], enter, lambda: leave(max(len(opened) - 1, 1)), leave)
            return opened.pop()
        finally:
            for one in opened:
                one.close()

    def parent(self, path: str) -> Folder:
        """Open the directory of a path that was found before, in which there was no link."""
        return self.folder(self.below(os.path.dirname(path)), links=False)

    def is_mounted(self, folder: Folder, name: str, status: os.stat_result) -> bool:
        """Return whether a name in a directory is a mount point, also for a single file."""
        if self._mounts is None:
            return status.st_dev != folder.status(".").st_dev
        return self._before + self.below(folder.of(name)) in self._mounts

    def find(self, inside: str) -> tuple[Folder, str, os.stat_result] | None:
        """Return the open directory of a path, its name and its status there; None for what is not there."""
        parent, _, name = inside.rpartition(os.sep)
        if name in ("", ".", ".."):
            parent, name = inside, "."
        try:
            folder = self.folder(parent + os.sep)
        except FileNotFoundError:
            self._demand_no_dangling(parent)
            return None
        try:
            return folder, name, folder.status(name)
        except OSError as error:
            folder.close()
            if error.errno == errno.ENOENT:
                return None
            raise

    def _demand_no_dangling(self, inside: str) -> None:
        """Raise OSError for a directory behind a link that leads nowhere: it may be on another disk."""
        parts = [part for part in inside.split(os.sep) if part]
        for count in range(1, len(parts) + 1):
            try:
                with self.folder(os.sep + os.sep.join(parts[: count - 1])) as folder:
                    if folder.target(parts[count - 1]) is not None:
                        self.folder(os.sep + os.sep.join(parts[:count])).close()
                    else:
                        folder.status(parts[count - 1])
            except FileNotFoundError:
                if os.sep == "/" and self._is_link(parts[:count]):
                    path = self._before + os.sep + os.sep.join(parts[:count])
                    raise OSError(
                        errno.ENOENT, "a link that leads nowhere: its disk may not be mounted", path
                    ) from None
                return

    def _is_link(self, parts: list[str]) -> bool:
        try:
            with self.folder(os.sep + os.sep.join(parts[:-1])) as folder:
                return folder.target(parts[-1]) is not None
        except OSError:
            return False

    def reach(self, inside: str, links: int = MOST_LINKS) -> tuple[Folder, str, os.stat_result] | None:
        """Return what a path leads to in the end, as `find` does."""
        found = self.find(inside)
        if found is None or not stat.S_ISLNK(found[2].st_mode):
            return found
        with found[0] as folder:
            target = folder.target(found[1])
        if target is None or not links:
            return None
        here = self.below(folder.path) or "/"
        return self.reach(os.path.join(here, target), links - 1)
