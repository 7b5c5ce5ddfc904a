"""`fingerprint diagnose logs`: print the agent's state at the end of its logs, the cause, and the events before."""

from __future__ import annotations

import sys
from datetime import timedelta

from fingerprint._io.text import printable
from fingerprint.agent.logs import (
    ATTRIBUTES,
    NO_CHANNEL,
    Mismatch,
    State,
    Timeline,
    conclusion,
    head,
    next_try,
    offset_of,
    present,
    read_logs,
    times,
)  # fmt: skip
from fingerprint.answers.logs import diagnose_logs_answer, log_time, logged_value, quoted
from fingerprint.cli.conclusion import print_conclusion, print_rest, print_row
from fingerprint.cli.output import folded, is_terminal, print_json, show_progress, warn, write
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from fingerprint.cli.parser import Arguments

_MEGABYTE = 1 << 20
_EXIT_CODES = {
    State.HEALTHY: EXIT_OK, State.FAILING: EXIT_DIFFERS, State.NOT_STARTED: EXIT_DIFFERS, State.STOPPED: EXIT_DIFFERS,
    State.CANNOT_TELL: EXIT_CANNOT_TELL,
}  # fmt: skip
_OUTCOMES = {
    "good": "got credentials", "failed": "failed", "from-disk": "used the credentials on the disk",
    "not-told": "no result logged",
}  # fmt: skip
_COLORS = {EXIT_OK: "good", EXIT_DIFFERS: "bad", EXIT_CANNOT_TELL: "doubt"}


def run(arguments: Arguments) -> int:
    offset: timedelta | None = None
    if arguments.utc_offset is not None:
        try:
            offset = offset_of(arguments.utc_offset)
        except ValueError as error:
            raise UsageError(str(error), remedy="Name the offset of the log's local time, such as +02:00") from None
    paths = getattr(arguments, "FILE")  # noqa: B009
    ahead = None if offset is None else int(offset.total_seconds())
    timeline = read_logs(paths, _progress(), ahead)
    if offset is None and timeline.zones == {0}:
        # Each time shows that it is in UTC.
        offset = timedelta(0)
    if not timeline.events:
        warn(f"no line of the agent about its fingerprint in {times(timeline.lines, 'line', 'lines')}")

    def when(at: str) -> str:
        return log_time(at, offset)

    if arguments.output == "json":
        print_json("diagnose logs", diagnose_logs_answer(timeline, paths, offset, reveal=arguments.reveal))
    else:
        _print(timeline, when, offset is not None, arguments)
    return _EXIT_CODES[present(timeline).state]


def _progress() -> Callable[[int], None]:
    if not is_terminal(sys.stderr):
        return lambda _: None

    def show(length: int) -> None:
        show_progress(f"\r{length // _MEGABYTE} MB read \r")

    return show


def _print(timeline: Timeline, when: Callable[[str], str], in_utc: bool, arguments: Arguments) -> None:
    _, steps, unknown = conclusion(timeline)
    now = present(timeline)
    print_conclusion(
        (head(now, when), _COLORS[_EXIT_CODES[now.state]]), quoted(now.cause, reveal=arguments.reveal),
        [(step, "") for step in (steps if arguments.verbose else steps[:1])], arguments,
        evidence=_failed(timeline, when),
    )  # fmt: skip
    _print_unknown(timeline, arguments)
    if not arguments.verbose:
        for label, text in _beside(timeline, when, arguments):
            print_row(label, printable(text))
        print_rest(_rest(timeline, steps))
        return
    write()
    clock = "UTC" if in_utc else "the logs' local time"
    lines_read = times(timeline.lines, "line", "lines")
    others = f", {timeline.others} of them of other programs" if timeline.others else ""
    write(f"  Read       {lines_read}{others}, {timeline.unknown} not understood; times in {clock}")
    if timeline.versions:
        write(f"  Agent      {' -> '.join(timeline.versions)}")
    if now.since:
        write(f"  State      {now.state} since {when(now.since)}")
    write(f"  Last good  {when(timeline.last_good) or '(not in these logs)'}")
    if now.state == State.HEALTHY and timeline.run.asks_next:
        write(f"  Requests   credentials next at {when(timeline.run.asks_next)}")
    if timeline.hibernating and now.state == State.FAILING:
        earliest, latest, how = next_try(timeline)
        span = f"{when(earliest)}{f' to {when(latest)}' if latest != earliest else ''} (by {how})"
        write(f"  Waiting    the next retry is at {span if earliest else '(not known)'}")
    over = len(timeline.mismatches) - len(timeline.open_mismatches)
    for number, found in enumerate(timeline.mismatches):
        _print_mismatch(found, number < over, when, arguments)
    over = len(timeline.regenerated_at) - len(timeline.open_regenerations)
    for number, at in enumerate(timeline.regenerated_at):
        write(f"  New        fingerprint stored at {when(at) or '(no time)'}{' (over)' * (number < over)}")
    for code, (count, first, last) in timeline.refusals.items():
        span = f", {when(first)}{f' to {when(last)}' if last != first else ''}" if first else ""
        ended = " (over)" * (timeline.settled_refusals.get(code) == count)
        for number, line in enumerate(folded(f"{code}: {times(count, 'time', 'times')}{span}{ended}", 66)):
            write(f"  {'Failed' if number == 0 else '':10} {line}")
    if timeline.wasted:
        write(f"  Wasted     {times(timeline.wasted, 'retry', 'retries')} after the new fingerprint")
    for name, text in _beside(timeline, when, arguments):
        for number, line in enumerate(folded(printable(text), 66)):
            write(f"  {name if number == 0 else '':10} {line}")
    starts = [run for run in timeline.runs if run.started]
    for number, run in enumerate(starts):
        at = "" if run.started == "-" else run.started
        write(f"  {'Starts' if number == 0 else '':10} {when(at) or '(no time)'}  {_OUTCOMES[run.outcome]}")
    if timeline.events:
        write()
        write("Timeline")
    for at, kind, event, count, _ in timeline.events:
        again = f" ({count} times)" if count > 1 else ""
        lines = folded(f"{kind:11} {printable(quoted(event, reveal=arguments.reveal))}{again}", 56)
        write(f"  {when(at) or '(no time)':20} {lines[0]}")
        for line in lines[1:]:
            write(f"  {'':20}   {line}")
    if timeline.dropped:
        write(f"  {timeline.dropped} more in the middle are left out")
    for reason in unknown:
        write(f"  Not known: {reason}")


