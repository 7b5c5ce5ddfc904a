"""Replace small files on Unix atomically and durably; `_posix_read` reads them.

This is not `_io/atomic.py`: the directory is locked and its owner is checked, a temporary file has a name that the next
writer finds (it may be all that a dead one left of a record), and a foreign writer is noticed (`_posix_exchange`).
"""

from __future__ import annotations

import os

from fingerprint.errors import VaultBusy, VaultCorrupt, VaultMissing, VaultUnsafe
from fingerprint.vault._posix_read import ReadDirectory, check_regular, close_quietly
from fingerprint.vault.os_errors import LINE_LIMIT, changed, vault_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_TEMPORARY = ".tmp"
# Of `try_write`; the next write of the same name removes it.
TRIED = ".try.tmp"
_LOCK_POLL_SECONDS = 0.05


class Directory(ReadDirectory):
    """An open directory whose owner and mode were checked, to read and to write."""

    @classmethod
    def make(cls, path: str, mode: int) -> Directory:
        """Open a directory, and make it and what it lies in (0700) if it is missing."""
        try:
            return cls.open(path)
        except VaultMissing:
            parent = os.path.dirname(path)
        if not os.path.isdir(parent):
            cls.make(parent, 0o700).close()
        try:
            descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise vault_error(error, parent, "open") from None
        # The parent may be anybody's, such as /tmp; what is made in it is checked when it is opened.
        with cls(descriptor, parent) as above:
            return above.make_inner(os.path.basename(path), mode)

    def make_inner(self, name: str, mode: int) -> Directory:
        """Make a directory within this one if it is missing, and open it."""
        where = os.path.join(self.path, name)
        try:
            os.mkdir(name, 0o700, dir_fd=self.descriptor)
        except FileExistsError:
            return Directory.open(name, self)
        except OSError as error:
            raise vault_error(error, where, "make") from None
        inner = Directory.open(name, self)
        try:
            os.fchmod(inner.descriptor, mode)
            os.fsync(self.descriptor)
        except OSError as error:
            inner.close()
            raise vault_error(error, where, "make") from None
        return inner

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        try:
            os.unlink(name, dir_fd=self.descriptor)
        except FileNotFoundError:
            return
        except OSError as error:
            raise vault_error(error, f"{self.path}/{name}", "write") from None

    def replace(self, name: str, data: bytes) -> None:
        """Make a file hold these bytes (mode 0600): after any crash it has the old or the new ones.

        The caller holds the lock of the vault, so a temporary file that is found is a dead writer's.

        Raises:
            VaultDenied, VaultUnreadable: it could not be written; the old file is as it was.
        """
        temporary = self.written(name, data)
        try:
            os.rename(temporary, name, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
        except OSError as error:
            self.forget(temporary)
            raise vault_error(error, os.path.join(self.path, name), "write") from None
        self.flush(name)

    def create(self, name: str, data: bytes) -> bool:
        """Make a file of these bytes durably, and return whether it was made: False if the name is taken.

        Raises:
            VaultDenied, VaultUnreadable: it could not be made.
        """
        # Imported here, as below: a mere reader writes nothing.
        from fingerprint.vault._posix_exchange import create

        return create(self, name, data)

    def put(self, name: str, data: bytes, expected: bytes | None, found: Callable[[bytes, bytes], None]) -> None:
        """Make a file hold these bytes as `replace` does, if it holds what the caller read.

        Args:
            name: the file's name.
            data: the bytes.
            expected: the bytes that the caller read; None if there was no file.
            found: called with bytes that another program wrote and that are going to have no name, and with those
                that it wrote after them; the former must be kept durably.

        Raises:
            VaultChanged: there was something else, and it is there again.
            VaultDenied, VaultUnreadable, VaultUnsafe: it could not be written; the old file is as it was.
        """
        from fingerprint.vault._posix_exchange import put

        put(self, name, data, expected, found)

    def rename(self, name: str, new: str) -> None:
        """Give a file or directory a new name; an empty directory of that name is replaced.

        Raises:
            VaultDenied, VaultUnreadable: that failed.
        """
        try:
            os.rename(name, new, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)
            os.fsync(self.descriptor)
        except FileNotFoundError:
            return
        except OSError as error:
            raise vault_error(error, f"{self.path}/{name}", "rename") from None

    def left_over(self, name: str) -> bytes | None:
        """Return what a writer that died left of a file, None if there is nothing of a writer's.

        It may have died after the exchange of `put`, and then these are the bytes that were displaced.

        Raises:
            VaultDenied, VaultUnreadable: it could not be read, so that a write over it could lose a record.
        """
        try:
            return self.read(name + _TEMPORARY)
        except (VaultCorrupt, VaultUnsafe):
            return None

    def written(self, name: str, data: bytes) -> str:
        """Write the temporary file of a name durably, and return its own. Raises VaultDenied, VaultUnreadable."""
        temporary = name + _TEMPORARY
        try:
            descriptor = self._create(temporary)
            try:
                os.fchmod(descriptor, 0o600)
                _write_all(descriptor, data)
                os.fsync(descriptor)
            except BaseException:
                self.forget(temporary)
                raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise vault_error(error, os.path.join(self.path, name), "write") from None
        return temporary

    def flush(self, name: str) -> None:
        """Make the name of a file durable that was written here. Raises VaultDenied, VaultUnreadable."""
        try:
            os.fsync(self.descriptor)
        except OSError as error:
            raise vault_error(error, os.path.join(self.path, name), "make durable the writing of") from None

    def try_write(self, name: str, data: bytes) -> None:
        """Write bytes durably into the temporary file of a name, and remove it: a test for space.

        The caller holds the lock of the vault.

        Raises:
            VaultDenied, VaultUnreadable: they could not be written.
        """
        # What a writer left under the usual name may be all that there is of a record.
        temporary, where = name + TRIED, os.path.join(self.path, name)
        try:
            descriptor = self._create(temporary)
            try:
                _write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.unlink(temporary, dir_fd=self.descriptor)
        except BaseException as error:
            self.forget(temporary)
            if isinstance(error, OSError):
                raise vault_error(error, where, "write") from None
            raise

    def make_durable(self, name: str) -> None:
        """Flush a file and its name to the disk.

        Raises:
            VaultDenied, VaultUnreadable, VaultUnsafe: that failed.
        """
        where = f"{self.path}/{name}"
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, dir_fd=self.descriptor)
            try:
                os.fsync(descriptor)
            finally:
                close_quietly(descriptor)
            os.fsync(self.descriptor)
        except OSError as error:
            raise vault_error(error, where, "make durable") from None

    def append(self, name: str, lines: bytes) -> None:
        """Append lines to a file durably, and create the file (mode 0600) if it is missing.

        A line that a dead writer left without its end is cut off first; what does not fit is taken
        back. The caller holds the lock of the vault, and nobody else writes the file.

        Raises:
            VaultDenied, VaultUnreadable, VaultUnsafe: they could not be added; the file is as it was.
        """
        where = f"{self.path}/{name}"
        descriptor, size = self._open_to_append(name, where)
        try:
            end = _end_of_lines(descriptor, size)
            if end is None:
                # Longer than any line of ours can be: not ours to cut.
                end, lines = size, b"\n" + lines
            elif end != size:
                os.ftruncate(descriptor, end)
            try:
                _write_all(descriptor, lines)
                os.fsync(descriptor)
            except BaseException:
                os.ftruncate(descriptor, end)
                raise
            if not size:
                os.fsync(self.descriptor)
        except OSError as error:
            raise vault_error(error, where, "write") from None
        finally:
            close_quietly(descriptor)

    def append_shared(self, name: str, line: bytes) -> None:
        """Add a line to a file that others may add to at the same time; not durably, and nothing is ever cut.

        Raises:
            VaultDenied, VaultUnreadable, VaultUnsafe: it could not be added.
        """
        where = f"{self.path}/{name}"
        descriptor, size = self._open_to_append(name, where)
        try:
            at_line_start = not size or os.pread(descriptor, 1, size - 1) == b"\n"
            # One call, so that lines of two processes do not mix.
            os.write(descriptor, line if at_line_start else b"\n" + line)
        except OSError as error:
            raise vault_error(error, where, "write") from None
        finally:
            close_quietly(descriptor)

    def _open_to_append(self, name: str, where: str) -> tuple[int, int]:
        """Return the descriptor and the size of a regular file that is made if it is missing."""
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, 0o600, dir_fd=self.descriptor)
        except OSError as error:
            raise vault_error(error, where, "write") from None
        try:
            status = os.fstat(descriptor)
            check_regular(status, where)
        except BaseException as error:
            close_quietly(descriptor)
            if isinstance(error, OSError):
                raise vault_error(error, where, "write") from None
            raise
        return descriptor, status.st_size

    def _create(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            return os.open(name, flags, 0o600, dir_fd=self.descriptor)
        except FileExistsError:
            os.unlink(name, dir_fd=self.descriptor)
            return os.open(name, flags, 0o600, dir_fd=self.descriptor)

    def forget(self, name: str) -> None:
        """Remove a temporary file, if that can be done."""
        try:
            os.unlink(name, dir_fd=self.descriptor)
        except OSError:
            # The caller reports the first error; the next writer removes the file.
            return

    def lock(self, wait: float) -> None:
        """Take the lock of the directory for as long as it is open; it dies with the process.

        The directory itself is locked, so no file of ours stands beside the vault's.

        Raises:
            VaultBusy: another process kept it for longer than `wait` seconds.
        """
        import fcntl
        from time import monotonic, sleep

        deadline = monotonic() + wait
        while True:
            try:
                fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if monotonic() >= deadline:
                    from shlex import quote

                    raise VaultBusy(
                        f"another process has held the lock for {wait:g} s",
                        where=self.path,
                        remedy=f"Retry later. See which one it is with: fuser -v {quote(self.path)}",
                    ) from None
                sleep(_LOCK_POLL_SECONDS)
            except OSError as error:
                raise vault_error(error, self.path, "lock") from None

    def require_in_place(self) -> None:
        """Raise VaultChanged unless this is still the directory that its path leads to.

        Raises:
            VaultChanged: another one is there, or none.
            VaultDenied, VaultUnreadable: that could not be seen.
        """
        try:
            mine, there = os.fstat(self.descriptor), os.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            raise changed(self.path, "the directory was moved or removed meanwhile") from None
        except OSError as error:
            raise vault_error(error, self.path) from None
        if not os.path.samestat(mine, there):
            raise changed(self.path, "another directory was put in the place of this one meanwhile")


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _end_of_lines(descriptor: int, size: int) -> int | None:
    """Return where the last complete line of a file ends; None if what follows is longer than a line can be."""
    if not size or os.pread(descriptor, 1, size - 1) == b"\n":
        return size
    start = max(size - LINE_LIMIT, 0)
    newline = os.pread(descriptor, LINE_LIMIT, start).rfind(b"\n")
    if newline < 0 and start:
        return None
    return start + newline + 1
