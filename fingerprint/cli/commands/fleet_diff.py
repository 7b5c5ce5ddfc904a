"""`fingerprint fleet diff`: what drifted between two observations of a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fingerprint.answers.fleet import SETS, fleet_diff_answer
from fingerprint.cli.fleet_input import Input, heading, opened, progress, reading, share, warn_of_left_out, writing
from fingerprint.cli.output import colored, print_json, write
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK
from fingerprint.fleet.checking import Summary, check
from fingerprint.fleet.drifting import GROUP, Drift, Joined, drift, join

if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments

_MOST_GROUPS = 20


def run(arguments: Arguments) -> int:
    summary = Summary()
    with reading(arguments, "reading the first", arguments.BEFORE) as before, writing(arguments.to) as writer:
        after = Input(*_second(arguments, before), "reading the second")
        with join(before.batches(), after.batches(), threads=arguments.threads) as joined:
            with progress(joined.both, "comparing") as advance:
                for checked in check(joined.batches(), threads=arguments.threads):
                    summary.add(checked)
                    advance(checked.rows.num_rows)
                    if writer:
                        writer.write(checked.rows)
            drifted = drift(joined.batches(), by=GROUP, threads=arguments.threads)
    if arguments.output == "json":
        print_json("fleet diff", fleet_diff_answer(
            before.fleet, after.fleet, before.rejects, joined, summary, drifted, arguments.to
        ))  # fmt: skip
    else:
        _show(joined, summary, drifted, arguments)
    before.warn()
    warn_of_left_out(joined.left_out)
    if before.rejects.count or not summary.rows:
        return EXIT_CANNOT_TELL
    return EXIT_DIFFERS if any(sum(counts.values()) for counts in drifted.changed.values()) else EXIT_OK


def _second(arguments: Arguments, before: Input) -> tuple[Any, Any]:
    return opened(arguments, arguments.AFTER), before.rejects


def _show(joined: Joined, summary: Summary, drifted: Drift, arguments: Arguments) -> None:
    changed = drifted.rows - drifted.together[()]
    head = f"{changed} of {joined.both} machines drifted ({share(changed, joined.both)})"
    write(colored(head, "bad" if changed else "good", arguments))
    write(f"{joined.only_before} nodes are gone, {joined.only_after} are new.")
    if joined.repeated_before or joined.repeated_after:
        write(
            f"{joined.repeated_before} and {joined.repeated_after} rows were left out: a later one of theirs is there."
        )
    write(f"With the first observation as the saved one, {summary.refused} machines would be rejected now.")
    heading(f"  {'attribute':30} {'changed':>12} {'share':>9}")
    for name, counts in sorted(drifted.changed.items(), key=lambda pair: -sum(pair[1].values())):
        count = sum(counts.values())
        write(f"  {name:30} {count:12d} {share(count, drifted.rows):>9}")
    heading("  machines that changed in the same attributes")
    for names, count in drifted.together.most_common(SETS):
        write(f"  {count:12d}  {', '.join(names) or 'nothing'}")
    groups = [group for group in sorted(drifted.machines) if group]
    if groups:
        heading(f"  {'group':30} {'machines':>12} {'changes':>12}")
    for group in groups[:_MOST_GROUPS]:
        count = sum(counts[group] for counts in drifted.changed.values())
        write(f"  {group:30} {drifted.machines[group]:12d} {count:12d}")
    if len(groups) > _MOST_GROUPS:
        write(f"  and {len(groups) - _MOST_GROUPS} more: see --output json")
    if arguments.to:
        write()
        write(f"The verdicts are in {arguments.to}.")
