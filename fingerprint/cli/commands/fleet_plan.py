"""`fingerprint fleet plan`: what each threshold would cost a fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fingerprint.answers.fleet import fleet_plan_answer
from fingerprint.cli.fleet_input import Input, heading, reading
from fingerprint.cli.output import colored, folded, print_json, write
from fingerprint.errors import EXIT_CANNOT_TELL, EXIT_DIFFERS, EXIT_OK, UsageError
from fingerprint.fleet.planning import NOW, USUAL_EVENTS, Plan, plan
from fingerprint.fleet.stable_checking import OUTCOMES

if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments

_MOST_GROUPS = 40
_WIDTH = 80


def run(arguments: Arguments) -> int:
    events = _words(arguments.event) or USUAL_EVENTS
    tolerated = (NOW, *(_words(arguments.tolerate) or ("reboot-dhcp",)))
    allowed = _percent(arguments.refused)
    with reading(arguments, "planning", stable=True) as given:
        made = plan(given.batches(), events=tuple(dict.fromkeys((*events, *tolerated[1:]))), threads=arguments.threads)
    highest = {group: made.highest(group, tolerate=tolerated, refused=allowed) for group in sorted(made.groups)}
    if arguments.output == "json":
        print_json("fleet plan", fleet_plan_answer(given.fleet, given.rejects, made, highest, tolerated, allowed))
    else:
        _show(given, made, highest, tolerated, arguments)
    given.warn()
    if given.rejects.count or not made.groups[""].get(NOW) or not made.groups[""][NOW].rows:
        return EXIT_CANNOT_TELL
    return EXIT_DIFFERS if None in highest.values() else EXIT_OK


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word for word in (text or "").split(",") if word)


def _percent(text: str | None) -> float:
    try:
        share = float((text or "0").removesuffix("%").strip()) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise UsageError(f"invalid --refused {text}: must be a percentage from 0 to 100", remedy="Name one such as 0.1")
    return share


def _show(
    given: Input, made: Plan, highest: dict[str, int | None], tolerated: tuple[str, ...], arguments: Arguments
) -> None:
    rows = made.groups[""][NOW].rows
    if not rows:
        write(colored(f"{given.fleet.path} holds no machine.", "doubt", arguments))
        return
    best = highest[""]
    words = ", ".join(tolerated)
    if best is None:
        head, color = f"No threshold tolerates {words} for all {rows} machines.", "bad"
    else:
        head, color = f"The highest threshold that tolerates {words} is {best}.", "good"
    for line in folded(head, 76):
        write(colored(line, color, arguments))
    base = made.groups[""][NOW].refused
    if base:
        for line in folded(f"{base} have another hardware ID or no hash: every threshold except -1 rejects them.", 76):
            write(line)
    heading(f"  machines of {rows} that would be rejected, by threshold and event")
    width = max(9, *(len(event) for event in made.events))
    heads = list(made.events)
    if 12 + len(heads) * (width + 1) > _WIDTH:
        # Too many or too long for a line: letters stand for them.
        heads, width = [chr(ord("a") + place) for place in range(len(heads))], 9
        for letter, event in zip(heads, made.events, strict=True):
            write(f"  {letter}  {event}")
    write("  " + f"{'threshold':10}" + "".join(f" {head:>{width}}" for head in heads))
    for low, high, refused in made.curve():
        span = str(low) if low == high else f"{low}-{high}"
        write("  " + f"{span:10}" + "".join(f" {refused[event]:{width}d}" for event in made.events))
    _show_policy(made, width)
    groups = [group for group in highest if group]
    if groups:
        heading(f"  {'group':40} {'machines':>10} {'threshold':>10}")
        for group in groups[:_MOST_GROUPS]:
            write(f"  {group:40} {made.groups[group][NOW].rows:10d} {highest[group] or 'none':>10}")
        if len(groups) > _MOST_GROUPS:
            write(f"  and {len(groups) - _MOST_GROUPS} more: see --output json")


def _show_policy(made: Plan, width: int) -> None:
    """Write what policy `evidence` decides, below the thresholds and in their columns; nothing without evidence."""
    tallies = [made.policies[""][event] for event in made.events]
    if not tallies[0].comparable:
        return

    def line(name: str, counts: list[int]) -> None:
        write("  " + f"{name:10}" + "".join(f" {count:{width}d}" for count in counts))

    heading("  machines rejected by policy, with the threshold of each machine")
    line("rules", [tally.refused for tally in tallies])
    line("evidence", [tally.refused_by_evidence for tally in tallies])
    heading("  copies (different by scheme stable) accepted by policy")
    line("rules", [tally.copies for tally in tallies])
    line("evidence", [tally.copies_by_evidence for tally in tallies])
    heading("  machines by outcome of scheme stable")
    for outcome in OUTCOMES:
        line(str(outcome), [tally.outcomes[outcome] for tally in tallies])
    without = tallies[0].rows - tallies[0].comparable
    if without:
        write(f"  {without} machines have no stable values on both sides: nothing is certain for them.")
