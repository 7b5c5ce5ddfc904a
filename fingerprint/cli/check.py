"""`fingerprint check`: is this still the machine of the vault, which rule decided, and why."""

from __future__ import annotations

from fingerprint.catalogue import row_of
from fingerprint.cli.outcomes import OUTCOME_EXIT_CODES, OUTCOME_HEADS
from fingerprint.cli.render import colored, folded, print_json, printable, secret, shown, table, warn, write
from fingerprint.cli.sources import machine_of, unread_remedy, vault_of
from fingerprint.engine import check, check_stable, in_words
from fingerprint.errors import FingerprintError, UsageError
from fingerprint.model import Reason, utc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parse import Arguments
    from fingerprint.collect.machine import Machine
    from fingerprint.engine import Observation, StableObservation
    from fingerprint.forecast import Forecast
    from fingerprint.model import AttributeRow, Verdict
    from fingerprint.vault import Vault

_RULES = {
    Reason.DISABLED: 1,
    Reason.NOTHING_TO_COMPARE: 2,
    Reason.SID_DIFFERS: 3,
    Reason.SAME_IP: 4,
    Reason.SIMILAR: 5,
    Reason.NOT_SIMILAR: 5,
}


def run(arguments: Arguments) -> int:
    if arguments.format == "nagios":
        # Imported here: only this needs it.
        from fingerprint.cli.nagios import run as run_as_plugin

        return run_as_plugin(arguments)
    if arguments.warning is not None or arguments.critical is not None:
        raise UsageError("-w and -c are for plug-ins", remedy="Add --format nagios, or leave them out")
    vault = vault_of(arguments)
    seen = _Seen(vault, machine_of(arguments), arguments)
    if arguments.output == "json":
        print_json("check", seen.answer(arguments))
    else:
        _print(seen, arguments)
    return OUTCOME_EXIT_CODES[seen.outcome]


def check_answer(vault: Vault, machine: Machine, arguments: Arguments) -> dict[str, Any]:
    """Return what a check of a machine against a vault gives, as JSON has it."""
    return _Seen(vault, machine, arguments).answer(arguments)


class _Seen:
    """One look at the machine and its vault, and what is known about it."""

    def __init__(self, vault: Vault, machine: Machine, arguments: Arguments) -> None:
        observation = check(vault, machine, timeout=arguments.timeout)
        self.vault = vault.path
        self.observation = observation
        self.outcome = outcome(observation.verdict)
        self.stable, problem = _by_stable(vault, observation, machine, arguments)
        self.changes = _changes(vault, observation, machine, arguments) if self.stable else ()
        self.forecast = _forecast(vault, observation, arguments)
        self.notes = _notes(observation, self.outcome, self.forecast, arguments)
        self.notes += [(f"The evidence kept for this record cannot be used: {problem}.",)] if problem else []
        self.notes += _stable_notes(self.outcome, self.stable)
        self.notes += [(f"{text}.",) for text in (vault.notice, vault.unwatched) if text]

    def answer(self, arguments: Arguments) -> dict[str, Any]:
        whole = _answer(self.observation, self.outcome, self.vault, arguments)
        stable, forecast = self.stable, self.forecast
        whole["stable"] = None if stable is None else {
            "outcome": str(stable.verdict.outcome), "why": stable.verdict.why, "evidenceAt": stable.taken_at,
        }  # fmt: skip
        whole["forecast"] = None if forecast is None else {
            "refused": forecast.refused,
            "agentStartedAt": None if forecast.agent_started is None else utc(forecast.agent_started),
            "recordWrittenAt": None if forecast.record_written is None else utc(forecast.record_written),
            "text": forecast.text,
        }  # fmt: skip
        whole["changes"] = [
            {"attributes": list(names), "cause": text, "certain": certain} for names, text, certain in self.changes
        ]
        return {**whole, "notes": [" ".join(note) for note in self.notes], "masked": not arguments.reveal}


def _by_stable(
    vault: Vault, observation: Observation, machine: Machine, arguments: Arguments
) -> tuple[StableObservation | None, str]:
    """Return the verdict by scheme `stable` if there is evidence, and why what is kept cannot be used."""
    try:
        return check_stable(vault, observation.record, machine, timeout=arguments.timeout), ""
    except FingerprintError as error:
        # The answer of the rules does not hang on it.
        return None, f"{error.where}: {error.what}"


def _changes(
    vault: Vault, observation: Observation, machine: Machine, arguments: Arguments
) -> tuple[tuple[tuple[str, ...], str, bool], ...]:
    if observation.verdict.matched == observation.verdict.total:
        return ()
    # Imported here: only a difference needs explaining.
    from fingerprint.explanation import explain_vault

    return explain_vault(vault, machine, timeout=arguments.timeout).changed


def _forecast(vault: Vault, observation: Observation, arguments: Arguments) -> Forecast | None:
    """Return what the next start of the agent will do; None for a machine that is not running here, or unchanged."""
    unchanged = observation.verdict.matched == observation.verdict.total
    if unchanged or arguments.snapshot is not None or arguments.root != "/":
        return None
    # Imported here: only a difference makes a forecast worth the look at all processes.
    from fingerprint.collect.agent import agent_started
    from fingerprint.forecast import next_start
    from fingerprint.vault import FINGERPRINT_KEY

    return next_start(observation.verdict, agent_started(), vault.written_at(FINGERPRINT_KEY))


