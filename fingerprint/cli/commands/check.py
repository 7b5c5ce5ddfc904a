"""`fingerprint check`: is this still the machine of the vault, which rule decided, and why."""

from __future__ import annotations

from fingerprint._io.text import printable
from fingerprint._io.times import utc
from fingerprint.agent.outlook import WOULD_REJECT
from fingerprint.attributes.ssm import row_of
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.identity import doubt_note, identity_answer, print_problems, print_recipe, recipe_answer
from fingerprint.cli.outcomes import OUTCOME_HEADS
from fingerprint.cli.output import colored, folded, print_json, secret, shown, table, warn, write
from fingerprint.observation import Observation
from fingerprint.rules.ssm import in_words
from fingerprint.types import Outlook, Reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.agent.forecast import Forecast
    from fingerprint.cli.parser import Arguments
    from fingerprint.observation import Comparison, StableObservation
    from fingerprint.types import AttributeRow, Verdict

_RULES = {
    Reason.DISABLED: 1,
    Reason.NOTHING_TO_COMPARE: 2,
    Reason.SID_DIFFERS: 3,
    Reason.SAME_IP: 4,
    Reason.SIMILAR: 5,
    Reason.NOT_SIMILAR: 5,
}


def run(arguments: Arguments) -> int:
    seen = _Seen(Observation.take(vault_of(arguments), machine_of(arguments), timeout=arguments.timeout), arguments)
    if arguments.output == "json":
        print_json("check", seen.answer(arguments))
    else:
        _print(seen, arguments)
    return seen.observation.exit_code


def check_answer(observation: Observation, arguments: Arguments) -> dict[str, Any]:
    """Return what a check gives, as JSON has it. Raises as `Observation.required`."""
    return _Seen(observation, arguments).answer(arguments)


class _Seen:
    """What is printed of an observation."""

    def __init__(self, found: Observation, arguments: Arguments) -> None:
        self.observation = found
        self.compared = found.required()
        self.stable, problem = found.stable, found.evidence_problem
        self.changes = _changes(found) if self.stable and not self.compared.unchanged else ()
        self.forecast = found.forecast
        self.notes = _notes(found, self.compared, self.forecast, copied=arguments.root != "/")
        self.notes += [(f"{WOULD_REJECT[0].upper()}{WOULD_REJECT[1:]}.",)] if found.would_reject else []
        self.notes += [(f"The evidence kept for this record cannot be used: {problem}.",)] if problem else []
        self.notes += _stable_notes(found.outcome, self.stable)
        self.notes += [(f"{text}.",) for text in found.notices]

    def answer(self, arguments: Arguments) -> dict[str, Any]:
        found = self.observation
        whole = _answer(self.compared, found.outcome, found.vault.path, arguments)
        of_agent = Outlook.REJECTS if found.would_reject else found.outlook
        whole.update(identity_answer(found.level, of_agent, found.problems))
        whole["noticedAtNextStart"] = found.outlook == Outlook.REJECTS
        whole["regenerated"] = None if found.state.uncertain else found.state.regenerated
        stable = self.stable
        whole["stable"] = None if stable is None else {
            "outcome": str(stable.verdict.outcome), "why": stable.verdict.why, "evidenceAt": stable.taken_at,
        }  # fmt: skip
        whole["forecast"] = _forecast_answer(self.forecast)
        whole["changes"] = [
            {"attributes": list(names), "cause": text, "certain": certain} for names, text, certain in self.changes
        ]
        whole.update(recipe_answer(self.compared.collection, self.compared.change))
        return {**whole, "notes": [" ".join(note) for note in self.notes], "masked": not arguments.reveal}


def _changes(found: Observation) -> tuple[tuple[tuple[str, ...], str, bool], ...]:
    # Imported here: only a difference needs explaining.
    from fingerprint.explanation import explain_observation

    return explain_observation(found).changed