def _failed(timeline: Timeline, when: Callable[[str], str]) -> str:
    """Return when the last failure of the present state was logged; "" if none was."""
    failed = timeline.run.failed or (timeline.worker.failed if timeline.worker.waiting else "")
    return f"logged at {when(failed)}" if failed.strip("-") else ""


def _rest(timeline: Timeline, steps: list[str]) -> list[str]:
    """Return what is not shown: steps and events."""
    rest = [times(len(steps) - 1, "more step", "more steps")] if len(steps) > 1 else []
    events = len(timeline.events) + timeline.dropped
    return [*rest, *([times(events, "event", "events")] if events else []), times(timeline.lines, "line", "lines")]


def _print_unknown(timeline: Timeline, arguments: Arguments) -> None:
    """Print how many lines were not understood, and the first of them: what they would have shown is not known."""
    if timeline.first_unknown is None:
        return
    path, number, text = timeline.first_unknown
    first = f"{path}:{number}: {quoted(text, reveal=arguments.reveal)}"
    counted = f"{times(timeline.unknown, 'line was', 'lines were')} not understood, the first: {printable(first)}"
    for row, line in enumerate(folded(counted, 66)):
        write(f"  {'Unknown' if row == 0 else '':8} {line}")


def _beside(timeline: Timeline, when: Callable[[str], str], arguments: Arguments) -> list[tuple[str, str]]:
    """Return the results of updates and sessions, which do not change the agent's state, as (label, text)."""
    beside, rows = timeline.beside, []
    if beside.failed is not None:
        failed = beside.failed
        target = f" to {failed.target}" if failed.target else ""
        rows.append(("Update", f"the last one{target} failed{_at(when(failed.at))}: {failed.meaning}. {failed.remedy}"))
    if beside.channel_denied:
        error = quoted(beside.channel_denied, reveal=arguments.reveal)
        rows.append(("Sessions", f"none since {when(beside.channel_denied_at) or '(no time)'}: {NO_CHANNEL} ({error})"))
    return rows


def _at(at: str) -> str:
    return f" at {at}" if at else ""


def _print_mismatch(found: Mismatch, over: bool, when: Callable[[str], str], arguments: Arguments) -> None:
    matched = found.matched
    if found.id_differs:
        rule = "rule 3: the hardware ID differs"
    elif matched is None:
        rule = "rule 5: less than the threshold; what changed is not in the log"
    else:
        rule = f"rule 5: {matched}/{ATTRIBUTES} = {matched / ATTRIBUTES * 100:.1f} %, less than the threshold"
    write(f"  Mismatch   {rule}{' (over)' * over}")
    if found.first:
        write(f"             {when(found.first)} to {when(found.last)}, logged {times(found.times, 'time', 'times')}")
    for name, (saved, current) in found.changed.items():
        old, new = (logged_value(name, one, reveal=arguments.reveal) for one in (saved, current))
        for number, line in enumerate(folded(f"{name}: {old} -> {new}", 64)):
            write(f"             {'x ' if number == 0 else '  '}{line}")
