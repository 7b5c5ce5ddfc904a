"""Read the agent's logs into a timeline, and conclude the agent's state at their end.

The lines of all versions are read (`agent.versions.LOG_LINES`), in any format of seelog, encoding, compression and
rotation, and as journals, syslog and containers wrap them. Logs are read in blocks, so memory use does not depend on
their length.
"""

from __future__ import annotations

import heapq
import os
import re
from datetime import timedelta
from itertools import chain, islice

from fingerprint._io.times import local_seconds, utc
from fingerprint.agent.logs.comparisons import ATTRIBUTES, Mismatch
from fingerprint.agent.logs.lines import Counts, Entry, entries, parse
from fingerprint.agent.logs.retries import Retry, next_try
from fingerprint.agent.logs.rotation import Part, in_order, log_files
from fingerprint.agent.logs.sdk_errors import SdkError, code_of, sdk_error
from fingerprint.agent.logs.state import Present, conclusion, head, history, present, times
from fingerprint.agent.logs.timeline import Timeline
from fingerprint.agent.logs.timeline_builder import TimelineBuilder
from fingerprint.agent.logs.types import Run, Wait, duration
from fingerprint.agent.logs.updates import NO_CHANNEL, Beside, FailedUpdate
from fingerprint.agent.states import State
from fingerprint.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    _Part = tuple[Entry, Iterator[Entry], Counts]

__all__ = [
    "ATTRIBUTES", "Beside", "Entry", "FailedUpdate", "Mismatch", "NO_CHANNEL", "Present", "Retry", "Run",
    "SdkError", "State", "Timeline", "TimelineBuilder", "Wait", "code_of", "conclusion", "duration", "head", "history",
    "next_try", "offset_of", "parse", "present", "read_logs", "read_parts", "sdk_error", "times", "to_utc",
]  # fmt: skip

# A line that is in two logs comes out of the second one after at most so many others.
_REPEATED_WITHIN = 4096
# Logs that are open at once; the parts of one log are read one after another.
_MOST_OPEN = 64


def read_logs(
    paths: Sequence[str], progress: Callable[[int], None] = lambda _: None, ahead: int | None = None
) -> Timeline:
    """Return the timeline of several logs; a line that is in two of them counts once.

    Args:
        paths: files, compressed or not, and directories with the agent's logs; "-" is standard input.
        progress: called with the number of bytes read so far, after each block.
        ahead: seconds by which the logs' local time is ahead of UTC; None if unknown: times with a zone then stay as
            they are written.

    Raises:
        InputError: a file is unreadable or damaged.
    """
    timeline = TimelineBuilder()
    counted = [0]

    def seen(length: int) -> None:
        counted[0] += length
        progress(counted[0])

    logs: dict[str, list[tuple[str, _Part]]] = {}
    counts = []
    files = log_files(paths)
    for path in files:
        counts.append(Counts())
        rest: Iterator[Entry] = (opened := entries(path, counts[-1], seen, ahead=ahead))
        first = next(rest, None)
        if first is not None and len(files) > _MOST_OPEN and os.path.isfile(path):
            # Opened again when its turn comes.
            opened.close()
            counts[-1] = Counts()
            rest = islice(entries(path, counts[-1], seen, ahead=ahead), 1, None)
        if len(logs) > _MOST_OPEN:
            raise InputError(f"these are more than {_MOST_OPEN} logs", where=path, remedy="Name the logs of one agent")
        if first is not None:
            logs.setdefault(Part(path).log, []).append((path, (first, rest, counts[-1])))
    streams = []
    for number, parts in enumerate(logs.values()):
        order = in_order([(path, first.order) for path, (first, _, _) in parts])
        streams.append(_ordered(number, [parts[position][1] for position in order]))
    seen_in: dict[tuple[str, str, str], int] = {}
    for _, number, entry, covered in heapq.merge(*streams, key=lambda one: one[0]):
        # errors.log repeats what the main log has. Of the last entry one of them may lack lines.
        key = entry.order, entry.kind, entry.text.partition("\n")[0]
        if entry.at and seen_in.get(key, number) != number:
            if covered:
                timeline.cover()
            continue
        seen_in.setdefault(key, number)
        if len(seen_in) > _REPEATED_WITHIN:
            del seen_in[next(iter(seen_in))]
        timeline.take(entry, covered)
    timeline.finish()
    _count(timeline, counts)
    return timeline


def read_parts(
    main: Sequence[bytes], errors: Sequence[bytes], hibernation: Sequence[bytes], ahead: int | None = None
) -> Timeline:
    """Return the timeline of one agent's logs.

    The main log's own order counts, also if the clock was set back. Only entries of errors.log that are older than the
    main log are used.

    Args:
        main: parts of amazon-ssm-agent.log, in any order.
        errors: parts of errors.log.
        hibernation: parts of hibernate.log.
        ahead: see `read_logs`.
    """
    timeline = TimelineBuilder()
    counts: list[Counts] = []
    of_main, of_errors, of_hibernation = (_joined(parts, counts, ahead) for parts in (main, errors, hibernation))
    timeline.main_began = began = of_main[0][0].at if of_main else ""
    older = [one for one in of_errors if not began or one[0].at < began]
    for entry, covered in (*older, *heapq.merge(of_main, of_hibernation, key=lambda one: one[0].order)):
        timeline.take(entry, covered)
    timeline.finish()
    _count(timeline, counts)
    return timeline


def _joined(parts: Sequence[bytes], counts: list[Counts], ahead: int | None) -> list[tuple[Entry, bool]]:
    """Return the entries of a rotated log, older parts first, each with whether its log contains successes."""
    read = []
    for part in parts:
        counts.append(Counts())
        read.append([(entry, counts[-1].informs) for entry in entries("", counts[-1], lambda _: None, part, ahead)])
    return [one for part in sorted(read, key=lambda one: one[0][0].order if one else "") for one in part]


def _count(timeline: Timeline, counts: Sequence[Counts]) -> None:
    for one in counts:
        timeline.add(one)


def _ordered(number: int, parts: Sequence[_Part]) -> Iterator[tuple[str, int, Entry, bool]]:
    """Yield the entries of one log in its order, each with a key that sorts it among those of other logs.

    Lines of several processes may be slightly out of order in a log, and clocks are set back: a later line is taken to
    be no earlier than those before it. With each entry comes whether its log contains successes.
    """
    order = ""
    for first, rest, counts in parts:
        for entry in chain((first,), rest):
            order = max(order, entry.order)
            yield order, number, entry, counts.informs


def to_utc(at: str, offset: timedelta) -> str:
    """Return a logged local time as RFC 3339 in UTC; an invalid time unchanged."""
    seconds = local_seconds(at, int(offset.total_seconds()))
    return at if seconds is None else utc(seconds)


def offset_of(text: str) -> timedelta:
    """Return the offset of a string such as "+02:00" or "-0530". Raises ValueError for another form."""
    found = re.fullmatch(r"([+-])(\d\d):?(\d\d)", text)
    if not found or int(found[2]) > 14 or int(found[3]) > 59:
        raise ValueError(f"invalid offset {text!r}: must be such as +02:00")
    size = timedelta(hours=int(found[2]), minutes=int(found[3]))
    return size if found[1] == "+" else -size
