"""Find the relevant entries of the agent's logs, in files of any length and form."""

from __future__ import annotations

import io
import re
import sys
import zlib
from bisect import bisect
from contextlib import nullcontext

from fingerprint._io.text import without_secrets
from fingerprint.agent.logs.files import blocks, has_levels, opened
from fingerprint.agent.logs.kinds import BEGINS, CONSOLE_MARK, KINDS, LEVELS, LINE_END, PRINTED, TIME, kind_of
from fingerprint.agent.paths import paths_of
from fingerprint.errors import InputError
from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

_WHERE_LOGS_ARE = (
    f"The agent's logs are in {paths_of('linux').logs}, on Windows in "
    f"{paths_of('windows', {'ProgramData': '%ProgramData%'}).logs}"
)
_BLOCK = 1 << 20
# Longer than any entry that the agent writes about its fingerprint; the rest of a longer one is ignored.
_TEXT_LIMIT = 4096
# Most lines and bytes of one entry; the stack trace of a panic is longer, and its rest is ignored.
_LINES_JOINED, _BYTES_JOINED = 100, 1 << 16
_LINE_END, _BEGINS = LINE_END.encode(), BEGINS.encode()
_LEVEL_NAMES = "|".join(LEVELS)
_INFORMING = (b" INFO ", b" DEBUG ")
_HIBERNATION = (b"agent is in hibernate mode", b"backing off health check")
_DAY = r"[12]\d{3}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_CLOCK = r"(?:[01]\d|2[0-3])(?::[0-5]\d){2}"
_LINE = re.compile(rf"(?:({_DAY}) ({_CLOCK})(\.\d+)? )?\b({_LEVEL_NAMES}) (.*)", re.DOTALL)
# Each line that is not empty: of an entry's first one the level, of another one its text.
_ROW = re.compile(rf"^(?:(?:{TIME} )?({_LEVEL_NAMES}) |([^\r\n]+))".encode(), re.MULTILINE)
# A line that continues an entry of any level, and one that continues none.
_CONTINUES = re.compile(
    rb"[ \t)}\]<\"]|caused by|status code|goroutine |Stacktrace|created by |at |\.\.\.|\[signal |exit status|panic\(|"
    rb"[\w./-]{1,200}\([^\n]{0,200}\)$", re.MULTILINE,
)  # fmt: skip
_STANDS_ALONE = re.compile(
    rb"\x1d|[\[<(]?\d{2,4}[-/.]\d\d?[-/.]\d\d|\[ {0,9}\d{1,9}\.\d{1,9}\]|[A-Z][a-z]{2} [ \d]\d \d\d:|-- |"
    rb"panic: |fatal error: |" + b"|".join(re.escape(text.encode()) for text in PRINTED)
)
_REQUEST_ID = re.compile(r"(status code: \d{1,9}), request id:.*")
_PRINTED = tuple(text.encode() for text in PRINTED)
# The most of a line that was not understood which is quoted.
_QUOTED = 200
_EMPTY = re.compile(rb"[\r\n]*")
_FREE_TEXT_AFTER = (b"WARN", b"ERROR", b"CRITICAL")
# The most frequent line. The last two of a block are enough: the report of the first succeeded unless another entry is
# between them.
_AWAKE = dict(KINDS)["awake"].encode()
_AWAKE_KEPT = 2
_EXPIRED = dict(KINDS)["expired"].encode()
_PHRASES = tuple(dict.fromkeys(piece.encode() for kind, piece in KINDS if kind not in ("awake", "expired")))
# What the agent writes to the serial port of an instance, with a time in UTC.
_CONSOLE = re.compile(
    rf"({_DAY.replace('-(', '/(')}) ({_CLOCK}){CONSOLE_MARK}"
    r"(entering hibernation due to error|unable to acquire credentials): <error>(.*?)(?:</error>|$)", re.DOTALL,
)  # fmt: skip
# The source of a line, if the operator's format has it.
_SOURCE = re.compile(r"\(?\w{1,60}\.go[.:]\d{1,6}\)?:? ")
_ERROR_MARK = "<error>"
_CONSOLE_MARK = CONSOLE_MARK.encode()
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
        entries: number of lines that begin an entry.
        others: number of lines of other programs, in a journal or in a log of several.
        unknown: number of lines that were not understood.
        first_unknown: (file, line number, text) of the first of them; None without one.
        informs: whether there is a line of a level at which the agent logs that credentials came. errors.log and logs
            of the levels "warn" and "error" have none; hibernate.log has only its own two messages.
        zones: offsets of the times from UTC in seconds, None for an unknown one.
    """

    def __init__(self) -> None:
        self.lines = self.entries = self.others = self.unknown = 0
        self.first_unknown: tuple[str, int, str] | None = None
        self.informs = False
        self.zones: set[int | None] = set()
        # The level of the last entry.
        self.level = b""

    @property
    def passed_over(self) -> int:
        """Number of lines that are not an agent's."""
        return self.others + self.unknown

    def add(self, other: Counts) -> None:
        """Add what was read of another file."""
        for name in ("lines", "entries", "others", "unknown"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.first_unknown = self.first_unknown or other.first_unknown
        self.zones |= other.zones

    def tally(self, others: int, zones: set[int | None]) -> None:
        """Add lines of other programs, and offsets of times from UTC."""
        self.others += others
        self.zones |= zones


def entries(
    path: str, counts: Counts, progress: Callable[[int], None], data: bytes | None = None, ahead: int | None = None
) -> Generator[Entry, None, None]:
    """Yield the relevant entries of one file, in its order.

    Args:
        path: the file; "-" is standard input.
        counts: updated while reading.
        progress: called with the number of bytes of each block.
        data: the content, if the file was read already.
        ahead: seconds by which the log's local time is ahead of UTC; None if unknown.

    Raises:
        InputError: the file is unreadable or damaged.
    """
    before: Entry | None = None
    left = b""
    try:
        with opened(path) if data is None else nullcontext(io.BytesIO(data)) as file:
            for block in blocks(file, _BLOCK, progress, ahead, counts.tally):
                _count(block, counts, path)
                found, left = _of_block(left + block)
                for entry in _parsed(found, before):
                    before = entry
                    yield entry
            yield from _parsed([_text(left)] if left else [], before)
    except InputError:
        raise
    except (OSError, EOFError, ValueError, zlib.error, _damaged()) as error:
        raise InputError(
            f"the log could not be read ({getattr(error, 'strerror', None) or error})",
            where=path,
            remedy=_WHERE_LOGS_ARE,
        ) from None


def _damaged() -> type[Exception]:
    """Return the error of a damaged xz file, if its module was imported."""
    lzma = sys.modules.get("lzma")
    return EOFError if lzma is None else lzma.LZMAError


def _count(block: bytes, counts: Counts, path: str) -> None:
    """Count the lines of a block by what they are."""
    ends = block.count(b"\n")
    lines = ends + (not block.endswith(b"\n"))
    if not counts.informs:
        informing = sum(block.count(level) + block.count(b"\n" + level[1:]) for level in _INFORMING)
        informing += block.startswith(tuple(level[1:] for level in _INFORMING))
        if informing:
            lowered = block.lower()
            counts.informs = informing > sum(lowered.count(phrase) for phrase in _HIBERNATION)
    number, counts.lines = counts.lines, counts.lines + lines
    if has_levels(block, lines):
        # Each line has its level.
        counts.entries += lines
        last = _ROW.search(block, block.rfind(b"\n", 0, -1) + 1)
        counts.level = (last[1] if last else None) or b"INFO"
        return
    for row in _ROW.finditer(block):
        if row[1]:
            counts.entries += 1
            counts.level = row[1]
        elif _CONSOLE_MARK in row[2]:
            counts.entries += 1
        elif not _continues(row[2], counts.level):
            text = row[2].rpartition(_BEGINS)[2]
            if any(printed in text for printed in _PRINTED):
                counts.entries += 1
                continue
            if not text:
                continue
            counts.unknown += 1
            if counts.first_unknown is None:
                line = number + block.count(b"\n", 0, row.start()) + 1
                shown = text.replace(_LINE_END, b" ")[:_TEXT_LIMIT].decode("utf-8", "replace")
                counts.first_unknown = path, line, without_secrets(shown)[:_QUOTED]


def _continues(line: bytes, level: bytes) -> bool:
    """Return whether a line without time and level continues an entry of a level; b"" without an entry before it."""
    if not level or _STANDS_ALONE.match(line):
        return False
    return level in _FREE_TEXT_AFTER or _CONTINUES.match(line) is not None


def _of_block(block: bytes) -> tuple[list[str], bytes]:
    """Return the entries of a block that may be relevant, and the bytes of one at its end that may continue.

    Each phrase is searched for in the block as one string, which is ten times as fast as line by line.
    """
    lowered = block.lower()
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
        done = _end_of_entry(block, start)
        if done == len(block) and done - start < _BYTES_JOINED:
            return found, block[start:]
        found.append(_text(block[start:done]))
    return found, b""


def _end_of_entry(block: bytes, start: int) -> int:
    """Return where an entry ends that may have several lines."""
    done = block.find(b"\n", start) + 1 or len(block)
    row = _ROW.match(block, start)
    level = (row[1] if row else None) or b"INFO"
    for _ in range(_LINES_JOINED):
        # Empty lines may be those of other programs.
        begin = _EMPTY.match(block, done).end()  # type: ignore[union-attr]  # it matches everywhere
        following = _ROW.match(block, begin)
        if following is None:
            return begin
        if following[1] or not _continues(following[2], level):
            break
        done = block.find(b"\n", begin) + 1 or len(block)
    return done


def _text(lines: bytes) -> str:
    """Return the lines of an entry, without empty ones."""
    text = lines.replace(_LINE_END, b"\n").rstrip(b"\r\n").decode("utf-8", "replace")
    if "\n" not in text:
        return text
    # The number of a request is another one at each retry.
    return "\n".join(_REQUEST_ID.sub(r"\1", line).rstrip() for line in text.split("\n") if line.strip())


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
    kind = kind_of(text.partition("\n")[0])
    if kind is None:
        return None
    at, fraction = (f"{day} {clock}", fraction or "") if day else (before.at, before.fraction) if before else ("", "")
    return Entry(at, level, kind, without_secrets(_without_context(text)), fraction)


def _of_console(line: str) -> Entry | None:
    """Return the entry of a line of an instance's console, in the form of the log."""
    found = _CONSOLE.search(line.rstrip("\r\n")[:_TEXT_LIMIT])
    if not found:
        return None
    day, clock, words, error = found.groups()
    kind, begin = _OF_CONSOLE[words]
    return Entry(f"{day.replace('/', '-')} {clock}", "ERROR", kind, without_secrets(begin + error.strip()))


def _without_context(text: str) -> str:
    source = _SOURCE.match(text)
    text = text[source.end() if source else 0 :]
    while text.startswith("[") and "] " in text:
        text = text.partition("] ")[2]
    return text.strip()
