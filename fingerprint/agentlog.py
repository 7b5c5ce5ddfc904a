"""A timeline out of the agent's own logs: what it saw, what it did, and what that means now.

Both spellings over its versions are understood, with and without time stamps, behind the prefix of a
journal, in rotated and compressed files. The texts are those of amazon-ssm-agent 2.3 to 3.3. Logs are
read line by line: their length costs time and no memory.
"""

from __future__ import annotations

import gzip
import heapq
import re
import sys
import zlib
from contextlib import nullcontext
from datetime import datetime, timedelta
from typing import cast

from fingerprint.errors import InputError
from fingerprint.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import IO

ATTRIBUTES = 9
TIMELINE_LIMIT = 400
GROUPS_LIMIT = 50
_BLOCK = 1 << 20
# The lines that one entry may have: a machine ID is logged with its end of line.
_LINES_JOINED = 3
_LEVELS = (b" TRACE ", b" DEBUG ", b" INFO ", b" WARN ", b" ERROR ", b" CRITICAL ")
# The address is logged under this name, too, and counts once.
_PSEUDO = "IP Address"
_LINE = re.compile(
    r"(?:(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? )?\b(TRACE|DEBUG|INFO|WARN|ERROR|CRITICAL) (.*)", re.DOTALL
)
_CHANGED = re.compile(
    r"The '([^']+)' value \((.*)\) has changed from the registered machine configuration value \((.*)\)", re.DOTALL
)
_ID = re.compile(r"The hardware ID \((.*)\) has changed from the registered value \((.*)\)", re.DOTALL | re.IGNORECASE)
_VERSION = re.compile(r"amazon-ssm-agent - v(\d+(?:\.\d+)+)")
_ERROR = re.compile(r"produced error: (.*)", re.IGNORECASE | re.DOTALL)
_SLEEP = re.compile(r"Sleeping for (\S+) before retrying", re.IGNORECASE)
_BACKOFF = re.compile(r"every (\d+) seconds for (\d+) seconds", re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
# Kind -> the text that tells it, in lower case; the first that is found counts.
_KINDS = (
    ("id-differs", "the hardware id ("),
    ("attribute", "has changed from the registered machine configuration value"),
    ("mismatch", "machine configuration has changed more than the allowed threshold"),
    ("mismatch", "hardware hash is not equal"),
    ("not-loaded", "the saved machine configuration could not be loaded"),
    ("regenerated", "calculated hardware difference"),
    ("first", "no initial fingerprint"),
    ("unreadable", "could not read instancefingerprint"),
    ("refused", "retrieve credentials produced error"),
    ("sleep", "before retrying retrieve"),
    ("good", "credentials ready"),
    ("good", "next credential rotation"),
    ("backoff", "backing off health check"),
    ("ping-failed", "health ping failed"),
    ("hibernate", "hibernat"),
    ("version", "amazon-ssm-agent - v"),
    ("start", "starting core agent"),
    ("stop", "stopping core agent"),
)


_PHRASES = tuple(dict.fromkeys(piece.encode() for _, piece in _KINDS))


class Entry(Value):
    """One line of a log that says something. Attributes: `at` is local time as logged, "" if not told."""

    __slots__ = ("at", "level", "kind", "text")
    at: str
    level: str
    kind: str
    text: str

    def __init__(self, at: str, level: str, kind: str, text: str) -> None:
        self._set(at=at, level=level, kind=kind, text=text)


class Mismatch:
    """One comparison that failed, however often it was logged.

    Attributes:
        first, last: when it was logged.
        times: how many groups of lines tell it: four to each failure of a newer agent.
        id_differs: whether the hardware ID decided.
        changed: attribute -> (saved, current), the address once.
    """

    def __init__(self, at: str, id_differs: bool) -> None:
        self.first = self.last = at
        self.times = 1
        self.id_differs = id_differs
        self.changed: dict[str, tuple[str, str]] = {}

    @property
    def matched(self) -> int | None:
        """Equal attributes of nine, None where the log does not tell."""
        return None if self.id_differs or not self.changed else max(0, ATTRIBUTES - len(self.changed))


class Story:
    """What the logs tell.

    Attributes:
        lines, passed_over: lines read, and those of them that are none of an agent's log.
        began, ended: times of the first and last line with one.
        versions: of the agent, in order.
        last_good: when credentials were last got; "" if never.
        mismatches: different ones, in order.
        regenerated_at: times at which a new fingerprint was made after a mismatch.
        refusals: error code -> (times, first, last).
        wasted: refused retries since the last regeneration.
        hibernating: whether the last word is hibernation or a sleep after a refusal.
        next_retry: when that ends, "" if it cannot be said.
        timeline: (time, kind, text, times, last time), what repeats in one line.
        dropped: lines of the timeline that were left out.
    """

    def __init__(self) -> None:
        self.lines = self.passed_over = 0
        self.began = self.ended = self.last_good = self.next_retry = ""
        self.versions: list[str] = []
        self.mismatches: list[Mismatch] = []
        self.regenerated_at: list[str] = []
        self.refusals: dict[str, tuple[int, str, str]] = {}
        self.wasted = 0
        self.hibernating = False
        self.timeline: list[tuple[str, str, str, int, str]] = []
        self.dropped = 0
        self._group: Mismatch | None = None

    @property
    def finding(self) -> bool:
        """Whether there is anything that an operator must know."""
        return bool(self.mismatches or self.hibernating or self.regenerated_at or self.refusals)

    def take(self, entry: Entry) -> None:
        """Take the next entry, in the order of time."""
        if entry.at:
            self.began = self.began or entry.at
            self.ended = entry.at
        if entry.kind == "attribute":
            self._attribute(entry)
            return
        self._close()
        getattr(self, f"_{entry.kind.replace('-', '_')}", self._note)(entry)

    def finish(self) -> None:
        """Say that there is nothing more."""
        self._close()

    def _attribute(self, entry: Entry) -> None:
        found = _CHANGED.search(entry.text)
        if not found:
            return
        if self._group is None:
            # The line before was cut off, or hidden by the level of the log.
            self._group = Mismatch(entry.at, False)
        name, current, saved = found.groups()
        self._group.last = entry.at
        if name != _PSEUDO:
            self._group.changed[name] = (saved, current)

    def _mismatch(self, entry: Entry) -> None:
        self._group = Mismatch(entry.at, False)

    def _id_differs(self, entry: Entry) -> None:
        self._group = Mismatch(entry.at, True)
        found = _ID.search(entry.text)
        if found:
            self._group.changed["hardware ID"] = (found[2].strip(), found[1].strip())

    def _close(self) -> None:
        group, self._group = self._group, None
        if group is None:
            return
        if self.mismatches:
            last = self.mismatches[-1]
            if (last.id_differs, last.changed) == (group.id_differs, group.changed):
                last.last, last.times = group.last, last.times + 1
                return
        if len(self.mismatches) < GROUPS_LIMIT:
            self.mismatches.append(group)
        score = group.matched
        told = "the hardware ID differs" if group.id_differs else "more changed than the threshold allows"
        if score is not None:
            told = f"{score} of {ATTRIBUTES} attributes equal, {score / ATTRIBUTES * 100:.1f} %"
        self._add(group.first, "mismatch", told)

    def _regenerated(self, entry: Entry) -> None:
        self.regenerated_at.append(entry.at)
        self.wasted = 0
        self._add(entry.at, "regenerated", "a new fingerprint was made and stored over the old one")

    def _refused(self, entry: Entry) -> None:
        found = _ERROR.search(entry.text)
        error = found[1].strip() if found else entry.text
        code = error.partition(":")[0].strip()
        code = code if code.isidentifier() else "other"
        times, first, _ = self.refusals.get(code, (0, entry.at, ""))
        self.refusals[code] = (times + 1, first, entry.at)
        if self.regenerated_at and code == "MachineFingerprintDoesNotMatch":
            self.wasted += 1
        self.hibernating = True
        self._add(entry.at, "refused", error[:200])

    def _sleep(self, entry: Entry) -> None:
        found = _SLEEP.search(entry.text)
        seconds = duration(found[1]) if found else None
        self.hibernating = True
        self.next_retry = _later(entry.at, seconds)
        self._add(entry.at, "sleep", f"sleeps {found[1]}" if found else entry.text[:200])

    def _backoff(self, entry: Entry) -> None:
        found = _BACKOFF.search(entry.text)
        self.hibernating = True
        self.next_retry = _later(entry.at, float(found[1])) if found else ""
        self._add(entry.at, "backoff", f"asks every {found[1]} s for {found[2]} s" if found else entry.text[:200])

    def _hibernate(self, entry: Entry) -> None:
        self.hibernating = True
        self._add(entry.at, "hibernate", entry.text[:200])

    def _good(self, entry: Entry) -> None:
        self.last_good = entry.at
        self.hibernating = False
        self.next_retry = ""
        self._add(entry.at, "good", "credentials are there")

    def _version(self, entry: Entry) -> None:
        found = _VERSION.search(entry.text)
        if found and (not self.versions or self.versions[-1] != found[1]):
            self.versions.append(found[1])
        self._add(entry.at, "start", f"agent {found[1] if found else '?'} starts")

    def _note(self, entry: Entry) -> None:
        if entry.kind != "start":
            self._add(entry.at, entry.kind, entry.text[:200])

    def _add(self, at: str, kind: str, text: str) -> None:
        if self.timeline and self.timeline[-1][1:3] == (kind, text):
            first, _, _, times, _ = self.timeline[-1]
            self.timeline[-1] = (first, kind, text, times + 1, at)
        elif len(self.timeline) < TIMELINE_LIMIT:
            self.timeline.append((at, kind, text, 1, at))
        else:
            # The first ones tell how it began; of the rest the newest count.
            del self.timeline[TIMELINE_LIMIT // 2]
            self.timeline.append((at, kind, text, 1, at))
            self.dropped += 1


def read_logs(paths: Sequence[str], progress: Callable[[int], None] = lambda _: None) -> Story:
    """Return what logs tell together, by time; lines that stand in two of them count once.

    Args:
        paths: files, compressed or not; "-" is standard input.
        progress: called now and then with the bytes read so far.

    Raises:
        InputError: a file could not be read, or is damaged.
    """
    story = Story()
    counted = [0]

    def seen(length: int) -> None:
        counted[0] += length
        progress(counted[0])

    # The older part of a rotated log first, as the two may meet within a second.
    begun = [(next(entries, None), entries) for entries in (_entries(path, story, seen) for path in paths)]
    begun.sort(key=lambda one: one[0].at if one[0] else "")
    streams = [_numbered(number, first, entries) for number, (first, entries) in enumerate(begun) if first]
    second, told = "", set[tuple[int, Entry]]()
    for number, entry in heapq.merge(*streams, key=lambda one: one[1].at):
        if entry.at != second:
            second, told = entry.at, set()
        # errors.log repeats what the main log has.
        if entry.at and any((other, entry) in told for other in range(len(paths)) if other != number):
            continue
        told.add((number, entry))
        story.take(entry)
    story.finish()
    return story


def _numbered(number: int, first: Entry, entries: Iterator[Entry]) -> Iterator[tuple[int, Entry]]:
    yield number, first
    for entry in entries:
        yield number, entry


def _entries(path: str, story: Story, progress: Callable[[int], None]) -> Iterator[Entry]:
    at = ""
    try:
        with _opened(path) as file:
            left = b""
            while chunk := file.read(_BLOCK):
                progress(len(chunk))
                whole, newline, left = (left + chunk).rpartition(b"\n")
                if len(left) > _BLOCK:
                    # No log has such lines; it is not kept in memory in the hope of an end.
                    whole, left = whole + newline + left, b""
                told, unfinished = _of_block(whole + newline, story)
                left = unfinished + left
                for entry in _parsed(told, at):
                    at = entry.at
                    yield entry
            told, unfinished = _of_block(left, story)
            for entry in _parsed([*told, unfinished.decode("utf-8", "replace")], at):
                at = entry.at
                yield entry
    except (OSError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"the log could not be read ({getattr(error, 'strerror', None) or error})",
            where=path,
            remedy="The agent's logs are in /var/log/amazon/ssm, on Windows in %ProgramData%\\Amazon\\SSM\\Logs",
        ) from None


def _of_block(block: bytes, story: Story) -> tuple[list[str], bytes]:
    """Return the entries of whole lines that may matter, and the bytes of one at the end that goes on.

    Each phrase is searched for in the whole block: that is ten times as fast as a look at each line.
    """
    lines = block.count(b"\n")
    story.lines += lines
    story.passed_over += max(0, lines - sum(block.count(level) for level in _LEVELS))
    lowered = block.lower()
    starts = set()
    for phrase in _PHRASES:
        at = lowered.find(phrase)
        while at >= 0:
            starts.add(lowered.rfind(b"\n", 0, at) + 1)
            end = lowered.find(b"\n", at)
            at = lowered.find(phrase, end) if end >= 0 else -1
    told: list[str] = []
    done = 0
    for start in sorted(starts):
        if start < done:
            continue
        done = start
        for _ in range(_LINES_JOINED):
            done = block.find(b"\n", done) + 1 or len(block)
            line = block[start:done]
            if b"hardware id (" not in line.lower() or b")." in line.partition(b"registered value")[2]:
                break
            if done == len(block):
                return told, line
        told.append(line.decode("utf-8", "replace"))
    return told, b""


def _parsed(lines: Iterable[str], before: str) -> Iterator[Entry]:
    for line in lines:
        entry = parse(line, before)
        if entry is not None:
            before = entry.at
            yield entry


def parse(line: str, before: str = "") -> Entry | None:
    """Return the entry of one line, None if it is none that matters.

    Args:
        line: the line, or the lines of one entry.
        before: the time of the entry before, for a line without.
    """
    found = _LINE.search(line.rstrip("\r\n"))
    if not found:
        return None
    day, clock, level, text = found.groups()
    lowered = text.lower()
    kind = next((name for name, piece in _KINDS if piece in lowered), None)
    if kind is None:
        return None
    return Entry(f"{day} {clock}" if day else before, level, kind, _without_context(text))


def _without_context(text: str) -> str:
    while text.startswith("[") and "] " in text:
        text = text.partition("] ")[2]
    return text.strip()


def _opened(path: str) -> AbstractContextManager[IO[bytes]]:
    if path == "-":
        return nullcontext(sys.stdin.buffer)
    with open(path, "rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    if compressed:
        return cast("AbstractContextManager[IO[bytes]]", gzip.open(path, "rb"))
    return open(path, "rb")


def duration(text: str) -> float | None:
    """Return the seconds of a duration as Go prints it, such as "25m47s"; None if it is none."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _later(at: str, seconds: float | None) -> str:
    if not at or seconds is None:
        return ""
    try:
        return str(datetime.fromisoformat(at) + timedelta(seconds=round(seconds)))
    except (ValueError, OverflowError):
        return ""


def to_utc(at: str, offset: timedelta) -> str:
    """Return a logged local time as RFC 3339 in UTC. Raises ValueError for what is no time."""
    return (datetime.fromisoformat(at) - offset).isoformat() + "Z"


def offset_of(text: str) -> timedelta:
    """Return the offset that "+02:00" or "-0530" stands for. Raises ValueError for other text."""
    found = re.fullmatch(r"([+-])(\d\d):?(\d\d)", text)
    if not found or int(found[2]) > 14 or int(found[3]) > 59:
        raise ValueError(f"{text!r} is no offset such as +02:00")
    size = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return size if found[1] == "+" else -size


def conclusion(story: Story) -> tuple[str, list[str], list[str]]:
    """Return what it amounts to in words, what to do in order, and what the logs do not tell."""
    unknown = []
    if story.mismatches and any(m.matched is None and not m.id_differs for m in story.mismatches):
        unknown.append("which attributes changed: their lines (WARN) are not in the log")
    if not story.began:
        unknown.append("when: the lines have no time")
    mismatch = story.mismatches[-1] if story.mismatches else None
    refused = story.refusals.get("MachineFingerprintDoesNotMatch")
    if story.regenerated_at:
        wasted = f" {times(story.wasted, 'retry', 'retries')} since then wasted." if story.wasted else ""
        text = (
            f"The machine differed from its record, and a new fingerprint was made {_at(story.regenerated_at[-1])}. "
            f"The service knows the old one only: the agent is refused for ever.{wasted}"
        )
        steps = [
            "fingerprint vault history   # if the old record is kept, `vault restore N --yes` brings it back",
            "Else register the machine again. Lowering the threshold now does not help.",
        ]
        return text, steps, unknown
    if mismatch is not None:
        text = "The machine differs from its record, and the log shows no new fingerprint yet."
        steps = ["fingerprint vault backup", "fingerprint explain"]
        return text, steps, unknown
    if refused:
        text = (
            "The service refuses the fingerprint, and the log does not show why: it was made before the log begins, "
            "or by another machine with this registration."
        )
        return text, ["fingerprint explain", "fingerprint vault history"], unknown
    if story.hibernating:
        return (
            "The agent waits before it tries again; the fingerprint is not the reason that the log gives.",
            ["Mend what the last error names, then restart the agent: it tries again at once"], unknown,
        )  # fmt: skip
    return "Nothing in these logs speaks of a fingerprint that was refused.", [], unknown


def times(count: int, one: str, several: str) -> str:
    """Return a number with its noun."""
    return f"{count} {one if count == 1 else several}"


def _at(at: str) -> str:
    return f"at {at}" if at else "at a time that is not told"
