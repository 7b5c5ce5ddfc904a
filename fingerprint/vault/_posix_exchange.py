"""Files on Unix that a program may write which does not know our lock, such as the agent.

It may have written since the caller read. So the new file and the old one are exchanged at one stroke, and what was
displaced is compared: if it is something else, it gets its name back. Such a program may still have it open, and
what it writes goes to where it belongs. Where the system cannot exchange, the file is read once more, just before
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

    from fingerprint.vault._posix import Folder

# What kernels and file systems answer that cannot exchange names or take a free one, and filters of system calls.
_CANNOT = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)
# How often a record that came in between is put back, and another one comes in between that.
_PUT_BACK_TRIED = 10


def put(folder: Folder, name: str, data: bytes, expected: bytes | None, found: Callable[[bytes, bytes], None]) -> None:
    """Make a file hold these bytes, if it holds what the caller read. See `Folder.put`."""
    where = os.path.join(folder.path, name)
    temporary = folder.written(name, data)
    folder.forget(name + TRIED)
    try:
        if expected is None:
            take_name(folder.descriptor, temporary, name)
        else:
            exchange_names(folder.descriptor, temporary, name)
    except OSError as error:
        if error.errno in _CANNOT:
            _rename_unless_changed(folder, temporary, name, expected)
            return
        folder.forget(temporary)
        if error.errno in (errno.EEXIST, errno.ENOENT):
            raise changed(where) from None
        raise vault_error(error, where, "write") from None
    if expected is None:
        folder.flush(name)
        return
    try:
        _demand_displaced(folder, temporary, expected, where)
        folder.flush(name)
        # Who opened the old file before the exchange had this long to truncate and write it.
        _demand_displaced(folder, temporary, expected, where)
    except BaseException:
        put_back(folder, temporary, name, data, found)
        raise
    folder.forget(temporary)


def create(folder: Folder, name: str, data: bytes) -> bool:
    """Make a file, and return whether it was made. See `Folder.create`."""
    # Another writer's temporary file may have the usual name.
    temporary = folder.written(name + ".new", data)
    try:
        try:
            take_name(folder.descriptor, temporary, name)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            if folder.touched(name) is not None:
                raise FileExistsError(errno.EEXIST, "") from None
            os.rename(temporary, name, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor)
    except FileExistsError:
        folder.forget(temporary)
        return False
    except OSError as error:
        folder.forget(temporary)
        raise vault_error(error, f"{folder.path}/{name}", "make") from None
    folder.flush(name)
    return True


def _demand_displaced(folder: Folder, temporary: str, expected: bytes, where: str) -> None:
    if folder.read(temporary) != expected:
        raise changed(where)


def _rename_unless_changed(folder: Folder, temporary: str, name: str, expected: bytes | None) -> None:
    where = os.path.join(folder.path, name)
    try:
        if folder.read(name) != expected:
            raise changed(where)
        os.rename(temporary, name, src_dir_fd=folder.descriptor, dst_dir_fd=folder.descriptor)
    except BaseException as error:
        folder.forget(temporary)
        if isinstance(error, OSError):
            raise vault_error(error, where, "write") from None
        raise
    folder.flush(name)


def put_back(folder: Folder, temporary: str, name: str, ours: bytes, found: Callable[[bytes, bytes], None]) -> None:
    """Exchange two names again, and once more for each time that another program wrote in between.

    What fails leaves the displaced file under the temporary name, where the next writer finds it.
    """
    expected: bytes | None = ours
    try:
        for _ in range(_PUT_BACK_TRIED):
            exchange_names(folder.descriptor, temporary, name)
            displaced = folder.read(temporary)
            if displaced == expected:
                break
            # It was written after that which got the name, so it gets the name next.
            expected = folder.read(name)
            if displaced is None or expected is None:
                return
            found(expected, displaced)
    except (OSError, VaultError):
        # The error that brought us here is the one to report.
        return
    folder.forget(temporary)
    try:
        folder.flush(name)
    except VaultError:
        # As above.
        return
