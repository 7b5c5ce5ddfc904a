"""Write files that a user named: complete and durable under their name, or not at all.

Files in directories that only this program writes (vaults, state) and the credentials file of AWS SDKs need more (a
lock, no links in the path, no foreign owner): `fingerprint.vault.files` writes them.
"""

from __future__ import annotations

import errno
import os

from fingerprint.errors import InputError, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import BinaryIO

# Some file systems cannot flush a directory, and a user with write permission only cannot open it.
_NO_FLUSH = (errno.EINVAL, errno.ENOTSUP, errno.EACCES)
_PRIVATE = 0o600
# Characters of the file's name in the hidden name, with four bytes each, so that the longest names fit.
_NAME_CHARACTERS = 48


class AtomicFile:
    """A binary file, written under a hidden name beside its own; a context manager that yields the open file.

    At the end of the block the file is flushed to the disk, gets its mode and then its name, and the name is flushed.
    A block that fails or is interrupted leaves nothing.

    Args:
        path: the file.
        replace: whether it replaces a file, or a link, of that name.
        mode: permissions; until it has its name only its owner can read it.

    Raises:
        FileExistsError: the path exists, and `replace` is False.
        OSError: it could not be written. The old file is unchanged, unless flushing the name of the new one failed.
    """

    def __init__(self, path: str, *, replace: bool = False, mode: int = _PRIVATE) -> None:
        self.path = path
        self._replace = replace
        self._mode = mode
        self._hidden = ""
        self._file: BinaryIO | None = None

    def __enter__(self) -> BinaryIO:
        if not self._replace and os.path.lexists(self.path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self.path)
        # Not `abspath`: it drops "link/..", which may lead to another directory.
        directory, name = os.path.split(self.path)
        if not os.path.isabs(directory):
            directory = os.path.join(os.getcwd(), directory)
        # Set before the file is created, so that a signal in between cannot leave it behind.
        self._hidden = os.path.join(directory, f".{name[:_NAME_CHARACTERS]}.{os.urandom(4).hex()}.tmp")
        try:
            self._file = open(self._hidden, "xb", opener=only_for_us)
        except BaseException:
            self.discard()
            raise
        return self._file

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None and self._file is not None:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                if self._mode != _PRIVATE:
                    os.chmod(self._hidden, self._mode)
                self._give_name()
        finally:
            self.discard()

    def discard(self) -> None:
        """Close the file and remove it, unless it has its name."""
        try:
            if self._file is not None:
                self._file.close()
        except OSError:
            # It is removed below.
            pass
        finally:
            if self._hidden and os.path.lexists(self._hidden):
                os.unlink(self._hidden)

    def _give_name(self) -> None:
        if self._replace:
            os.replace(self._hidden, self.path)
        else:
            try:
                os.link(self._hidden, self.path)
            except FileExistsError:
                raise
            except OSError:
                # A file system without hard links: only a file that appears at this moment could be overwritten.
                if os.path.lexists(self.path):
                    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), self.path) from None
                os.replace(self._hidden, self.path)
        try:
            _flush_directory(os.path.dirname(self._hidden))
        except BaseException:
            if not self._replace:
                os.unlink(self.path)
            raise


def write_new(path: str, data: bytes, what: str) -> None:
    """Write a new file, mode 0600, as `AtomicFile` does.

    Args:
        path: the file.
        data: its bytes.
        what: its kind, for errors, such as "snapshot".

    Raises:
        Refused: the file exists.
        InputError: it could not be written; no partial file is left.
    """
    try:
        with AtomicFile(path) as file:
            file.write(data)
    except FileExistsError:
        raise Refused(
            "the file exists; nothing was written", where=path, remedy="Name a new file, or remove the old one"
        ) from None
    except OSError as error:
        raise InputError(
            f"the {what} could not be written ({error.strerror})", where=path, remedy="Name a file that can be written"
        ) from None


def only_for_us(path: str, flags: int) -> int:
    """Open a file, as an opener of `open`; only its owner can read a new one."""
    return os.open(path, flags, _PRIVATE)


def _flush_directory(path: str) -> None:
    if os.name == "nt":
        # Windows cannot open directories.
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_FLUSH:
            raise