def _stable_notes(answer: str, stable: StableObservation | None) -> list[tuple[str, ...]]:
    if stable is None:
        return []
    told = str(stable.verdict.outcome)
    if answer == "same" and told == "different":
        text = "By scheme stable this is another machine, which the agent's rules do not notice: a copy?"
    elif answer == "different" and told == "same":
        text = "By scheme stable it is the same machine: the agent's rules are about to refuse an innocent one."
    else:
        return []
    return [(text, "fingerprint explain")]


def outcome(verdict: Verdict) -> str:
    """Return "same", "different", or "cannot-tell" for a mismatch that unreadable attributes could turn."""
    if verdict.match:
        return "same"
    return "different" if verdict.conclusive else "cannot-tell"


def _answer(observation: Observation, answer: str, vault: str, arguments: Arguments) -> dict[str, Any]:
    verdict = observation.verdict
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
        "noticedAtNextStart": not verdict.match,
        "vault": vault,
        "fingerprint": secret(observation.record.fingerprint, arguments),
        "sidKey": verdict.sid_key,
        "collectedAt": utc(observation.collection.collected_at),
        "attributes": [_row(row, observation, arguments) for row in verdict.rows],
    }


def _row(row: AttributeRow, observation: Observation, arguments: Arguments) -> dict[str, Any]:
    hidden = row.name == observation.verdict.sid_key
    known = row_of(row.name)
    read = {a.name: a for a in observation.collection}.get(row.name)
    return {
        "name": row.name,
        "saved": secret(row.saved, arguments) if hidden and row.saved else row.saved,
        "current": secret(row.current, arguments) if hidden and row.current else row.current,
        "same": row.same,
        "evidence": row.evidence,
        "status": str(read.status) if read else "absent",
        "reason": read.reason if read else "this machine has no such attribute",
        "source": read.source if read else "",
        "tool": read.tool if read else "",
        "caveat": "" if row.same or known is None else known.caveat,
    }


def _print(seen: _Seen, arguments: Arguments) -> None:
    observation, stable, changes, notes = seen.observation, seen.stable, seen.changes, seen.notes
    verdict = observation.verdict
    write(colored(*OUTCOME_HEADS[seen.outcome], arguments))
    write(f"  {in_words(verdict)}")
    write(f"  score      {verdict.matched} of {verdict.total} = {verdict.percent:.1f} %, threshold {verdict.threshold}")
    write(f"  evidence   {_evidence(verdict)}")
    write(f"  would pass {_passing(verdict)}")
    if stable is not None:
        lines = folded(f"{stable.verdict.outcome}: {stable.verdict.why}", 66)
        write(f"  stable     {lines[0]}")
        for line in lines[1:]:
            write(f"             {line}")
    write(f"  vault      {seen.vault}")
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
    for attribute in observation.collection:
        if attribute.unreadable:
            warn(f"{attribute.name}: {attribute.status}: {attribute.reason}")


def _print_caveats(verdict: Verdict) -> None:
    """Tell of each changed attribute what else than another machine changes it."""
    changed = [row.name for row in verdict.rows if row.current is not None and not row.same]
    rows = [row for row in map(row_of, changed) if row]
    if rows:
        write()
        write("  What else than another machine changes these:")
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
        return "yes" if row.evidence else "empty"
    return "not counted" if row.current is None else "NO"


def _notes(
    observation: Observation, answer: str, forecast: Forecast | None, arguments: Arguments
) -> list[tuple[str, ...]]:
    """Return what else to know: each note a text, and behind it the command that it speaks of."""
    verdict = observation.verdict
    notes: list[tuple[str, ...]] = []
    if verdict.threshold == -1:
        notes.append(("The check is disabled: any machine that holds this vault passes, whatever its hardware ID.",))
    elif verdict.vacuous:
        notes.append(
            (
                "The guard is vacuous: values that are empty on both sides and the hardware ID reach the threshold "
                "alone, so any machine with this hardware ID passes.",
            )
        )
    if forecast is not None:
        notes.append((f"Next start of the agent: {forecast.text}.",))
    if answer == "cannot-tell":
        notes.append(
            (
                f"Not counted as another machine: {', '.join(observation.collection.unreadable)} could not be read, "
                f"and equal values there would make it a match. {unread_remedy(observation.collection, arguments)}.",
            )
        )
    if answer == "different":
        notes.append(
            (
                "The agent notices only at its next start. It then stores a new fingerprint over this one, and the "
                "service refuses the machine until it is registered again.",
            )
        )
        highest = verdict.highest_passing_threshold
        if highest is not None:
            text = "If this is the same machine, before the agent restarts:"
            notes.append((text, f"fingerprint threshold set {highest}"))
        elif verdict.reason == Reason.SID_DIFFERS:
            notes.append(("No threshold helps against another hardware ID: restore it, or register again.",))
    elif answer == "same" and verdict.matched < verdict.total and verdict.threshold != -1:
        changed = [row.name for row in verdict.rows if row.current is not None and not row.same]
        notes.append((f"Changed since the record was made: {', '.join(changed)}. The agent looks at its next start.",))
    return notes
