"""`fingerprint fleet check`: the verdict on each machine of a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fingerprint.answers.fleet import fleet_check_answer
from fingerprint.cli.fleet_input import Input, heading, reading, share, writing
from fingerprint.cli.output import colored, print_json, write
from fingerprint.collectors import STABLE
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK
from fingerprint.fleet.checking import Summary, check
from fingerprint.fleet.stable_checking import StableSummary, check_stable
from fingerprint.rules.ssm import MATCHES
from fingerprint.rules.stable import Outcome

if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments


def run(arguments: Arguments) -> int:
    if arguments.scheme == STABLE:
        return _run_stable(arguments)
    summary = Summary()
    with reading(arguments, "checking") as given, writing(arguments.to) as writer:
        for checked in check(given.batches(), threads=arguments.threads):
            summary.add(checked)
            if writer:
                writer.write(checked.rows)
    if arguments.output == "json":
        print_json("fleet check", fleet_check_answer(given.fleet, given.rejects, summary, arguments.to))
    else:
        _show(given, summary, arguments)
    given.warn()
    if summary.refused:
        return EXIT_DIFFERS
    return EXIT_CANNOT_TELL if given.rejects.count or not summary.rows else EXIT_OK


def _show(given: Input, summary: Summary, arguments: Arguments) -> None:
    if not summary.rows:
        write(colored(f"{given.fleet.path} holds no machine.", "doubt", arguments))
        return
    word = "machine" if summary.rows == 1 else "machines"
    head = f"{summary.refused} of {summary.rows} {word} would be rejected ({share(summary.refused, summary.rows)})"
    write(colored(head, "bad" if summary.refused else "good", arguments))
    heading(f"  {'reason':22} {'match':6} {'machines':>12} {'share':>9}")
    for reason, count in summary.reasons.items():
        if count:
            match = "yes" if reason in MATCHES else "no"
            write(f"  {reason!s:22} {match:6} {count:12d} {share(count, summary.rows):>9}")
    heading(f"  {'attribute':22} {'':6} {'changed':>12} {'share':>9}")
    for name, count in sorted(summary.changed.items(), key=lambda pair: -pair[1]):
        write(f"  {name:22} {'':6} {count:12d} {share(count, summary.rows):>9}")
    if arguments.to:
        write()
        write(f"The verdicts are in {arguments.to}.")


def _run_stable(arguments: Arguments) -> int:
    """Check a fleet by scheme `stable`."""
    summary = StableSummary()
    with reading(arguments, "checking", stable=True) as given, writing(arguments.to) as writer:
        for checked in check_stable(given.batches(), threads=arguments.threads):
            summary.add(checked)
            if writer:
                writer.write(checked.rows)
    if arguments.output == "json":
        print_json("fleet check", fleet_check_answer(given.fleet, given.rejects, summary, arguments.to))
    else:
        _show_stable(given, summary, arguments)
    given.warn()
    if summary.outcomes[Outcome.DIFFERENT]:
        return EXIT_DIFFERS
    if summary.outcomes[Outcome.CANNOT_TELL] or given.rejects.count or not summary.rows:
        return EXIT_CANNOT_TELL
    return EXIT_OK


def _show_stable(given: Input, summary: StableSummary, arguments: Arguments) -> None:
    if not summary.rows:
        write(colored(f"{given.fleet.path} holds no machine.", "doubt", arguments))
        return
    word = "machine is another one" if summary.rows == 1 else "machines are other ones"
    other, unknown = summary.outcomes[Outcome.DIFFERENT], summary.outcomes[Outcome.CANNOT_TELL]
    head = f"{other} of {summary.rows} {word} by scheme stable ({share(other, summary.rows)})"
    write(colored(head, "bad" if other else "doubt" if unknown else "good", arguments))
    heading(f"  {'outcome':22} {'machines':>12} {'share':>9}")
    for outcome, count in summary.outcomes.items():
        write(f"  {outcome!s:22} {count:12d} {share(count, summary.rows):>9}")
    heading(f"  {'attribute':22} {'changed':>12} {'share':>9} {'unreadable':>12}")
    for name, count in sorted(summary.changed.items(), key=lambda pair: -pair[1]):
        write(f"  {name:22} {count:12d} {share(count, summary.rows):>9} {summary.unread[name]:12d}")
    if arguments.to:
        write()
        write(f"The verdicts are in {arguments.to}.")
