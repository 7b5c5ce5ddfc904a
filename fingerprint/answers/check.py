"""The answer of `check`, and the notes that its text has, too."""

from __future__ import annotations

from fingerprint._io.times import utc
from fingerprint.agent.outlook import WOULD_REJECT
from fingerprint.answers import identity_members, next_check_members, recipe_members, score_members, secret
from fingerprint.attributes.ssm import row_of
from fingerprint.rules.ssm import in_words
from fingerprint.types import Outlook, Reason
from fingerprint.vault.evidence import OF_A_MATCH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.agent.forecast import Forecast
    from fingerprint.machine.base import Machine
    from fingerprint.observation import Comparison, Observation, StableObservation
    from fingerprint.types import AttributeRow, Collection, Verdict

# So many attributes without evidence as a machine without SMBIOS hardware has.
_FEW = 4
_RULES = {
    Reason.DISABLED: 1,
    Reason.NOTHING_TO_COMPARE: 2,
    Reason.SID_DIFFERS: 3,
    Reason.SAME_IP: 4,
    Reason.SIMILAR: 5,
    Reason.NOT_SIMILAR: 5,
}


def check_answer(found: Observation, *, reveal: bool) -> dict[str, Any]:
    """Return the verdict on a machine, what decided it, and what to know beside it.

    Args:
        found: the machine and its vault.
        reveal: whether identifiers are given in full.

    Raises:
        FingerprintError: there is no verdict, as `Observation.required` raises it.
    """
    compared = found.required()
    verdict, stable = compared.verdict, found.stable
    changes = check_changes(found)
    notes = check_notes(found)
    return {
        "verdict": found.outcome,
        "match": verdict.match,
        "reason": str(verdict.reason),
        "rule": _RULES[verdict.reason],
        "explanation": in_words(verdict),
        "score": score_members(verdict),
        "threshold": verdict.threshold,
        "highestPassingThreshold": verdict.highest_passing_threshold,
        "evidence": {"effective": verdict.effective, "matched": verdict.effective_matched},
        "vacuous": verdict.vacuous,
        "conclusive": verdict.conclusive,
        "vault": found.vault.path,
        "fingerprint": secret(compared.record.fingerprint, reveal=reveal),
        "sidKey": verdict.sid_key,
        "collectedAt": utc(compared.collection.collected_at),
        "attributes": [_row(row, compared, reveal) for row in verdict.rows],
        **identity_members(found.level, Outlook.REJECTS if found.would_reject else found.outlook, found.problems),
        "noticedAtNextStart": found.outlook == Outlook.REJECTS,
        "regenerated": None if found.state.uncertain else found.state.regenerated,
        "stable": None if stable is None else {
            "outcome": str(stable.verdict.outcome), "why": stable.verdict.why, "evidenceAt": stable.taken_at,
        },
        "forecast": _forecast(found.forecast),
        "changes": [{"attributes": list(names), "cause": text, "certain": certain} for names, text, certain in changes],
        **recipe_members(compared.collection, compared.change),
        "notes": [" ".join(note) for note in notes],
        "masked": not reveal,
    }  # fmt: skip


def check_changes(found: Observation) -> tuple[tuple[tuple[str, ...], str, bool], ...]:
    """Return what changed by the evidence: attributes, cause, and whether that is certain; () without evidence."""
    if not found.stable or found.required().unchanged:
        return ()
    # Imported here: only a difference needs explaining.
    from fingerprint.explanation import explain_observation

    return explain_observation(found).changed


def check_notes(found: Observation) -> list[tuple[str, ...]]:
    """Return what else to know: each note a text, and after it the command that it names."""
    compared, problem = found.required(), found.evidence_problem
    notes = _notes(found, compared, found.forecast)
    notes += [(f"{WOULD_REJECT[0].upper()}{WOULD_REJECT[1:]}.",)] if found.would_reject else []
    notes += [(f"The evidence kept for this record cannot be used: {problem}.",)] if problem else []
    notes += _stable_notes(found.outcome, found.stable)
    notes += [(f"{text}.",) for text in found.notices]
    return notes


def _row(row: AttributeRow, compared: Comparison, reveal: bool) -> dict[str, Any]:
    hidden = row.name == compared.verdict.sid_key
    known = row_of(row.name)
    read = {a.name: a for a in compared.collection}.get(row.name)
    return {
        "name": row.name,
        "saved": secret(row.saved, reveal=reveal) if hidden and row.saved else row.saved,
        "current": secret(row.current, reveal=reveal) if hidden and row.current else row.current,
        "same": row.same,
        "evidence": row.evidence,
        "status": str(read.status) if read else "absent",
        "reason": read.reason if read else "this host has no such attribute",
        "fault": str(read.fault) if read else "",
        "source": read.source if read else "",
        "tool": read.tool if read else "",
        "caveat": "" if row.same or known is None else known.caveat,
    }


