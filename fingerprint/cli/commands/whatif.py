"""`fingerprint whatif`: what the verdict would be after an event."""

from __future__ import annotations

from fingerprint.answers.whatif import whatif_answer, whatif_events_answer
from fingerprint.attributes.events import EVENTS, attribute_of, event_of
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.identity import TRUTHS
from fingerprint.cli.output import folded, print_json, table, write
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, UsageError
from fingerprint.gate import check_threshold
from fingerprint.observation import Observation
from fingerprint.rules.ssm import in_words
from fingerprint.rules.whatif import of_event, simulate, sweep
from fingerprint.types import HardwareHash

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.attributes.events import Event
    from fingerprint.cli.parser import Arguments
    from fingerprint.types import Verdict


def run(arguments: Arguments) -> int:
    if arguments.list_events:
        return _list(arguments)
    event = named_event(arguments.event) if arguments.event else None
    change = _attributes(arguments.change) + (of_event(event, worst=True) if event else ())
    vault = vault_of(arguments)
    compared = Observation.take(vault, machine_of(arguments), timeout=arguments.timeout).required()
    record, collection, now = compared.record, compared.collection, compared.verdict
    threshold = record.threshold
    if arguments.threshold is not None:
        check_threshold(arguments.threshold)
        threshold = arguments.threshold
    saved, current = record.hardware_hash or HardwareHash({}), collection.hardware_hash
    then = simulate(saved, current, threshold, change, sid_key=now.sid_key)
    steps = []
    if arguments.sweep:
        both = zip(
            sweep(saved, current, sid_key=now.sid_key), sweep(saved, current, change, sid_key=now.sid_key), strict=True
        )
        steps = [(one.low, one.high, one.needed, one.passes, other.passes) for one, other in both]
    changed = [name for name in current if name in change and current[name]]
    if arguments.output == "json":
        print_json("whatif", whatif_answer(vault.path, threshold, event, changed, now, then, steps))
    else:
        _print(event, changed, now, then, steps, threshold)
    if then.match:
        return EXIT_OK
    return EXIT_CANNOT_TELL if collection.unreadable and not now.conclusive else EXIT_DIFFERS


def named_event(name: str) -> Event:
    """Return the event that the user named.

    Raises:
        UsageError: there is none of this name.
    """
    event = event_of(name)
    if event is None:
        raise UsageError(f"no such event: {name!r}", remedy="See: fingerprint whatif --list-events")
    return event


def _attributes(names: str | None) -> tuple[str, ...]:
    found = []
    for name in (names or "").split(","):
        if not name.strip():
            continue
        full = attribute_of(name.strip())
        if full is None:
            raise UsageError(
                f"no such attribute: {name.strip()!r}",
                remedy="They are: id, uuid, ip, mac, host, disk, cpu, mem, bios, sys, or their full names",
            )
        found.append(full)
    return tuple(found)


def _print(
    event: Event | None,
    changed: list[str],
    now: Verdict,
    then: Verdict,
    steps: list[tuple[int, int, int, bool, bool]],
    threshold: int,
) -> None:
    if event:
        for line in folded(f"{event.title} ({event.name}); it would be {TRUTHS[event.truth]}", 78):
            write(line)
    for line in folded(f"Would change: {', '.join(changed) or 'nothing'}", 76):
        write(f"  {line}")
    for word, verdict in (("now", now), ("then", then)):
        lines = folded(f"{'passes  ' if verdict.match else 'REJECTED'} {in_words(verdict)}", 70)
        write(f"  {word:6} {lines[0]}")
        for line in lines[1:]:
            write(f"         {line}")
    highest = then.highest_passing_threshold
    if not then.match and highest:
        write(f"         would pass with a threshold of at most {highest}; now it is {threshold}")
    if event:
        write(f"         by scheme stable: {event.outcome}")
    if steps:
        write()
        rows = [
            (f"{low}-{high}", str(needed), "passes" if passes else "rejected", "passes" if later else "rejected")
            for low, high, needed, passes, later in steps
        ]
        table(("threshold", "needs", "now", "then"), rows, (9, 5, 8))


def _list(arguments: Arguments) -> int:
    if arguments.output == "json":
        print_json("whatif", whatif_events_answer(EVENTS))
        return EXIT_OK
    for event in EVENTS:
        write(f"{event.name}")
        for line in folded(f"{event.title}: {TRUTHS[event.truth]}", 76):
            write(f"  {line}")
        may = f"; may change {', '.join(event.ssm_may)}" if event.ssm_may else ""
        for line in folded(f"changes {', '.join(event.ssm) or 'nothing'}{may}", 76):
            write(f"  {line}")
    return EXIT_OK
