"""A Unix socket that appears with its mode and its group, in place of one that nobody listens on any more."""

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
    """Where it is, and who may connect.

    Args:
        path: its file. The directory must be one that only its owner writes to: who can replace the socket can hand
            out credentials of their own.
        mode: its permissions; who may write to it may connect.
        group: the id of its group; None for that of this process.
    """

    path: str
    mode: int
    group: int | None

    def __init__(self, path: str, mode: int = MODE, group: int | None = None) -> None:
        self._set(path=os.path.abspath(path), mode=mode, group=group)

    def listen(self, queue: int) -> socket.socket:
        """Return a socket that listens there. It gets its name last, when mode and group are set.

        Raises:
            InputError: it cannot be made there.
            Refused: something else has the name, or others can write to the directory.
        """
        self._demand_place()
        listener = socket.socket(socket.AF_UNIX)
        made = f"{self.path}.{os.getpid()}"
        try:
            # bind gives the mode that the umask leaves: none to anybody else until it is set.
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
        """Take its name away, unless another program listens there by now."""
        if not self._is_served():
            _unlink(self.path)

    def _demand_place(self) -> None:
        folder = os.path.dirname(self.path)
        try:
            above = os.stat(folder)
        except OSError as error:
            self._fail(error.strerror or str(error))
        shared = above.st_mode & _OTHERS_WRITE and not above.st_mode & stat.S_ISVTX
        if shared or above.st_uid not in (0, os.geteuid()):
            raise Refused(
                "others can write to the directory of the socket, and replace it", where=folder,
                remedy="Name one in a directory that only its owner writes to",
            )  # fmt: skip
        try:
            there = os.lstat(self.path)
        except FileNotFoundError:
            return
        except OSError as error:
            self._fail(error.strerror or str(error))
        if not stat.S_ISSOCK(there.st_mode):
            raise Refused("there is a file that is not a socket", where=self.path, remedy="Name another file")
        if self._is_served():
            raise Refused("another program listens on it", where=self.path, remedy="Stop it, or name another file")

    def _is_served(self) -> bool:
        with socket.socket(socket.AF_UNIX) as other:
            other.settimeout(1)
            try:
                other.connect(self.path)
            except (ConnectionRefusedError, FileNotFoundError):
                return False
            except OSError:
                # Full, or not ours to connect to: somebody has it.
                return True
        return True

    def _fail(self, reason: str, remedy: str = "Name a socket in a directory that you can write to") -> NoReturn:
        if "too long" in reason:
            remedy = "Name a socket with a shorter path"
        raise InputError(f"cannot listen ({reason})", where=self.path, remedy=remedy)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
