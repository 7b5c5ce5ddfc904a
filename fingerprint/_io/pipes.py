"""Reading what may keep one waiting for ever, such as a pipe, in a way that Ctrl-C always ends."""

from __future__ import annotations

import io
import os
import stat
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# After so long at most a signal is noticed that came just before a wait.
_NOTICED_MS = 500
_BUFFER_BYTES = 1 << 20


class InterruptibleFile(io.FileIO):
    """A file to read whose reads are ended by Ctrl-C, whenever it comes.

    The interpreter acts on a signal between two of its steps, or when a call is interrupted. One that comes after the
    last step and before the call blocks is noticed when the call returns, and the read of a pipe may never do so.
    Here a read waits first, not longer than half a second at a time, until there is something.

    Args:
        source: the name of a file, or a descriptor, which is left open.

    Raises:
        OSError: it could not be opened.
    """

    def __init__(self, source: str | int) -> None:
        super().__init__(source, "rb", closefd=isinstance(source, str), opener=_open)
        self._poll = None
        # A regular file never keeps one waiting; Windows can wait for sockets only.
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
        """Read what there is, `size` bytes at most; none is the end."""
        data = None
        # None is no end: somebody else who reads the same pipe, and does not block, was faster.
        while data is None:
            self._wait()
            data = super().read(size)
        return data

    def readinto(self, buffer: Any, /) -> int:
        """Read what there is into a buffer, and return how many bytes that is; 0 is the end."""
        length = None
        while length is None:
            self._wait()
            length = super().readinto(buffer)
        return length


def _open(path: str, flags: int) -> int:
    """Open a file at once. Of a named pipe that nobody writes yet, Linux waits for the writer in `poll`, too."""
    if sys.platform != "linux":
        return os.open(path, flags)
    descriptor = os.open(path, flags | os.O_NONBLOCK)
    os.set_blocking(descriptor, True)
    return descriptor


def open_buffered(source: str | int) -> io.BufferedReader:
    """Return an `InterruptibleFile` behind a buffer. Raises OSError: it could not be opened."""
    return io.BufferedReader(InterruptibleFile(source), _BUFFER_BYTES)
