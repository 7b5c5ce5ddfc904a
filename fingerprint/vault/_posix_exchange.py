"""Replace files on Unix that a program without our lock, such as the agent, may write at the same time.

That program may have written since the caller read. So the new file and the old one are exchanged in one system call,
and the displaced file is compared: if it differs from what the caller read, it gets its name back. If the program still
has it open, its writes go to the right file. Where the system cannot exchange, the file is read once more, just before
the renaming.
"""

from __future__ import annotations

import errno
import os

from fingerprint._core import exchange_names, take_name
from fingerprint.errors import VaultError
from fingerprint.vault._posix import TRIED
from fingerprint.vault.os_errors import changed, vault_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.vault._posix import Directory

# The errors of kernels, file systems and system call filters that cannot exchange names or take a free one.
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)
# How often a record that another program wrote is put back while that program goes on writing.
_PUT_BACK_TRIED = 10


def put(
    directory: Directory, name: str, data: bytes, expected: bytes | None, found: Callable[[bytes, bytes], None]
) -> None:
    """Make a file hold these bytes, if it holds what the caller read. See `Directory.put`."""
    where = os.path.join(directory.path, name)
    temporary = directory.written(name, data)
    directory.forget(name + TRIED)
    try:
        if expected is None:
            take_name(directory.descriptor, temporary, name)
        else:
            exchange_names(directory.descriptor, temporary, name)
    except OSError as error:
        if error.errno in _CANNOT:
            _rename_unless_changed(directory, temporary, name, expected)
            return
        directory.forget(temporary)
        if error.errno in (errno.EEXIST, errno.ENOENT):
            raise changed(where) from None
        raise vault_error(error, where, "write") from None
    if expected is None:
        directory.flush(name)
        return
    try:
        _require_displaced(directory, temporary, expected, where)
        directory.flush(name)
        # Who opened the old file before the exchange had this long to truncate and write it.
        _require_displaced(directory, temporary, expected, where)
    except BaseException:
        put_back(directory, temporary, name, data, found)
        raise
    directory.forget(temporary)


def create(directory: Directory, name: str, data: bytes) -> bool:
    """Make a file, and return whether it was made. See `Directory.create`."""
    # Another writer's temporary file may have the usual name.
    temporary = directory.written(name + ".new", data)
    try:
        try:
            take_name(directory.descriptor, temporary, name)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            if directory.touched(name) is not None:
                raise FileExistsError(errno.EEXIST, "") from None
            os.rename(temporary, name, src_dir_fd=directory.descriptor, dst_dir_fd=directory.descriptor)
    except FileExistsError:
        directory.forget(temporary)
        return False
    except OSError as error:
        directory.forget(temporary)
        raise vault_error(error, f"{directory.path}/{name}", "make") from None
    directory.flush(name)
    return True


def _require_displaced(directory: Directory, temporary: str, expected: bytes, where: str) -> None:
    if directory.read(temporary) != expected:
        raise changed(where)


def _rename_unless_changed(directory: Directory, temporary: str, name: str, expected: bytes | None) -> None:
    where = os.path.join(directory.path, name)
    try:
        if directory.read(name) != expected:
            raise changed(where)
        os.rename(temporary, name, src_dir_fd=directory.descriptor, dst_dir_fd=directory.descriptor)
    except BaseException as error:
        directory.forget(temporary)
        if isinstance(error, OSError):
            raise vault_error(error, where, "write") from None
        raise
    directory.flush(name)


def put_back(
    directory: Directory, temporary: str, name: str, ours: bytes, found: Callable[[bytes, bytes], None]
) -> None:
    """Exchange two names again, and once more for each time that another program wrote in between.

    What fails leaves the displaced file under the temporary name, where the next writer finds it.
    """
    expected: bytes | None = ours
    try:
        for _ in range(_PUT_BACK_TRIED):
            exchange_names(directory.descriptor, temporary, name)
            displaced = directory.read(temporary)
            if displaced == expected:
                break
            # It was written after that which got the name, so it gets the name next.
            expected = directory.read(name)
            if displaced is None or expected is None:
                return
            found(expected, displaced)
    except (OSError, VaultError):
        # The caller reports the first error.
        return
    directory.forget(temporary)
    try:
        directory.flush(name)
    except VaultError:
        # As above.
        return