def _forecast_answer(forecast: Forecast | None) -> dict[str, Any] | None:
    if forecast is None:
        return None
    from fingerprint.agent.next_check import answer

    written = None if forecast.record_written is None else utc(forecast.record_written)
    return {"refused": forecast.refused, **answer(forecast.check), "recordWrittenAt": written, "text": forecast.text}


def _when(forecast: Forecast | None) -> str:
    return forecast.check.when if forecast is not None else "at its next check: when it next requests a token"


def _stable_notes(answer: str, stable: StableObservation | None) -> list[tuple[str, ...]]:
    if stable is None:
        return []
    told = str(stable.verdict.outcome)
    if answer == "same" and told == "different":
        text = "By scheme stable this is another machine, which the agent's rules do not notice: a copy?"
    elif answer == "different" and told == "same":
        text = "By scheme stable it is the same machine: the agent will reject this host (false positive)."
    else:
        return []
    return [(text, "fingerprint explain")]


def _answer(compared: Comparison, answer: str, vault: str, arguments: Arguments) -> dict[str, Any]:
    verdict = compared.verdict
    return {
        "verdict": answer,
        "match": verdict.match,
        "reason": str(verdict.reason),
        "rule": _RULES[verdict.reason],
        "explanation": in_words(verdict),
        "score": {"matched": verdict.matched, "total": verdict.total, "percent": round(verdict.percent, 4)},
        "threshold": verdict.threshold,
        "highestPassingThreshold": verdict.highest_passing_threshold,
        "evidence": {"effective": verdict.effective, "matched": verdict.effective_matched},
        "vacuous": verdict.vacuous,
        "conclusive": verdict.conclusive,
        "vault": vault,
        "fingerprint": secret(compared.record.fingerprint, arguments),
        "sidKey": verdict.sid_key,
        "collectedAt": utc(compared.collection.collected_at),
        "attributes": [_row(row, compared, arguments) for row in verdict.rows],
    }


def _row(row: AttributeRow, compared: Comparison, arguments: Arguments) -> dict[str, Any]:
    hidden = row.name == compared.verdict.sid_key
    known = row_of(row.name)
    read = {a.name: a for a in compared.collection}.get(row.name)
    return {
        "name": row.name,
        "saved": secret(row.saved, arguments) if hidden and row.saved else row.saved,
        "current": secret(row.current, arguments) if hidden and row.current else row.current,
        "same": row.same,
        "evidence": row.evidence,
        "status": str(read.status) if read else "absent",
        "reason": read.reason if read else "this host has no such attribute",
        "fault": str(read.fault) if read else "",
        "source": read.source if read else "",
        "tool": read.tool if read else "",
        "caveat": "" if row.same or known is None else known.caveat,
    }


def _print(seen: _Seen, arguments: Arguments) -> None:
    found, compared, stable, changes, notes = seen.observation, seen.compared, seen.stable, seen.changes, seen.notes
    verdict = compared.verdict
    write(colored(*OUTCOME_HEADS[found.outcome], arguments))
    write(f"  {in_words(verdict)}")
    print_recipe(compared.change)
    print_problems(found.problems, arguments)
    write(f"  score      {verdict.matched} of {verdict.total} = {verdict.percent:.1f} %, threshold {verdict.threshold}")
    write(f"  evidence   {_evidence(verdict)}")
    write(f"  would pass {_passing(verdict)}")
    if found.would_reject:
        write("  agent      would reject it, with this record: see below")
    if stable is not None:
        lines = folded(f"{stable.verdict.outcome}: {stable.verdict.why}", 66)
        write(f"  stable     {lines[0]}")
        for line in lines[1:]:
            write(f"             {line}")
    write(f"  vault      {found.vault.path}")
    write()
    rows = [
        (row.name, shown(row.name, row.saved, arguments), shown(row.name, row.current, arguments), _same(row))
        for row in verdict.rows
    ]
    width = max(24, *(len(text) for row in rows for text in row[1:3])) if arguments.reveal else 24
    table(("attribute", "saved", "current", "same"), rows, (15, width, width))
    if changes:
        write()
        for names, text, certain in changes:
            for line in folded(f"{', '.join(names)}: {printable(text)}{'' if certain else ' [inferred]'}", 76):
                write("  " + line)
    else:
        _print_caveats(verdict)
    if notes:
        write()
    for note in notes:
        for line in folded(note[0], 76):
            write("  " + line)
        # A command stays whole, so that it can be copied.
        for command in note[1:]:
            write(f"      {command}")
    for attribute in compared.collection:
        if attribute.unreadable:
            warn(f"{attribute.name}: {attribute.status}: {attribute.reason}")


