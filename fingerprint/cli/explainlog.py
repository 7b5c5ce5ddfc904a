"""`fingerprint explain-log`: what happened, by the agent's own logs."""

from __future__ import annotations

import sys
from datetime import timedelta

from fingerprint.agentlog import ATTRIBUTES, Mismatch, Story, conclusion, offset_of, read_logs, times, to_utc
from fingerprint.cli.render import colored, folded, is_terminal, print_json, printable, warn, write
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, UsageError
from fingerprint.model import masked
from fingerprint.quoting import with_ids_masked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from fingerprint.cli.parse import Arguments

_MEGABYTE = 1 << 20


def run(arguments: Arguments) -> int:
    offset: timedelta | None = None
    if arguments.utc_offset is not None:
        try:
            offset = offset_of(arguments.utc_offset)
        except ValueError as error:
            raise UsageError(str(error), remedy="Name the offset of the log's local time, such as +02:00") from None
    paths = getattr(arguments, "FILE")  # noqa: B009
    story = read_logs(paths, _progress())
    if not story.timeline:
        warn(f"{story.lines} lines, and none of them is one that the agent writes about its fingerprint")

    def when(at: str) -> str:
        return to_utc(at, offset) if at and offset is not None else at

    if arguments.output == "json":
        print_json("explain-log", _answer(story, paths, when, offset is not None, arguments))
    else:
        _print(story, when, offset is not None, arguments)
    if not story.timeline:
        return EXIT_CANNOT_TELL
    return EXIT_DIFFERS if story.finding else EXIT_OK


def _progress() -> Callable[[int], None]:
    if not is_terminal(sys.stderr):
        return lambda _: None

    def show(length: int) -> None:
        sys.stderr.write(f"\r{length // _MEGABYTE} MB read \r")
        sys.stderr.flush()

    return show


def _shown(name: str, value: str, arguments: Arguments) -> str:
    text = printable(value)
    if name in ("hardware ID", "machine-id", "uuid") and not arguments.reveal:
        return masked(text)
    return text[:8] + "…" if (name.endswith("-hash") or name == "disk-info") and len(text) > 12 else text


def _quoted(text: str, arguments: Arguments) -> str:
    return text if arguments.reveal else with_ids_masked(text)


def _answer(
    story: Story, paths: list[str], when: Callable[[str], str], in_utc: bool, arguments: Arguments
) -> dict[str, Any]:
    text, steps, unknown = conclusion(story)
    return {
        "files": paths, "lines": story.lines, "passedOver": story.passed_over, "utc": in_utc,
        "began": when(story.began), "ended": when(story.ended), "agentVersions": story.versions,
        "lastGood": when(story.last_good), "mismatches": [_mismatch(m, when, arguments) for m in story.mismatches],
        "regeneratedAt": [when(at) for at in story.regenerated_at],
        "refusals": [
            {"error": code, "times": count, "first": when(first), "last": when(last)}
            for code, (count, first, last) in story.refusals.items()
        ],
        "wastedRetries": story.wasted, "hibernating": story.hibernating, "nextRetry": when(story.next_retry),
        "timeline": [
            {"at": when(at), "kind": kind, "text": _quoted(told, arguments), "times": count, "last": when(last)}
            for at, kind, told, count, last in story.timeline
        ],
        "dropped": story.dropped, "conclusion": text, "remedies": steps, "cannotTell": unknown,
    }  # fmt: skip


def _mismatch(found: Mismatch, when: Callable[[str], str], arguments: Arguments) -> dict[str, Any]:
    matched = found.matched
    return {
        "first": when(found.first), "last": when(found.last), "times": found.times,
        "rule": "hardware-id" if found.id_differs else "similarity",
        "changed": [
            {"name": name, "saved": _shown(name, saved, arguments), "current": _shown(name, current, arguments)}
            for name, (saved, current) in found.changed.items()
        ],
        "matched": matched, "total": ATTRIBUTES,
        "percent": None if matched is None else round(matched / ATTRIBUTES * 100, 4),
    }  # fmt: skip


def _print(story: Story, when: Callable[[str], str], in_utc: bool, arguments: Arguments) -> None:
    text, steps, unknown = conclusion(story)
    for line in folded(text, 78):
        write(colored(line, "bad" if story.finding else "good", arguments))
    write()
    clock = "UTC" if in_utc else "the logs' local time"
    lines_read = times(story.lines, "line", "lines")
    write(f"  Read       {lines_read}, {story.passed_over} of them not of an agent; times in {clock}")
    if story.versions:
        write(f"  Agent      {' -> '.join(story.versions)}")
    write(f"  Last good  {when(story.last_good) or '(not in these logs)'}")
    for found in story.mismatches:
        _print_mismatch(found, when, arguments)
    for at in story.regenerated_at:
        write(f"  New        fingerprint made at {when(at) or '(no time)'}")
    for code, (count, first, last) in story.refusals.items():
        span = f", {when(first)} to {when(last)}" if first else ""
        for number, line in enumerate(folded(f"{code}: {times(count, 'time', 'times')}{span}", 66)):
            write(f"  {'Refused' if number == 0 else '':10} {line}")
    if story.wasted:
        write(f"  Wasted     {times(story.wasted, 'retry', 'retries')} after the new fingerprint")
    if story.hibernating:
        write(f"  Waiting    the next try is at {when(story.next_retry) or '(not told)'}")
    write()
    write("Timeline")
    for at, kind, told, count, _ in story.timeline:
        again = f" ({count} times)" if count > 1 else ""
        lines = folded(f"{kind:11} {printable(_quoted(told, arguments))}{again}", 56)
        write(f"  {when(at) or '(no time)':20} {lines[0]}")
        for line in lines[1:]:
            write(f"  {'':20}   {line}")
    if story.dropped:
        write(f"  {story.dropped} more in the middle are left out")
    if steps:
        write()
    for number, step in enumerate(steps, 1):
        for at_line, line in enumerate(folded(step, 74)):
            write(f"  {f'{number})' if at_line == 0 else '  '} {line}")
    for told in unknown:
        write(f"  Not told: {told}")


def _print_mismatch(found: Mismatch, when: Callable[[str], str], arguments: Arguments) -> None:
    matched = found.matched
    if found.id_differs:
        told = "rule 3: the hardware ID differs"
    elif matched is None:
        told = "rule 5: less than the threshold; what changed is not in the log"
    else:
        told = f"rule 5: {matched}/{ATTRIBUTES} = {matched / ATTRIBUTES * 100:.1f} %, less than the threshold"
    write(f"  Mismatch   {told}")
    if found.first:
        write(f"             {when(found.first)} to {when(found.last)}, told {times(found.times, 'time', 'times')}")
    for name, (saved, current) in found.changed.items():
        change = f"{_shown(name, saved, arguments)} -> {_shown(name, current, arguments)}"
        for number, line in enumerate(folded(f"{name}: {change}", 64)):
            write(f"             {'x ' if number == 0 else '  '}{line}")