def _forecast(forecast: Forecast | None) -> dict[str, Any] | None:
    if forecast is None:
        return None
    written = None if forecast.record_written is None else utc(forecast.record_written)
    return {
        "refused": forecast.refused, **next_check_members(forecast.check), "recordWrittenAt": written,
        "text": forecast.text,
    }  # fmt: skip


def _notes(found: Observation, compared: Comparison, forecast: Forecast | None) -> list[tuple[str, ...]]:
    verdict, collection = compared.verdict, compared.collection
    notes: list[tuple[str, ...]] = []
    if verdict.threshold == -1:
        notes.append(("The check is disabled: any machine that holds this vault passes, whatever its hardware ID.",))
    elif not found.machine.copied:
        # A copied disk does not hold the hardware's answers.
        notes += _weak(found.machine, verdict, collection)
    for warning in filter(None, (collection.id_warning, collection.doubt_warning)):
        notes.append((f"{warning}.",))
    if forecast is not None:
        notes.append((f"Next check of the agent: {forecast.text}.",))
    if found.state.uncertain:
        notes.append((f"It is not known whether the fingerprint was replaced: {found.state.uncertain}.",))
    if found.outcome == "cannot-tell" and found.outlook != Outlook.STOPS:
        advice = f" {collection.remedy}." if collection.remedy else ""
        notes.append(
            (
                f"Not counted as another machine: {', '.join(collection.unreadable)} could not be read, "
                f"and equal values there would make it a match.{advice}",
            )
        )
    if found.state.regenerated:
        # A record that the service does not know has no next check to wait for.
        return notes
    if found.outlook == Outlook.REJECTS:
        notes.append(
            (
                f"The agent notices {_when(forecast)}. It then stores a new fingerprint over this one, and the service "
                "rejects the machine until the fingerprint is restored or the machine is registered again.",
            )
        )
        highest, repairs = verdict.highest_passing_threshold, _repairs(found.outcome, collection)
        if repairs:
            notes += repairs
        elif highest is not None:
            text = "If this is the same machine, before the agent compares, then restart it:"
            notes.append((text, f"fingerprint threshold set {highest}"))
        elif verdict.reason == Reason.SID_DIFFERS and found.outcome == "different":
            notes.append(("No threshold helps against another hardware ID: restore it, or register again.",))
    elif found.outcome == "same" and verdict.matched < verdict.total and verdict.threshold != -1:
        changed, compares = verdict.changed, f"The agent compares {_when(forecast)}."
        notes.append((f"Changed since the record was made: {', '.join(changed)}. {compares}" if changed else compares,))
    return notes


def _weak(machine: Machine, verdict: Verdict, collection: Collection) -> list[tuple[str, ...]]:
    """Return what the check cannot tell on a machine with few attributes, and which threshold helps."""
    if verdict.total - verdict.effective < _FEW and not verdict.vacuous:
        return []
    # Imported here: most machines have hardware values.
    from fingerprint.agent.copies import limits_of

    limits = limits_of(machine, verdict, collection.only_here)
    text = (
        "Weak check: attributes that carry no evidence and the hardware ID alone reach the threshold, so any host with "
        "this hardware ID passes."
    )
    notes: list[tuple[str, ...]] = [(text,)] if verdict.vacuous else []
    if limits is not None:
        notes.append((f"{limits.text[0].upper()}{limits.text[1:]}.",))
        if limits.advice:
            notes.append((f"{limits.advice}:", limits.command) if limits.command else (f"{limits.advice}.",))
    return notes


def _repairs(outcome: str, collection: Collection) -> list[tuple[str, ...]]:
    """Return how to repair sources that fail for the agent, too, and decide the verdict; [] for none."""
    # Imported here: it is not needed where everything can be read.
    from fingerprint.collectors.repairs import repairs_of, update_without_wmic

    steps = update_without_wmic(collection) or (repairs_of(collection) if outcome == "cannot-tell" else ())
    return [(f"{one.text}:", one.command) if one.command else (f"{one.text}.",) for one in steps]


def _when(forecast: Forecast | None) -> str:
    return forecast.check.when if forecast is not None else "at its next check: when it next requests a token"


def _stable_notes(outcome: str, stable: StableObservation | None) -> list[tuple[str, ...]]:
    if stable is None:
        return []
    by_stable = str(stable.verdict.outcome)
    notes: list[tuple[str, ...]] = []
    if stable.of_match:
        notes.append((f"{OF_A_MATCH[0].upper()}{OF_A_MATCH[1:]}: scheme stable compares with the machine of then.",))
    if outcome == "same" and by_stable == "different":
        text = "By scheme stable this is another machine, which the agent's rules do not notice: a copy?"
    elif outcome == "different" and by_stable == "same":
        text = "By scheme stable it is the same machine: the agent will reject this host (false positive)."
    else:
        return notes
    return [*notes, (text, "fingerprint explain")]
