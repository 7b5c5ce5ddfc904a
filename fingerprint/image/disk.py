"""A mounted disk, on which links are resolved as if its root were "/".

Every file is opened through the descriptor of an open directory, so that no content of the disk makes us read or remove
a file outside of it. Python has no such descriptors on Windows; there paths are used.
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

_DIRECTORY = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_BLOCK = 4096
FILE = _NO_LINK | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)


def is_directory(status: os.stat_result) -> bool:
    """Return whether it is a directory, not a link to one or a junction of Windows."""
    return stat.S_ISDIR(status.st_mode) and not getattr(status, "st_reparse_tag", 0)


def identity(status: os.stat_result) -> tuple[int, ...]:
    """Return what changes when a file is replaced or written. Of a directory: what stays while it is emptied."""
    file = status.st_dev, status.st_ino, stat.S_IFMT(status.st_mode)
    return file if is_directory(status) else (*file, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def reason(error: OSError) -> str:
    """Return the message of the system for an error, without a path."""
    return error.strerror or str(error)


def _mount_points() -> frozenset[str] | None:
    """Return all mount points; None where the system does not list them."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            # Only blank, tab, newline and backslash are escaped; a name may have other line ends.
            paths = [line.split(b" ")[4] for line in file.read().split(b"\n") if line]
    except (OSError, IndexError):
        return None
    for code, character in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
        paths = [path.replace(code, character) for path in paths]
    return frozenset(map(os.fsdecode, paths))


