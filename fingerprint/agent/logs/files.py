"""Open logs: compressed or not, in any encoding, and give them as lines in the agent's format."""

from __future__ import annotations

import codecs
import io
import re
from contextlib import contextmanager
from shlex import quote
from typing import cast

from fingerprint._io.pipes import open_buffered
from fingerprint.agent.logs.kinds import BEGINS, LEVELS, TIME
from fingerprint.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from fingerprint.agent.logs.records import Records
    from fingerprint.agent.logs.wrappers import Unwrapper

    Tally = Callable[[int, set[int | None]], None]

_HEAD = 264
_DEEPEST = 4
# Memory that xz -9 takes, twice; and how much is read at once.
_XZ_MEMORY, _XZ_BYTES = 128 << 20, 1 << 16
# The beginning of a compressed file.
_FORMS = (
    (b"\x1f\x8b", "gzip"), (b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2"), (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x5d\0\0", "lzma"),
)  # fmt: skip
# What cannot be read here: offset and bytes that show it, what it is, what to do.
_OTHER_FORMS = (
    (0, b"PK\x03\x04", "a ZIP archive", "Unpack it, and name the logs in it: unzip {}"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it, and name the logs in it: 7z x {}"),
    (0, b"\x04\x22\x4d\x18", "compressed with LZ4", "Decompress it: lz4 -dc {} | fingerprint diagnose logs -"),
    (0, b"LPKSHHRH", "a binary journal", "Print it: journalctl --file {} -o export | fingerprint diagnose logs -"),
    (0, b"ElfFile\0", "an event log of Windows", "Name the agent's own logs"),
    (257, b"ustar", "a tar archive", "Unpack it, and name the logs in it: tar xf {}"),
)  # fmt: skip
_BOMS = ((b"\xff\xfe\0\0", "utf-32-le"), (b"\0\0\xfe\xff", "utf-32-be"), (b"\xff\xfe", "utf-16-le"),
         (b"\xfe\xff", "utf-16-be"))  # fmt: skip
# Text that was appended in UTF-16 to a file of another encoding, as PowerShell does.
_WIDE = re.compile(rb"(?:[\t\n\r -~]\0){4,}")
_SAMPLE_BYTES = 256
# How much of a file shows its encoding and form.
_FORM_BYTES = 4096
_NULS = re.compile(rb"\0{1,}")
# What stands for a row of NULs, which is what a file holds that was not written before a power failure.
_GAP = BEGINS.encode()


@contextmanager
def opened(path: str) -> Iterator[IO[bytes]]:
    """Open a file once, as a pipe can be read only once, and decompress it if needed.

    Raises:
        InputError: the file has a form that cannot be read here.
        OSError: the file is unreadable.
    """
    with open_buffered(0 if path == "-" else path) as stored:
        yield _unpacked(cast("IO[bytes]", stored), path, 0)


def _unpacked(stored: IO[bytes], path: str, depth: int) -> IO[bytes]:
    head = stored.read(_HEAD)
    # A terminal reports its end only once.
    file = Rejoined(head, stored) if len(head) == _HEAD else io.BytesIO(head)
    named = _named(path)
    for offset, magic, what, remedy in _OTHER_FORMS:
        if head[offset : offset + len(magic)] == magic:
            raise InputError(f"the log could not be read: it is {what}", where=path, remedy=remedy.format(named))
    form = next((name for magic, name in _FORMS if head.startswith(magic)), "")
    if not form or depth == _DEEPEST:
        return cast("IO[bytes]", file)
    return _unpacked(_decompressed(form, cast("IO[bytes]", file), path), path, depth + 1)


def _decompressed(form: str, file: IO[bytes], path: str) -> IO[bytes]:
    if form == "gzip":
        import gzip

        return cast("IO[bytes]", gzip.GzipFile(fileobj=file))
    if form in ("xz", "lzma"):
        return cast("IO[bytes]", io.BufferedReader(_Xz(file, path)))
    if form == "bzip2":
        import bz2

        return cast("IO[bytes]", bz2.BZ2File(file))
    return _zstd(file, path)


def _named(path: str) -> str:
    """Return a path for a command of a shell; one that begins with "-" is no option."""
    return "FILE" if path == "-" else quote(f"./{path}" if path.startswith("-") else path)


def _zstd(file: IO[bytes], path: str) -> IO[bytes]:
    """Return a file of zstd, which Python has since 3.14; the extra `fleet` has it, too."""
    try:
        from compression import zstd  # type: ignore[import-not-found]
    except ImportError:
        try:
            import pyarrow
        except ImportError:
            raise InputError(
                "the log could not be read: it is compressed with zstd, which needs Python 3.14 or the extra fleet",
                where=path,
                remedy=f"Decompress it: zstd -dc {_named(path)} | fingerprint diagnose logs -",
            ) from None
        stream = pyarrow.CompressedInputStream(pyarrow.PythonFile(file, "r"), "zstd")
        # Its reads give less than they are asked for.
        return cast("IO[bytes]", io.BufferedReader(Rejoined(b"", stream)))
    return cast("IO[bytes]", zstd.ZstdFile(file))


class _Xz(io.RawIOBase):
    """A file of xz or lzma, unpacked in bounded memory: its head chooses how much that takes, up to 4 GiB."""

    def __init__(self, file: IO[bytes], path: str) -> None:
        self._file = file
        self._path = path
        self._next()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray, /) -> int:  # type: ignore[override]
        """Unpack into a buffer, and return the number of bytes; 0 at the end."""
        data = b""
        while not data:
            packed = b""
            if self._stream.eof:
                packed = self._stream.unused_data or self._file.read(_XZ_BYTES)
                if not packed.strip(b"\0"):
                    # Zeros fill up the last block.
                    return 0
                self._next()
            elif self._stream.needs_input:
                packed = self._file.read(_XZ_BYTES)
                if not packed:
                    raise EOFError("the compressed file is cut off")
            data = self._unpacked(packed, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _next(self) -> None:
        import lzma

        self._stream = lzma.LZMADecompressor(memlimit=_XZ_MEMORY)

    def _unpacked(self, packed: bytes, size: int) -> bytes:
        import lzma

        try:
            return self._stream.decompress(packed, size)
        except lzma.LZMAError as error:
            if "emory" not in str(error):
                raise
            raise InputError(
                f"the log could not be read: it takes more than {_XZ_MEMORY >> 20} MiB to unpack",
                where=self._path,
                remedy=f"Decompress it: xz -dc {_named(self._path)} | fingerprint diagnose logs -",
            ) from None


class Rejoined(io.RawIOBase):
    """A file whose first bytes were read already, with these put back in front."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Read at most so many bytes."""
        if size < 0:
            head, self._head = self._head, b""
            return head + self._rest.read()
        head, self._head = self._head[:size], self._head[size:]
        return head + self._rest.read(size - len(head)) if size > len(head) else head

    def readinto(self, buffer: bytearray, /) -> int:  # type: ignore[override]
        """Read into a buffer, and return the number of bytes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class Decoder:
    """Gives the bytes of a log in UTF-8, whatever its encoding, by the first of them.

    Args:
        head: the first bytes of the log.
    """

    def __init__(self, head: bytes) -> None:
        self._wide: codecs.IncrementalDecoder | None = None
        self._begins = True
        name = next((name for bom, name in _BOMS if head.startswith(bom)), "") or _without_bom(head)
        if name:
            self._wide = codecs.getincrementaldecoder(name)("replace")

    def feed(self, data: bytes, *, final: bool = False) -> bytes:
        """Return the next bytes in UTF-8, without NULs and a byte order mark."""
        if self._wide is not None:
            data = self._wide.decode(data, final).encode("utf-8", "replace")
        if b"\0" in data:
            data = _NULS.sub(_GAP, _WIDE.sub(_narrow, data))
        if self._begins:
            data, self._begins = data.removeprefix(b"\xef\xbb\xbf"), False
        return data


def _without_bom(head: bytes) -> str:
    """Return the encoding of a text whose characters have two bytes, one of them NUL; "" for any other."""
    sample = head[:_SAMPLE_BYTES][: len(head) // 2 * 2]
    if len(sample) < 8:
        return ""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    most = len(sample) // 2
    # Zeros alone are no text.
    if odd > most * 0.7 and even < most * 0.2:
        return "utf-16-le"
    return "utf-16-be" if even > most * 0.7 and odd < most * 0.2 else ""


def _narrow(found: re.Match[bytes]) -> bytes:
    return found[0][::2]


def blocks(
    file: IO[bytes], size: int, progress: Callable[[int], None], ahead: int | None, tally: Tally
) -> Iterator[bytes]:
    """Yield a log in blocks of lines in the agent's format; each block but the last ends with a line.

    Args:
        file: the log.
        size: of a block, in bytes.
        progress: called with the number of bytes of each read.
        ahead: seconds by which the log's local time is ahead of UTC; None if unknown.
        tally: called after each block with the number of lines of other programs in it, and the offsets of times from
            UTC so far, None for unknown ones.
    """
    chunk = file.read(size)
    progress(len(chunk))
    forms = _Forms(chunk, ahead)
    left = b""
    while chunk:
        ended = len(chunk) < size
        text = forms.feed(chunk)
        lines, end, left = (left + text).rpartition(b"\n")
        if len(left) > size:
            # No log has such long lines; end it here, so that memory use stays bounded.
            lines, end, left = lines + end + left, b"", b""
        if lines or end:
            yield forms.plain(lines + end)
            tally(forms.take_others(), forms.zones)
        chunk = b"" if ended else file.read(size)
        progress(len(chunk))
    left += forms.end()
    if left:
        yield forms.plain(left)
    tally(forms.take_others(), forms.zones)


class _Forms:
    """The encoding of a log and what wraps its lines. What is rare is imported only for a log that has it."""

    def __init__(self, head: bytes, ahead: int | None) -> None:
        self._ahead = ahead
        self._unwrapper: Unwrapper | None = None
        self._taken = 0
        self._plain = False
        head = head[:_FORM_BYTES]
        self._decoder = Decoder(head)
        self._records: Records | None = None
        # An export of a journal has fields of bytes.
        self._binary = head[:1] in (b"_", b"\n")
        # A log of the agent begins with a time; records begin with a name or a bracket.
        if self._binary or head[:1] in (b"{", b"[", b"\xef", b"\xff", b"\xfe") or b" [s=" in head:
            from fingerprint.agent.logs.records import records_of

            self._records = records_of(head if self._binary else Decoder(head).feed(head), self.unwrapper)

    @property
    def unwrapper(self) -> Unwrapper:
        """What gives a line in the agent's format."""
        if self._unwrapper is None:
            from fingerprint.agent.logs.wrappers import Unwrapper

            self._unwrapper = Unwrapper(self._ahead)
        return self._unwrapper

    def feed(self, data: bytes) -> bytes:
        if self._records is None:
            return self._decoder.feed(data)
        return self._records.feed(data if self._binary else self._decoder.feed(data))

    def end(self) -> bytes:
        rest = self._decoder.feed(b"", final=True)
        return rest if self._records is None else (self._records.feed(rest) if rest else b"") + self._records.end()

    def plain(self, block: bytes) -> bytes:
        """Return a block of lines in the agent's format."""
        if self._records is not None:
            return block
        if is_plain(block):
            self._plain = True
            return block
        from fingerprint.agent.logs.wrappers import in_bytes

        return in_bytes(self.unwrapper.block(block.decode("utf-8", "surrogateescape")))

    def take_others(self) -> int:
        """Return how many lines of other programs came since the last call."""
        if self._unwrapper is None:
            return 0
        taken, self._taken = self._taken, self._unwrapper.others
        return self._taken - taken

    @property
    def zones(self) -> set[int | None]:
        """Offsets from UTC of the times so far, None for unknown ones."""
        return ({None} if self._plain else set()) | (self._unwrapper.zones if self._unwrapper is not None else set())


_LEVEL = f"(?:{'|'.join(LEVELS)}) "
# A line in the agent's format, or one that continues it.
_PLAIN = (
    rf"{TIME} {_LEVEL}|{_LEVEL}(?![\[(<]?\d)|"
    r"[ \t](?![ \t]{0,40}\d{4}-\d\d-\d\d \d\d:)|[\r\n)}]|caused by"
)
_NOT_PLAIN = re.compile(rf"^(?!{_PLAIN}|\Z)".encode(), re.MULTILINE)
_SAMPLE = 32
_SMALL = 1 << 16
# The frequent ones first.
_IN_LINE = (b" INFO ", b" DEBUG ", b" ERROR ", b" WARN ", b" TRACE ", b" CRITICAL ")


def has_levels(block: bytes, lines: int) -> bool:
    """Return whether a block has at least so many levels of lines in the agent's format."""
    for level in _IN_LINE:
        lines -= block.count(level)
        if lines <= 0:
            return True
    return False


def is_plain(block: bytes) -> bool:
    """Return whether a block has the agent's format; of a long one whose lines have levels, by its first lines."""
    if len(block) > _SMALL and has_levels(block, block.count(b"\n")):
        block = b"\n".join(block[:_SMALL].split(b"\n")[:_SAMPLE])
    return _NOT_PLAIN.search(block) is None
