"""`fingerprint explain [A B]`: what changed, why, what follows, and what to do."""

from __future__ import annotations

from fingerprint._io.text import printable
from fingerprint.agent.next_check import answer as check_answer
from fingerprint.attributes.stable import DECIDING_POINTS
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.identity import identity_answer, print_problems, print_recipe, recipe_answer
from fingerprint.cli.outcomes import OUTCOME_EXIT_CODES, OUTCOME_HEADS, TRUTHS
from fingerprint.cli.output import colored, folded, print_json, step, write
from fingerprint.errors import UsageError
from fingerprint.explanation import explain_observation, explain_snapshots
from fingerprint.machine.recorded import RecordedMachine
from fingerprint.observation import EXIT_CODES, Observation
from fingerprint.types import Outlook

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parser import Arguments
    from fingerprint.explanation import Explanation
    from fingerprint.observation import StableObservation
    from fingerprint.vault.problems import Problem

# Of what stands behind the sign of an attribute, in characters.
_WIDTH = 87
_SIGNS = {"same": "=", "empty": "·", "changed": "x", "unknown": "?"}
_LABEL = 10
_DEFAULT = 40


def run(arguments: Arguments) -> int:
    problems: tuple[Problem, ...]
    level: str | None
    if arguments.A is not None:
        if arguments.before is not None:
            raise UsageError("--before and A B are mutually exclusive", remedy="Name two snapshots, or --before")
        before, now = RecordedMachine.load(arguments.A), RecordedMachine.load(arguments.B)
        found = explain_snapshots(before, now, _DEFAULT if arguments.threshold is None else arguments.threshold)
        of: dict[str, Any] = {"before": arguments.A, "now": arguments.B}
        # Two recordings have no vault, whose state could be told.
        problems, level = (), None
    else:
        if arguments.threshold is not None:
            raise UsageError("--threshold requires A and B", remedy="The vault has a threshold of its own")
        given = RecordedMachine.load(arguments.before) if arguments.before else None
        vault = vault_of(arguments)
        observation = Observation.take(vault, machine_of(arguments), timeout=arguments.timeout)
        found = explain_observation(observation, before=given)
        problems, level = observation.problems, observation.level
        outlook = Outlook.REJECTS if observation.would_reject else observation.outlook
        of = {"vault": vault.path, **identity_answer(level, outlook, problems)}
    if arguments.output == "json":
        print_json("explain" if arguments.A is None else "explain snapshots", {**of, **answer(found)})
    else:
        _print(found, problems, arguments)
    return OUTCOME_EXIT_CODES[found.outcome] if level is None else EXIT_CODES[level]


def answer(found: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON has it."""
    verdict = found.verdict
    return {
        "verdict": found.outcome,
        "match": verdict.match,
        "reason": str(verdict.reason),
        "explanation": found.rule,
        "score": {"matched": verdict.matched, "total": verdict.total, "percent": round(verdict.percent, 4)},
        "threshold": verdict.threshold,
        "highestPassingThreshold": verdict.highest_passing_threshold,
        "attributes": [
            {"name": c.name, "state": c.state, "saved": c.saved, "current": c.current, "cause": c.text,
             "certain": c.certain}
            for c in found.causes
        ],
        "events": [
            {"name": e.name, "title": e.title, "truth": e.truth, "fits": e.fits, "inFavour": list(e.in_favour),
             "against": list(e.against)}
            for e in found.events
        ],
        "state": {
            "regenerated": found.state.regenerated, "at": found.state.at, "by": found.state.by,
            "restorableEntry": found.state.restorable, "evidenceAt": found.state.evidence_at,
            "text": found.state_text,
        },
        "consequence": found.consequence,
        "nextCheck": None if found.check is None else check_answer(found.check),
        "remedies": [{"name": r.name, "text": r.text, "command": r.command, "risk": r.risk} for r in found.remedies],
        "cannotTell": list(found.cannot_tell),
        "stable": None if found.stable is None else stable_answer(found.stable),
        **recipe_answer(found.collection, found.change),
    }  # fmt: skip


def stable_answer(observation: StableObservation) -> dict[str, Any]:
    """Return the verdict of scheme `stable` as JSON has it."""
    verdict = observation.verdict
    return {
        "outcome": str(verdict.outcome),
        "why": verdict.why,
        "evidenceAt": observation.taken_at,
        "points": {
            "identity": verdict.identity, "circumstance": verdict.circumstance, "deciding": DECIDING_POINTS,
        },
        "virtual": verdict.virtual,
        "attributes": [
            {"name": row.name, "group": str(row.group), "agreement": str(row.agreement), "points": row.points}
            for row in verdict.rows
        ],
    }  # fmt: skip


def _print(found: Explanation, problems: tuple[Problem, ...], arguments: Arguments) -> None:
    write(colored(*OUTCOME_HEADS[found.outcome], arguments))
    write(f"  {found.rule}")
    print_recipe(found.change)
    print_problems(problems, arguments)
    if found.stable is not None:
        verdict = found.stable.verdict
        _told("stable", f"{verdict.outcome}: {verdict.why} ({verdict.points:+d}, decides at ±{DECIDING_POINTS})")
    write()
    for cause in found.causes:
        sign = colored(_SIGNS[cause.state], {"changed": "bad", "unknown": "doubt"}.get(cause.state, "good"), arguments)
        value = printable(cause.saved) if cause.saved == cause.current else f"{cause.saved} -> {cause.current}"
        # Cut before it is coloured: a mark of a colour takes room, too.
        rest = f" {cause.name:15} {printable(value)}"[:_WIDTH]
        write(f"  {sign}{rest}")
    if found.changed:
        write()
        write("What changed")
    for names, text, certain in found.changed:
        _told("", f"{', '.join(names)}: {printable(text)}{'' if certain else ' [inferred]'}")
    if found.events:
        write()
        write("Probable event")
    for number, event in enumerate(found.events, 1):
        _told(f"{number}.", f"{event.title} ({event.name}): {TRUTHS[event.truth]}")
        # Of the less probable ones only what speaks against them.
        for text in event.in_favour if number == 1 else ():
            _told("   +", text)
        for text in event.against:
            _told("   -", text)
    write()
    _told("State", found.state_text)
    _told("Next", found.consequence)
    for number, remedy in enumerate(found.remedies, 1):
        text, command = step(remedy.text, remedy.command)
        _told("Remedy" if number == 1 else "", f"{number}) {text}")
        if command:
            # A command stays whole, so that it can be copied.
            write(f"{'':{_LABEL}}       {command}")
        if remedy.risk:
            _told("", f"   Risk: {remedy.risk}")
    for number, text in enumerate(found.cannot_tell):
        _told("Not known" if number == 0 else "", text)


def _told(label: str, text: str) -> None:
    lines = folded(text, 78 - _LABEL)
    for number, line in enumerate(lines):
        write(f"  {label if number == 0 else '':{_LABEL}}{line}".rstrip())