class Directory:
    """An open directory. Its errors name the full path."""

    def __init__(self, path: str, descriptor: int | None) -> None:
        self.path = path
        self._descriptor = descriptor

    def __enter__(self) -> Directory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it."""
        if self._descriptor is not None:
            os.close(self._descriptor)

    def of(self, name: str) -> str:
        """Return the full path of a name in this directory."""
        return os.path.join(self.path, name)

    def call(self, function: Callable[..., Any], name: str, *arguments: Any) -> Any:
        """Call a function of `os` on a name in this directory."""
        try:
            if self._descriptor is None:
                return function(self.of(name), *arguments)
            return function(name, *arguments, dir_fd=self._descriptor)
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.of(name)) from None
        except ValueError:
            # No file has such a name, but a text can: it has a NUL or half a character.
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.of(name)) from None

    def names(self) -> list[str]:
        """Return the names in this directory, sorted."""
        try:
            return sorted(os.listdir(self.path if self._descriptor is None else self._descriptor))
        except OSError as error:
            raise OSError(error.errno, error.strerror, self.path) from None

    def status(self, name: str) -> os.stat_result:
        """Return the status of a name in this directory; of a link its own."""
        found: os.stat_result = self.call(os.lstat, name)
        return found

    def inner(self, name: str) -> Directory:
        """Open a directory in this one; a link raises OSError."""
        if self._descriptor is None:
            if not is_directory(self.status(name)):
                raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), self.of(name))
            return Directory(self.of(name), None)
        return Directory(self.of(name), self.call(os.open, name, _DIRECTORY | _NO_LINK))

    def target(self, name: str) -> str | None:
        """Return the target of a link; None if it is not a link."""
        try:
            return str(self.call(os.readlink, name))
        except OSError:
            return None

    def read(self, name: str, limit: int, is_enough: Callable[[bytes], bool] | None = None) -> bytes:
        """Return the first bytes of a regular file. Nothing else is opened: opening a device can have effects.

        Args:
            name: of the file.
            limit: the number of bytes.
            is_enough: decides from the first block whether the rest is not read.
        """
        if not stat.S_ISREG(self.status(name).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", self.of(name))
        descriptor = self.call(os.open, name, os.O_RDONLY | FILE)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "it is not a regular file", self.of(name))
            data = b""
            if is_enough is not None:
                data = os.read(descriptor, min(_BLOCK, limit))
                if is_enough(data):
                    return data
            while len(data) < limit and (chunk := os.read(descriptor, limit - len(data))):
                data += chunk
            return data
        finally:
            os.close(descriptor)


class Disk:
    """The disk below a root.

    A path "inside" begins at the root of the disk, as its own system names it. Methods that open a directory raise
    OSError with the full path.

    Raises:
        UsageError: the root is empty.
        InputError: the root cannot be opened as a directory.
    """

    def __init__(self, root: str) -> None:
        if not root:
            raise UsageError(
                "the root is empty", remedy="Name the directory where the image is mounted, or leave --root out"
            )
        # Links before "..", as the system resolves them; two leading slashes have a meaning of their own in POSIX.
        self.root = "/" + os.path.realpath(root).lstrip("/") if os.sep == "/" else os.path.realpath(root)
        # Paths of Windows have a drive, and only the running system can be the root.
        self._before = self.root.rstrip("/") if os.sep == "/" else ""
        self._mounts = _mount_points()
        try:
            self._top("/").close()
        except OSError as error:
            raise InputError(
                f"cannot open the root directory: {reason(error)}", where=self.root,
                remedy="Name the directory where the image is mounted",
            ) from None  # fmt: skip

    def _top(self, inside: str) -> Directory:
        if os.sep == "\\":
            return Directory(os.path.splitdrive(inside)[0] + "\\", None)
        return Directory(self.root, os.open(self.root, _DIRECTORY))

    @property
    def knows_mounts(self) -> bool:
        """False on Linux if its mount points are unknown: files of other disks could be removed."""
        return self._mounts is not None or not sys.platform.startswith("linux")

    def inside(self, path: str) -> str | None:
        """Return a path as the disk's own system names it; None for one outside of the disk."""
        directory, name = os.path.split(path.rstrip(os.sep) or os.sep)
        path = os.path.join(os.path.realpath(directory or os.curdir), name)
        return path[len(self._before) :] if (path + os.sep).startswith(self._before + os.sep) else None

    def below(self, path: str) -> str:
        """Return a path that was found on the disk as its own system names it."""
        return path[len(self._before) :]

    def above(self, inside: str) -> str:
        """Return a path of the disk's own system with the root in front; links are not followed."""
        return self._before + inside

    def name(self, path: str) -> str:
        """Return a path below the root as a tar file names it."""
        return os.path.splitdrive(self.below(path))[1].replace(os.sep, "/").lstrip("/")

    def directory(self, inside: str, links: bool = True) -> Directory:
        """Open a directory; links are resolved as if the root were "/"."""
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

    def parent(self, path: str) -> Directory:
        """Open the directory of a path that was found on the disk; no link is followed."""
        return self.directory(self.below(os.path.dirname(path)), links=False)

    def is_mounted(self, directory: Directory, name: str, status: os.stat_result) -> bool:
        """Return whether a name in a directory is a mount point; a file can be one, too."""
        if self._mounts is None:
            return status.st_dev != directory.status(".").st_dev
        return self._before + self.below(directory.of(name)) in self._mounts

    def find(self, inside: str) -> tuple[Directory, str, os.stat_result] | None:
        """Return the open directory of a path, its name there and its status; None if it does not exist."""
        parent, _, name = inside.rpartition(os.sep)
        if name in ("", ".", ".."):
            parent, name = inside, "."
        try:
            directory = self.directory(parent + os.sep)
        except FileNotFoundError:
            self.require_no_dangling_link(parent)
            return None
        try:
            return directory, name, directory.status(name)
        except OSError as error:
            directory.close()
            if error.errno == errno.ENOENT:
                return None
            raise

    def require_no_dangling_link(self, inside: str) -> None:
        """Raise OSError if a link above a directory leads nowhere: its target may be on a disk that is not mounted."""
        parts = [part for part in inside.split(os.sep) if part]
        for count in range(1, len(parts) + 1):
            try:
                with self.directory(os.sep + os.sep.join(parts[: count - 1])) as directory:
                    if directory.target(parts[count - 1]) is not None:
                        self.directory(os.sep + os.sep.join(parts[:count])).close()
                    else:
                        directory.status(parts[count - 1])
            except FileNotFoundError:
                if os.sep == "/" and self._is_link(parts[:count]):
                    path = self._before + os.sep + os.sep.join(parts[:count])
                    raise OSError(
                        errno.ENOENT, "a link that leads nowhere: its disk may not be mounted", path
                    ) from None
                return

    def _is_link(self, parts: list[str]) -> bool:
        try:
            with self.directory(os.sep + os.sep.join(parts[:-1])) as directory:
                return directory.target(parts[-1]) is not None
        except OSError:
            return False

    def resolve(self, inside: str, links: int = MOST_LINKS) -> tuple[Directory, str, os.stat_result] | None:
        """Return what a path leads to through all links, as `find` does."""
        found = self.find(inside)
        if found is None or not stat.S_ISLNK(found[2].st_mode):
            return found
        with found[0] as directory:
            target = directory.target(found[1])
        if target is None or not links:
            return None
        here = self.below(directory.path) or "/"
        return self.resolve(os.path.join(here, target), links - 1)