def _print_caveats(verdict: Verdict) -> None:
    """Tell of each changed attribute what else than another machine changes it."""
    rows = [row for row in map(row_of, verdict.changed) if row]
    if rows:
        write()
        write("  Other causes of these changes than another machine:")
    for row in rows:
        for line in folded(f"{row.name}: {row.caveat}", 74):
            write("    " + line)


def _evidence(verdict: Verdict) -> str:
    return (
        f"{verdict.effective_matched} of {verdict.effective} attributes that both sides know are equal; "
        f"{verdict.total - verdict.effective} say nothing"
    )


def _passing(verdict: Verdict) -> str:
    highest = verdict.highest_passing_threshold
    if highest is None:
        return "only -1 (check disabled)"
    return "every threshold" if highest == 100 else f"1 to {highest}, and -1 (check disabled)"


def _same(row: AttributeRow) -> str:
    if row.unreadable:
        return "unknown"
    if row.same:
        return "yes" if row.evidence else "says nothing" if row.current else "empty"
    return "not counted" if row.current is None else "NO"


def _notes(
    found: Observation, compared: Comparison, forecast: Forecast | None, *, copied: bool
) -> list[tuple[str, ...]]:
    """Return what else to know: each note a text, and behind it the command that it speaks of."""
    verdict, collection = compared.verdict, compared.collection
    notes: list[tuple[str, ...]] = []
    if verdict.threshold == -1:
        notes.append(("The check is disabled: any machine that holds this vault passes, whatever its hardware ID.",))
    elif verdict.vacuous and not copied:
        # What the hardware says is not on a copied disk.
        notes.append(
            (
                "The guard is vacuous: values that say nothing on both sides and the hardware ID reach the threshold "
                "alone, so any machine with this hardware ID passes.",
            )
        )
    for warning in filter(None, (collection.id_warning, doubt_note(collection))):
        notes.append((f"{warning}.",))
    if forecast is not None:
        notes.append((f"Next check of the agent: {forecast.text}.",))
    if found.state.uncertain:
        notes.append((f"Whether the fingerprint was replaced cannot be told: {found.state.uncertain}.",))
    if found.outcome == "cannot-tell" and found.outlook != Outlook.STOPS:
        advice = f" {collection.remedy}." if collection.remedy else ""
        notes.append(
            (
                f"Not counted as another machine: {', '.join(collection.unreadable)} could not be read, "
                f"and equal values there would make it a match.{advice}",
            )
        )
    if found.state.regenerated:
        # What would be at the next check is told of a record that the service knows.
        return notes
    if found.outlook == Outlook.REJECTS:
        notes.append(
            (
                f"The agent notices {_when(forecast)}. It then stores a new fingerprint over this one, and the service "
                "rejects the machine until the fingerprint is restored or the machine is registered again.",
            )
        )
        highest = verdict.highest_passing_threshold
        if highest is not None:
            text = "If this is the same machine, before the agent compares, then restart it:"
            notes.append((text, f"fingerprint threshold set {highest}"))
        elif verdict.reason == Reason.SID_DIFFERS and found.outcome != "same":
            notes.append(("No threshold helps against another hardware ID: restore it, or register again.",))
    elif found.outcome == "same" and verdict.matched < verdict.total and verdict.threshold != -1:
        changed, compares = verdict.changed, f"The agent compares {_when(forecast)}."
        told = f"Changed since the record was made: {', '.join(changed)}. {compares}" if changed else compares
        notes.append((told,))
    return notes
