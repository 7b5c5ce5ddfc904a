"""Read the agent's logs into a timeline, and conclude the agent's state at their end.

The lines of all versions are read, with and without time stamps, after the prefix of a journal, in rotated and
compressed files; `agent.versions.LOG_LINES` lists them. Logs are read in blocks, so memory use does not depend on
their length.
"""

from __future__ import annotations

import heapq
import re
from datetime import timedelta
from itertools import chain

from fingerprint._io.times import local_seconds, utc
from fingerprint.agent.logs.comparisons import ATTRIBUTES, Mismatch
from fingerprint.agent.logs.lines import Counts, Entry, entries, parse
from fingerprint.agent.logs.retries import Retry, next_try
from fingerprint.agent.logs.sdk_errors import SdkError, code_of, sdk_error
from fingerprint.agent.logs.state import Present, conclusion, history, present, times
from fingerprint.agent.logs.timeline import Timeline
from fingerprint.agent.logs.timeline_builder import TimelineBuilder
from fingerprint.agent.logs.types import Run, Wait, duration
from fingerprint.agent.logs.updates import NO_CHANNEL, Beside, FailedUpdate
from fingerprint.agent.states import State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    _Part = tuple[Entry, Iterator[Entry], Counts]

__all__ = [
    "ATTRIBUTES", "Beside", "Entry", "FailedUpdate", "Mismatch", "NO_CHANNEL", "Present", "Retry", "Run",
    "SdkError", "State", "Timeline", "TimelineBuilder", "Wait", "code_of", "conclusion", "duration", "history",
    "next_try", "offset_of", "parse", "present", "read_logs", "read_parts", "sdk_error", "times", "to_utc",
]  # fmt: skip

# A line that is in two logs comes out of the second one after at most so many others.
_REPEATED_WITHIN = 4096
_ROTATED = re.compile(r"(\.\d+)?(\.gz)?$")


def read_logs(paths: Sequence[str], progress: Callable[[int], None] = lambda _: None) -> Timeline:
    """Return the timeline of several logs; a line that is in two of them counts once.

    Args:
        paths: files, compressed or not; "-" is standard input.
        progress: called with the number of bytes read so far, after each block.

    Raises:
        InputError: a file is unreadable or damaged.
    """
    timeline = TimelineBuilder()
    counted = [0]

    def seen(length: int) -> None:
        counted[0] += length
        progress(counted[0])

    logs: dict[str, list[_Part]] = {}
    counts = []
    # If two parts begin in the same second, the numbered one is older.
    for path in sorted(paths, key=lambda path: _ROTATED.sub("", path) == path):
        counts.append(Counts())
        rest = entries(path, counts[-1], seen)
        first = next(rest, None)
        if first is not None:
            logs.setdefault(_ROTATED.sub("", path), []).append((first, rest, counts[-1]))
    # The older part of a rotated log goes first, as the newer one may begin in the same second.
    streams = [
        _ordered(number, sorted(parts, key=lambda part: part[0].order)) for number, parts in enumerate(logs.values())
    ]
    seen_in: dict[Entry, int] = {}
    for _, number, entry, covered in heapq.merge(*streams, key=lambda one: one[0]):
        # errors.log repeats what the main log has.
        if entry.at and seen_in.get(entry, number) != number:
            if covered:
                timeline.cover()
            continue
        seen_in.setdefault(entry, number)
        if len(seen_in) > _REPEATED_WITHIN:
            del seen_in[next(iter(seen_in))]
        timeline.take(entry, covered)
    timeline.finish()
    _count(timeline, counts)
    return timeline


def read_parts(main: Sequence[bytes], errors: Sequence[bytes], hibernation: Sequence[bytes]) -> Timeline:
    """Return the timeline of one agent's logs.

    The main log's own order counts, also if the clock was set back. Only entries of errors.log that are older than the
    main log are used.

    Args:
        main: parts of amazon-ssm-agent.log, in any order.
        errors: parts of errors.log.
        hibernation: parts of hibernate.log.
    """
    timeline = TimelineBuilder()
    counts: list[Counts] = []
    of_main, of_errors, of_hibernation = (_joined(parts, counts) for parts in (main, errors, hibernation))
    timeline.main_began = began = of_main[0][0].at if of_main else ""
    older = [one for one in of_errors if not began or one[0].at < began]
    for entry, covered in (*older, *heapq.merge(of_main, of_hibernation, key=lambda one: one[0].order)):
        timeline.take(entry, covered)
    timeline.finish()
    _count(timeline, counts)
    return timeline


def _joined(parts: Sequence[bytes], counts: list[Counts]) -> list[tuple[Entry, bool]]:
    """Return the entries of a rotated log, older parts first, each with whether its log contains successes."""
    read = []
    for part in parts:
        counts.append(Counts())
        read.append([(entry, counts[-1].informs) for entry in entries("", counts[-1], lambda _: None, part)])
    return [one for part in sorted(read, key=lambda one: one[0][0].order if one else "") for one in part]


def _count(timeline: Timeline, counts: Sequence[Counts]) -> None:
    timeline.lines = sum(one.lines for one in counts)
    timeline.passed_over = sum(one.passed_over for one in counts)


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
