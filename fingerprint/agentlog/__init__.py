"""A timeline out of the agent's own logs: what it saw, what it did, and what that means now.

Both spellings over its versions are understood, with and without time stamps, behind the prefix of a
journal, in rotated and compressed files. The texts are those of amazon-ssm-agent 2.3 to 3.3. Logs are
read block by block: their length costs time and no memory.
"""

from __future__ import annotations

import heapq
import re
from datetime import datetime, timedelta

from fingerprint.agentlog.lines import Entry, entries, parse
from fingerprint.agentlog.story import ATTRIBUTES, Mismatch, Story, Wait, code_of, duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = [
    "ATTRIBUTES", "Entry", "Mismatch", "Story", "Wait", "code_of", "conclusion", "duration", "offset_of", "parse",
    "read_logs", "read_texts", "times", "to_utc",
]  # fmt: skip


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
    begun = [(next(one, None), one) for one in (entries(path, story, seen) for path in paths)]
    begun.sort(key=lambda one: one[0].at if one[0] else "")
    streams = [_numbered(number, first, rest) for number, (first, rest) in enumerate(begun) if first]
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


def read_texts(main: Sequence[bytes], errors: Sequence[bytes], hibernation: Sequence[bytes]) -> Story:
    """Return what the logs of one agent tell together.

    The main log's own order counts, also where its clock was put back; of the log of errors only what is older
    than all of it.

    Args:
        main: parts of amazon-ssm-agent.log, in any order.
        errors: parts of errors.log.
        hibernation: parts of hibernate.log.
    """
    story = Story()
    of_main = _joined(main, story)
    story.main_began = began = of_main[0].at if of_main else ""
    older = [entry for entry in _joined(errors, story) if not began or entry.at < began]
    for entry in (*older, *heapq.merge(of_main, _joined(hibernation, story), key=lambda one: one.at)):
        story.take(entry)
    story.finish()
    return story


def _joined(parts: Sequence[bytes], story: Story) -> list[Entry]:
    """Return the entries of a rotated log, its older parts first."""
    told = [list(entries("", story, lambda _: None, part)) for part in parts]
    return [entry for part in sorted(told, key=lambda one: one[0].at if one else "") for entry in part]


def _numbered(number: int, first: Entry, rest: Iterator[Entry]) -> Iterator[tuple[int, Entry]]:
    yield number, first
    for entry in rest:
        yield number, entry


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
