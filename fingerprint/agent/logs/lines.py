"""Find the relevant lines of the agent's logs, in files of any length, rotated or compressed."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from bisect import bisect
from contextlib import contextmanager, nullcontext
from typing import cast

from fingerprint._io.pipes import open_buffered
from fingerprint._io.text import without_passwords
from fingerprint.agent.paths import paths_of
from fingerprint.agent.versions import LOG_LINES
from fingerprint.errors import InputError
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import IO

_WHERE_LOGS_ARE = (
    f"The agent's logs are in {paths_of('linux').logs}, on Windows in "
    f"{paths_of('windows', {'ProgramData': '%ProgramData%'}).logs}"
)
_BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"
# Longer than any entry that the agent writes about its fingerprint; the rest of a longer line is ignored.
_TEXT_LIMIT = 4096
# The beginning of a new entry.
_BEGINS = re.compile(rb"\d{4}-\d\d-\d\d |(?:TRACE|DEBUG|INFO|WARN|ERROR|CRITICAL) ")
# Most lines of one entry: a machine ID is logged with its line break.
_LINES_JOINED = 3
_LEVELS = (b" TRACE ", b" DEBUG ", b" INFO ", b" WARN ", b" ERROR ", b" CRITICAL ")
_INFORMING = (b" INFO ", b" DEBUG ")
_HIBERNATION = (b"agent is in hibernate mode", b"backing off health check")
_DAY = r"[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]\d|2[0-3])(?::[0-5]\d){2}"
_LINE = re.compile(
    rf"(?:({_DAY}) ({_CLOCK})(\.\d+)? )?\b(TRACE|DEBUG|INFO|WARN|ERROR|CRITICAL) (.*)", re.DOTALL
)  # fmt: skip
# (kind, a part of its line in lower case); the first match counts.
_KINDS = tuple((line.kind, line.text) for line in LOG_LINES if line.kind)
# The most frequent line. The last two of a block are enough: the report of the first succeeded unless another entry is
# between them.
_AWAKE = dict(_KINDS)["awake"].encode()
_AWAKE_KEPT = 2
_EXPIRED = dict(_KINDS)["expired"].encode()
_PHRASES = tuple(dict.fromkeys(piece.encode() for kind, piece in _KINDS if kind not in ("awake", "expired")))
# What the agent writes to the serial port of an instance, with a time in UTC.
_CONSOLE = re.compile(
    rf"({_DAY.replace('-(', '/(')}) ({_CLOCK})Z: SSM Agent "
    r"(entering hibernation due to error|unable to acquire credentials): <error>(.*?)(?:</error>|$)", re.DOTALL,
)  # fmt: skip
_ERROR_MARK = "<error>"
_CONSOLE_MARK = b"Z: SSM Agent "
# Message of the console -> kind, and beginning of the same message in the log.
_OF_CONSOLE = {
    "entering hibernation due to error": ("hibernate", "Entering SSM Agent hibernate - "),
    "unable to acquire credentials": ("refused", "Retrieve credentials produced error: "),
}


class Entry(Value):
    """One relevant entry of a log.

    Attributes:
        at: local time as logged, to the second; "" without one.
        level, kind, text: of the line; kinds are those of `agent.versions.LOG_LINES`.
        fraction: of the second, such as ".9250"; "" without one.
    """

    at: str
    level: str
    kind: str
    text: str
    fraction: str = ""

    @property
    def order(self) -> str:
        """Key that sorts entries of several logs: the time with its fraction."""
        return self.at + self.fraction


class Counts:
    """What was read so far.

    Attributes:
        lines: number of lines.
        passed_over: number of lines that are not an agent's.
        informs: whether there is a line of a level at which the agent logs that credentials came. errors.log and logs
            of the levels "warn" and "error" have none; hibernate.log has only its own two messages.
    """

    def __init__(self) -> None:
        self.lines = 0
        self.passed_over = 0
        self.informs = False


def entries(path: str, counts: Counts, progress: Callable[[int], None], data: bytes | None = None) -> Iterator[Entry]:
    """Yield the relevant entries of one file, in its order.

    Args:
        path: the file; "-" is standard input.
        counts: updated while reading.
        progress: called with the number of bytes of each block.
        data: the content, if the file was read already.

    Raises:
        InputError: the file is unreadable or damaged.
    """
    before: Entry | None = None
    try:
        with _opened(path) if data is None else nullcontext(io.BytesIO(data)) as file:
            left = b""
            while chunk := file.read(_BLOCK):
                progress(len(chunk))
                lines, newline, left = (left + chunk).rpartition(b"\n")
                if len(left) > _BLOCK:
                    # No log has such long lines; end it here, so that memory use stays bounded.
                    lines, left = lines + newline + left, b""
                found, unfinished = _of_block(lines + newline, counts)
                left = unfinished + left
                for entry in _parsed(found, before):
                    before = entry
                    yield entry
            found, unfinished = _of_block(left, counts)
            yield from _parsed([*found, unfinished.decode("utf-8", "replace")], before)
    except (OSError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"the log could not be read ({getattr(error, 'strerror', None) or error})",
            where=path,
            remedy=_WHERE_LOGS_ARE,
        ) from None


def _of_block(block: bytes, counts: Counts) -> tuple[list[str], bytes]:
    """Return the entries of a block that may be relevant, and the bytes of an incomplete one at its end.

    Each phrase is searched for in the block as one string, which is ten times as fast as line by line.
    """
    lines = block.count(b"\n")
    counts.lines += lines
    counts.passed_over += max(0, lines - sum(block.count(level) for level in (*_LEVELS, _CONSOLE_MARK)))
    lowered = block.lower()
    if not counts.informs:
        informing = sum(block.count(level) + block.count(b"\n" + level[1:]) for level in _INFORMING)
        informing += block.startswith(tuple(level[1:] for level in _INFORMING))
        counts.informs = informing > sum(lowered.count(phrase) for phrase in _HIBERNATION)
    starts: set[int] = set()
    at = len(lowered)
    while len(starts) < _AWAKE_KEPT and (at := lowered.rfind(_AWAKE, 0, at)) >= 0:
        starts.add(lowered.rfind(b"\n", 0, at) + 1)
    for phrase in _PHRASES:
        starts.update(_starts_of(phrase, lowered))
    # Of a run of such lines, which may be thousands, the first and the last are enough.
    between = sorted(starts)
    rows: dict[int, list[int]] = {}
    for start in _starts_of(_EXPIRED, lowered):
        rows.setdefault(bisect(between, start), []).append(start)
    starts.update(start for row in rows.values() for start in (row[0], row[-1]))
    found: list[str] = []
    done = 0
    for start in sorted(starts):
        if start < done:
            continue
        done = start
        for joined in range(_LINES_JOINED):
            if joined and _BEGINS.match(block, done):
                # The entry was cut off.
                break
            done = block.find(b"\n", done) + 1 or len(block)
            line = block[start:done]
            if b"hardware id (" not in line.lower() or b")." in line.partition(b"registered value")[2]:
                break
            if done == len(block):
                return found, line
        found.append(line.decode("utf-8", "replace"))
    return found, b""


def _starts_of(phrase: bytes, block: bytes) -> Iterator[int]:
    """Yield the offset of each line that contains a phrase."""
    at = block.find(phrase)
    while at >= 0:
        yield block.rfind(b"\n", 0, at) + 1
        end = block.find(b"\n", at)
        at = block.find(phrase, end) if end >= 0 else -1


def _parsed(lines: Iterable[str], before: Entry | None) -> Iterator[Entry]:
    for line in lines:
        entry = parse(line, before)
        if entry is not None:
            before = entry
            yield entry


def parse(line: str, before: Entry | None = None) -> Entry | None:
    """Return the entry of one line; None if it is not relevant.

    Args:
        line: the line, or the lines of one entry.
        before: the previous entry; a line without a time gets its time.
    """
    if _ERROR_MARK in line:
        of_console = _of_console(line)
        if of_console is not None:
            return of_console
    found = _LINE.search(line.rstrip("\r\n"))
    if not found:
        return None
    day, clock, fraction, level, text = found.groups()
    text = text[:_TEXT_LIMIT]
    lowered = text.lower()
    kind = next((name for name, piece in _KINDS if piece in lowered), None)
    if kind is None:
        return None
    at, fraction = (f"{day} {clock}", fraction or "") if day else (before.at, before.fraction) if before else ("", "")
    return Entry(at, level, kind, without_passwords(_without_context(text)), fraction)


def _of_console(line: str) -> Entry | None:
    """Return the entry of a line of an instance's console, in the form of the log."""
    found = _CONSOLE.search(line.rstrip("\r\n")[:_TEXT_LIMIT])
    if not found:
        return None
    day, clock, words, error = found.groups()
    kind, begin = _OF_CONSOLE[words]
    return Entry(f"{day.replace('/', '-')} {clock}", "ERROR", kind, without_passwords(begin + error.strip()))


def _without_context(text: str) -> str:
    while text.startswith("[") and "] " in text:
        text = text.partition("] ")[2]
    return text.strip()


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    """Open a file once, as a pipe can be read only once, and decompress it if needed."""
    with open_buffered(0 if path == "-" else path) as stored:
        head = stored.read(len(_GZIP))
        file = cast("IO[bytes]", _Rejoined(head, stored))
        if len(head) < len(_GZIP):
            # The file has ended; a terminal reports that only once.
            yield io.BytesIO(head)
        elif head == _GZIP:
            with gzip.open(file) as unpacked:
                yield cast("IO[bytes]", unpacked)
        else:
            yield file


class _Rejoined:
    """A file whose first bytes were read already, with these put back in front."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int) -> bytes:
        head, self._head = self._head[:size], self._head[size:]
        return head + self._rest.read(size - len(head))
