"""Read and replace small files on Windows: access control lists take the place of open directories.

Windows opens no directories, so files are found by path; the access control list, which admits only Administrators
and SYSTEM, keeps others from swapping a directory in between.
"""

from __future__ import annotations

import os
import stat

from fingerprint._io import windows_acl
from fingerprint.errors import VaultBusy, VaultError, VaultMissing, VaultUnreadable, VaultUnsafe
from fingerprint.vault import _windows_calls
from fingerprint.vault.os_errors import (
    FILE_LIMIT,
    LINE_LIMIT,
    MAKE_REMEDY,
    changed,
    hard_links,
    not_a_file,
    too_long,
    vault_error,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_REPARSE_POINT = 0x400
_RESTRICT = (
    "Let Administrators and SYSTEM in, and nobody else: icacls PATH /inheritance:r /grant *S-1-5-32-544:F *S-1-5-18:F"
)
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOINHERIT", 0)


class Directory:
    """A directory whose access control list was checked; a context manager that gives its lock back."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._release: Callable[[], None] | None = None

    @classmethod
    def open(cls, path: str, parent: Directory | None = None, *, unsafe: bool = False) -> Directory:
        """Open a directory by its path, or by its name within an open parent. See `_posix`."""
        where = os.path.join(parent.path, path) if parent else path
        status = _status(where)
        if status is None:
            raise VaultMissing("there is no such directory", where=where, remedy=MAKE_REMEDY)
        if _is_link(status):
            raise VaultUnsafe("it is a link", where=where, remedy="Put the real directory in its place")
        if not stat.S_ISDIR(status.st_mode):
            raise VaultUnreadable(
                "it is not a directory",
                where=where,
                remedy="Name the directory that holds Manifest and Store with --vault",
            )
        if not unsafe:
            _require_closed(where)
        return cls(where)

    @classmethod
    def make(cls, path: str, mode: int) -> Directory:
        """Open a directory, and make it and what it lies in if it is missing."""
        try:
            return cls.open(path)
        except VaultMissing:
            parent = os.path.dirname(path)
        if not os.path.isdir(parent):
            cls.make(parent, mode).close()
        return cls(parent).make_inner(os.path.basename(path), mode)

    def make_inner(self, name: str, mode: int) -> Directory:
        """Make a directory within this one if it is missing, for Administrators and SYSTEM only, and open it.

        Args:
            name: the name.
            mode: of no meaning here.
        """
        where = os.path.join(self.path, name)
        try:
            os.mkdir(where)
            _windows_calls.protect(where, directory=True)
        except FileExistsError:
            pass
        except OSError as error:
            raise vault_error(error, where, "make") from None
        return Directory.open(name, self)

    def __enter__(self) -> Directory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock back if it was taken."""
        if self._release:
            self._release()
            self._release = None

    def names(self) -> list[str]:
        """Return the names in the directory, sorted."""
        try:
            return sorted(os.listdir(self.path))
        except OSError as error:
            raise vault_error(error, self.path) from None

    def defects(self, name: str = ".") -> list[tuple[str, str, bool]]:
        """Return what is wrong with the directory itself or a file in it. See `_posix`."""
        where = self.path if name == "." else os.path.join(self.path, name)
        status = _status(where)
        if status is None or _is_link(status) or stat.S_ISDIR(status.st_mode) != (name == "."):
            return [("it is not what belongs there", "Find out who put it there", True)]
        found = [(hard_links(status.st_nlink), "Find the other names with: fsutil hardlink list FILE", True)]
        return [*found[: int(name != "." and status.st_nlink > 1)], *_access_defects(where)]

    def size(self, name: str) -> int:
        """Return the bytes of a file, 0 for one that is gone."""
        status = _status(os.path.join(self.path, name))
        return 0 if status is None else status.st_size

    def touched(self, name: str) -> float | None:
        """Return when a file was written last, in seconds since 1970-01-01 UTC; None if that cannot be seen."""
        try:
            return os.lstat(os.path.join(self.path, name)).st_mtime
        except OSError:
            return None

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        where = os.path.join(self.path, name)
        try:
            os.unlink(where)
        except FileNotFoundError:
            return
        except OSError as error:
            raise vault_error(error, where, "write") from None

    def read(self, name: str, limit: int = FILE_LIMIT, *, tail: int = 0) -> bytes | None:
        """Return the bytes of a file, or at most `tail` of its last ones; None if it does not exist."""
        where = os.path.join(self.path, name)
        status = _status(where)
        if status is None:
            return None
        _require_file(status, where)
        _require_closed(where)
        try:
            with open(where, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if tail and size > tail:
                    file.seek(-tail, os.SEEK_END)
                elif size > limit:
                    raise too_long(f"it has {size} bytes", where, limit)
                data = file.read(limit + 1)
        except OSError as error:
            raise vault_error(error, where) from None
        if len(data) > limit:
            raise too_long("it grows while it is read", where, limit)
        return data

    def replace(self, name: str, data: bytes) -> None:
        """Make a file hold these bytes: after any crash it has the old or the new ones. See `_posix`."""
        self._by_temporary(name, data, os.replace)

    def _by_temporary(self, name: str, data: bytes, use: Callable[[str, str], None]) -> None:
        """Write the temporary file of a name durably, and use it: called with its path and the one of the name."""
        where = os.path.join(self.path, name)
        temporary = where + ".tmp"
        try:
            if _status(temporary) is not None:
                os.unlink(temporary)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                _windows_calls.protect(temporary, directory=False)
                file.write(data)
                file.flush()
                os.fsync(descriptor)
            use(temporary, where)
        except OSError as error:
            try:
                os.unlink(temporary)
            except OSError:
                pass
            raise vault_error(error, where, "write") from None

    def create(self, name: str, data: bytes) -> bool:
        """Make a file of these bytes, and return whether it was made. See `_posix`."""
        if _status(os.path.join(self.path, name)) is not None:
            return False
        self.replace(name, data)
        return True

    def rename(self, name: str, new: str) -> None:
        """Give a file or directory a new name. See `_posix`."""
        where = os.path.join(self.path, name)
        try:
            os.rename(where, os.path.join(self.path, new))
        except FileNotFoundError:
            return
        except OSError as error:
            raise vault_error(error, where, "rename") from None

    def put(self, name: str, data: bytes, expected: bytes | None, found: Callable[[bytes, bytes], None]) -> None:
        """Make a file hold these bytes if it holds what the caller read. See `_posix`.

        Windows exchanges no names, so the file is read once more, just before the renaming; nothing is displaced
        that `found` would have to keep.
        """
        if self.read(name) != expected:
            raise changed(os.path.join(self.path, name))
        self.replace(name, data)

    def left_over(self, name: str) -> bytes | None:
        """Return None: a writer that died left its own bytes only, as nothing is exchanged."""
        return None

    def try_write(self, name: str, data: bytes) -> None:
        """Write bytes durably into the temporary file of a name, and remove it. See `_posix`."""
        self._by_temporary(name, data, lambda temporary, _: os.unlink(temporary))

    def make_durable(self, name: str) -> None:
        """Flush a file to the disk. See `_posix`."""
        where = os.path.join(self.path, name)
        try:
            with open(where, "r+b") as file:
                os.fsync(file.fileno())
        except OSError as error:
            raise vault_error(error, where, "make durable") from None

    def append(self, name: str, lines: bytes) -> None:
        """Append lines to a file durably, and create the file if it is missing. See `_posix`."""
        self._append(name, lines, shared=False)

    def append_shared(self, name: str, line: bytes) -> None:
        """Add a line to a file that others may add to at the same time. See `_posix`."""
        self._append(name, line, shared=True)

    def _append(self, name: str, lines: bytes, *, shared: bool) -> None:
        where = os.path.join(self.path, name)
        status = _status(where)
        if status is not None:
            _require_file(status, where)
            _require_closed(where)
        try:
            with os.fdopen(os.open(where, os.O_RDWR | os.O_CREAT | _BINARY, 0o600), "r+b") as file:
                size = os.fstat(file.fileno()).st_size
                if not size:
                    _windows_calls.protect(where, directory=False)
                file.seek(max(size - LINE_LIMIT, 0))
                tail = file.read()
                end = size - len(tail) + tail.rfind(b"\n") + 1
                if tail and end != size and (shared or (len(tail) == LINE_LIMIT and b"\n" not in tail)):
                    end, lines = size, b"\n" + lines
                file.truncate(end)
                file.seek(end)
                try:
                    file.write(lines)
                    file.flush()
                    if not shared:
                        os.fsync(file.fileno())
                except OSError:
                    file.truncate(end)
                    raise
        except OSError as error:
            raise vault_error(error, where, "write") from None

    def lock(self, wait: float) -> None:
        """Take the lock of the directory for as long as it is open; it dies with the process.

        Raises:
            VaultBusy: another process kept it for longer than `wait` seconds.
        """
        from fingerprint._core import sha256_hex

        # Names of locks hold no path; Windows takes paths in any case.
        path = os.path.normcase(os.path.abspath(self.path))
        try:
            self._release = _windows_calls.hold_mutex(f"hardware-fingerprint-{sha256_hex(path.encode())[:32]}", wait)
        except OSError as error:
            raise vault_error(error, self.path, "lock") from None
        if self._release is None:
            raise VaultBusy(
                f"another process has held the lock for {wait:g} s", where=self.path, remedy="End it, then retry"
            )

    def require_in_place(self) -> None:
        """Raise VaultMissing or VaultUnsafe unless the directory is there and closed. Files are found by its path."""
        Directory.open(self.path).close()


def _status(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise vault_error(error, path) from None


def _is_link(status: os.stat_result) -> bool:
    # Junctions are reparse points, too.
    return stat.S_ISLNK(status.st_mode) or bool(getattr(status, "st_file_attributes", 0) & _REPARSE_POINT)


def _require_file(status: os.stat_result, where: str) -> None:
    if _is_link(status):
        raise VaultUnsafe("it is a link", where=where, remedy="Put the real file in its place")
    if not stat.S_ISREG(status.st_mode):
        raise not_a_file("a directory or device", where)
    if status.st_nlink > 1:
        raise VaultUnsafe(
            hard_links(status.st_nlink), where=where, remedy="Find the other names with: fsutil hardlink list FILE"
        )


def _access_defects(where: str) -> list[tuple[str, str, bool]]:
    try:
        others = windows_acl.others_in(windows_acl.access_of(where))
    except OSError as error:
        refusal: VaultError = vault_error(error, where)
        return [(refusal.what, refusal.remedy, True)]
    return [(text, _RESTRICT, writes) for text, writes in others]


def _require_closed(where: str) -> None:
    """Raise VaultUnsafe if others than Administrators and SYSTEM can write it."""
    for text, remedy, writes in _access_defects(where):
        if writes:
            raise VaultUnsafe(text, where=where, remedy=remedy)
