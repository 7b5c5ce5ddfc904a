"""Read small files on Unix, safe from links and swapped directories.

Everything goes through the descriptor of an open directory: a name that is swapped between a check and
its use cannot lead elsewhere. Links are not followed, and nothing but a regular file is read.
"""

from __future__ import annotations

import errno
import os
import stat

from fingerprint.errors import VaultError, VaultMissing, VaultUnreadable, VaultUnsafe
from fingerprint.vault.os_errors import FILE_LIMIT, MAKE_REMEDY, hard_links, not_a_file, too_long, vault_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing_extensions import Self

_KINDS = (
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a block device"),
    (stat.S_ISCHR, "a character device"),
)
_FIND_LINKS = "Find the other names with: find / -xdev -samefile FILE"
_TAKE_BACK = "Find out who wrote there, then give it back to its owner: chown and chmod go-w"
_OF_ITS_USER = (
    "If an agent runs as that user, as its Agent.EnforceWorkspaceRootOwnership allows, run this as that user, too. "
    "Else find out who wrote there, then give it back to its owner: chown"
)


class ReadDirectory:
    """An open directory whose owner and mode were checked; a context manager that closes it."""

    def __init__(self, descriptor: int, path: str) -> None:
        self.descriptor = descriptor
        self.path = path

    @classmethod
    def open(cls, path: str, parent: ReadDirectory | None = None, *, unsafe: bool = False) -> Self:
        """Open a directory by its path, or by its name within an open parent.

        Args:
            path: the path or the name.
            parent: the open parent.
            unsafe: also if others may write it; only to report what is wrong.

        Raises:
            VaultMissing: there is none.
            VaultDenied, VaultUnreadable, VaultUnsafe: as the name says.
        """
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        where = f"{parent.path}/{path}" if parent else path
        try:
            descriptor = os.open(path, flags, dir_fd=parent.descriptor if parent else None)
        except FileNotFoundError:
            raise VaultMissing("there is no such directory", where=where, remedy=MAKE_REMEDY) from None
        except NotADirectoryError:
            # O_DIRECTORY answers so for a link, too.
            raise _not_a_directory(path, where, parent) from None
        except OSError as error:
            raise vault_error(error, where, "open") from None
        directory = cls(descriptor, where)
        try:
            if not unsafe:
                directory._check()
        except BaseException:
            directory.close()
            raise
        return directory

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        close_quietly(self.descriptor)

    def _check(self) -> None:
        try:
            status = os.fstat(self.descriptor)
            above = os.stat("..", dir_fd=self.descriptor)
        except OSError as error:
            raise vault_error(error, self.path) from None
        _check_owner_and_mode(status, self.path)
        if above.st_mode & 0o022 and not above.st_mode & stat.S_ISVTX:
            raise VaultUnsafe(
                f"the directory that it lies in can be written by others (mode {stat.S_IMODE(above.st_mode):04o})",
                where=self.path,
                remedy=_TAKE_BACK,
            )

    def defects(self, name: str = ".") -> list[tuple[str, str, bool]]:
        """Return what is wrong with the directory itself or a file in it, by owner, mode, links and kind.

        Each is a text, a remedy, and whether it keeps the vault from being read. Nothing is followed or
        opened, and the content is not read.
        """
        where = self.path if name == "." else f"{self.path}/{name}"
        try:
            status = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        except OSError as error:
            refusal = vault_error(error, where)
            return [(refusal.what, refusal.remedy, True)]
        found = []
        wanted = stat.S_ISDIR if name == "." else stat.S_ISREG
        if not wanted(status.st_mode):
            refusal = not_a_file(_kind(status.st_mode), where)
            return [(refusal.what, refusal.remedy, True)]
        if name != "." and status.st_nlink > 1:
            found.append((hard_links(status.st_nlink), _FIND_LINKS, True))
        if status.st_uid not in (0, os.geteuid()):
            found.append((f"it belongs to another user (uid {status.st_uid})", _OF_ITS_USER, True))
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o022:
            found.append((f"others can write it (mode {mode:04o})", _TAKE_BACK, True))
        elif mode & 0o055:
            found.append((f"others may read it (mode {mode:04o})", f"chmod go-rwx {where}", False))
        return found

    def names(self) -> list[str]:
        """Return the names in the directory, sorted."""
        try:
            return sorted(os.listdir(self.descriptor))
        except OSError as error:
            raise vault_error(error, self.path) from None

    def size(self, name: str) -> int:
        """Return the bytes of a file, 0 for one that is gone."""
        try:
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False).st_size
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise vault_error(error, f"{self.path}/{name}") from None

    def touched(self, name: str) -> float | None:
        """Return when a file was written last, in seconds since 1970-01-01 UTC; None if that cannot be seen."""
        try:
            return os.stat(name, dir_fd=self.descriptor, follow_symlinks=False).st_mtime
        except OSError:
            return None

    def read(self, name: str, limit: int = FILE_LIMIT, *, tail: int = 0) -> bytes | None:
        """Return the bytes of a file, or at most `tail` of its last ones; None if it does not exist.

        Raises:
            VaultDenied, VaultUnreadable: it could not be read, or it is no regular file.
            VaultUnsafe: it is a link, or somebody else can write it.
            VaultCorrupt: it is longer than the limit.
        """
        where = f"{self.path}/{name}"
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        try:
            descriptor = os.open(name, flags, dir_fd=self.descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno == errno.ENXIO:
                raise not_a_file("a socket", where) from None
            raise vault_error(error, where) from None
        try:
            status = os.fstat(descriptor)
            check_regular(status, where)
            if tail and status.st_size > tail:
                os.lseek(descriptor, -tail, os.SEEK_END)
            elif status.st_size > limit:
                raise too_long(f"it has {status.st_size} bytes", where, limit)
            chunks = []
            left = limit + 1
            while left > 0 and (chunk := os.read(descriptor, left)):
                chunks.append(chunk)
                left -= len(chunk)
        except OSError as error:
            raise vault_error(error, where) from None
        finally:
            close_quietly(descriptor)
        if left <= 0:
            raise too_long("it grows while it is read", where, limit)
        return b"".join(chunks)


def close_quietly(descriptor: int) -> None:
    """Close a descriptor through which everything was read, or is on disk: how closing went says nothing more."""
    try:
        os.close(descriptor)
    except OSError:
        return


def _check_owner_and_mode(status: os.stat_result, where: str) -> None:
    if status.st_uid not in (0, os.geteuid()):
        raise VaultUnsafe(f"it belongs to another user (uid {status.st_uid})", where=where, remedy=_OF_ITS_USER)
    if status.st_mode & 0o022:
        raise VaultUnsafe(
            f"others can write it (mode {stat.S_IMODE(status.st_mode):04o})", where=where, remedy=_TAKE_BACK
        )


def _kind(mode: int) -> str:
    return next((kind for is_kind, kind in _KINDS if is_kind(mode)), "")


def check_regular(status: os.stat_result, where: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise not_a_file(_kind(status.st_mode), where)
    if status.st_nlink > 1:
        raise VaultUnsafe(hard_links(status.st_nlink), where=where, remedy=_FIND_LINKS)
    _check_owner_and_mode(status, where)


def _not_a_directory(path: str, where: str, parent: ReadDirectory | None) -> VaultError:
    try:
        status = os.stat(path, dir_fd=parent.descriptor if parent else None, follow_symlinks=False)
    except OSError as error:
        return vault_error(error, where, "open")
    if stat.S_ISLNK(status.st_mode):
        return vault_error(OSError(errno.ELOOP, ""), where)
    return VaultUnreadable(
        "it is not a directory", where=where, remedy="Name the directory that holds Manifest and Store with --vault"
    )
