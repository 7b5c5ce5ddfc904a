"""Listen on a Unix socket that appears with its mode and group, and replaces one that no program listens on."""

from __future__ import annotations

import errno
import os
import socket
import stat

from fingerprint.errors import InputError, Refused
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

MODE = 0o660
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


class UnixSocket(Value):
    """The path of a socket, and who may connect.

    Args:
        path: its file. Only the owner may be able to write to the directory: whoever can replace the socket can give
            out other credentials.
        mode: its permissions; a user who may write to it may connect.
        group: the id of its group; None for the group of this process.
    """

    path: str
    mode: int
    group: int | None

    def __init__(self, path: str, mode: int = MODE, group: int | None = None) -> None:
        self._set(path=os.path.abspath(path), mode=mode, group=group)

    def listen(self, queue: int) -> socket.socket:
        """Return a listening socket. It gets its name last, after mode and group are set.

        Raises:
            InputError: the socket cannot be created.
            Refused: the path is in use, or other users can write to the directory.
        """
        self._require_path()
        listener = socket.socket(socket.AF_UNIX)
        made = f"{self.path}.{os.getpid()}"
        try:
            # bind creates the file with the mode that the umask leaves: no access for other users until it is set.
            before = os.umask(0o177)
            try:
                listener.bind(made)
            finally:
                os.umask(before)
            if self.group is not None:
                os.chown(made, -1, self.group)
            os.chmod(made, self.mode)
            listener.listen(queue)
            os.rename(made, self.path)
        except OSError as error:
            listener.close()
            _unlink(made)
            reason = error.strerror or str(error)
            if error.errno == errno.EPERM and self.group is not None:
                self._fail(reason, "Name a group of this user with --socket-group, or run it as root")
            self._fail(reason)
        return listener

    def remove(self) -> None:
        """Remove the socket, unless another program listens on it now."""
        if not self._is_served():
            _unlink(self.path)

    def _require_path(self) -> None:
        directory = os.path.dirname(self.path)
        try:
            above = os.stat(directory)
        except OSError as error:
            self._fail(error.strerror or str(error))
        shared = above.st_mode & _OTHERS_WRITE and not above.st_mode & stat.S_ISVTX
        if shared or above.st_uid not in (0, os.geteuid()):
            raise Refused(
                "other users can write to the directory of the socket and replace it", where=directory,
                remedy="Name a socket in a directory that only its owner can write to",
            )  # fmt: skip
        try:
            there = os.lstat(self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            self._fail(error.strerror or str(error))
        if not stat.S_ISSOCK(there.st_mode):
            raise Refused("the file exists and is not a socket", where=self.path, remedy="Name another file")
        if self._is_served():
            raise Refused(
                "another program listens on this socket", where=self.path, remedy="Stop it, or name another file"
            )

    def _is_served(self) -> bool:
        with socket.socket(socket.AF_UNIX) as other:
            other.settimeout(1)
            try:
                other.connect(self.path)
            except (ConnectionRefusedError, FileNotFoundError):
                return False
            except OSError:
                # Its queue is full, or this user may not connect: a program listens.
                return True
        return True

    def _fail(self, reason: str, remedy: str = "Name a socket in a directory that you can write to") -> NoReturn:
        if "too long" in reason:
            remedy = "Name a socket with a shorter path"
        raise InputError(f"cannot listen on the socket: {reason}", where=self.path, remedy=remedy)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
