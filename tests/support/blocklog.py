"""A file system of two files that logs each write to a disk image: the disk of the power-loss suite.

    python blocklog.py DIRECTORY SIZE   mounts DIRECTORY/mnt; its image is DIRECTORY/mnt/disk, its log DIRECTORY/log

Data written to DIRECTORY/mnt/mark are logged as a mark. The log is a sequence of (kind, offset, length,
bytes), kind being W for a write, F for a flush and M for a mark.
"""

from __future__ import annotations

import os
import stat
import struct
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

HEADER = struct.Struct("<cQI")


class Event(NamedTuple):
    """One event of the log: "W" with offset and data, "F", or "M" with data."""

    kind: str
    offset: int
    data: bytes


def events(path: str) -> Iterator[Event]:
    """Yield the events of a log in order."""
    with open(path, "rb") as log:
        while header := log.read(HEADER.size):
            kind, offset, length = HEADER.unpack(header)
            yield Event(kind.decode(), offset, log.read(length))


def main(directory: str, size: int) -> None:
    import mfusepy

    class Disk(mfusepy.Operations):  # type: ignore[misc]
        use_ns = True

        def __init__(self) -> None:
            self.log = open(f"{directory}/log", "wb", buffering=0)  # noqa: SIM115  open as long as the mount
            self.image = os.open(f"{directory}/image", os.O_RDWR | os.O_CREAT, 0o600)
            os.ftruncate(self.image, size)

        def note(self, kind: bytes, offset: int, data: bytes) -> None:
            self.log.write(HEADER.pack(kind, offset, len(data)) + data)

        def getattr(self, path: str, fh: Any = None) -> dict[str, int]:
            if path == "/":
                return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
            if path not in ("/disk", "/mark"):
                raise mfusepy.FuseOSError(2)
            return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": size if path == "/disk" else 0}

        def readdir(self, path: str, fh: int) -> list[str]:
            return [".", "..", "disk", "mark"]

        def read(self, path: str, length: int, offset: int, fh: int) -> bytes:
            return os.pread(self.image, length, offset)

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            if path == "/mark":
                self.note(b"M", 0, data)
            else:
                os.pwrite(self.image, data, offset)
                self.note(b"W", offset, data)
            return len(data)

        def fsync(self, path: str, datasync: int, fh: int) -> int:
            self.note(b"F", 0, b"")
            return 0

        def truncate(self, path: str, length: int, fh: Any = None) -> int:
            return 0

    # Past the page cache, so that each write and flush of the loop device is seen as it is made.
    mfusepy.FUSE(Disk(), f"{directory}/mnt", foreground=True, nothreads=True, direct_io=True, allow_other=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
