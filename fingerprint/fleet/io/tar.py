"""Members of tar files whose sender is not trusted: read in turn, forwards, and never more than a limit unpacked."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from fingerprint.errors import InputError
from fingerprint.fleet.io.buffers import FOREIGN_ERRORS, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typing_extensions import Self

MEBIBYTE = 1 << 20
USUAL_LIMIT = 512 * MEBIBYTE
_BUFFER = 256 * 1024
# Names and other extensions of a header; tarfile keeps them in memory.
_LONGEST_HEADER = MEBIBYTE
_BLOCK = 512
_COMPRESSIONS = ((b"\x1f\x8b", "gzip"), (b"BZh", "bz2"), (b"\xfd7zXZ\x00", "xz"), (b"\x28\xb5\x2f\xfd", "zstd"))
_REMEDY = "It may be cut off: compare its size with the original, or write it again"


def members(path: str, limit: int, is_wanted: Callable[[str], bool], largest: int) -> Iterator[tuple[str, bytes | str]]:
    """Yield the name and content of each wanted member of a tar file, or why a member has none.

    Args:
        path: a regular file, plain or compressed with gzip, bzip2, xz or zstd.
        limit: how many bytes a compressed file may unpack to.
        is_wanted: of a name.
        largest: how many bytes a member may have.

    Raises:
        InputError: it is no tar file, is damaged or cut off, or unpacks to more than the limit.
    """
    try:
        with open(path, "rb") as stored:
            head = stored.read(6)
            stored.seek(0)
            kind = next((kind for magic, kind in _COMPRESSIONS if head.startswith(magic)), "")
            # Any: type checkers want more of a file than tarfile reads from one.
            unpacked: Any = _Unpacked(_opened(stored, kind), limit if kind else None, path)
            with tarfile.open(fileobj=unpacked, mode="r|", bufsize=_BUFFER, tarinfo=_Header) as tar:
                yield from _contents(tar, unpacked, is_wanted, largest)
    except (tarfile.TarError, EOFError, *_errors(), *FOREIGN_ERRORS) as error:
        raise InputError(f"cannot read it as a tar file ({one_line(error)})", where=path, remedy=_REMEDY) from None


def _contents(
    tar: tarfile.TarFile, unpacked: _Unpacked, is_wanted: Callable[[str], bool], largest: int
) -> Iterator[tuple[str, bytes | str]]:
    left = 0
    while True:
        unpacked.expect(left + _LONGEST_HEADER)
        member = tar.next()
        # It would keep all of them.
        tar.members = []  # type: ignore[attr-defined]
        if member is None:
            return
        left = member.size + _BLOCK
        unpacked.expect(left)
        name = member.name.removeprefix("./")
        if not is_wanted(name):
            continue
        if not member.isreg() or member.issparse():
            if not member.isdir() or is_wanted(f"{name}/"):
                yield name, "it is no regular file in the tar file"
        elif member.size > largest:
            yield name, f"it has more than {largest >> 20} MiB"
        else:
            file = tar.extractfile(member)
            yield name, file.read() if file else b""


class _Unpacked:
    """The unpacked bytes of a tar file, read forwards.

    Args:
        file: has them.
        limit: how many there may be; None for any number.
        where: the file, for errors.
    """

    def __init__(self, file: Any, limit: int | None, where: str) -> None:
        self._file = file
        self._limit = limit
        self._where = where
        self._count = 0
        self._expected = _LONGEST_HEADER

    def expect(self, more: int) -> None:
        """Let so many bytes more be read, and what a buffer holds. Raises InputError: that is beyond the limit."""
        self._expected = self._count + more + 2 * _BUFFER
        if more < 0:
            raise tarfile.ReadError("a member has a negative size")
        if self._limit is not None and self._count + more - _LONGEST_HEADER - _BLOCK > self._limit:
            self._refuse()

    def read(self, size: int) -> bytes:
        """Return the next bytes. Raises InputError: they are beyond the limit."""
        data: bytes = self._file.read(size)
        self._count += len(data)
        if self._limit is not None and self._count > self._limit + 2 * _BUFFER:
            self._refuse()
        if self._count > self._expected:
            raise tarfile.ReadError(f"the header of a member has more than {_LONGEST_HEADER >> 20} MiB")
        return data

    def _refuse(self) -> None:
        most = -(-(self._limit or 0) // MEBIBYTE)
        raise InputError(
            f"it unpacks to more than {most} MiB",
            where=self._where,
            remedy=f"If you trust who made it, raise the limit, such as with --unpack-limit {4 * max(1, most)}",
        )


class _Header(tarfile.TarInfo):
    """A header that raises an error if it is damaged; tarfile alone treats it as the end of the file."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Self:
        """Return the next header. Raises tarfile.ReadError: it is damaged, or the file is cut off."""
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error) or "the end is missing") from None


def _opened(stored: Any, kind: str) -> Any:
    if kind == "gzip":
        import gzip

        return gzip.open(stored)
    if kind == "bz2":
        import bz2

        return bz2.open(stored)
    if kind == "xz":
        import lzma

        return lzma.open(stored)
    return pa.CompressedInputStream(stored, kind) if kind else stored


def _errors() -> tuple[type[Exception], ...]:
    """Return the errors of decompressors that are no OSError or ValueError."""
    import lzma
    import zlib

    return lzma.LZMAError, zlib.error
