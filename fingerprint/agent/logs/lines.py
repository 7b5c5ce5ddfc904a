"""Lines of the agent's logs that say something, out of files of any length, rotated or compressed."""

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
# More than any entry that the agent writes about its fingerprint; what is longer is looked at no further.
_TEXT_LIMIT = 4096
# What a line of its own begins with.
_BEGINS = re.compile(rb"\d{4}-\d\d-\d\d |(?:TRACE|DEBUG|INFO|WARN|ERROR|CRITICAL) ")
# The lines that one entry may have: a machine ID is logged with its end of line.
_LINES_JOINED = 3
_LEVELS = (b" TRACE ", b" DEBUG ", b" INFO ", b" WARN ", b" ERROR ", b" CRITICAL ")
_INFORMING = (b" INFO ", b" DEBUG ")
_HIBERNATION = (b"agent is in hibernate mode", b"backing off health check")
_DAY = r"[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]\d|2[0-3])(?::[0-5]\d){2}"
_LINE = re.compile(
    rf"(?:({_DAY}) ({_CLOCK})(\.\d+)? )?\b(TRACE|DEBUG|INFO|WARN|ERROR|CRITICAL) (.*)", re.DOTALL
)  # fmt: skip
# Kind -> the text that tells it, in lower case; the first that is found counts.
_KINDS = tuple((line.kind, line.text) for line in LOG_LINES if line.kind)
# The commonest line of all, of which the last ones of a block tell as much as each: the first of the two ended well
# unless something else stands between them.
_AWAKE = dict(_KINDS)["awake"].encode()
_AWAKE_KEPT = 2
_EXPIRED = dict(_KINDS)["expired"].encode()
_PHRASES = tuple(dict.fromkeys(piece.encode() for kind, piece in _KINDS if kind not in ("awake", "expired")))
# What the agent writes to the serial port of an instance, with a time in UTC: beginning -> kind and words of the log.
_CONSOLE = re.compile(
    rf"({_DAY.replace('-(', '/(')}) ({_CLOCK})Z: SSM Agent "
    r"(entering hibernation due to error|unable to acquire credentials): <error>(.*?)(?:</error>|$)", re.DOTALL,
)  # fmt: skip
_ERROR_MARK = "<error>"
_CONSOLE_MARK = b"Z: SSM Agent "
_OF_CONSOLE = {
    "entering hibernation due to error": ("hibernate", "Entering SSM Agent hibernate - "),
    "unable to acquire credentials": ("refused", "Retrieve credentials produced error: "),
}


class Entry(Value):
    """One line of a log that says something.

    Attributes:
        at: local time as logged, to the second; "" if not told.
        level, kind, text: of the line.
        fraction: what follows the second, such as ".9250"; "" if it is not logged.
    """

    at: str
    level: str
    kind: str
    text: str
    fraction: str = ""

    @property
    def order(self) -> str:
        """What entries of several logs are sorted by: the time with its fraction."""
        return self.at + self.fraction


class Counts:
    """What was read so far.

    Attributes:
        lines: their number.
        passed_over: how many of them are none of an agent's log.
        informs: whether there is a line of a level at which the agent tells that credentials came. errors.log and logs
            of the levels "warn" and "error" have none, and hibernate.log has its own two only.
    """

    def __init__(self) -> None:
        self.lines = 0
        self.passed_over = 0
        self.informs = False


def entries(path: str, counts: Counts, progress: Callable[[int], None], data: bytes | None = None) -> Iterator[Entry]:
    """Yield what matters in one file, in its order.

    Args:
        path: the file; "-" is standard input.
        counts: counted on.
        progress: called with the bytes of each block.
        data: what the file holds, if it was read already.

    Raises:
        InputError: the file could not be read, or is damaged.
    """
    before: Entry | None = None
    try:
        with _opened(path) if data is None else nullcontext(io.BytesIO(data)) as file:
            left = b""
            while chunk := file.read(_BLOCK):
                progress(len(chunk))
                whole, newline, left = (left + chunk).rpartition(b"\n")
                if len(left) > _BLOCK:
                    # No log has such lines; it is not kept in memory in the hope of an end.
                    whole, left = whole + newline + left, b""
                told, unfinished = _of_block(whole + newline, counts)
                left = unfinished + left
                for entry in _parsed(told, before):
                    before = entry
                    yield entry
            told, unfinished = _of_block(left, counts)
            yield from _parsed([*told, unfinished.decode("utf-8", "replace")], before)
    except (OSError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"the log could not be read ({getattr(error, 'strerror', None) or error})",
            where=path,
            remedy=_WHERE_LOGS_ARE,
        ) from None


def _of_block(block: bytes, counts: Counts) -> tuple[list[str], bytes]:
    """Return the entries of whole lines that may matter, and the bytes of one at the end that goes on.

    Each phrase is searched for in the whole block: that is ten times as fast as a look at each line.
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
    # Of those in a row, which may be thousands, the first and the last tell all.
    between = sorted(starts)
    rows: dict[int, list[int]] = {}
    for start in _starts_of(_EXPIRED, lowered):
        rows.setdefault(bisect(between, start), []).append(start)
    starts.update(start for row in rows.values() for start in (row[0], row[-1]))
    told: list[str] = []
    done = 0
    for start in sorted(starts):
        if start < done:
            continue
        done = start
        for joined in range(_LINES_JOINED):
            if joined and _BEGINS.match(block, done):
                # The entry before was cut off.
                break
            done = block.find(b"\n", done) + 1 or len(block)
            line = block[start:done]
            if b"hardware id (" not in line.lower() or b")." in line.partition(b"registered value")[2]:
                break
            if done == len(block):
                return told, line
        told.append(line.decode("utf-8", "replace"))
    return told, b""


def _starts_of(phrase: bytes, block: bytes) -> Iterator[int]:
    """Yield where the lines begin that hold a phrase."""
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
    """Return the entry of one line, None if it is none that matters.

    Args:
        line: the line, or the lines of one entry.
        before: the entry before, whose time a line without one has.
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
    """Return the entry of a line of an instance's console, as if it stood in the log."""
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
    """Open a file once, as a pipe can be read only once, and unpack it if it is compressed."""
    with open_buffered(0 if path == "-" else path) as stored:
        head = stored.read(len(_GZIP))
        whole = cast("IO[bytes]", _Rejoined(head, stored))
        if len(head) < len(_GZIP):
            # It is at its end, of which a terminal tells once.
            yield io.BytesIO(head)
        elif head == _GZIP:
            with gzip.open(whole) as unpacked:
                yield cast("IO[bytes]", unpacked)
        else:
            yield whole


class _Rejoined:
    """A file of which the first bytes were read, with them in front."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int) -> bytes:
        head, self._head = self._head[:size], self._head[size:]
        return head + self._rest.read(size - len(head))
