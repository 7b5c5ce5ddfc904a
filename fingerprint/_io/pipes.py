"""Interruptible reads from pipes."""

from __future__ import annotations

import io
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# A signal that came just before a wait is handled after this time at most.
_NOTICED_MS = 500
_BUFFER_BYTES = 1 << 20


class InterruptibleFile(io.FileIO):
    """A file whose reads Ctrl-C always interrupts.

    The interpreter handles a signal between two of its steps, or when a call is interrupted. A signal after the last
    step and before the call blocks is handled when the call returns, which the read of a pipe may never do. So a read
    first waits for data, for at most half a second at a time.

    Args:
        source: the name of a file, or a descriptor, which stays open.

    Raises:
        OSError: it could not be opened.
    """

    def __init__(self, source: str | int) -> None:
        super().__init__(source, "rb", closefd=isinstance(source, str), opener=_open)
        self._poll = None
        # A regular file never blocks; Windows can wait for sockets only.
        if not stat.S_ISREG(os.fstat(self.fileno()).st_mode):
            import select

            if hasattr(select, "poll"):
                self._poll = select.poll()
                self._poll.register(self.fileno(), select.POLLIN)

    def _wait(self) -> None:
        if self._poll is not None:
            while not self._poll.poll(_NOTICED_MS):
                pass

    def read(self, size: int | None = -1, /) -> bytes:
        """Read the available bytes, `size` at most; b"" at the end."""
        data = None
        # None is not the end: another reader of the same pipe took the data.
        while data is None:
            self._wait()
            data = super().read(size)
        return data

    def readinto(self, buffer: Any, /) -> int:
        """Read the available bytes into a buffer, and return their number; 0 at the end."""
        length = None
        while length is None:
            self._wait()
            length = super().readinto(buffer)
        return length


def _open(path: str, flags: int) -> int:
    """Open a file without blocking on a named pipe that has no writer yet; on Linux `poll` waits for the writer."""
    if sys.platform != "linux":
        return os.open(path, flags)
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def open_buffered(source: str | int) -> io.BufferedReader:
    """Return an `InterruptibleFile` behind a buffer. Raises OSError: it could not be opened."""
    return io.BufferedReader(InterruptibleFile(source), _BUFFER_BYTES)
